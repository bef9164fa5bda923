/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the parser share: xml.c reads, xml_tag.c makes elements of tags, xml_names.c
 * knows the namespaces, xml_text.c decodes. */
#pragma once

#include "base/span.h"
#include "xmpp/xml.h"

enum xml_state {
	S_START, /* nothing of the stream yet but its declaration: '<' or white space */
	S_TOP,   /* between first-level elements */
	S_TEXT,  /* character data inside an element, or the '<' behind it */
	S_CDATA, /* inside <![CDATA[ */
	/* from here on inside a tag */
	S_NAME,  /* in a start tag's name */
	S_TAG,   /* in a start tag, behind its name or a value */
	S_ATTR,  /* in an attribute's name */
	S_EQUAL, /* behind it, before '=' */
	S_QUOTE, /* behind '=', before the quote */
	S_VALUE, /* in an attribute's value */
	S_END,   /* behind "</" */
};

struct xml_binding {
	const struct xml_binding *next; /* declared before */
	const char *prefix, *uri;
	size_t prefix_len;
};

struct xml_scope {
	const struct xml_binding *bindings;
	const char *default_ns;
	struct span name; /* of the header as written, for the end tag */
	bool dialback;
	size_t size;
};

struct xml_place {
	struct xml_node node; /* in its parent */
	struct xml_element element;
	struct xml_place *up;
	/* In scope around it. */
	const struct xml_binding *bindings;
	const char *default_ns;
	size_t name, name_len; /* as written, for the end tag: in the event's bytes */
};

struct xml_mark {
	uint32_t name, name_len;
	uint32_t colon; /* 0: none */
	uint32_t value, value_len;
	bool odd;          /* the value has references or white space other than ' ' */
	bool is_namespace; /* xmlns or xmlns:prefix */
};

static inline uint8_t xml_byte(const struct xml *x, size_t i)
{
	return (uint8_t)x->bytes[i];
}

/* XML_BAD with this error; for the second not-well-formed, for the third policy-violation. */
enum xml_result xml_refuse(struct xml *x, enum stream_error error, const char *reason);
enum xml_result xml_not_well_formed(struct xml *x);
enum xml_result xml_over(struct xml *x, const char *reason);
/* The byte at i may not stand where it stands; MORE if it takes more bytes to say why. */
enum xml_result xml_bad_byte(struct xml *x, size_t i);
/* A tag begins or ends: how far may be read now (x->end). */
void xml_window_set(struct xml *x);
/* Memory for this event; on NULL xml_no_memory says what to return. */
void *xml_alloc(struct xml *x, size_t len);
enum xml_result xml_no_memory(struct xml *x);

/* xml_content.c: steps go on from x->at and move it. XML_AGAIN: the state has changed, take the
 * next step; MORE: all is read up to x->end, or up to something short that does not end before it.
 */
enum xml_result xml_scan_text(struct xml *x);
enum xml_result xml_scan_cdata(struct xml *x);
/* '<' is at x->at. */
enum xml_result xml_scan_markup(struct xml *x);
/* The reference at i, in text or in a value: AGAIN and its length. */
enum xml_result xml_scan_reference(struct xml *x, size_t i, size_t end, bool in_text, int *len);
/* A byte of text or of a value that is neither plain nor markup: *i goes behind it, or behind the
 * run of characters above U+007F that it begins. */
enum xml_result xml_scan_odd(struct xml *x, size_t *i, size_t end);

/* xml_tag.c: steps. */
enum xml_result xml_scan_name(struct xml *x);
enum xml_result xml_scan_tag(struct xml *x);
enum xml_result xml_scan_attribute(struct xml *x);
enum xml_result xml_scan_equal(struct xml *x);
enum xml_result xml_scan_value(struct xml *x);
enum xml_result xml_scan_end(struct xml *x);

/* xml_decl.c: a step: "<?" are the event's first bytes. RFC 6120 11.5, 11.6: version 1.0, UTF-8. */
enum xml_result xml_scan_declaration(struct xml *x);

/* xml_element.c: the start tag read into x->marks, whose end (the '>' or "/>") is at x->at, becomes
 * an element: XML_AGAIN or why not. */
enum xml_result xml_element_take(struct xml *x, bool empty);

/* xml_names.c */
/* prefix="uri" (prefix NULL: the default namespace) is declared on the tag that began with before
 * in scope; slot is memory for it. */
enum xml_result xml_declare(struct xml *x, const struct xml_binding *before,
	struct xml_binding *slot, const char *prefix, const char *uri);
/* What the prefix stands for. */
enum xml_result xml_resolve(struct xml *x, struct span prefix, const char **uri);
/* No two attributes of e have one name (Namespaces in XML 6.3). n: how many there are. */
enum xml_result xml_check_twice(struct xml *x, const struct xml_element *e, unsigned n);
/* The header's tag has been taken: what is in scope stays for the stream. */
enum xml_result xml_scope_keep(struct xml *x, struct span name);

/* xml_text.c: both write at most len bytes and return how many; to may be from. What they get has
 * been checked. */
size_t xml_text_decode(char *to, const char *from, size_t len);
size_t xml_value_decode(char *to, const char *from, size_t len);
