/* SPDX-License-Identifier: BSD-2-Clause */
/* A name's ban. In: a JID or a domain that reached its rung (ctl/bans_act.c), or an operator's word
 * (ctl/bans_operator.c). Out, in this order: the ledger, the doors (door/barred.c), the sessions
 * that stand, an event; at its end the doors again. A child that starts is told all of them before
 * it serves anybody. It decides nothing and knows no kernel: a name has no packets. */
#include "ctl/barred.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "xmpp/jid.h"

enum { TELL_ROWS = 1000, TELL_BYTES = 1 << 20 };

const char *barred_kind_text(enum ledger_kind kind)
{
	return kind == LEDGER_DOMAIN ? "domain" : "jid";
}

/* ---- names ---- */

/* A number at the end is an address that somebody mistyped. */
static bool is_domain(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] && !strpbrk(name, ":/[]@ ");
}

int barred_parse(const char *text, struct ledger_bar *bar)
{
	const char *bare = NULL;
	struct arena a;
	struct jid jid;
	int r;

	arena_init(&a, 64 << 10);
	r = jid_parse(&a, span_of(text), &jid);
	if (r == 0 && (*jid.resource || !(*jid.local || is_domain(jid.domain))))
		r = ERR_SYNTAX;
	if (r == 0 && !(bare = jid_bare(&a, &jid)))
		r = -ENOMEM;
	if (r == 0 && strlen(bare) >= sizeof bar->name)
		r = ERR_SYNTAX;
	if (r == 0) {
		bar->kind = *jid.local ? LEDGER_JID : LEDGER_DOMAIN;
		strcpy(bar->name, bare);
	}
	arena_fini(&a);
	return r;
}

/* ---- telling ---- */

json_t *barred_row(const struct bans *b, const struct ledger_bar *bar)
{
	return json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i}", barred_kind_text(bar->kind),
		bar->name, "since", (json_int_t)bans_wall(b, bar->since_ms), "until",
		(json_int_t)bans_wall(b, bar->until_ms), "why", bar->why, "rule", bar->rule, "id",
		bar->id, "count", (int)bar->count, "strikes", (int)bar->strikes);
}

void barred_event(struct bans *b, const char *type, const struct ledger_bar *bar, const char *who)
{
	json_t *row = barred_row(b, bar), *event;
	char stamp[40];

	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	if (row)
		json_object_set_new(row, "who", json_string(who));
	event = json_pack("{s:s,s:s,s:s,s:o}", "timestamp", stamp, "event_type", type, "app_proto",
		"xmpp", "xmppwall", row);
	if (event)
		b->spec.on_event(b->spec.arg, event);
	json_decref(event);
}

/* What doors call the rule: the rung's name, which the evidence holds; "operator" without one. */
static json_t *bar_tuple(const struct ledger_bar *bar)
{
	json_t *evidence = *bar->evidence ? json_loads(bar->evidence, 0, NULL) : NULL, *tuple;
	const char *punish = json_string_value(json_object_get(evidence, "punish"));

	tuple = json_pack(
		"[i,s,s]", (int)bar->kind, bar->name, punish && *punish ? punish : "operator");
	json_decref(evidence);
	return tuple;
}

static json_t *bar_message(json_t *rows, bool anew)
{
	json_t *message = json_pack("{s:s,s:o}", "m", "bar", "add", rows);

	if (message && anew)
		json_object_set_new(message, "anew", json_true());
	return message;
}

static void tell(struct bans *b, json_t *message)
{
	if (message)
		b->spec.on_tell(b->spec.arg, message);
	json_decref(message);
}

static void tell_ended(struct bans *b, json_t *rows)
{
	tell(b, json_pack("{s:s,s:o}", "m", "unbar", "del", rows));
}

struct telling {
	bool (*say)(void *arg, json_t *message);
	void *arg;
	json_t *rows;
	size_t bytes;
	bool anew;
};

static bool telling_send(struct telling *t)
{
	json_t *message = bar_message(t->rows, t->anew);
	bool said = message && t->say(t->arg, message);

	t->rows = json_array();
	t->bytes = 0;
	t->anew = false;
	return said;
}

static bool visit_tell(void *arg, const struct ledger_bar *bar)
{
	struct telling *t = arg;

	json_array_append_new(t->rows, bar_tuple(bar));
	t->bytes += strlen(bar->name);
	if (json_array_size(t->rows) < TELL_ROWS && t->bytes < TELL_BYTES)
		return true;
	return telling_send(t);
}

void barred_tell(struct bans *b, bool (*say)(void *arg, json_t *message), void *arg)
{
	struct telling t = { say, arg, json_array(), 0, true };

	(void)ledger_barred_each(b->ledger, bans_now(b), visit_tell, &t);
	if (json_array_size(t.rows) > 0)
		(void)telling_send(&t);
	json_decref(t.rows);
}

/* ---- entering and ending ---- */

int barred_enter(struct bans *b, struct ledger_bar *bar, enum ledger_how how, const char *who)
{
	json_t *rows;
	int r = ledger_bar_add(b->ledger, bar, how);

	b->error = r == ERR_LIMIT ? b->error : r;
	if (r < 0) {
		log_error("event=bar-ledger error=\"%s\"", err_text(r));
		return r;
	}
	if ((rows = json_array()))
		json_array_append_new(rows, bar_tuple(bar));
	tell(b, bar_message(rows, false));
	tell(b, json_pack("{s:s,s:s,s:s}", "m", "kill", barred_kind_text(bar->kind), bar->name,
			"reason", "barred"));
	barred_event(b, "ban", bar, who);
	log_info("event=ban %s=%s until_ms=%lld count=%u rule=%s id=%s",
		barred_kind_text(bar->kind), log_quote(span_of(bar->name)),
		(long long)bans_wall(b, bar->until_ms), bar->count, *bar->rule ? bar->rule : "-",
		*bar->id ? bar->id : "-");
	bans_wake(b);
	return 0;
}

int barred_end(struct bans *b, enum ledger_kind kind, const char *name, const char *who)
{
	struct ledger_bar bar;
	json_t *rows;
	int r = ledger_bar_find(b->ledger, kind, name, &bar);

	if (r == 0)
		r = ledger_bar_end(b->ledger, kind, name, bans_now(b));
	if (r < 0)
		return r;
	if ((rows = json_array()))
		json_array_append_new(rows, json_pack("[i,s]", (int)kind, name));
	tell_ended(b, rows);
	barred_event(b, "unban", &bar, who);
	bans_wake(b);
	return 0;
}

struct ending {
	struct bans *b;
	json_t *rows;
	size_t n;
};

static bool visit_ended(void *arg, const struct ledger_bar *bar)
{
	struct ending *e = arg;

	if (json_array_size(e->rows) >= TELL_ROWS) {
		tell_ended(e->b, e->rows);
		e->rows = json_array();
	}
	json_array_append_new(e->rows, json_pack("[i,s]", (int)bar->kind, bar->name));
	e->n++;
	return e->rows != NULL;
}

void barred_expire(struct bans *b)
{
	int64_t now = bans_now(b);
	struct ending e = { b, json_array(), 0 };

	(void)ledger_barred_ended(b->ledger, b->barred_until_ms, now, visit_ended, &e);
	b->barred_until_ms = now;
	if (e.n == 0) {
		json_decref(e.rows);
		return;
	}
	log_info("event=bars-ended n=%zu", e.n);
	tell_ended(b, e.rows);
	(void)ledger_barred_forget(b->ledger, now);
}
