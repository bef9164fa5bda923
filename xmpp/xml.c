/* SPDX-License-Identifier: BSD-2-Clause */
/* Second to see a peer's bytes: complete, UTF-8 and free of restricted XML by frame.c's word. Comes
 * in: the stream header once, then one whole first-level element a call. Goes out: a tree in the
 * caller's arena with names expanded. Expat's callbacks end here, and never call back into the
 * parser: a refusal is a flag read when the call returns (the element is bounded, so running on
 * costs little). */
#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/xml.h"

enum {
	SEPARATOR = '\x01', /* no XML character, so no namespace can contain it (CVE-2022-25236) */
	TEXT_MAX = 16 * 1024 * 1024,
	NS_CACHE = 8
};

struct xml {
	XML_Parser parser;
	struct arena *arena;
	struct xml_element *root, *open; /* of the element being built */
	unsigned level;                  /* elements open, the stream included */
	unsigned depth, elements, ended; /* ended: first-level elements completed in this call */
	struct buf text;                 /* character data not yet a node */
	const char *content_ns;
	bool dialback, in_header, no_memory;
	enum stream_error error;
	const char *reason;
	const char
		*ns_cache[NS_CACHE]; /* URIs already in the arena, so that attributes share them */
	unsigned ns_next;
};

static void refuse(struct xml *x, enum stream_error error, const char *reason)
{
	if (x->reason)
		return;
	x->error = error;
	x->reason = reason;
}

static const char *keep(struct xml *x, const char *text, size_t len)
{
	const char *copy = arena_strndup(x->arena, text, len);

	if (!copy)
		x->no_memory = true;
	return copy ? copy : "";
}

static const char *keep_ns(struct xml *x, const char *uri, size_t len)
{
	for (unsigned i = 0; i < NS_CACHE; i++)
		if (x->ns_cache[i] && strlen(x->ns_cache[i]) == len &&
			memcmp(x->ns_cache[i], uri, len) == 0)
			return x->ns_cache[i];
	return x->ns_cache[x->ns_next++ % NS_CACHE] = keep(x, uri, len);
}

/* Expat's triplet "uri SEP local SEP prefix", "uri SEP local" or "local". */
static void split_name(
	struct xml *x, const char *triplet, const char **ns, const char **name, const char **prefix)
{
	const char *first = strchr(triplet, SEPARATOR), *second;

	*ns = *prefix = "";
	if (!first) {
		*name = keep(x, triplet, strlen(triplet));
		return;
	}
	*ns = keep_ns(x, triplet, (size_t)(first - triplet));
	second = strchr(++first, SEPARATOR);
	*name = keep(x, first, second ? (size_t)(second - first) : strlen(first));
	if (second && second[1])
		*prefix = keep(x, second + 1, strlen(second + 1));
}

static void flush_text(struct xml *x)
{
	if (buf_len(&x->text) == 0 || !x->open)
		return;
	if (element_add_text(x->arena, x->open, buf_ptr(&x->text), buf_len(&x->text)) < 0)
		x->no_memory = true;
	buf_clear(&x->text);
}

static struct xml_attr *make_attributes(struct xml *x, const char **pairs)
{
	struct xml_attr *first = NULL, **at = &first;

	for (; pairs[0] && !x->no_memory; pairs += 2) {
		struct xml_attr *a = arena_zalloc(x->arena, sizeof *a);

		if (!a) {
			x->no_memory = true;
			break;
		}
		split_name(x, pairs[0], &a->ns, &a->name, &a->prefix);
		a->len = strlen(pairs[1]);
		a->value = keep(x, pairs[1], a->len);
		*at = a;
		at = &a->next;
	}
	return first;
}

static void on_start(void *arg, const char *name, const char **pairs)
{
	struct xml *x = arg;

	x->level++;
	if (x->no_memory || x->reason)
		return;
	flush_text(x);
	struct xml_element *e = arena_zalloc(x->arena, sizeof *e);
	if (!e) {
		x->no_memory = true;
		return;
	}
	split_name(x, name, &e->ns, &e->name, &e->prefix);
	e->attrs = make_attributes(x, pairs);
	e->depth = 1;
	x->elements++;
	if (x->open) {
		if (element_add(x->arena, x->open, e) < 0)
			x->no_memory = true;
	} else if (x->root) {
		refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.disagree");
	} else {
		x->root = e;
	}
	x->depth = e->depth > x->depth ? e->depth : x->depth;
	x->open = e;
}

static void on_end(void *arg, const char *name)
{
	struct xml *x = arg;

	(void)name;
	x->level--;
	if (x->level == 1)
		x->ended++;
	if (x->no_memory || x->reason || !x->open)
		return;
	flush_text(x);
	x->open = x->open->parent;
}

static void on_text(void *arg, const char *text, int len)
{
	struct xml *x = arg;

	if (!x->open || x->no_memory || x->reason)
		return;
	if (buf_put(&x->text, text, (size_t)len) < 0)
		x->no_memory = true;
}

static void on_namespace(void *arg, const char *prefix, const char *uri)
{
	struct xml *x = arg;

	/* write.c says stream: and means the stream's namespace (RFC 6120 4.8.5). */
	if (prefix && strcmp(prefix, "stream") == 0 && (!uri || strcmp(uri, NS_STREAM) != 0))
		refuse(x, STREAM_ERROR_BAD_NAMESPACE_PREFIX, "xml.prefix");
	if (!x->in_header || x->no_memory)
		return;
	if (uri && strcmp(uri, NS_DIALBACK) == 0)
		x->dialback = true;
	if (!prefix)
		x->content_ns = keep(x, uri ? uri : "", uri ? strlen(uri) : 0);
}

