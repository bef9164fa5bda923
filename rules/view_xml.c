/* SPDX-License-Identifier: BSD-2-Clause */
/* What a view reads off the element tree: payload names, files offered, kinds of encryption, and
 * the values at a path that a rule wrote itself. In comes the stanza, out go spans in the judge's
 * arena. Walks are bounded by the stream's own limits on depth and elements. */
#include "rules/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "rules/ibb.h"
#include "xmpp/carriers.h"
#include "xmpp/ns.h"

static void spans_add(struct subject_view *v, struct view_spans *list, struct span item)
{
	if (list->n == list->cap) {
		unsigned cap = list->cap ? list->cap * 2 : 8;
		struct span *grown = arena_alloc(v->arena, cap * sizeof(*grown));
		if (!grown) {
			v->error = -ENOMEM;
			return;
		}
		if (list->n)
			memcpy(grown, list->items, list->n * sizeof(*grown));
		list->items = grown;
		list->cap = cap;
	}
	list->items[list->n++] = item;
}

static struct span clark_name(struct subject_view *v, const struct xml_element *e)
{
	size_t n_ns = strlen(e->ns), n_name = strlen(e->name);
	char *text = arena_alloc(v->arena, n_ns + n_name + 3);

	if (!text) {
		v->error = -ENOMEM;
		return (struct span){ "", 0 };
	}
	text[0] = '{';
	memcpy(text + 1, e->ns, n_ns);
	text[n_ns + 1] = '}';
	memcpy(text + n_ns + 2, e->name, n_name + 1);
	return (struct span){ text, n_ns + n_name + 2 };
}

/* ---- payload ---- */

static bool visit_payload(void *arg, const struct xml_element *message, unsigned level)
{
	struct subject_view *v = arg;

	(void)level;
	for (const struct xml_node *n = message->children; n; n = n->next) {
		if (!n->element)
			continue;
		spans_add(v, &v->payload, clark_name(v, n->element));
		spans_add(v, &v->payload_ns, span_of(n->element->ns));
	}
	return !v->error;
}

const struct view_spans *view_payload(struct subject_view *v)
{
	if (!v->ready.payload) {
		v->ready.payload = true;
		v->payload = v->payload_ns = (struct view_spans){ NULL, 0, 0 };
		if (v->root)
			carriers_each_message(v->s->stanza, visit_payload, v);
	}
	return &v->payload;
}

static bool is_recipient(const struct xml_element *e)
{
	const char *type = element_attr(e, "type"), *delivered = element_attr(e, "delivered");

	return strcmp(e->ns, NS_ADDRESS) == 0 && strcmp(e->name, "address") == 0 && type &&
	       (strcmp(type, "to") == 0 || strcmp(type, "cc") == 0 || strcmp(type, "bcc") == 0) &&
	       !(delivered && (strcmp(delivered, "true") == 0 || strcmp(delivered, "1") == 0));
}

const struct view_spans *view_recipients(struct subject_view *v)
{
	const struct xml_element *block;
	const char *jid;

	if (v->ready.recipients)
		return &v->recipients;
	v->ready.recipients = true;
	v->recipients = (struct view_spans){ NULL, 0, 0 };
	block = v->root ? element_child(v->root, NS_ADDRESS, "addresses") : NULL;
	for (const struct xml_node *n = block ? block->children : NULL; n && !v->error; n = n->next) {
		if (!n->element || !is_recipient(n->element))
			continue;
		jid = element_attr(n->element, "jid");
		spans_add(v, &v->recipients, span_of(jid ? jid : ""));
	}
	return &v->recipients;
}

const struct view_spans *view_payload_ns(struct subject_view *v)
{
	view_payload(v);
	return &v->payload_ns;
}

struct child_search {
	const char *ns;
	const struct xml_element *found;
};

static bool visit_child(void *arg, const struct xml_element *message, unsigned level)
{
	struct child_search *search = arg;

	(void)level;
	search->found = element_child(message, search->ns, NULL);
	return !search->found;
}

struct span view_child_name(struct subject_view *v, const char *ns)
{
	struct child_search search = { .ns = ns };

