/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside worker.c: what happens in the gate becomes what the daemon hears of.
 * In: the gate's hooks. Out: events in the proxy's words, stanzas for the quarantine, traces, rows
 * of sessions, counters. It acts on nothing: that is done. */
#include "nfq-filter/worker_tell.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "door/eve.h"
#include "door/kept.h"
#include "door/registry.h"
#include "nfq-filter/apply.h"
#include "nfq-filter/inspect_peer.h"
#include "rules/amend.h"
#include "rules/shadow.h"

uint64_t tell_number(const struct worker *w, const struct inspection *i)
{
	return i->number ? w->shop->serial + i->number * w->shop->n + w->index : 0;
}

static struct scene scene_of(const struct worker *w, const struct inspection *i)
{
	return (struct scene){
		.peer = i->outward ? i->server : i->client,
		.dest = i->outward ? i->client : i->server,
		.service = i->service,
		.session = tell_number(w, i),
		.jid = i->jid,
		.domain = i->half[FLOW_CLIENT].header.to,
		.mechanism = i->mechanism,
		.peer_domain = peer_domain(i),
		.authenticated = i->authenticated,
		.policy = w->policy,
	};
}

static void scene_swap(struct scene *scene)
{
	struct endpoint peer = scene->peer;

	scene->peer = scene->dest;
	scene->dest = peer;
}

static struct scene scene_subject(
	const struct worker *w, const struct inspection *i, const struct subject *s)
{
	struct scene scene = scene_of(w, i);

	/* Without a server either side may be the peer: who speaks. */
	if (s->peer_port == i->server.port &&
		memcmp(&s->peer, &i->server.address, sizeof(s->peer)) == 0 && !i->outward)
		scene_swap(&scene);
	scene.jid = s->session_jid;
	scene.mechanism = s->sasl_mechanism;
	scene.domain = s->session_domain;
	scene.authenticated = s->session_authenticated;
	/* Several may speak on one stream: each for itself. */
	if (s->remote_verified != REMOTE_VERIFIED_NONE)
		scene.peer_domain = s->remote_domain;
	scene.remote_verified = s->remote_verified;
	return scene;
}

/* ---- stanzas ---- */

/* Services have no ceiling here, and one's name may go with its policy. */
static const char entered_as[] = "inspect";

/* A client's connection is there from its first stanza on. */
static void session_enter(struct inspection *i)
{
	if (!i->entered && i->user && i->role == ROLE_C2S)
		i->entered = registry_enter(entered_as, &i->client.address, UINT_MAX, 0) == REGISTRY_OK;
}

void tell_judging(
	void *arg, struct inspection *i, enum flow_side side, const struct subject *subject)
{
	struct worker *w = arg;
	struct scene scene;

	(void)side;
	session_enter(i);
	w->who = 0;
	if (w->follows.n == 0)
		return;
	scene = scene_subject(w, i, subject);
	w->who = follow_begin(&w->follows, w->judge, clock_mono_ms(), &scene, subject->stanza);
}

/* Whose address it is, so that a ban does not hit others. */
static void session_register(struct inspection *i, const struct subject *s)
{
	size_t len = s->session_jid ? strcspn(s->session_jid, "/") : 0;

	if (i->registered || !i->authenticated || !i->user || len == 0 || i->role != ROLE_C2S)
		return;
	if (!(i->registered = strndup(s->session_jid, len)))
		return;
	if (registry_login(&i->client.address, i->registered) < 0) {
		free(i->registered);
		i->registered = NULL;
	}
}

void tell_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act)
{
	struct worker *w = arg;
	const struct subject *s = v->subject;
	struct scene scene = scene_subject(w, i, s);
	int r;

	metric_add(w->shop->verdicts[v->verdict->kind], 1);
	metric_add(s->direction == DIRECTION_IN ? w->shop->stanza_in : w->shop->stanza_out, 1);
	session_register(i, s);
	if (w->who)
		follow_end(&w->follows, w->judge, w->shop->hub, w->who, s->direction, &scene,
			s->stanza, v->verdict, 0);
	w->who = 0;
	/* What a rule has changed is no longer what was judged. */
	if (w->shadow && !amend_is_due(v->verdict))
		shadow_judge(w->shadow, w->shadow_judge, s, v->verdict);
	for (const struct verdict *would = v->verdict->would; would; would = would->next)
		eve_verdict(w->shop->hub, &scene, s->direction, s->stanza, would);
	scene.act = act == GATE_FORWARDED ? NULL : gate_act_text(act);
	if (verdict_is_notable(v->verdict))
		eve_verdict(w->shop->hub, &scene, s->direction, s->stanza, v->verdict);
	if (v->verdict->report)
		eve_report(w->shop->hub, &scene, s->direction, s->stanza, v->verdict);
	if (v->verdict->kind == VERDICT_QUARANTINE &&
		(r = kept_stanza(w->shop->hub, &scene, s->direction, s->stanza, v->verdict)) < 0)
		log_warn("quarantine service=%s error=%d: dropped", i->service, r);
}

