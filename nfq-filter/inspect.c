/* SPDX-License-Identifier: BSD-2-Clause */
/* Between flow.c and the rules: bytes in order become stanzas, stanzas get their verdicts.
 * In: both directions' bytes with their positions, gaps and ends. Out: through hooks, each verdict
 * with the bytes it is about, and what cannot be read: TLS, compression, other protocols, a broken
 * stream. The stream machine, its ceilings and the rules are those of the proxy. A direction joined
 * in its middle, or cut by missing packets, is read again from the next place where a stanza
 * begins. It acts on nothing and holds no packet. */
#include "nfq-filter/inspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/bosh.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/inspect_int.h"
#include "nfq-filter/inspect_live.h"
#include "nfq-filter/inspect_login.h"
#include "nfq-filter/inspect_peer.h"
#include "nfq-filter/inspect_remote.h"
#include "xmpp/ns.h"

enum { WAIT_MAX = 65536, SEEK_MAX = 65536 };

static int half_drain(struct inspection *i, enum flow_side side);

bool inspector_is_inside(const struct inspector *of, const struct peer_address *a)
{
	return nets_has(&of->inside, a);
}

enum direction inspection_direction(const struct inspection *i, enum flow_side side)
{
	/* Where neither side is ours, or both are, each is a stranger to the other. */
	if (i->role == ROLE_SERVERLESS && i->between)
		return DIRECTION_IN;
	return (side == FLOW_CLIENT) == i->outward ? DIRECTION_OUT : DIRECTION_IN;
}

/* The service by its port, else by what is spoken. */
void inspection_swap(struct inspection *i)
{
	const struct policy *p = i->of->policy;

	i->conf = detect_service(p, i->server.port);
	if (!i->conf && (i->number || i->role == ROLE_SERVERLESS))
		i->conf = detect_service_role(p, i->role);
	i->service = i->conf ? i->conf->name : service_role_text(i->role);
	i->limits = i->conf ? i->conf->limits : xmpp_limits_default;
}

struct inspection *inspection_new(struct inspector *of, const struct flow *f)
{
	struct inspection *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->of = of;
	i->client = f->client;
	i->server = f->server;
	i->midstream = f->midstream;
	i->outward = inspector_is_inside(of, &f->client.address);
	i->between = i->outward == inspector_is_inside(of, &f->server.address);
	i->outward = i->outward && !i->between;
	i->first_ns = of->now_ns;
	i->role = detect_role(of->policy, f->server.port);
	/* A port that the policy names is what the policy says. */
	i->announced = of->mdns && !detect_service(of->policy, f->server.port) &&
		       mdns_serves(of->mdns, &f->server, of->now_ns);
	if (i->announced)
		i->role = ROLE_SERVERLESS;
	inspection_swap(i);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		i->half[s].stage = f->midstream ? STAGE_SEEK : STAGE_NEW;
	return i;
}

static void half_account(struct inspection *i, struct inspect_half *h)
{
	size_t now = h->in ? stream_memory(h->in) : 0;

	i->of->memory += now - h->memory;
	h->memory = now;
}

static void half_close(struct inspection *i, struct inspect_half *h, enum inspect_stage stage)
{
	stream_free(h->in);
	h->in = NULL;
	h->stage = stage;
	h->opaque_at = h->position;
	half_account(i, h);
}

void inspection_free(struct inspection *i)
{
	if (!i)
		return;
	if (i->number) {
		i->of->active--;
		i->of->hooks.ended(i->of->hooks.arg, i);
	}
	bosh_free(i->bosh);
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		half_close(i, &i->half[s], STAGE_ENDED);
		free(i->half[s].header.from);
		free(i->half[s].header.to);
	}
	free(i->jid);
	remote_fini(i);
	free(i);
}

static void note(struct inspection *i, enum flow_side side, const char *what)
{
	i->of->hooks.noted(i->of->hooks.arg, i, side, what);
}

/* ---- what it is ---- */

void inspection_becomes_stream(struct inspection *i)
{
	i->speaks = SPEAKS_XMPP;
	if (i->number)
		return;
	i->number = ++i->of->streams;
	i->of->active++;
	counts_add(i->of->counts, COUNT_STREAM, 1);
}

