/* SPDX-License-Identifier: BSD-2-Clause */
/* What strict.c left out, and over what it refused: kept for the event, the first few with their
 * path through the stanza. Names in a path are the sender's own, so each is cut, and the whole;
 * whoever shows them escapes them. It decides nothing. */
#include <stdio.h>
#include <string.h>

#include "rules/rules.h"
#include "rules/strict_int.h"
#include "rules/verdict.h"
#include "xmpp/ns.h"

static const char *const reasons[STRICT_REASONS] = {
	[STRICT_ELEMENT] = "element",
	[STRICT_ATTRIBUTE] = "attribute",
	[STRICT_TEXT] = "text",
	[STRICT_VALUE] = "value",
	[STRICT_COUNT] = "count",
	[STRICT_MISSING] = "missing",
	[STRICT_TYPE] = "type",
	[STRICT_DEPTH] = "depth",
	[STRICT_SIZE] = "size",
	[STRICT_ORDER] = "order",
	[STRICT_SPACE] = "space",
};

const char *strict_reason_text(enum strict_reason reason)
{
	return reasons[reason];
}

enum { PATH_MAX_BYTES = 256, PATH_NAME_MAX = 64, PATH_NS_MAX = 80 };

struct path {
	char text[PATH_MAX_BYTES];
	size_t len;
};

/* Cut where a character ends. */
static void path_put(struct path *path, const char *text, size_t max)
{
	size_t room = sizeof(path->text) - 1 - path->len;
	size_t n = span_cut(span_of(text), max < room ? max : room);

	memcpy(path->text + path->len, text, n);
	path->len += n;
	path->text[path->len] = '\0';
}

static void path_put_name(
	const struct writer *w, struct path *path, const char *ns, const char *name)
{
	if (*ns && strcmp(ns, w->from_ns) != 0) {
		path_put(path, "{", 1);
		path_put(path, ns, PATH_NS_MAX);
		path_put(path, "}", 1);
	}
	path_put(path, name, PATH_NAME_MAX);
}

static void path_put_parents(struct path *path, const struct xml_element *e)
{
	const struct xml_element *parents[STRICT_DEPTH_MAX + 1];
	unsigned n = 0;

	for (; e && n <= STRICT_DEPTH_MAX; e = e->parent)
		parents[n++] = e;
	while (n-- > 0) {
		path_put(path, parents[n]->name, PATH_NAME_MAX);
		path_put(path, "/", 1);
	}
}

static const char *path_make(const struct writer *w, const struct strict_cause *c)
{
	bool xml = c->attr && strcmp(c->ns, NS_XML) == 0;
	struct path path = { .len = 0 };

	path_put_parents(&path, c->name && !c->attr ? c->e : c->e->parent);
	if (!c->name || c->attr)
		path_put_name(w, &path, c->e->ns, c->e->name);
	if (c->attr)
		path_put(&path, xml ? "@xml:" : "@", 5);
	if (c->name)
		path_put_name(w, &path, xml ? "" : c->ns, c->name);
	return arena_strndup(w->arena, path.text, path.len);
}

/* Beyond those that are kept none gets a path. */
static enum fate note_cause(struct writer *w, const struct strict_cause *c, bool refused)
{
	struct strict_result *out = w->out;
	bool kept = refused || out->n_notes < STRICT_NOTES_MAX;
	struct strict_note note = { c->reason, kept ? path_make(w, c) : "" };

	if (!note.path)
		return FATE_FAILED;
	out->kind = refused ? STRICT_REFUSED : STRICT_CHANGED;
	if (refused)
		out->why = note;
	else if (kept)
		out->notes[out->n_notes++] = note;
	else
		out->n_more++;
	return refused ? FATE_REFUSED : FATE_KEPT;
}

enum fate strict_note(
	struct writer *w, enum strict_reason reason, const struct xml_element *e, bool refused)
{
	return note_cause(w, &(struct strict_cause){ reason, e, "", NULL, false }, refused);
}

enum fate strict_note_attr(struct writer *w, enum strict_reason reason, const struct xml_element *e,
	const struct xml_attr *a, bool refused)
{
	return note_cause(w, &(struct strict_cause){ reason, e, a->ns, a->name, true }, refused);
}

/* Over this its element cannot be; what becomes of that is its place's affair, unless refused. */
enum fate strict_broken(struct writer *w, struct strict_cause cause, bool refused)
{
	enum fate fate = note_cause(w, &cause, refused);

	w->cause = cause;
	return fate == FATE_KEPT ? FATE_BROKEN : fate;
}

/* ... and its place says that nothing goes on: the note about it was the last. */
enum fate strict_refuse_broken(struct writer *w)
{
	if (w->out->n_more)
		w->out->n_more--;
	else
		w->out->n_notes--;
	return note_cause(w, &w->cause, true);
}

void strict_refusal(const struct strict_result *result, struct arena *arena, struct verdict *out)
{
	char text[64];

	snprintf(text, sizeof(text), "the profile forbids it (%s)", reasons[result->why.reason]);
	*out = (struct verdict){
		.kind = VERDICT_REJECT,
		.condition = STANZA_ERROR_POLICY_VIOLATION,
		.text = arena_strdup(arena, text),
		.rule = "strict",
		.chain = "profile",
	};
	verdict_make_id(out->id);
}

int strict_format(const struct strict_result *result, struct buf *out)
{
	int r = 0;

	if (result->kind == STRICT_REFUSED)
		r = buf_putf(out, "refused: %s %s%s", reasons[result->why.reason], result->why.path,
			result->n_notes ? "; " : "");
	if (r == 0 && result->n_notes)
		r = buf_puts(out, "removed: ");
	for (unsigned i = 0; i < result->n_notes && r == 0; i++)
		r = buf_putf(out, "%s%s %s", i ? ", " : "", reasons[result->notes[i].reason],
			result->notes[i].path);
	if (r == 0 && result->n_more)
		r = buf_putf(out, " and %u more", result->n_more);
	return r;
}