/* ---- connections ---- */

void tell_killed(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *why)
{
	struct worker *w = arg;
	struct scene scene;

	(void)f;
	if (!i)
		return;
	scene = scene_of(w, i);
	if (i->role == ROLE_SERVERLESS && i->between && side == FLOW_SERVER)
		scene_swap(&scene);
	scene.act = gate_act_text(GATE_KILLED);
	eve_refused(w->shop->hub, &scene, inspection_direction(i, side), error, why);
}

void tell_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	log_debug("noted service=%s side=%s what=%s", i->service,
		side == FLOW_CLIENT ? "client" : "server", what);
}

void tell_ended(void *arg, struct inspection *i)
{
	(void)arg;
	if (i->registered)
		registry_logout(&i->client.address, i->registered);
	free(i->registered);
	i->registered = NULL;
	if (i->entered)
		registry_leave(entered_as, &i->client.address);
	i->entered = false;
}

/* ---- sessions ---- */

struct rows {
	const struct worker *w;
	json_t *all;
};

static const char *state_of(const struct inspection *i)
{
	if (inspection_is_opaque(i))
		return "opaque";
	return i->authenticated || i->role == ROLE_SERVERLESS ? "online" : "login";
}

static json_t *row_of(const struct worker *w, const struct inspection *i)
{
	const struct endpoint *peer = i->outward ? &i->server : &i->client;
	const struct endpoint *other = i->outward ? &i->client : &i->server;
	enum flow_side in = i->outward ? FLOW_SERVER : FLOW_CLIENT;
	char address[INET6_ADDRSTRLEN], server[INET6_ADDRSTRLEN + 10], dest[INET6_ADDRSTRLEN];

	address_format(&peer->address, address, sizeof(address));
	address_format(&other->address, dest, sizeof(dest));
	snprintf(server, sizeof(server), address_is_v4(&other->address) ? "%s:%u" : "[%s]:%u", dest,
		other->port);
	return json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "id",
		(json_int_t)tell_number(w, i), "service", i->service, "address", address, "port",
		peer->port, "server", server, "jid", i->jid ? i->jid : "", "state", state_of(i),
		"tls", "", "age_ms", (json_int_t)((uv_hrtime() - i->first_ns) / 1000000u), "in",
		(json_int_t)i->half[in].stanzas, "out", (json_int_t)i->half[!in].stanzas, "dropped",
		(json_int_t)(i->verdicts[VERDICT_DROP] + i->verdicts[VERDICT_QUARANTINE]),
		"rejected", (json_int_t)i->verdicts[VERDICT_REJECT]);
}

static void add_row(void *arg, const struct flow *f, struct inspection *i)
{
	struct rows *rows = arg;

	(void)f;
	json_array_append_new(rows->all, row_of(rows->w, i));
}

json_t *tell_sessions(struct worker *w)
{
	struct rows rows = { w, json_array() };

	if (rows.all)
		gate_visit(w->gate, add_row, &rows);
	return rows.all;
}

static void add_member(void *sheet, const struct flow *f, struct inspection *i)
{
	uint64_t now_ms = uv_hrtime() / 1000000u, began_ms = i->first_ns / 1000000u;
	enum flow_side in = i->outward ? FLOW_SERVER : FLOW_CLIENT;
	struct crowd_member m = { .session = i,
		.address = i->outward ? &i->server.address : &i->client.address,
		.jid = i->jid,
		.online = strcmp(state_of(i), "login") != 0,
		.in = i->half[in].stanzas,
		.out = i->half[!in].stanzas,
		.dropped = i->verdicts[VERDICT_DROP] + i->verdicts[VERDICT_QUARANTINE],
		.rejected = i->verdicts[VERDICT_REJECT],
		.age_ms = now_ms - began_ms };

	(void)f;
	m.rate = pace_look(&i->pace, began_ms, now_ms, m.in + m.out);
	crowd_add(sheet, &m);
}

static json_t *member_row(void *w, const void *session)
{
	return row_of(w, session);
}

void tell_crowd(struct worker *w, struct crowd *crowd)
{
	struct crowd *sheet = crowd_sheet(crowd);

	if (!sheet)
		return;
	gate_visit(w->gate, add_member, sheet);
	crowd_merge(crowd, sheet, member_row, w);
}