	if (v->root)
		carriers_each_message(v->s->stanza, visit_child, &search);
	return search.found ? span_of(search.found->name) : (struct span){ "", 0 };
}

/* ---- encryption ---- */

static const struct {
	const char *ns, *name, *kind;
} ciphers[] = {
	{ "eu.siacs.conversations.axolotl", "encrypted", "omemo" },
	{ "urn:xmpp:omemo:1", "encrypted", "omemo" },
	{ "urn:xmpp:omemo:2", "encrypted", "omemo" },
	{ "urn:xmpp:openpgp:0", "openpgp", "openpgp" },
	{ "urn:xmpp:openpgp:0", "openpgp", "ox" },
	{ "jabber:x:encrypted", "x", "openpgp" },
	{ "urn:ietf:params:xml:ns:xmpp-e2e", "e2e", "e2e" },
};

static bool visit_encrypted(void *arg, const struct xml_element *message, unsigned level)
{
	struct subject_view *v = arg;

	(void)level;
	for (const struct xml_node *n = message->children; n; n = n->next) {
		const char *ns = NULL;

		if (!n->element)
			continue;
		for (size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++)
			if (element_is(n->element, ciphers[i].ns, ciphers[i].name))
				spans_add(v, &v->encrypted, span_of(ciphers[i].kind));
		if (element_is(n->element, "urn:xmpp:eme:0", "encryption"))
			ns = element_attr(n->element, "namespace");
		if (ns && *ns)
			spans_add(v, &v->encrypted, span_of(ns));
	}
	return !v->error;
}

const struct view_spans *view_encrypted(struct subject_view *v)
{
	struct span body;

	if (v->ready.encrypted)
		return &v->encrypted;
	v->ready.encrypted = true;
	v->encrypted = (struct view_spans){ NULL, 0, 0 };
	if (!v->root)
		return &v->encrypted;
	carriers_each_message(v->s->stanza, visit_encrypted, v);
	/* XEP-0364: OTR has no element of its own, it begins a line of the body. */
	body = view_text(v, VIEW_BODY);
	for (size_t i = 0; i + 4 <= body.len; i++) {
		const char *nl;
		if (memcmp(body.ptr + i, "?OTR", 4) == 0) {
			spans_add(v, &v->encrypted, span_of("otr"));
			break;
		}
		if (!(nl = memchr(body.ptr + i, '\n', body.len - i)))
			break;
		i = (size_t)(nl - body.ptr);
	}
	return &v->encrypted;
}

/* ---- files ---- */

static const struct {
	const char *ns, *name, *file, *size, *type;
} file_shapes[] = {
	{ "urn:xmpp:file:metadata:0", "file", "name", "size", "media-type" },
	{ "urn:xmpp:jingle:apps:file-transfer:5", "file", "name", "size", "media-type" },
	{ "urn:xmpp:jingle:apps:file-transfer:4", "file", "name", "size", "media-type" },
	{ "urn:xmpp:jingle:apps:file-transfer:3", "file", "name", "size", "media-type" },
	{ "http://jabber.org/protocol/si/profile/file-transfer", "file", "name", "size",
		"mime-type" },
	{ "urn:xmpp:http:upload:0", "request", "filename", "size", "content-type" },
	{ "urn:xmpp:http:upload", "request", "filename", "size", "content-type" },
};

/* Old forms write attributes, new ones children; a peer may write either. */
static const char *file_part(struct subject_view *v, const struct xml_element *e, const char *name)
{
	const char *value = element_attr(e, name);
	const struct xml_element *child;

	if (value)
		return value;
	if (!(child = element_child(e, e->ns, name)))
		return "";
	if (!(value = element_text(child, v->arena)))
		v->error = -ENOMEM;
	return value ? value : "";
}

