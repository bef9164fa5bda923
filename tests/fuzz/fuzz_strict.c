/* SPDX-License-Identifier: BSD-2-Clause */
/* link: rules */
/* Any bytes as a stream between servers, made anew by a profile that has every statement there is:
 * what goes on stands in the profile, by an own reading of it; it is good XML; made anew once more
 * it is the same; and nothing of the old tree is in it. Bytes behind a NUL are a profile of their
 * own: it is read, and what it makes obeys the same. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/strict_int.h"
#include "tests/unit/strict_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each statement and each kind of value. */
static const char every[] =
	"limits { size 4k; depth 6; elements 32; }\n"
	"group g { element f in \"urn:f\" max 3 { use g; attribute a, b token max 8; attribute l "
	"in \"urn:l\" text max 9; } }\n"
	"profile every {\n"
	"message normal, chat { use g; attribute id token required; attribute xml:lang lang;\n"
	" element body max 3 otherwise refuse { attribute xml:lang lang; text max 64; }\n"
	" element mixed { text max 32; element b, i { text; } }\n"
	" element sorted { ordered; element one, two, three max 2; element four required; }\n"
	" element v max 20 { attribute jid jid; attribute bare jid bare; attribute domain domain; "
	"attribute n number -9 to 99;\n"
	"  attribute at datetime; attribute b base64 max 16; attribute u uri { http, xmpp } max "
	"40; attribute w words { x, y } otherwise refuse; }\n"
	" element t1 { text jid; } element t2 { text base64; } element t3 { text datetime; } "
	"element t4 { text number 0 to 9 required; }\n"
	" element t5 { text words { a, b } otherwise refuse; } element t6 { text uri; } element t7 "
	"{ text domain; } element t8 { text token; }\n"
	" element t9 { text lang; } element few { children 1 to 2; element c max 5; unknown "
	"refuse; }\n"
	" element message in \"jabber:client\" { element body { text; } element message; } }\n"
	"presence available, error { element x in \"urn:x\" { element y; } }\n"
	"iq get { element p in \"urn:p\"; } iq result { element p in \"urn:p\"; }\n"
	"stanza { attribute from, to jid; } }\n";

/* ---- an own reading of the profile ---- */

static const struct strict_place *place_of(
	const struct strict_model *m, const struct xml_element *e, const char *content_ns)
{
	for (unsigned i = 0; i < m->n_places; i++)
		if (strcmp(m->places[i].name, e->name) == 0 &&
			strcmp(*m->places[i].ns ? m->places[i].ns : content_ns, e->ns) == 0)
			return &m->places[i];
	return NULL;
}

static const struct strict_attr *attr_of(const struct strict_model *m, const struct xml_attr *a)
{
	for (unsigned i = 0; i < m->n_attrs; i++)
		if (strcmp(m->attrs[i].name, a->name) == 0 && strcmp(m->attrs[i].ns, a->ns) == 0)
			return &m->attrs[i];
	return NULL;
}

static void attrs_check(
	const struct strict_model *m, const struct xml_element *e, bool stanza, struct arena *arena)
{
	unsigned required = 0;

	for (const struct xml_attr *a = e->attrs; a; a = a->next) {
		const struct strict_attr *as = attr_of(m, a);
		struct span value = { a->value, a->len };

		assert(strlen(a->value) == a->len);
		if (stanza && strcmp(a->name, "type") == 0 && !*a->ns)
			continue;
		assert(as && a->name == as->name && a->ns == as->ns && a->prefix == as->prefix);
		assert(strict_value_fits(as->type, &value, false, arena) == 1);
		required += as->required;
	}
	for (unsigned i = 0; i < m->n_attrs; i++)
		required -= m->attrs[i].required;
	assert(required == 0);
}

static void element_check(const struct strict *p, const struct strict_model *m,
	const struct xml_element *e, const char *content_ns, struct arena *arena)
{
	unsigned *counts = arena_zalloc(arena, (m->n_places + 1) * sizeof(*counts)), children = 0;
	bool text = false;

	assert(counts && e->depth <= p->depth);
	attrs_check(m, e, !e->parent, arena);
	for (const struct xml_node *n = e->children; n; n = n->next) {
		const struct strict_place *place;

		if (!n->element) {
			struct span value = { n->text, n->len };

			/* Runs beside each other would be one to the next parser. */
			assert(m->text && n->len > 0 && (!n->next || n->next->element));
			assert(strict_value_fits(m->text, &value, true, arena) == 1 &&
				value.len == n->len);
			text = true;
			continue;
		}
		place = place_of(m, n->element, content_ns);
		assert(place && place->name == n->element->name && n->element->parent == e);
		assert(++counts[place - m->places] <= place->max);
		children++;
		element_check(p, place->model, n->element, content_ns, arena);
	}
	for (unsigned i = 0; i < m->n_places; i++)
		assert(!m->places[i].required || counts[i]);
	assert(children >= m->low && children <= m->high);
	assert(!m->text_required || text);
}

static bool is_made_of(const struct strict *p, const struct strict_model *m)
{
	for (unsigned k = 0; k < STANZA_STREAM; k++)
		for (unsigned i = 0; i < STRICT_TYPES_MAX; i++)
			if (p->stanzas[k][i] == m)
				return true;
	return false;
}

/* ---- one stanza ---- */

