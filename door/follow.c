/* SPDX-License-Identifier: BSD-2-Clause */
/* Around a judgement: in relay.c, before and after rules/. In: orders to follow a JID, an address
 * or a session; then every stanza, of which those that belong to it are judged with a trace. Out:
 * messages of ctl/link.h with each rule and test, so many a second and no more. With nobody to
 * follow it is one comparison a stanza. It changes no verdict. */
#include "door/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "door/json.h"
#include "xmpp/jid.h"

/* ---- who ---- */

void follow_add(struct follows *fs, struct follow *f, uint64_t now_ms)
{
	if (fs->n == FOLLOWS_MAX) {
		free(f);
		return;
	}
	f->until_ms = now_ms + f->ms;
	fs->all[fs->n++] = f;
}

static void follow_drop(struct follows *fs, unsigned i)
{
	free(fs->all[i]);
	fs->all[i] = fs->all[--fs->n];
}

void follow_remove(struct follows *fs, json_int_t id)
{
	for (unsigned i = fs->n; i-- > 0;)
		if (fs->all[i]->id == id)
			follow_drop(fs, i);
}

void follow_tick(struct follows *fs, uint64_t now_ms)
{
	for (unsigned i = fs->n; i-- > 0;)
		if (now_ms >= fs->all[i]->until_ms)
			follow_drop(fs, i);
}

void follow_fini(struct follows *fs)
{
	while (fs->n)
		follow_drop(fs, 0);
	trace_reset(&fs->trace);
}

/* The session's own stanzas, and those from or to it on other people's sessions. */
static bool follow_wants(const struct follow *f, const struct scene *s, const struct stanza *st)
{
	if (f->session)
		return (uint64_t)f->session == s->session;
	if (f->by_address)
		return address_in(&f->address, f->prefix_len, &s->peer.address);
	return jid_is_named(f->jid, s->jid) ||
	       jid_is_named(f->jid, element_attr(st->root, "from")) ||
	       jid_is_named(f->jid, element_attr(st->root, "to"));
}

/* May one more be told of in this second? */
static bool follow_has_room(struct follow *f, uint64_t now_ms)
{
	if (now_ms - f->second_ms >= 1000) {
		f->second_ms = now_ms;
		f->in_second = 0;
	}
	if (f->in_second++ < FOLLOW_A_SECOND)
		return true;
	f->lost++;
	return false;
}

unsigned follow_begin(struct follows *fs, struct judge *judge, uint64_t now, const struct scene *s,
	const struct stanza *st)
{
	unsigned who = 0;

	fs->trace.content = false;
	for (unsigned i = 0; i < fs->n; i++) {
		struct follow *f = fs->all[i];

		if (now < f->until_ms && follow_wants(f, s, st) && follow_has_room(f, now)) {
			who |= 1u << i;
			fs->trace.content |= f->bodies;
		}
	}
	if (!who)
		return 0;
	trace_reset(&fs->trace);
	judge_follow(judge, &fs->trace);
	return who;
}

/* ---- telling ---- */

static json_t *verdict_json(const struct verdict *v, int code)
{
	struct buf text;
	json_t *out = NULL;

	buf_init(&text, 0);
	if (code == 0 && verdict_format_json(v, &text) == 0)
		out = json_loadb(buf_ptr(&text), buf_len(&text), 0, NULL);
	buf_fini(&text);
	return out ? out : json_pack("{s:s}", "verdict", "failed");
}

static void set_text(json_t *o, const char *key, const char *text)
{
	json_t *value = text && *text ? json_string(text) : NULL;

	if (value)
		json_object_set_new(o, key, value);
}

static json_t *event_make(const struct scene *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, int code)
{
	char now[40], address[64];
	json_t *event;

	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	address_format(&s->peer.address, address, sizeof(address));
	event = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:o}", "timestamp", now, "session",
		(json_int_t)s->session, "service", s->service, "address", address, "direction",
		direction == DIRECTION_IN ? "in" : "out", "kind", stanza_kind_text(st->kind),
		"size", (json_int_t)st->raw.len, "verdict", verdict_json(v, code));
	if (!event)
		return NULL;
	set_text(event, "jid", s->jid);
	set_text(event, "type", stanza_type(st));
	set_text(event, "from", element_attr(st->root, "from"));
	set_text(event, "to", element_attr(st->root, "to"));
	return event;
}

/* What is too long loses its tests, then its steps. */
static void event_add_steps(json_t *event, const struct trace *t, bool bodies)
{
	json_t *steps = json_deep_copy(t->steps), *step;
	bool cut = t->cut;
	size_t i;

	if (!bodies)
		trace_hide(steps);
	json_object_set_new(event, "steps", steps ? steps : json_array());
	if (json_dumpb(event, NULL, 0, JSON_COMPACT) > FOLLOW_BYTES_MAX) {
		json_array_foreach(steps, i, step) json_object_del(step, "tests");
		cut = true;
	}
	if (json_dumpb(event, NULL, 0, JSON_COMPACT) > FOLLOW_BYTES_MAX)
		json_array_clear(steps);
	json_object_set_new(event, "cut", json_boolean(cut));
}

void follow_end(struct follows *fs, struct judge *judge, struct hub *hub, unsigned who,
	enum direction direction, const struct scene *s, const struct stanza *st,
	const struct verdict *v, int code)
{
	judge_follow(judge, NULL);
	for (unsigned i = 0; i < fs->n; i++) {
		struct follow *f = fs->all[i];
		json_t *event;

		if (!(who & 1u << i) || !(event = event_make(s, direction, st, v, code)))
			continue;
		event_add_steps(event, &fs->trace, f->bodies);
		if (f->lost)
			json_object_set_new(event, "lost", json_integer(f->lost));
		f->lost = 0;
		if (json_dumpb(event, NULL, 0, JSON_COMPACT) <= FOLLOW_BYTES_MAX)
			hub_event(hub, json_pack("{s:s, s:I, s:O}", "m", "trace", "trace", f->id,
					       "event", event));
		json_decref(event);
	}
	trace_reset(&fs->trace);
}

/* ---- being asked ---- */

bool follow_take(struct follow *f, json_t *msg)
{
	const char *address = text_of(msg, "address"), *jid = text_of(msg, "jid");
	json_int_t ms = number_of(msg, "ms");

	f->id = number_of(msg, "trace");
	f->session = number_of(msg, "session");
	f->bodies = json_is_true(json_object_get(msg, "bodies"));
	f->by_address = *address != '\0';
	if (ms < 1 || ms > FOLLOW_MS_MAX || strlen(jid) > FOLLOW_JID_MAX)
		return false;
	f->ms = (uint64_t)ms;
	strcpy(f->jid, jid);
	if (!f->by_address)
		return *jid || f->session > 0;
	return address_parse_prefix(span_of(address), &f->address, &f->prefix_len) == 0;
}