static void files_add(struct subject_view *v, const struct view_file *f)
{
	if (v->files.n == v->files.cap) {
		unsigned cap = v->files.cap ? v->files.cap * 2 : 4;
		struct view_file *grown = arena_alloc(v->arena, cap * sizeof(*grown));
		if (!grown) {
			v->error = -ENOMEM;
			return;
		}
		if (v->files.n)
			memcpy(grown, v->files.items, v->files.n * sizeof(*grown));
		v->files.items = grown;
		v->files.cap = cap;
	}
	v->files.items[v->files.n++] = *f;
}

static void files_collect(struct subject_view *v, const struct xml_element *e)
{
	for (size_t i = 0; i < sizeof(file_shapes) / sizeof(*file_shapes); i++) {
		struct view_file f;

		if (!element_is(e, file_shapes[i].ns, file_shapes[i].name))
			continue;
		f.name = file_part(v, e, file_shapes[i].file);
		f.size = file_part(v, e, file_shapes[i].size);
		f.type = file_part(v, e, file_shapes[i].type);
		/* XEP-0096 keeps the type on the wrapping <si/>. */
		if (!*f.type && e->parent &&
			element_is(e->parent, "http://jabber.org/protocol/si", "si")) {
			const char *type = element_attr(e->parent, "mime-type");
			f.type = type ? type : "";
		}
		files_add(v, &f);
	}
	for (const struct xml_node *n = e->children; n && !v->error; n = n->next)
		if (n->element)
			files_collect(v, n->element);
}

const struct view_file *view_files(struct subject_view *v, unsigned *n)
{
	if (!v->ready.files) {
		v->ready.files = true;
		v->files.items = NULL;
		v->files.n = v->files.cap = 0;
		if (v->root)
			files_collect(v, v->root);
	}
	*n = v->files.n;
	return v->files.items;
}

/* ---- in-band bytestreams ---- */

/* Each sender, recipient and sid is a stream. */
static bool ibb_key(struct subject_view *v, const char *sid, uint64_t *key)
{
	struct span from = view_address(v, VIEW_FROM)->full, to = view_address(v, VIEW_TO)->full;
	size_t n_from = from.len + 1, n_to = to.len + 1, n_sid = strlen(sid);
	char *text = arena_alloc(v->arena, n_from + n_to + n_sid + 1);

	if (!text) {
		v->error = -ENOMEM;
		return false;
	}
	memcpy(text, from.ptr, n_from);
	memcpy(text + n_from, to.ptr, n_to);
	memcpy(text + n_from + n_to, sid, n_sid);
	*key = map_hash(text, n_from + n_to + n_sid);
	return true;
}

static void ibb_value(struct subject_view *v, struct span bytes)
{
	struct span text = ibb_text(v->arena, bytes);

	if (!text.ptr)
		v->error = -ENOMEM;
	else if (text.len)
		spans_add(v, &v->ibb_pieces, text);
}

static void ibb_add(struct subject_view *v, const struct xml_element *data)
{
	const char *sid = element_attr(data, "sid"), *seq = element_attr(data, "seq"), *text;
	struct span piece = { NULL, 0 }, joined;
	uint64_t key;

	if ((text = element_text(data, v->arena)))
		piece = ibb_decode(v->arena, span_of(text));
	if (!piece.ptr) {
		v->error = -ENOMEM;
		return;
	}
	joined = piece;
	if (v->ibb && sid && ibb_key(v, sid, &key) &&
		ibb_join(v->ibb, key, seq ? (unsigned)strtoul(seq, NULL, 10) : 0, piece, v->arena,
			&joined, v->ibb_evicted) < 0)
		v->error = -ENOMEM;
	ibb_value(v, joined);
	/* A stream that begins anew under an old name is no part of the words before it. */
	if (joined.len > piece.len)
		ibb_value(v, piece);
}

const struct view_spans *view_ibb(struct subject_view *v)
{
	if (v->ready.ibb)
		return &v->ibb_pieces;
	v->ready.ibb = true;
	v->ibb_pieces = (struct view_spans){ NULL, 0, 0 };
	for (const struct xml_node *n = v->root ? v->root->children : NULL; n && !v->error;
		n = n->next)
		if (n->element && element_is(n->element, NS_IBB, "data"))
			ibb_add(v, n->element);
	return &v->ibb_pieces;
}

