/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams between servers until both are open: beside session_open.c and session_server.c.
 * In: the initiator's header, the stranger's certificate, answers of DNS and of the local
 * authority. Out: who the stranger is, a certificate that says exactly that to our own server, or
 * the end. Direction in: first its header, then we dial. Direction out: first the stranger is
 * dialled, and our own server's handshake waits until it is known what it may be shown. Everything
 * is asked for again on each connection; nothing said in clear text is kept. It never forwards a
 * stanza: whose may pass is relay_federation.c's. */
#include "proxy/session_federation.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/err.h"
#include "base/log.h"
#include "door/domains.h"
#include "proxy/counters.h"
#include "proxy/crossing.h"
#include "proxy/dane_ask.h"
#include "proxy/event.h"
#include "proxy/remote.h"
#include "proxy/session_close.h"
#include "proxy/session_open.h"
#include "proxy/session_server.h"
#include "proxy/untrusted.h"
#include "proxy/worker.h"
#include "xmpp/jid.h"

static const struct federation_options *federation_options(const struct session *s)
{
	return policy_federation(s->worker->gear->policy);
}

/* Is it one of our own domains? Those that are written, else those we have certificates of. */
static bool federation_is_local(void *arg, const char *domain)
{
	const struct session *s = arg;
	const struct federation_options *o = federation_options(s);

	if (o->n_domains > 0)
		return domains_fit(o->domains, o->n_domains, domain) > 0;
	return s->service->certs && certs_find(s->service->certs, domain);
}

const struct remote_policy *federation_policy(const struct session *s, const char *domain)
{
	return policy_remote_or_rest(s->worker->gear->policy, domain ? domain : "");
}

/* What the certificate seen on this stream proves for a domain; records of DNS NULL: none. */
static void federation_examine(struct session *s, const char *domain,
	const struct dane_records *records, struct remote_found *found)
{
	const struct tls_link *tls = &session_stranger(s)->conn.tls;
	const struct remote_policy *p = federation_policy(s, domain);
	struct remote_check check = {
		.leaf = tls_link_peer(tls),
		.chain = tls_link_peer_chain(tls),
		.domain = domain,
		.trust = gear_trust(s->worker->gear, p),
		.pins = p->pins,
		.n_pins = p->n_pins,
		.dane = records,
		.require = p->require,
		.now = time(NULL),
	};

	remote_verify(&check, found);
}

/* May a pair with this domain of strangers become valid by dialback here: does what it is held to
 * take that, or is the certificate seen on this very stream enough for it? Of other domains than
 * the header's DNS is not asked: they have streams of their own. */
static bool federation_may(void *arg, const char *domain)
{
	struct session *s = arg;
	const struct federation *f = s->federation;
	const struct remote_policy *p = federation_policy(s, domain);
	struct remote_found found;

	if (p->require & REMOTE_DIALBACK)
		return true;
	if (f->remote && strcmp(f->remote, domain) == 0)
		return (p->require & f->ways) != 0;
	federation_examine(s, domain, NULL, &found);
	return (p->require & found.ways) != 0;
}

static unsigned dialback_per_minute(const struct federation_options *o)
{
	uint64_t n = o->dialback_rate_ms ? o->dialback_rate * 60000 / o->dialback_rate_ms : 0;

	return n > UINT_MAX ? UINT_MAX : n < 1 ? 1 : (unsigned)n;
}

static void federation_init_dialback(struct session *s)
{
	struct federation *f = s->federation;
	const struct federation_options *o = federation_options(s);

	dialback_init(&f->dialback, session_dials_out(s) ? SIDE_INITIATOR : SIDE_RECEIVER,
		&(struct dialback_limits){ .pairs = o->pairs,
			.open = o->dialback_open,
			.per_minute = dialback_per_minute(o),
			.stanza_bytes = s->service->conf.limits.stanza_bytes },
		&(struct dialback_asks){ federation_is_local, federation_may, s });
}

int federation_new(struct session *s)
{
	if (!(s->federation = calloc(1, sizeof(*s->federation))))
		return -ENOMEM;
	federation_init_dialback(s);
	return 0;
}

void federation_begin_anew(struct session *s)
{
	struct federation *f = s->federation;

	f->ready = f->opened = f->plain = f->vouched = f->featured = false;
	crossing_leave(s);
	dialback_fini(&f->dialback);
	federation_init_dialback(s);
}

static void federation_forget(struct session *s)
{
	dane_forget(s->worker, s);
	leaves_forget(s->worker, s);
}