/* What follows frame.c has refused already; should it ever let one by, expat tells. */
static void on_doctype(
	void *arg, const char *name, const char *system, const char *public, int subset)
{
	(void)name;
	(void)system;
	(void)public;
	(void)subset;
	refuse(arg, STREAM_ERROR_RESTRICTED_XML, "xml.doctype");
}

static void on_entity(void *arg, const char *name, int parameter, const char *value, int len,
	const char *base, const char *system, const char *public, const char *notation)
{
	(void)name;
	(void)parameter;
	(void)value;
	(void)len;
	(void)base;
	(void)system;
	(void)public;
	(void)notation;
	refuse(arg, STREAM_ERROR_RESTRICTED_XML, "xml.entity");
}

static void on_instruction(void *arg, const char *target, const char *data)
{
	(void)target;
	(void)data;
	refuse(arg, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
}

static void on_comment(void *arg, const char *data)
{
	(void)data;
	refuse(arg, STREAM_ERROR_RESTRICTED_XML, "xml.comment");
}

struct xml *xml_new(void)
{
	struct xml *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	buf_init(&x->text, TEXT_MAX);
	x->parser = XML_ParserCreateNS("UTF-8", SEPARATOR);
	if (!x->parser) {
		free(x);
		return NULL;
	}
	XML_SetUserData(x->parser, x);
	XML_SetReturnNSTriplet(x->parser, XML_TRUE);
	XML_SetElementHandler(x->parser, on_start, on_end);
	XML_SetCharacterDataHandler(x->parser, on_text);
	XML_SetStartNamespaceDeclHandler(x->parser, on_namespace);
	XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
	XML_SetEntityDeclHandler(x->parser, on_entity);
	XML_SetProcessingInstructionHandler(x->parser, on_instruction);
	XML_SetCommentHandler(x->parser, on_comment);
#ifdef HAVE_EXPAT_REPARSE_DEFERRAL
	XML_SetReparseDeferralEnabled(x->parser, XML_FALSE);
#endif
	return x;
}

void xml_free(struct xml *x)
{
	if (!x)
		return;
	XML_ParserFree(x->parser);
	buf_fini(&x->text);
	free(x);
}

static void refuse_expat(struct xml *x)
{
	switch (XML_GetErrorCode(x->parser)) {
	case XML_ERROR_NO_MEMORY:
		x->no_memory = true;
		break;
	case XML_ERROR_UNBOUND_PREFIX:
	case XML_ERROR_RESERVED_PREFIX_XML:
	case XML_ERROR_RESERVED_PREFIX_XMLNS:
	case XML_ERROR_RESERVED_NAMESPACE_URI:
	case XML_ERROR_UNDECLARING_PREFIX:
		refuse(x, STREAM_ERROR_BAD_NAMESPACE_PREFIX, "xml.prefix");
		break;
	case XML_ERROR_UNDEFINED_ENTITY:
		refuse(x, STREAM_ERROR_RESTRICTED_XML, "xml.entity");
		break;
	default:
		refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.not-well-formed");
	}
}

static int feed(struct xml *x, struct span bytes, struct arena *arena)
{
	x->arena = arena;
	x->root = x->open = NULL;
	x->depth = x->elements = x->ended = 0;
	x->error = STREAM_ERROR_NONE;
	x->reason = NULL;
	x->no_memory = false;
	memset(x->ns_cache, 0, sizeof x->ns_cache);
	buf_clear(&x->text);
	if (XML_Parse(x->parser, bytes.ptr, (int)bytes.len, 0) != XML_STATUS_OK)
		refuse_expat(x);
	if (!x->no_memory)
		return 0;
	if (!arena || arena->max == 0 || arena->used < arena->max / 2)
		return -ENOMEM;
	refuse(x, STREAM_ERROR_POLICY_VIOLATION,
		"limit.memory"); /* the arena's ceiling, not the machine's */
	return 0;
}

int xml_open(struct xml *x, struct span bytes, struct arena *arena, struct xml_root *out)
{
	x->content_ns = "";
	x->in_header = true;
	int r = feed(x, bytes, arena);

	x->in_header = false;
	*out = (struct xml_root){ 0 };
	if (r < 0)
		return r;
	if (!x->reason && (!x->root || x->level != 1))
		refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.disagree");
	if (!x->reason)
		*out = (struct xml_root){ x->root, x->content_ns, x->dialback };
	return 0;
}

int xml_element(struct xml *x, struct span bytes, struct arena *arena, struct xml_tree *out)
{
	int r = feed(x, bytes, arena);

	*out = (struct xml_tree){ 0 };
	if (r < 0)
		return r;
	if (!x->reason && (!x->root || x->level != 1 || x->ended != 1))
		refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.disagree");
	if (!x->reason)
		*out = (struct xml_tree){ x->root, x->depth, x->elements };
	return 0;
}

bool xml_close(struct xml *x, struct span bytes)
{
	if (feed(x, bytes, NULL) < 0)
		return false;
	if (!x->reason && x->level != 0)
		refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.disagree");
	return x->reason == NULL;
}

enum stream_error xml_refusal(const struct xml *x, const char **reason)
{
	*reason = x->reason ? x->reason : "xml.not-well-formed";
	return x->reason ? x->error : STREAM_ERROR_NOT_WELL_FORMED;
}