/* ---- paths ---- */

/* One step "{ns}name" or "name"; what follows it is left in *rest ("/...", "@..." or ""). */
static struct span step_parse(const char *path, struct span *ns, bool *own_ns, const char **rest)
{
	const char *p = path, *end;

	*ns = (struct span){ "", 0 };
	*own_ns = *p != '{';
	if (*p == '{' && (end = strchr(p, '}'))) {
		*ns = (struct span){ p + 1, (size_t)(end - p) - 1 };
		p = end + 1;
	}
	end = p + strcspn(p, "/@");
	*rest = end;
	return (struct span){ p, (size_t)(end - p) };
}

static bool step_holds(const struct subject_view *v, const struct xml_element *e, struct span ns,
	bool own_ns, struct span name)
{
	if (!span_is(name, "*") && !span_is(name, e->name))
		return false;
	return own_ns ? strcmp(e->ns, v->root->ns) == 0 : span_is(ns, "*") || span_is(ns, e->ns);
}

static void path_leaf(struct subject_view *v, const struct xml_element *e, const char *rest,
	struct view_spans *out)
{
	const char *text;

	if (*rest != '@') {
		if (!(text = element_text(e, v->arena)))
			v->error = -ENOMEM;
		else
			spans_add(v, out, span_of(text));
		return;
	}
	for (const struct xml_attr *a = e->attrs; a; a = a->next) {
		size_t n = strlen(a->ns);
		/* "@name", or "@{ns}name" for an attribute with a namespace */
		bool same = rest[1] == '{' ? n > 0 && strncmp(rest + 2, a->ns, n) == 0 &&
						     rest[n + 2] == '}' &&
						     strcmp(rest + n + 3, a->name) == 0
					   : n == 0 && strcmp(rest + 1, a->name) == 0;
		if (same)
			spans_add(v, out, (struct span){ a->value, a->len });
	}
}

static void path_walk(struct subject_view *v, const struct xml_element *e, const char *path,
	struct view_spans *out)
{
	const char *rest;
	struct span ns, name;
	bool own_ns;

	if (*path == '@' || !*path) {
		path_leaf(v, e, path, out);
		return;
	}
	name = step_parse(path, &ns, &own_ns, &rest);
	for (const struct xml_node *n = e->children; n && !v->error; n = n->next)
		if (n->element && step_holds(v, n->element, ns, own_ns, name))
			path_walk(v, n->element, *rest == '/' ? rest + 1 : rest, out);
}

/* The values known of a path; NULL when they have yet to be found, or on v->error. */
static struct view_path *path_find(struct subject_view *v, const char *param)
{
	struct view_path *p;

	for (p = v->paths; p && p->param != param; p = p->next)
		;
	return p;
}

static struct view_path *path_new(struct subject_view *v, const char *param)
{
	struct view_path *p = arena_zalloc(v->arena, sizeof(*p));

	if (!p) {
		v->error = -ENOMEM;
		return NULL;
	}
	p->param = param;
	p->next = v->paths;
	v->paths = p;
	return p;
}

static const struct view_spans no_values;

const struct view_spans *view_path(struct subject_view *v, const char *param)
{
	struct view_path *p = path_find(v, param);

	if (p)
		return &p->values;
	if (!v->root || !param || !(p = path_new(v, param)))
		return &no_values;
	path_walk(v, v->root, param, &p->values);
	return &p->values;
}

struct path_search {
	struct subject_view *v;
	struct view_path *path;
};

static bool visit_path(void *arg, const struct xml_element *message, unsigned level)
{
	struct path_search *search = arg;

	(void)level;
	path_walk(search->v, message, search->path->param, &search->path->values);
	return !search->v->error;
}

const struct view_spans *view_path_everywhere(struct subject_view *v, const char *path)
{
	struct path_search search = { v, path_find(v, path) };

	if (search.path)
		return &search.path->values;
	if (!v->root || !(search.path = path_new(v, path)))
		return &no_values;
	carriers_each_message(v->s->stanza, visit_path, &search);
	return &search.path->values;
}
