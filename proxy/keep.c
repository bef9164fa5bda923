/* SPDX-License-Identifier: BSD-2-Clause */
/* Quarantine on this side of the channel. In: a stanza under that verdict, from apply.c; a released
 * one, from the daemon. Out: a message for the daemon, bounded in size and number; the released
 * stanza in one session's queue, entered in its ledger as ours. Sessions are looked for one worker
 * after the other, and a worker answers before the next is asked: what was delivered once is not
 * delivered again. It keeps nothing itself. */
#include "proxy/keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "door/kept.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "door/hub.h"
#include "proxy/link_int.h"
#include "proxy/remake.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* ---- to the daemon ---- */

int keep_stanza(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v)
{
	struct scene scene = event_scene(s);

	return kept_stanza(s->worker->hub, &scene, direction, st, v);
}

/* ---- into a session ---- */

static bool session_fits(const struct session *s, const struct leg *to, const char *jid)
{
	size_t len = strlen(jid);

	return s->state == SESSION_ONLINE && s->jid && strchr(s->jid, '/') &&
	       !session_awaits_jid(s) && !to->closed_out && to->conn.fd >= 0 &&
	       strncmp(s->jid, jid, len) == 0 &&
	       (s->jid[len] == '\0' || (!strchr(jid, '/') && s->jid[len] == '/'));
}

/* Whoever releases a message does not widen what crosses. */
static int deliver_put(struct session *s, struct leg *to, enum direction direction, const char *xml)
{
	struct buf text; /* half a stanza must not get into the stream */
	int r;

	if (!remake_is_due(s, direction))
		return buf_puts(&to->conn.out, xml);
	buf_init(&text, to->conn.out.max);
	if ((r = remake_text(s, direction, xml, session_ns(s), &text)) == 0)
		r = buf_put_span(&to->conn.out, buf_span(&text));
	buf_fini(&text);
	return r;
}

/* With its line in the audit trail, or not at all. */
static int deliver_write(struct session *s, struct leg *to, const struct delivery *d)
{
	enum direction direction = session_direction(s, session_other(s, to));
	const char *writer = text_of(d->message, "from");
	size_t before = buf_len(&to->conn.out);
	struct span sent;
	int r;

	if (audit_is_jammed(s))
		return -EAGAIN;
	if ((r = deliver_put(s, to, direction, d->xml)) < 0)
		return r;
	sent = buf_span(&to->conn.out);
	sent.ptr += before;
	sent.len -= before;
	if (direction == DIRECTION_IN && *text_of(d->message, "jid"))
		writer = text_of(d->message, "jid");
	if ((r = audit_released(s, direction, writer, text_of(d->message, "to"), sent)) < 0)
		buf_cut(&to->conn.out, before);
	return r;
}

/* The side to which that pair of domains may be said; NULL: neither. */
static struct leg *session_takes_pair(struct session *s, const struct delivery *d)
{
	struct dialback *law = s->federation ? &s->federation->dialback : NULL;

	/* Another service may let more cross, and write down less. */
	if (!law || s->state != SESSION_ONLINE ||
		strcmp(s->service->conf.name, text_of(d->message, "service")) != 0)
		return NULL;
	if (dialback_is_legal(law, SIDE_INITIATOR, d->from, d->to))
		return &s->server;
	return dialback_is_legal(law, SIDE_RECEIVER, d->from, d->to) ? &s->client : NULL;
}

/* Where the step's stanza goes in this session; NULL: nowhere. */
static struct leg *session_takes(struct session *s, const struct delivery *d)
{
	const char *jid = d->steps[d->step].jid;
	struct leg *to = d->steps[d->step].direction == DIRECTION_IN ? &s->server : &s->client;

	if (!jid && (!(to = session_takes_pair(s, d)) || to->closed_out || to->conn.fd < 0))
		return NULL;
	return !jid || session_fits(s, to, jid) ? to : NULL;
}