/* Nobody reads this side further. */
void inspection_refuse(
	struct inspection *i, enum flow_side side, enum stream_error error, const char *reason)
{
	half_close(i, &i->half[side], STAGE_BAD);
	i->of->hooks.broken(i->of->hooks.arg, i, side, error, reason);
}

static void becomes_other(struct inspection *i, enum flow_side side, enum inspect_speaks speaks)
{
	const char *unwelcome = live_unwelcome(i, speaks);

	i->speaks = speaks;
	counts_add(i->of->counts,
		speaks == SPEAKS_TLS    ? COUNT_STREAM_TLS
		: speaks == SPEAKS_HTTP ? COUNT_STREAM_HTTP
					: COUNT_STREAM_OTHER,
		1);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		half_close(i, &i->half[s], STAGE_OPAQUE);
	if (speaks != SPEAKS_OTHER)
		note(i, side, speaks == SPEAKS_TLS ? "tls" : "http");
	if (unwelcome)
		inspection_refuse(i, side, STREAM_ERROR_POLICY_VIOLATION, unwelcome);
}

static int half_begin(struct inspection *i, enum flow_side side)
{
	struct inspect_half *h = &i->half[side];

	if (h->in)
		stream_restart(h->in);
	else if (!(h->in = stream_new(&i->limits)))
		return -ENOMEM;
	/* The small ceilings before a login are for strangers; a server's features may be long. */
	stream_set_authenticated(h->in, side == FLOW_SERVER || i->authenticated || i->midstream ||
						i->role == ROLE_SERVERLESS);
	h->stage = STAGE_XML;
	return 0;
}

static void keep_text(char **where, const char *text)
{
	free(*where);
	*where = text && *text ? strdup(text) : NULL;
}

static bool is_expected(const struct inspection *i)
{
	return i->announced || detect_is_served(i->of->policy, i->server.port);
}

/* The namespace says more than the port, but of what has no server: there it only says what this
 * sender likes. */
static void learn_role(struct inspection *i, const struct stream_header *header)
{
	const char *ns = header->content_ns;

	if (peer_is_serverless(i, header))
		i->role = ROLE_SERVERLESS;
	else if (strcmp(ns, NS_SERVER) == 0)
		i->role = ROLE_S2S;
	else if (strcmp(ns, NS_COMPONENT) == 0 || strcmp(ns, NS_COMPONENT_CONNECT) == 0)
		i->role = ROLE_COMPONENT;
	else if (strcmp(ns, NS_CLIENT) == 0)
		i->role = ROLE_C2S;
	inspection_swap(i);
}

static const char *static_ns(const char *ns)
{
	static const char *const all[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT,
		NS_COMPONENT_CONNECT };

	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++)
		if (strcmp(all[n], ns) == 0)
			return all[n];
	return NULL;
}

static void on_open(struct inspection *i, enum flow_side side, const struct stream_header *header)
{
	struct inspect_half *h = &i->half[side];

	inspection_becomes_stream(i);
	h->opened = true;
	keep_text(&h->header.from, header->from);
	keep_text(&h->header.to, header->to);
	h->header.content_ns = static_ns(header->content_ns);
	/* Whose stream it is was said by who opened it. */
	if (side == FLOW_CLIENT || !i->half[FLOW_CLIENT].opened)
		learn_role(i, header);
	if (i->role == ROLE_SERVERLESS)
		peer_opened(i, side);
}

/* ---- judging ---- */

static int on_stanza(struct inspection *i, enum flow_side side, const struct stanza *st)
{
	const struct inspect_half *h = &i->half[side];
	struct inspect_verdict told = { .side = side, .end = h->position - stream_rest(h->in).len };

	told.start = told.end - (st->raw.len < told.end ? st->raw.len : told.end);
	return inspection_judge(i, st, &told);
}

/* ---- turns of a stream ---- */