/* Is what one of them points to in the other? */
static void trees_apart(const struct xml_element *made, const struct xml_element *old)
{
	for (const struct xml_attr *a = made->attrs; a; a = a->next)
		for (const struct xml_attr *b = old->attrs; b; b = b->next)
			assert(a != b && a->value != b->value && a->name != b->name);
	for (const struct xml_node *n = old->children; n; n = n->next)
		assert(made->children != n);
	assert(made != old && made->name != old->name);
}

static const struct strict_model *model_of(
	const struct strict *p, const struct stanza *st, const struct xml_element *made)
{
	const char *type = element_attr(made, "type");
	unsigned i = 0;

	while (type && strict_types[st->kind][i] && strcmp(strict_types[st->kind][i], type) != 0)
		i++;
	assert(i < STRICT_TYPES_MAX && strict_types[st->kind][i]);
	assert(p->stanzas[st->kind][i] && is_made_of(p, p->stanzas[st->kind][i]));
	return p->stanzas[st->kind][i];
}

static void again(const struct strict *p, const struct buf *xml, const char *ns)
{
	struct xmpp_limits limits = xmpp_limits_default;
	struct strict_result result;
	struct stream *stream;
	struct stanza st;
	struct buf out;

	limits.stanza_bytes *= 16;
	limits.token_bytes *= 16;
	limits.attribute_bytes *= 16;
	stream = strict_stream(ns, &limits);
	st = strict_parse(stream, buf_ptr(xml), buf_len(xml));
	assert(strict_write(p, &st, st.arena, &result) == 0 && result.kind == STRICT_SAME &&
		!result.n_notes);
	buf_init(&out, 64 << 20);
	assert(write_element(&out, result.root, ns) == 0);
	assert(span_equal(buf_span(xml), buf_span(&out)));
	buf_fini(&out);
	stream_free(stream);
}

static void stanza_one(const struct strict *p, const struct stanza *st)
{
	struct strict_result result;
	struct arena arena;
	struct buf before, xml;

	arena_init(&arena, 0);
	buf_init(&before, 64 << 20);
	buf_init(&xml, 64 << 20);
	assert(write_element(&before, st->root, st->root->ns) == 0);
	assert(strict_write(p, st, &arena, &result) == 0);
	assert(result.n_notes <= STRICT_NOTES_MAX &&
		(!result.n_more || result.n_notes >= STRICT_NOTES_MAX - 1));
	assert((result.kind == STRICT_REFUSED) == !result.root);
	assert(result.kind != STRICT_SAME || result.n_notes == 0);
	if (result.kind == STRICT_CHANGED)
		assert(result.n_notes > 0);
	/* What came is as it was. */
	assert(write_element(&xml, st->root, st->root->ns) == 0 &&
		span_equal(buf_span(&before), buf_span(&xml)));
	buf_clear(&xml);
	if (result.root) {
		element_check(
			p, model_of(p, st, result.root), result.root, result.root->ns, &arena);
		trees_apart(result.root, st->root);
		assert(write_element(&xml, result.root, st->root->ns) == 0);
		again(p, &xml, st->root->ns);
	}
	buf_clear(&before);
	assert(strict_format(&result, &before) == 0);
	buf_fini(&before);
	buf_fini(&xml);
	arena_fini(&arena);
}

static void stanzas_all(const struct strict *p, const char *ns, const uint8_t *data, size_t size)
{
	struct stream *stream = strict_stream(ns, &xmpp_limits_default);
	struct stream_event event;

	if (size)
		stream_push(stream, data, size);
	while (stream_next(stream, &event) == 0 && event.kind != STREAM_MORE &&
		event.kind != STREAM_BAD && event.kind != STREAM_CLOSE)
		if (event.kind == STREAM_STANZA)
			stanza_one(p, &event.stanza);
	stream_free(stream);
}

/* A profile that does not stand says why; one that does is printed and read again. */
static struct strict *profile_of(const uint8_t *data, size_t size)
{
	struct profile_file file = { .path = "/f.profile" };
	struct source_set sources;
	struct diag_list diags;
	struct strict *p = NULL;
	struct buf text;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	buf_init(&text, 64 << 20);
	source_add(&sources, "/f.profile", data, size);
	r = profile_load(&sources, &file, 1, &diags, &p);
	assert((r == 0) == (diags.errors == 0) && (r == 0) == (p != NULL));
	if (p && profile_print(&sources, "/f.profile", &diags, &text) == 0 && buf_len(&text)) {
		struct strict *second = NULL;

		source_add(&sources, "/f.profile", buf_ptr(&text), buf_len(&text));
		assert(profile_load(&sources, &file, 1, &diags, &second) == 0);
		assert(second->mask == p->mask && strcmp(second->names, p->names) == 0);
		strict_unref(second);
	}
	buf_fini(&text);
	diag_fini(&diags);
	source_fini(&sources);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct strict *profile;
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t len = nul ? (size_t)(nul - data) : size;
	struct strict *own;

	if (!profile)
		profile = strict_of(NULL, every);
	stanzas_all(profile, NS_SERVER, data, len);
	stanzas_all(profile, NS_CLIENT, data, len);
	if (nul && (own = profile_of(nul + 1, size - len - 1))) {
		if (own->elements <= 4096)
			stanzas_all(own, NS_CLIENT, data, len);
		strict_unref(own);
	}
	return 0;
}