void federation_free(struct session *s)
{
	struct federation *f = s->federation;

	if (!f)
		return;
	federation_forget(s);
	crossing_leave(s);
	dialback_fini(&f->dialback);
	leaf_unref(f->leaf);
	free((char *)f->local);
	free((char *)f->remote);
	free(f);
	s->federation = NULL;
}

/* ---- the header ---- */

/* A copy as servers compare it; NULL with errno 0: it is no domain. */
static char *prepared_copy(const char *text)
{
	struct arena a;
	const char *domain = NULL;
	char *out = NULL;

	arena_init(&a, 0);
	errno = 0;
	if (jid_prep_domain(&a, span_of(text), &domain) == 0 && !(out = strdup(domain)))
		errno = ENOMEM;
	arena_fini(&a);
	return out;
}

static bool header_refused(struct session *s, enum stream_error error, const char *reason)
{
	session_refuse(s, error, reason);
	return false;
}

/* Takes who wants to speak as whom, both as servers compare them. The clear header's is taken, too:
 * what is decided by it is decided again by the one behind TLS. */
bool federation_header_fits(struct session *s, const struct stream_header *h)
{
	struct federation *f = s->federation;
	const char *to = *h->to ? h->to : tls_link_sni(&s->client.conn.tls);
	bool out = session_dials_out(s);
	char *from = *h->from ? prepared_copy(h->from) : NULL;
	char *domain = prepared_copy(to);

	free((char *)f->local);
	f->local = out ? from : domain;
	if (f->ready && out && f->remote && domain && strcmp(f->remote, domain) != 0) {
		free(domain); /* another one was dialled for this session */
		return header_refused(s, STREAM_ERROR_HOST_UNKNOWN, "header.to-changed");
	}
	free((char *)f->remote);
	f->remote = out ? domain : from;
	if (!domain)
		return header_refused(s, STREAM_ERROR_IMPROPER_ADDRESSING, "header.to");
	if (*h->from && !from)
		return header_refused(s, STREAM_ERROR_IMPROPER_ADDRESSING, "header.from");
	if (!out && federation_is_local(s, from ? from : ""))
		return header_refused(s, STREAM_ERROR_INVALID_FROM, "header.from-ours");
	if (!out && !federation_is_local(s, domain))
		return header_refused(s, STREAM_ERROR_HOST_UNKNOWN, "header.domain");
	if (out && from && !federation_is_local(s, from))
		return header_refused(s, STREAM_ERROR_INVALID_FROM, "header.from-not-ours");
	if (out && federation_is_local(s, domain))
		return header_refused(s, STREAM_ERROR_HOST_UNKNOWN, "header.loop");
	/* The stream anew after SASL is the same two servers' (RFC 6120 6.4.6). */
	if (s->state == SESSION_RESTART && (!s->from || strcasecmp(h->from, s->from) != 0))
		return header_refused(s, STREAM_ERROR_INVALID_FROM, "header.from-changed");
	return true;
}

/* ---- who it is ---- */

/* Another domain's pair on the stream says nothing of the header's. */
bool federation_is_proved(const struct session *s)
{
	const struct federation *f = s->federation;
	const struct pair_list *list = &f->dialback.pairs.said_by[SIDE_INITIATOR];
	bool out = session_dials_out(s);

	if (!f->remote || f->verified != REMOTE_VERIFIED_NONE)
		return f->remote;
	for (unsigned i = 0; i < list->n; i++)
		if (list->all[i]->state == PAIR_VALID &&
			span_is(out ? list->all[i]->to : list->all[i]->from, f->remote))
			return true;
	return false;
}

const char *federation_peer(const struct session *s)
{
	return federation_is_proved(s) ? s->federation->remote : NULL;
}

bool federation_has(const struct session *s, const char *domain)
{
	const struct dialback *d = &s->federation->dialback;

	return pairs_speaks_for(&d->pairs, side_other(d->local), domain);
}

static enum remote_verified federation_shown(const struct federation *f, unsigned pairs)
{
	if (f->verified != REMOTE_VERIFIED_NONE || pairs == 0)
		return f->verified;
	return REMOTE_VERIFIED_DIALBACK;
}

void federation_row(const struct session *s, json_t *row)
{
	const struct federation *f = s->federation;
	unsigned pairs = 0;

	for (unsigned side = 0; side < SIDES; side++)
		pairs += pairs_count(&f->dialback.pairs, side, PAIR_VALID);
	json_object_set_new(row, "direction", json_string(session_dials_out(s) ? "out" : "in"));
	json_object_set_new(row, "local", json_string(f->local ? f->local : ""));
	json_object_set_new(row, "remote", json_string(f->remote ? f->remote : ""));
	json_object_set_new(row, "verified", json_string(remote_verified_text(federation_shown(f, pairs))));
	json_object_set_new(row, "pairs", json_integer(pairs));
	json_object_set_new(row, "bidi", json_boolean(f->dialback.bidi));
}