bool keep_deliver(struct worker *w, const struct delivery *d)
{
	int r;

	for (struct session *s = w->sessions; s; s = s->next) {
		struct leg *to = session_takes(s, d);

		/* What is written behind a resumption elsewhere reaches nobody. */
		if (!to || sm_is_lost(&s->sm) || deliver_write(s, to, d) < 0)
			continue;
		if ((r = sm_injected(&s->sm, session_way(s, session_other(s, to)))) < 0)
			session_fail(s, r, "stream management ledger");
		metric_add(counters.keep_delivered, 1);
		session_run(s);
		return true;
	}
	return false;
}

/* ---- on the main thread ---- */

static void delivery_free(struct delivery *d)
{
	json_decref(d->message);
	free(d);
}

/* The client that wrote it first, so that its server treats it as any other (archives, rooms); then
 * whom it is for. */
static bool delivery_plan(struct delivery *d)
{
	const char *jid = text_of(d->message, "jid"), *to = text_of(d->message, "to");
	bool in = strcmp(text_of(d->message, "direction"), "in") == 0;
	const char *target = in ? to : jid;

	if (!*jid && *d->xml && d->from.len > 0 && d->to.len > 0)
		d->steps[d->n_steps++].direction = in ? DIRECTION_IN : DIRECTION_OUT;
	if (in && *jid) {
		d->steps[d->n_steps].jid = jid;
		d->steps[d->n_steps++].direction = DIRECTION_IN;
	}
	if (*target) {
		d->steps[d->n_steps].jid = target;
		d->steps[d->n_steps++].direction = DIRECTION_OUT;
	}
	if (*target && strchr(target, '/')) {
		memcpy(d->bare, target, strcspn(target, "/"));
		d->steps[d->n_steps].jid = d->bare;
		d->steps[d->n_steps++].direction = DIRECTION_OUT;
	}
	return *d->xml && d->n_steps > 0;
}

static void delivery_end(struct link *l, struct delivery *d, bool delivered)
{
	struct delivery **at = &l->deliveries;
	bool to_server = d->step < d->n_steps &&
			 (d->steps[d->step].direction == DIRECTION_IN || !d->steps[d->step].jid);

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	line_send(&l->line, json_pack("{s:s, s:I, s:b, s:s}", "m", "deliver", "seq", d->seq, "ok",
				    delivered, "where",
				    !delivered  ? ""
				    : to_server ? "server"
						: "client"));
	delivery_free(d);
}

/* Asks the next worker, or says that there is nobody. */
static void delivery_go(struct link *l, struct delivery *d)
{
	for (; d->step < d->n_steps; d->step++, d->worker = 0)
		for (; d->worker < l->n_workers; d->worker++)
			if (worker_deliver(l->workers[d->worker], d) == 0)
				return;
	delivery_end(l, d, false);
}

void link_on_deliver(struct link *l, json_t *msg)
{
	size_t room = strlen(text_of(msg, "to")) + strlen(text_of(msg, "jid")) + 1;
	struct delivery *d = calloc(1, sizeof(*d) + room);

	if (!d) {
		line_fail(&l->line);
		return;
	}
	d->message = json_incref(msg);
	d->seq = number_of(msg, "seq");
	d->xml = text_of(msg, "xml");
	d->from = pair_domain_of(text_of(msg, "from"));
	d->to = pair_domain_of(text_of(msg, "to"));
	d->next = l->deliveries;
	l->deliveries = d;
	if (!delivery_plan(d))
		d->n_steps = 0;
	delivery_go(l, d);
}

void link_take_delivery(struct link *l, json_int_t seq, bool delivered)
{
	struct delivery *d = l->deliveries;

	while (d && d->seq != seq)
		d = d->next;
	if (!d)
		return;
	if (delivered) {
		delivery_end(l, d, true);
		return;
	}
	d->worker++;
	delivery_go(l, d);
}

void link_free_deliveries(struct link *l)
{
	struct delivery *d;

	while ((d = l->deliveries)) {
		l->deliveries = d->next;
		delivery_free(d);
	}
}