/* From here on TLS is to come; what is there already tells whether it does. */
static void expect_tls(struct inspection *i)
{
	i->starttls = true;
	note(i, FLOW_SERVER, "starttls");
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		struct inspect_half *h = &i->half[s];
		struct span rest = h->in ? stream_rest(h->in) : (struct span){ NULL, 0 };

		h->waits = false;
		h->expects_tls = true;
		if (rest.len > 0 && detect_is_tls(rest)) {
			h->expects_tls = false;
			counts_add(i->of->counts, COUNT_STREAM_TLS, s == FLOW_CLIENT);
			if (live_switches(i, s, rest, h->position - rest.len))
				half_close(i, h, STAGE_OPAQUE);
		}
	}
}

static void take_step(struct inspection *i, enum login_step step)
{
	if (step == LOGIN_TLS)
		expect_tls(i);
	if (step == LOGIN_COMPRESS) {
		i->compressed = true;
		counts_add(i->of->counts, COUNT_STREAM_COMPRESSED, 1);
		note(i, FLOW_SERVER, "compressed");
		if (i->of->live && i->conf) {
			inspection_refuse(
				i, FLOW_SERVER, STREAM_ERROR_POLICY_VIOLATION, "stream.compressed");
			return;
		}
	}
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		struct inspect_half *h = &i->half[s];

		if (step == LOGIN_COMPRESS)
			half_close(i, h, STAGE_OPAQUE);
		if (step == LOGIN_RESTART && h->in) {
			stream_restart_keep(h->in);
			h->opened = h->said_sasl = h->waits = false;
		}
	}
}

/* A new stream may begin here without our being told: where the server is not seen, its success
 * shows in what the client does next; and after a false <proceed/> some go on in clear text. True:
 * too little to tell, wait for more. */
static bool restart_untold(struct inspection *i, struct inspect_half *h)
{
	bool login = h->said_sasl && !h->waits && !i->half[FLOW_SERVER].opened && !i->authenticated;
	struct span rest;
	bool maybe;

	if (!login && !h->after_proceed)
		return false;
	rest = stream_rest(h->in);
	if (!detect_is_header(rest, &maybe))
		return maybe;
	i->authenticated = i->authenticated || login;
	h->said_sasl = h->after_proceed = h->opened = false;
	stream_set_authenticated(h->in, true);
	stream_restart_keep(h->in);
	return false;
}

static void on_bad(struct inspection *i, enum flow_side side, const struct stream_event *ev)
{
	struct inspect_half *h = &i->half[side];
	enum stream_error error = ev->error;
	const char *reason = ev->reason;

	if (h->picked_up) {
		/* We guessed where a stanza begins. */
		stream_restart(h->in);
		h->stage = STAGE_SEEK;
		h->sought = 0;
		return;
	}
	if (i->speaks == SPEAKS_UNKNOWN && !is_expected(i)) {
		becomes_other(i, side, SPEAKS_OTHER);
		return;
	}
	inspection_becomes_stream(i);
	counts_add(i->of->counts, COUNT_STREAM_BAD, 1);
	inspection_refuse(i, side, error, reason);
}

/* Its receiver may still read it, or not: nobody needs it. */
static void refuse_behind(struct inspection *i, enum flow_side side, struct span rest)
{
	if (i->of->live && !live_is_white(rest))
		inspection_refuse(i, side, STREAM_ERROR_BAD_FORMAT, "stream.after-close");
}

static int half_event(struct inspection *i, enum flow_side side, struct stream_event *ev)
{
	bool waited;

	if ((ev->kind == STREAM_STANZA || ev->kind == STREAM_ELEMENT) &&
		live_must_encrypt(i, ev->stanza.root)) {
		inspection_refuse(i, side, STREAM_ERROR_POLICY_VIOLATION, "tls.required");
		return 0;
	}
	switch (ev->kind) {
	case STREAM_OPEN:
		on_open(i, side, &ev->header);
		return 0;
	case STREAM_STANZA:
		return on_stanza(i, side, &ev->stanza);
	case STREAM_ELEMENT:
		if (live_is_stray(i, ev->stanza.root)) {
			inspection_refuse(
				i, side, STREAM_ERROR_INVALID_NAMESPACE, "stanza.namespace");
			return 0;
		}
		waited = i->half[FLOW_CLIENT].waits;
		take_step(i, login_element(i, side, &ev->stanza));
		/* The server's answer lets the client go on, before the server does. */
		return waited && !i->half[FLOW_CLIENT].waits ? half_drain(i, FLOW_CLIENT) : 0;
	case STREAM_CLOSE:
		refuse_behind(i, side, stream_rest(i->half[side].in));
		if (i->half[side].stage != STAGE_BAD)
			half_close(i, &i->half[side], STAGE_ENDED);
		return 0;
	case STREAM_BAD:
		on_bad(i, side, ev);
		return 0;
	default:
		return 0;
	}
}