int federation_domain_of(struct arena *a, const char *address, const char **out)
{
	struct span domain = pair_domain_of(address ? address : "");
	const char *text = arena_strndup(a, domain.ptr, domain.len);

	return text ? pair_prepare(a, text, out) : -ENOMEM;
}

/* The stranger is not who the policy wants it to be: whoever is there hears so. */
static void federation_refuse(struct session *s, const char *reason, const char *why)
{
	log_warn("remote refused service=%s domain=%s reason=%s why=%s", s->service->conf.name,
		log_quote(span_of(s->federation->remote ? s->federation->remote : "")), reason,
		why ? why : "");
	counters_add("refused", reason);
	event_refused(s, DIRECTION_IN, STREAM_ERROR_POLICY_VIOLATION, reason);
	session_end(s, STREAM_ERROR_POLICY_VIOLATION, STREAM_ERROR_POLICY_VIOLATION, why);
	/* Where DNS has answered, nobody else writes what was said. */
	if (!s->running)
		session_run(s);
}

/* What stands for the stranger towards our own server is there, or nothing can. */
static void federation_go_on(struct session *s)
{
	if (s->running)
		session_handle(s, EVENT_VERIFIED, NULL);
	else
		session_poke(s, EVENT_VERIFIED);
}

static void federation_on_leaf(void *arg, struct leaf *leaf, const char *why)
{
	struct session *s = arg;
	struct federation *f = s->federation;

	leaf_unref(f->leaf);
	f->leaf = leaf;
	if (!leaf) {
		log_warn("no certificate minted service=%s domain=%s why=%s", s->service->conf.name,
			log_quote(span_of(f->remote)), why);
	}
	if (s->state == SESSION_VERIFYING)
		federation_go_on(s);
}

static void federation_mint(struct session *s, time_t not_after)
{
	struct federation *f = s->federation;
	struct leaf_wanted wanted = { .domain = f->remote,
		.verified = f->verified,
		.not_after = not_after,
		.done = federation_on_leaf,
		.arg = s };
	struct leaf *leaf = NULL;
	int r = leaves_want(s->worker, &wanted, &leaf);

	if (r != 0)
		federation_on_leaf(s, leaf, r < 0 ? err_text(r) : NULL);
}

static void federation_on_dane(void *arg, const struct dane_records *records, const char *why)
{
	struct session *s = arg;
	struct federation *f = s->federation;
	const struct remote_policy *p;
	struct remote_found found;

	if (s->state != SESSION_VERIFYING)
		return;
	p = federation_policy(s, f->remote);
	federation_examine(s, f->remote ? f->remote : "", records, &found);
	f->verified = found.verified;
	f->ways = found.ways;
	f->why = why && *why ? why : found.why;
	counters_add("remote.verified", remote_verified_text(f->verified));
	if (f->verified != REMOTE_VERIFIED_NONE)
		domains_note(f->remote);
	else
		log_info("remote not verified service=%s domain=%s why=%s", s->service->conf.name,
			log_quote(span_of(f->remote)), f->why ? f->why : "");
	/* Dialback may still come; a certificate has had its chance. */
	if (!(p->require & (f->ways | REMOTE_DIALBACK))) {
		federation_refuse(s, "remote.require", f->why);
		return;
	}
	/* Dialled again, it has to be who our own server was told it is. */
	if (f->verified == REMOTE_VERIFIED_NONE && f->vouched) {
		federation_refuse(s, "remote.changed", f->why);
		return;
	}
	if (f->verified == REMOTE_VERIFIED_NONE && p->unverified == UNVERIFIED_REFUSE) {
		federation_refuse(s, "remote.unverified", f->why);
		return;
	}
	if (f->verified == REMOTE_VERIFIED_NONE)
		federation_go_on(s);
	else
		federation_mint(s, found.not_after);
}

