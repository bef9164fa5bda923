/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of the audit trail for each stanza that crosses, and each that does not. In: a stanza,
 * its verdict, the bytes that go on in its place; from apply.c, which sends nothing before
 * audit_end. Out: a JSON object in the ring that the daemon reads (base/spool.h), whole or not at
 * all. Where the ring is full, or the disk behind it takes nothing, audited sessions are not heard:
 * a stanza is taken in only while there is room for its line. The chain of hashes is the daemon's:
 * this process is the exposed one. */
#include "proxy/audit.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/spool.h"
#include "proxy/counters.h"
#include "proxy/worker.h"
#include "rules/hash.h"
#include "rules/strict.h"
#include "rules/verdict.h"
#include "xmpp/label.h"

enum {
	AUDIT_JID_MAX = 3071,
	AUDIT_WORD_MAX = 256,
	AUDIT_LABELS_MAX = 8,
	AUDIT_RINGS_MAX = 16, /* a daemon gives one */
	/* Each thread takes in one stanza between asking for room and using it, and may deliver
	   one. */
	AUDIT_RESERVE = 2 * WORKER_THREADS_MAX * SPOOL_ROOM,
};

static struct spool *_Atomic ring;
static _Thread_local bool jammed;

int audit_use(int fd)
{
	static struct spool *all[AUDIT_RINGS_MAX];
	static unsigned n;
	int r;

	if (n == AUDIT_RINGS_MAX) {
		close(fd);
		return ERR_LIMIT;
	}
	/* Those before it stay mapped: another thread may be writing to one. */
	if ((r = spool_map(fd, &all[n])) == 0)
		atomic_store(&ring, all[n++]);
	return r;
}

/* ---- is there room ---- */

bool audit_is_jammed(struct session *s)
{
	struct spool *to;

	if (!s->audited || s->state != SESSION_ONLINE)
		return false;
	to = atomic_load(&ring);
	if (to && spool_has_room(to, AUDIT_RESERVE)) {
		jammed = false;
		return false;
	}
	if (!jammed)
		log_warn("audit service=%s note=\"no line can be taken: nothing of it is heard\"",
			s->service->conf.name);
	jammed = true;
	if (!s->audit_waits)
		metric_add(counters.audit_waits, 1);
	s->audit_waits = true;
	return true;
}

bool audit_is_freed(struct session *s, uint64_t now_ms)
{
	if (!s->audit_waits)
		return false;
	/* It was us who did not listen. */
	s->client.heard_ms = s->server.heard_ms = now_ms;
	if (s->client.partial_ms)
		s->client.partial_ms = now_ms;
	if (s->server.partial_ms)
		s->server.partial_ms = now_ms;
	if (audit_is_jammed(s))
		return false;
	s->audit_waits = false;
	return true;
}

/* ---- a line ---- */

static void put_text(struct audit_line *l, const char *key, const char *text, size_t max)
{
	struct span span = span_of(text);

	if (span.len)
		json_object_set_new(l->said, key, json_stringn(text, span_cut(span, max)));
}

static void put_digest(struct audit_line *l, const char *key, struct span bytes)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[HASH_SIZE];
	char text[HASH_HEX];
	struct hash_state h;

	hash_begin(&h);
	hash_add(&h, bytes.ptr, bytes.len);
	hash_end(&h, digest);
	for (size_t i = 0; i < HASH_SIZE; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	json_object_set_new(l->said, key, json_stringn(text, sizeof(text)));
}

/* The markings, or "" for a label without one. */
static void put_labels(struct audit_line *l, const struct stanza *st)
{
	struct labels labels;
	json_t *list;
	unsigned n = 0;

	if (label_read(st->arena, st, &labels) < 0 || labels.n == 0)
		return;
	list = json_array();
	for (const struct label *one = labels.first; one && n < AUDIT_LABELS_MAX;
		one = one->next, n++)
		json_array_append_new(list,
			json_stringn(one->display.ptr, span_cut(one->display, AUDIT_WORD_MAX)));
	json_object_set_new(l->said, "label", list);
}

static void put_scene(struct audit_line *l, const struct session *s, enum direction direction)
{
	char now[40];

	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	put_text(l, "time", now, sizeof(now));
	put_text(l, "event", l->crosses ? "crossing" : "refusal", AUDIT_WORD_MAX);
	put_text(l, "service", s->service->conf.name, AUDIT_WORD_MAX);
	put_text(l, "direction", direction == DIRECTION_IN ? "in" : "out", AUDIT_WORD_MAX);
	json_object_set_new(l->said, "session", json_integer((json_int_t)s->serial));
}

/* As rules see it: what a client writes of itself is no evidence, and what it gets is for it. */
static void put_addresses(struct audit_line *l, const struct session *s, enum direction direction,
	const struct stanza *st)
{
	bool client = s->service->conf.role == ROLE_C2S && s->jid;
	const char *from = element_attr(st->root, "from"), *to = element_attr(st->root, "to");

	if (client && direction == DIRECTION_IN)
		from = s->jid;
	if (client && direction == DIRECTION_OUT && !to)
		to = s->jid;
	put_text(l, "from", from, AUDIT_JID_MAX);
	put_text(l, "to", to, AUDIT_JID_MAX);
}