/* Everything that is complete. */
static int half_drain(struct inspection *i, enum flow_side side)
{
	struct inspect_half *h = &i->half[side];
	struct stream_event ev;
	int r = 0;

	while (r == 0 && h->stage == STAGE_XML) {
		if (h->waits && stream_rest(h->in).len <= WAIT_MAX)
			return 0;
		if (restart_untold(i, h))
			break;
		if ((r = stream_next(h->in, &ev)) < 0 || ev.kind == STREAM_MORE)
			break;
		r = half_event(i, side, &ev);
	}
	half_account(i, h);
	if (r == 0 && i->of->memory > i->of->memory_max && h->in) {
		counts_add(i->of->counts, COUNT_STREAM_MEMORY, 1);
		if (i->of->live)
			inspection_refuse(
				i, side, STREAM_ERROR_RESOURCE_CONSTRAINT, "stream.memory");
		else
			half_close(i, h, STAGE_BAD);
	}
	return r;
}

/* ---- bytes ---- */

static int take_xml(struct inspection *i, enum flow_side side, struct span bytes)
{
	int r = stream_push(i->half[side].in, bytes.ptr, bytes.len);

	return r < 0 ? r : half_drain(i, side);
}

/* Where XMPP is served there may be BOSH in it. */
static int becomes_http(struct inspection *i, enum flow_side side, struct span bytes)
{
	if (!detect_is_served(i->of->policy, i->server.port) || bosh_unwelcome(i)) {
		becomes_other(i, side, SPEAKS_HTTP);
		return 0;
	}
	i->speaks = SPEAKS_HTTP;
	counts_add(i->of->counts, COUNT_STREAM_HTTP, 1);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		half_close(i, &i->half[s], STAGE_HTTP);
	return bosh_begin(i, side, bytes);
}

static int take_first(struct inspection *i, enum flow_side side, struct span bytes)
{
	enum detect_kind kind = detect_first(bytes);
	int r;

	/* Half a stream is none: what the other side says would go on unread. */
	if (i->of->live && i->half[!side].stage == STAGE_XML && kind != DETECT_XML &&
		kind != DETECT_MORE) {
		inspection_refuse(i, side, STREAM_ERROR_BAD_FORMAT, "stream.other");
		return 0;
	}
	switch (kind) {
	case DETECT_MORE:
		return 0;
	case DETECT_XML:
		return (r = half_begin(i, side)) < 0 ? r : take_xml(i, side, bytes);
	case DETECT_TLS:
		becomes_other(i, side, SPEAKS_TLS);
		return 0;
	case DETECT_HTTP:
		return becomes_http(i, side, bytes);
	default:
		becomes_other(i, side, SPEAKS_OTHER);
		return 0;
	}
}

/* In the middle of a stream: from the next stanza on. */
static int take_middle(struct inspection *i, enum flow_side side, struct span bytes)
{
	struct inspect_half *h = &i->half[side];
	const char *header = detect_header(i->role);
	size_t at;
	bool maybe;
	int r;

	if (detect_is_header(bytes, &maybe)) {
		h->picked_up = false;
		return (r = half_begin(i, side)) < 0 ? r : take_xml(i, side, bytes);
	}
	if (i->speaks == SPEAKS_UNKNOWN) {
		if (detect_is_http(bytes))
			return becomes_http(i, side, bytes);
		if (detect_first(bytes) == DETECT_TLS)
			becomes_other(i, side, SPEAKS_TLS);
		if (h->stage == STAGE_OPAQUE || detect_is_bosh(i->server.port))
			return 0;
	}
	at = detect_stanza(bytes);
	h->sought += at;
	counts_add(i->of->counts, COUNT_STREAM_SKIPPED_BYTES, i->speaks == SPEAKS_XMPP ? at : 0);
	if (at == bytes.len) {
		if (h->sought > SEEK_MAX && i->speaks == SPEAKS_UNKNOWN && !is_expected(i))
			becomes_other(i, side, SPEAKS_OTHER);
		return 0;
	}
	inspection_becomes_stream(i);
	h->picked_up = true;
	counts_add(i->of->counts, COUNT_STREAM_PICKED_UP, 1);
	if ((r = half_begin(i, side)) < 0 || (r = stream_push(h->in, header, strlen(header))) < 0)
		return r;
	return take_xml(i, side, (struct span){ bytes.ptr + at, bytes.len - at });
}