/* The stranger's TLS stands, or it has none. */
static void federation_verify(struct session *s)
{
	struct federation *f = s->federation;
	struct leg *stranger = session_stranger(s);

	federation_forget(s);
	f->verified = REMOTE_VERIFIED_NONE;
	f->ways = 0;
	f->why = NULL;
	leaf_unref(f->leaf);
	f->leaf = NULL;
	s->phase_ms = uv_now(&s->worker->loop);
	session_set_state(s, SESSION_VERIFYING);
	if (!f->remote || !stranger->conn.secure || !tls_link_peer(&stranger->conn.tls))
		federation_on_dane(s, NULL, stranger->conn.secure ? "no-certificate" : "no-tls");
	else if (!(federation_policy(s, f->remote)->require & REMOTE_DANE))
		federation_on_dane(s, NULL, NULL);
	else
		dane_ask(s->worker, f->remote, session_dials_out(s) ? &s->upstream : NULL,
			federation_on_dane, s);
}

/* ---- direction in ---- */

void federation_open_in(struct session *s)
{
	federation_verify(s);
}

/* ---- direction out ---- */

/* Our own server sees the stranger's name signed by the local authority, or by nobody. */
static void federation_show(struct session *s)
{
	struct federation *f = s->federation;
	struct tls_link *tls = &s->client.conn.tls;
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	int r;

	if (f->leaf)
		r = tls_link_show(tls, f->leaf->cert, f->leaf->key, f->leaf->chain);
	else if ((r = untrusted_make(f->remote, &cert, &key)) == 0)
		r = tls_link_show(tls, cert, key, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
	if (r < 0) {
		session_fail(s, r, "certificate");
		return;
	}
	f->vouched = f->leaf;
	s->client.conn.readable = true; /* the handshake goes on */
	session_set_state(s, SESSION_SECURING);
}

void federation_dial_first(struct session *s)
{
	s->federation->proceed = true;
	session_dial(s);
}

/* From the first byte: whom it wants is in the handshake, who it is comes later. */
void act_client_asks(struct session *s, struct leg *from, const struct stream_event *ev)
{
	struct federation *f = s->federation;
	const char *sni = tls_link_sni(&from->conn.tls);

	(void)ev;
	if (f->ready) {
		federation_show(s);
		return;
	}
	f->held = true;
	if (!*sni || !(f->remote = prepared_copy(sni)) || !(s->domain = strdup(sni)) ||
		federation_is_local(s, f->remote)) {
		counters_add("refused", "hello.sni");
		session_drain(s);
		return;
	}
	session_dial(s);
}

/* Towards the stranger our own domain's; towards our own server what stands for the stranger. */
int federation_show_server(struct session *s)
{
	struct federation *f = s->federation;
	struct tls_link *tls = &s->server.conn.tls;

	if (!session_dials_out(s))
		return f->leaf ? tls_link_show(tls, f->leaf->cert, f->leaf->key, f->leaf->chain)
			       : 0;
	if (!s->service->certs)
		return 0;
	f->shown = f->local ? certs_find(s->service->certs, f->local) : NULL;
	if (!f->shown)
		f->shown = certs_default(s->service->certs);
	return tls_link_show(tls, f->shown->leaf, f->shown->key, f->shown->chain);
}

void federation_server_ready(struct session *s)
{
	if (session_dials_out(s))
		federation_verify(s);
	else
		session_forward_header(s, SESSION_OPENING);
}

bool federation_goes_plain(struct session *s)
{
	struct federation *f = s->federation;

	if (s->service->conf.tls == TLS_OPTIONAL &&
		(federation_policy(s, f->remote)->require & REMOTE_DIALBACK)) {
		f->plain = true;
		return true;
	}
	federation_refuse(s, "remote.no-starttls", "the remote server offers no STARTTLS");
	return false;
}

void federation_open_out(struct session *s)
{
	struct federation *f = s->federation;

	f->opened = true;
	if (!f->local) {
		session_refuse(s, STREAM_ERROR_IMPROPER_ADDRESSING, "header.from");
	} else if (!f->ready) {
		session_dial(s);
	} else if (!f->redialled && f->shown && !cert_covers(f->shown, f->local) &&
		   certs_find(s->service->certs, f->local)) {
		/* TLS from the first byte did not say for whom it is. */
		f->redialled = true;
		f->ready = false;
		session_redial(s);
	} else {
		session_forward_header(s, SESSION_OPENING);
	}
}

void act_verified(struct session *s, struct leg *from, const struct stream_event *ev)
{
	struct federation *f = s->federation;

	(void)from;
	(void)ev;
	if (!session_dials_out(s)) {
		session_dial(s);
		return;
	}
	f->ready = true;
	if (f->opened) {
		session_forward_header(s, SESSION_OPENING);
	} else if (f->held) {
		f->held = false;
		federation_show(s);
	} else {
		f->proceed = false;
		session_proceed(s);
	}
}
