/* SPDX-License-Identifier: BSD-2-Clause */
/* Namespaces in XML 1.0 for the parser: which prefix stands for what, where, and which may not be
 * declared. Comes in: declarations and prefixes as tags have them. Goes out: URIs, or why the
 * stream is bad. Bindings of elements are chained in the event's arena, those of the header are one
 * block that lives as long as the stream. Looking up is a walk along the chain; a peer that makes
 * it long is stopped by its length. */
#include <stdlib.h>
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/xml_int.h"

enum {
	WORK_MAX = 1 << 20, /* bindings looked at for one event */
	PAIRWISE_MAX = 16,  /* attributes compared each with each; more are sorted */
};

#define NS_XMLNS "http://www.w3.org/2000/xmlns/"

static enum xml_result bad_prefix(struct xml *x)
{
	return xml_refuse(x, STREAM_ERROR_BAD_NAMESPACE_PREFIX, "xml.prefix");
}

static bool is_binding(const struct xml_binding *b, struct span prefix)
{
	return b->prefix_len == prefix.len && memcmp(b->prefix, prefix.ptr, prefix.len) == 0;
}

/* Namespaces in XML 3, 5 (reserved names; no prefix is undeclared). */
static bool may_declare(const char *prefix, const char *uri)
{
	bool is_xml = prefix && strcmp(prefix, "xml") == 0;

	if (prefix && (!*uri || strcmp(prefix, "xmlns") == 0))
		return false;
	/* write.c says stream: and means the stream's namespace (RFC 6120 4.8.5). */
	if (prefix && strcmp(prefix, "stream") == 0 && strcmp(uri, NS_STREAM) != 0)
		return false;
	return is_xml == (strcmp(uri, NS_XML) == 0) && strcmp(uri, NS_XMLNS) != 0;
}

enum xml_result xml_declare(struct xml *x, const struct xml_binding *before,
	struct xml_binding *slot, const char *prefix, const char *uri)
{
	if (!may_declare(prefix, uri))
		return bad_prefix(x);
	if (!prefix) {
		x->default_ns = uri;
		return XML_AGAIN;
	}
	*slot = (struct xml_binding){ x->bindings, prefix, uri, strlen(prefix) };
	for (const struct xml_binding *b = x->bindings; b != before; b = b->next)
		if (is_binding(b, (struct span){ prefix, slot->prefix_len }))
			return xml_not_well_formed(x); /* one attribute twice */
	x->bindings = slot;
	return XML_AGAIN;
}

enum xml_result xml_resolve(struct xml *x, struct span prefix, const char **uri)
{
	if (span_is(prefix, "xml")) {
		*uri = NS_XML;
		return XML_AGAIN;
	}
	for (const struct xml_binding *b = x->bindings; b; b = b->next) {
		if (++x->work > WORK_MAX)
			return xml_refuse(x, STREAM_ERROR_POLICY_VIOLATION, "limit.namespaces");
		if (is_binding(b, prefix)) {
			*uri = b->uri;
			return XML_AGAIN;
		}
	}
	return bad_prefix(x);
}

static int by_name(const void *a, const void *b)
{
	const struct xml_attr *one = *(const struct xml_attr *const *)a,
			      *other = *(const struct xml_attr *const *)b;
	int order = strcmp(one->name, other->name);

	return order ? order : strcmp(one->ns, other->ns);
}

static enum xml_result check_sorted(struct xml *x, const struct xml_element *e, unsigned n)
{
	const struct xml_attr **sorted = xml_alloc(x, n * sizeof *sorted);
	unsigned i = 0;

	if (!sorted)
		return xml_no_memory(x);
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		sorted[i++] = a;
	qsort(sorted, n, sizeof *sorted, by_name);
	for (i = 1; i < n; i++)
		if (by_name(&sorted[i - 1], &sorted[i]) == 0)
			return xml_not_well_formed(x);
	return XML_AGAIN;
}

enum xml_result xml_check_twice(struct xml *x, const struct xml_element *e, unsigned n)
{
	if (n > PAIRWISE_MAX)
		return check_sorted(x, e, n);
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		for (const struct xml_attr *b = a->next; b; b = b->next)
			if (string_equal(a->name, b->name) && string_equal(a->ns, b->ns))
				return xml_not_well_formed(x);
	return XML_AGAIN;
}

/* ---- the header's ---- */

static const char *text_keep(char **at, const char *text, size_t len)
{
	char *copy = *at;

	memcpy(copy, text, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

enum xml_result xml_scope_keep(struct xml *x, struct span name)
{
	size_t n = 0, size = sizeof(struct xml_scope) + name.len + 1 + strlen(x->default_ns) + 1;
	struct xml_scope *scope;
	struct xml_binding *slot;
	char *at;

	for (const struct xml_binding *b = x->bindings; b; b = b->next, n++)
		size += sizeof *b + b->prefix_len + 1 + strlen(b->uri) + 1;
	if (!(scope = malloc(size)))
		return XML_MEMORY;
	slot = (struct xml_binding *)(scope + 1);
	at = (char *)(slot + n);
	*scope = (struct xml_scope){ .bindings = n ? slot : NULL, .size = size };
	scope->default_ns = text_keep(&at, x->default_ns, strlen(x->default_ns));
	scope->name = (struct span){ text_keep(&at, name.ptr, name.len), name.len };
	scope->dialback = strcmp(scope->default_ns, NS_DIALBACK) == 0;
	for (const struct xml_binding *b = x->bindings; b; b = b->next, slot++) {
		*slot = (struct xml_binding){ .next = b->next ? slot + 1 : NULL,
			.prefix = text_keep(&at, b->prefix, b->prefix_len),
			.uri = text_keep(&at, b->uri, strlen(b->uri)),
			.prefix_len = b->prefix_len };
		if (strcmp(slot->uri, NS_DIALBACK) == 0)
			scope->dialback = true;
	}
	x->scope = scope;
	return XML_HEADER;
}

const char *xml_content_ns(const struct xml *x)
{
	return x->scope ? x->scope->default_ns : "";
}

bool xml_has_dialback(const struct xml *x)
{
	return x->scope && x->scope->dialback;
}

size_t xml_memory(const struct xml *x)
{
	return x->scope ? x->scope->size : 0;
}