/* After <proceed/>: TLS, or somebody who only wanted us to believe it. */
static bool is_switched(struct inspection *i, enum flow_side side, struct span bytes)
{
	struct inspect_half *h = &i->half[side];

	if (!h->expects_tls || bytes.len == 0 || (h->in && stream_rest(h->in).len > 0))
		return false;
	h->expects_tls = false;
	if (detect_is_tls(bytes)) {
		counts_add(i->of->counts, COUNT_STREAM_TLS, side == FLOW_CLIENT);
		if (live_switches(i, side, bytes, h->position - bytes.len))
			half_close(i, h, STAGE_OPAQUE);
		return true;
	}
	if (i->of->live && i->half[!side].stage == STAGE_OPAQUE) {
		inspection_refuse(i, side, STREAM_ERROR_POLICY_VIOLATION, "tls.one-sided");
		return true;
	}
	counts_add(i->of->counts, COUNT_STREAM_FALSE_PROCEED, 1);
	note(i, side, "false-proceed");
	/* A new stream, or the old one goes on: both are read. */
	h->after_proceed = true;
	return false;
}

int inspection_push(struct inspection *i, enum flow_side side, struct span bytes, uint64_t position)
{
	struct inspect_half *h = &i->half[side];

	h->bytes += bytes.len;
	h->position = position + bytes.len;
	if (is_switched(i, side, bytes))
		return 0;
	switch (h->stage) {
	case STAGE_NEW:
		return take_first(i, side, bytes);
	case STAGE_XML:
		return take_xml(i, side, bytes);
	case STAGE_SEEK:
		return take_middle(i, side, bytes);
	case STAGE_HTTP:
		return bosh_push(i->bosh, side, bytes, position);
	case STAGE_ENDED:
		refuse_behind(i, side, bytes);
		return 0;
	case STAGE_OPAQUE:
		if (i->starttls)
			(void)live_switches(i, side, bytes, position);
		return 0;
	default:
		return 0;
	}
}

void inspection_gap(struct inspection *i, enum flow_side side)
{
	struct inspect_half *h = &i->half[side];

	if (h->stage == STAGE_HTTP)
		bosh_gap(i->bosh, side);
	if (h->stage != STAGE_NEW && h->stage != STAGE_XML)
		return;
	if (h->in)
		stream_restart(h->in);
	h->waits = h->said_sasl = false;
	h->stage = STAGE_SEEK;
	h->sought = 0;
	/* The answer to a login may be what is missing. */
	i->midstream = true;
	half_account(i, h);
	note(i, side, "gap");
}

int inspection_end(struct inspection *i, enum flow_side side)
{
	struct inspect_half *h = &i->half[side];
	int r = 0;

	h->waits = h->said_sasl = false;
	if (h->stage == STAGE_XML)
		r = half_drain(i, side);
	if (h->stage == STAGE_HTTP)
		return bosh_end(i->bosh, side);
	if (h->stage == STAGE_XML && stream_is_partial(h->in) && i->speaks == SPEAKS_XMPP) {
		counts_add(i->of->counts, COUNT_STREAM_UNFINISHED, 1);
		note(i, side, "unfinished");
	}
	if (h->stage != STAGE_OPAQUE && h->stage != STAGE_BAD)
		half_close(i, h, STAGE_ENDED);
	return r;
}

void inspection_shrink(struct inspection *i)
{
	if (i->bosh)
		bosh_shrink(i->bosh);
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		if (!i->half[s].in)
			continue;
		stream_shrink(i->half[s].in);
		half_account(i, &i->half[s]);
	}
}