static void put_verdict(struct audit_line *l, const struct verdict *v)
{
	if (!v) {
		put_text(l, "verdict", "unjudged", AUDIT_WORD_MAX);
		return;
	}
	put_text(l, "verdict", verdict_kind_text(v->kind), AUDIT_WORD_MAX);
	put_text(l, "verdict_id", v->id, AUDIT_WORD_MAX);
	put_text(l, "chain", v->chain, AUDIT_WORD_MAX);
	put_text(l, "rule", v->rule, AUDIT_WORD_MAX);
	if (v->kind == VERDICT_REJECT)
		put_text(l, "condition", stanza_error_text(v->condition), AUDIT_WORD_MAX);
	else if (v->kind == VERDICT_CLOSE)
		put_text(l, "condition", stream_error_text(v->stream_error), AUDIT_WORD_MAX);
	else if (v->kind == VERDICT_REDIRECT)
		put_text(l, "redirect", v->redirect, AUDIT_JID_MAX);
}

void audit_begin(struct audit_line *l, const struct session *s, enum direction direction,
	const struct stanza *st, const struct verdict *v)
{
	*l = (struct audit_line){ NULL, st, s->audited,
		!v || v->kind == VERDICT_ACCEPT || v->kind == VERDICT_REDIRECT };
	if (!l->wanted || !(l->said = json_object()))
		return;
	put_scene(l, s, direction);
	put_text(l, "kind", stanza_kind_text(st->kind), AUDIT_WORD_MAX);
	put_text(l, "type", stanza_type(st), AUDIT_WORD_MAX);
	put_text(l, "id", element_attr(st->root, "id"), AUDIT_WORD_MAX);
	put_addresses(l, s, direction, st);
	put_verdict(l, v);
	put_labels(l, st);
	put_digest(l, "digest", st->raw);
}

void audit_refuse(struct audit_line *l, const struct verdict *v)
{
	l->crosses = false;
	if (!l->said)
		return;
	put_text(l, "event", "refusal", AUDIT_WORD_MAX);
	put_verdict(l, v);
}

static json_t *note_text(const struct strict_note *note)
{
	struct span path = span_of(note->path);

	return json_sprintf("%s %.*s", strict_reason_text(note->reason),
		(int)span_cut(path, AUDIT_WORD_MAX), path.len ? path.ptr : "");
}

void audit_removed(struct audit_line *l, const struct strict_result *result)
{
	json_t *list;

	if (!l->said || result->kind == STRICT_SAME)
		return;
	if (result->kind == STRICT_REFUSED)
		json_object_set_new(l->said, "refused", note_text(&result->why));
	if (result->n_notes == 0)
		return;
	list = json_array();
	for (unsigned i = 0; i < result->n_notes; i++)
		json_array_append_new(list, note_text(&result->notes[i]));
	json_object_set_new(l->said, "removed", list);
	if (result->n_more)
		json_object_set_new(l->said, "removed_more", json_integer(result->n_more));
}

/* Takes l->said. */
static int hand_over(struct audit_line *l)
{
	struct spool *to = atomic_load(&ring);
	char text[SPOOL_RECORD_MAX];
	size_t len = json_dumpb(l->said, text, sizeof(text), JSON_COMPACT);
	int r = -ENOMEM;

	json_decref(l->said);
	l->said = NULL;
	if (len > 0)
		r = to ? spool_put(to, (struct span){ text, len }) : -EAGAIN;
	metric_add(r < 0 ? counters.audit_refused : counters.audit_lines, 1);
	return r;
}

int audit_end(struct audit_line *l, struct span out)
{
	if (!l->wanted)
		return 0;
	if (!l->said)
		return -ENOMEM;
	if (l->crosses && !span_equal(out, l->stanza->raw))
		put_digest(l, "out", out);
	return hand_over(l);
}

int audit_refusal(const struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v)
{
	struct audit_line l;

	audit_begin(&l, s, direction, st, v);
	return audit_end(&l, (struct span){ NULL, 0 });
}

int audit_released(const struct session *s, enum direction direction, const char *from,
	const char *to, struct span xml)
{
	struct audit_line l = { json_object(), NULL, true, true };

	if (!s->audited) {
		json_decref(l.said);
		return 0;
	}
	if (!l.said)
		return -ENOMEM;
	put_scene(&l, s, direction);
	put_text(&l, "from", from, AUDIT_JID_MAX);
	put_text(&l, "to", to, AUDIT_JID_MAX);
	put_text(&l, "verdict", "released", AUDIT_WORD_MAX);
	put_digest(&l, "out", xml);
	return hand_over(&l);
}
