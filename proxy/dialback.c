/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be said about whom on a stream between servers (XEP-0220, XEP-0288), behind the parser
 * and before anything is forwarded. In: elements of dialback and bidi from either side. Out: pass,
 * swallow with an answer, or end, and which pair of domains became valid by it. The whole law in a
 * sentence: a pair is valid only if who says its stanzas asked for it on this stream, and the other
 * end said yes. Answers nobody asked for are the attack of XEP-0220 3.1. It never sees a socket,
 * never makes or checks a key, and never ends anything itself. */
#include "proxy/dialback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "proxy/dialback_element.h"
#include "proxy/features.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

enum {
	PAIRS_DEFAULT = 100,
	OPEN_DEFAULT = 32,
	PER_MINUTE_DEFAULT = 120,
	MINUTE_MS = 60000,
	STALE_MS = 2 * MINUTE_MS, /* a request not answered for so long gives way, if one has to */
};

/* Waits for the other end's answer. */
struct dialback_request {
	enum side asked_by;
	enum dialback_kind kind;
	uint64_t asked_ms;
	const char *from, *to, *id; /* behind this struct */
};

void dialback_init(struct dialback *d, enum side local, const struct dialback_limits *limits,
	const struct dialback_asks *asks)
{
	*d = (struct dialback){ .limits = *limits, .asks = *asks, .local = local };
	if (d->limits.pairs == 0)
		d->limits.pairs = PAIRS_DEFAULT;
	if (d->limits.open == 0)
		d->limits.open = OPEN_DEFAULT;
	if (d->limits.per_minute == 0)
		d->limits.per_minute = PER_MINUTE_DEFAULT;
	pairs_init(&d->pairs, d->limits.pairs);
}

void dialback_fini(struct dialback *d)
{
	for (unsigned i = 0; i < d->n_open; i++)
		free(d->open[i]);
	free(d->open);
	free(d->stream_id);
	pairs_fini(&d->pairs);
	d->open = NULL;
	d->n_open = 0;
	d->stream_id = NULL;
}

int dialback_set_id(struct dialback *d, const char *id)
{
	char *copy = strdup(id);

	if (!copy)
		return -ENOMEM;
	free(d->stream_id);
	d->stream_id = copy;
	return 0;
}

/* ---- requests that wait ---- */

static const char *put_text(char **at, const char *text)
{
	char *start = *at;

	*at = stpcpy(start, text) + 1;
	return start;
}

static struct dialback_request *request_new(enum side by, const struct dialback_element *is)
{
	const char *id = is->kind == DIALBACK_VERIFY ? is->id : "";
	struct dialback_request *q =
		malloc(sizeof(*q) + strlen(is->from) + strlen(is->to) + strlen(id) + 3);
	char *at = (char *)(q + 1);

	if (!q)
		return NULL;
	*q = (struct dialback_request){
		.asked_by = by, .kind = is->kind, .asked_ms = clock_mono_ms()
	};
	q->from = put_text(&at, is->from);
	q->to = put_text(&at, is->to);
	q->id = put_text(&at, id);
	return q;
}

/* Verifications are told apart by their ids; of a pair, one request is open at a time. */
static int open_find(const struct dialback *d, enum side asked_by, enum dialback_kind kind,
	const char *from, const char *to, const char *id)
{
	for (unsigned i = 0; i < d->n_open; i++) {
		const struct dialback_request *q = d->open[i];

		if (q->asked_by == asked_by && q->kind == kind && strcmp(q->from, from) == 0 &&
			strcmp(q->to, to) == 0 &&
			(kind == DIALBACK_RESULT || strcmp(q->id, id) == 0))
			return (int)i;
	}
	return -1;
}

static void open_remove(struct dialback *d, unsigned i)
{
	free(d->open[i]);
	d->n_open--;
	memmove(d->open + i, d->open + i + 1, (d->n_open - i) * sizeof(*d->open));
}

/* What it asked for has not come about. */
static void open_forget(struct dialback *d, unsigned i)
{
	const struct dialback_request *q = d->open[i];
	const struct pair *pair =
		pairs_find(&d->pairs, q->asked_by, span_of(q->from), span_of(q->to));

	if (q->kind == DIALBACK_RESULT && pair && pair->state == PAIR_ASKED)
		pairs_set(&d->pairs, q->asked_by, q->from, q->to, PAIR_NONE, PAIR_BY_NOTHING, NULL);
	open_remove(d, i);
}

static bool open_is_stale(const struct dialback *d, unsigned i)
{
	return clock_mono_ms() - d->open[i]->asked_ms >= STALE_MS;
}

/* They stand in the order they came in. */
static bool open_has_room(struct dialback *d)
{
	if (d->n_open < d->limits.open)
		return true;
	if (!open_is_stale(d, 0))
		return false;
	open_forget(d, 0);
	return true;
}

/* Is an answer to the very same on its way? It will answer both. If it is long overdue, the new
 * request takes the place of the old one. */
static bool open_expects(struct dialback *d, enum side by, const struct dialback_element *is)
{
	int at = open_find(d, by, is->kind, is->from, is->to, is->id);

	if (at < 0)
		return false;
	if (!open_is_stale(d, (unsigned)at))
		return true;
	open_forget(d, (unsigned)at);
	return false;
}

static int open_add(struct dialback *d, enum side by, const struct dialback_element *is)
{
	struct dialback_request **all = d->open;

	/* Doubles: 1, 2, 4 ... */
	if ((d->n_open & (d->n_open - 1)) == 0) {
		all = realloc(all, (d->n_open ? d->n_open * 2 : 1) * sizeof(*all));
		if (!all)
			return -ENOMEM;
		d->open = all;
	}
	if (!(all[d->n_open] = request_new(by, is)))
		return -ENOMEM;
	d->n_open++;
	return 0;
}

/* Of the last sixty seconds, taken evenly from the minute before and this one. */
static bool rate_exceeded(struct dialback *d)
{
	uint64_t now = clock_mono_ms(), since = now - d->window_ms;

	if (since >= MINUTE_MS) {
		d->asked_before = since < 2 * (uint64_t)MINUTE_MS ? d->asked : 0;
		d->asked = 0;
		d->window_ms = now - since % MINUTE_MS;
		since %= MINUTE_MS;
	}
	d->asked++;
	return d->asked + d->asked_before * (MINUTE_MS - since) / MINUTE_MS > d->limits.per_minute;
}

/* ---- the three fates ---- */

/* One element under judgement. */
struct hearing {
	struct dialback *d;
	enum side said_by;
	const struct stanza *st;
	struct dialback_element is;
	struct dialback_out *out;
};

static enum dialback_fate end(struct hearing *h, const char *reason, enum stream_error error)
{
	h->out->reason = reason;
	h->out->error = error;
	return DIALBACK_END;
}

static enum dialback_fate fail(struct hearing *h)
{
	return end(h, "dialback.memory", STREAM_ERROR_INTERNAL_SERVER_ERROR);
}

static enum dialback_fate ignore(struct hearing *h, const char *reason)
{
	h->out->reason = reason;
	return DIALBACK_SWALLOW;
}

/* Errors are a pair's, never the stream's (XEP-0220 2.4.2). */
static enum dialback_fate refuse(struct hearing *h, const char *reason, enum stanza_error condition)
{
	h->out->reason = reason;
	h->out->answer_to = h->said_by;
	h->out->answer = dialback_answer(h->st->arena, h->st->root, condition);
	return h->out->answer ? DIALBACK_SWALLOW : fail(h);
}

static enum dialback_fate forward(struct hearing *h)
{
	if (dialback_trim(h->st->arena, h->st->root, &h->is, &h->out->stripped) < 0)
		return fail(h);
	if (h->out->stripped)
		h->out->reason = "dialback.stripped";
	return DIALBACK_FORWARD;
}

static bool is_local(const struct dialback *d, const char *domain)
{
	return d->asks.is_local && d->asks.is_local(d->asks.ctx, domain);
}

/* Without the function every domain may be either. */
static bool is_not_local(const struct dialback *d, const char *domain)
{
	return d->asks.is_local && !d->asks.is_local(d->asks.ctx, domain);
}

static bool may(const struct dialback *d, const char *domain)
{
	return !d->asks.may || d->asks.may(d->asks.ctx, domain);
}

/* Of a pair that side says, the domain that is not ours. */
static const char *remote_of(
	const struct dialback *d, enum side side, const char *from, const char *to)
{
	return side == d->local ? to : from;
}

/* ---- requests ---- */

/* NULL: nothing is wrong with who asks for whom. */
static const char *request_wrong(const struct hearing *h, enum stanza_error *condition)
{
	const struct dialback *d = h->d;
	const struct dialback_element *is = &h->is;

	*condition = STANZA_ERROR_NOT_ALLOWED;
	if (h->said_by == SIDE_RECEIVER && !d->bidi)
		return "dialback.direction";
	if (strcmp(is->from, is->to) == 0)
		return "dialback.same";
	/* Each side speaks for its own domains only. */
	if (h->said_by == d->local ? is_not_local(d, is->from) : is_local(d, is->from))
		return "dialback.from";
	if (h->said_by != d->local && is_not_local(d, is->to)) {
		*condition = STANZA_ERROR_ITEM_NOT_FOUND;
		return "dialback.to";
	}
	return NULL;
}

/* A receiver may ask only for targets that the initiator has proved to be (XEP-0288 2.2): from any
 * other, "valid" would lead their stanzas to the wrong server. */
static bool target_is_proved(const struct hearing *h)
{
	return h->said_by == SIDE_INITIATOR ||
	       pairs_speaks_for(&h->d->pairs, SIDE_INITIATOR, h->is.to);
}

static enum dialback_fate check_result_request(struct hearing *h)
{
	struct dialback *d = h->d;
	const struct dialback_element *is = &h->is;
	const struct pair *pair;
	bool valid;
	int r;

	if (!target_is_proved(h))
		return refuse(h, "dialback.target", STANZA_ERROR_NOT_ALLOWED);
	if (!may(d, remote_of(d, h->said_by, is->from, is->to)))
		return refuse(h, "dialback.policy", STANZA_ERROR_NOT_AUTHORIZED);
	if (open_expects(d, h->said_by, is))
		return ignore(h, "dialback.twice");
	if (!open_has_room(d))
		return refuse(h, "dialback.open", STANZA_ERROR_RESOURCE_CONSTRAINT);
	pair = pairs_find(&d->pairs, h->said_by, span_of(is->from), span_of(is->to));
	valid = pair && pair->state == PAIR_VALID;
	/* Asked for again, it is valid until the answer comes. */
	r = valid ? 0
		  : pairs_set(&d->pairs, h->said_by, is->from, is->to, PAIR_ASKED, PAIR_BY_NOTHING,
			    &pair);
	if (r == ERR_LIMIT)
		return refuse(h, "dialback.pairs", STANZA_ERROR_RESOURCE_CONSTRAINT);
	if (r < 0 || open_add(d, h->said_by, is) < 0)
		return fail(h);
	d->begun = true;
	if (!valid) {
		h->out->pair = pair;
		h->out->side = h->said_by;
	}
	return forward(h);
}

static enum dialback_fate check_verify_request(struct hearing *h)
{
	struct dialback *d = h->d;
	const struct dialback_element *is = &h->is;

	if (!is->id[0])
		return refuse(h, "dialback.id", STANZA_ERROR_BAD_REQUEST);
	/* A key of this stream, verified by the very one who sent it, proves nothing (XEP-0288
	 * 2.2). */
	if (d->stream_id && strcmp(is->id, d->stream_id) == 0)
		return refuse(h, "dialback.loop", STANZA_ERROR_NOT_ALLOWED);
	if (open_expects(d, h->said_by, is))
		return ignore(h, "dialback.twice");
	if (!open_has_room(d))
		return refuse(h, "dialback.open", STANZA_ERROR_RESOURCE_CONSTRAINT);
	return open_add(d, h->said_by, is) < 0 ? fail(h) : forward(h);
}

static enum dialback_fate check_request(struct hearing *h)
{
	enum stanza_error condition;
	const char *wrong;

	if (rate_exceeded(h->d))
		return end(h, "dialback.rate", STREAM_ERROR_POLICY_VIOLATION);
	if ((wrong = request_wrong(h, &condition)))
		return refuse(h, wrong, condition);
	if (h->is.key == 0)
		return refuse(h, "dialback.key", STANZA_ERROR_BAD_REQUEST);
	return h->is.kind == DIALBACK_RESULT ? check_result_request(h) : check_verify_request(h);
}

/* ---- answers ---- */

/* "valid" leads the listener to believe; the other two only to give up, and may come late. */
static enum dialback_fate unsolicited(struct hearing *h)
{
	if (h->is.type == DIALBACK_VALID)
		return end(h, "dialback.unsolicited", STREAM_ERROR_POLICY_VIOLATION);
	if (rate_exceeded(h->d))
		return end(h, "dialback.rate", STREAM_ERROR_POLICY_VIOLATION);
	return ignore(h, "dialback.unsolicited");
}

/* from and to as who asked wrote them. */
static enum dialback_fate pair_decided(struct hearing *h, const char *from, const char *to)
{
	struct dialback *d = h->d;
	enum side asked_by = side_other(h->said_by);
	const struct pair *old = pairs_find(&d->pairs, asked_by, span_of(from), span_of(to));
	bool external = old && old->state == PAIR_VALID && old->how == PAIR_BY_EXTERNAL;
	bool valid = h->is.type == DIALBACK_VALID;
	bool allowed = !valid || may(d, remote_of(d, asked_by, from, to));

	/* It has its place since it was asked for. */
	if (pairs_set(&d->pairs, asked_by, from, to, valid && allowed ? PAIR_VALID : PAIR_REFUSED,
		    external ? PAIR_BY_EXTERNAL : PAIR_BY_DIALBACK, &h->out->pair) < 0)
		return fail(h);
	h->out->side = asked_by;
	if (allowed)
		return forward(h);
	/* The policy has changed meanwhile: who asked is told so instead. */
	h->out->reason = "dialback.policy";
	if (dialback_make_error(h->st->arena, h->st->root, STANZA_ERROR_NOT_AUTHORIZED) < 0)
		return fail(h);
	return DIALBACK_FORWARD;
}

static enum dialback_fate check_answer(struct hearing *h)
{
	struct dialback *d = h->d;
	const struct dialback_element *is = &h->is;
	int at = open_find(d, side_other(h->said_by), is->kind, is->to, is->from, is->id);

	if (at < 0)
		return unsolicited(h);
	open_remove(d, (unsigned)at);
	return is->kind == DIALBACK_RESULT ? pair_decided(h, is->to, is->from) : forward(h);
}

/* ---- bidi ---- */

/* XEP-0288 2.2: by who opened the stream, offered, before any authentication, once. */
static enum dialback_fate check_bidi(struct hearing *h)
{
	struct dialback *d = h->d;
	struct xml_element *bidi = h->st->root;

	if (h->said_by != SIDE_INITIATOR || !d->bidi_offered || d->bidi || d->begun)
		return end(h, "dialback.bidi", STREAM_ERROR_POLICY_VIOLATION);
	h->out->stripped = dialback_trim_bidi(bidi);
	if (element_first(bidi) &&
		features_lower_limits(h->st->arena, bidi, d->limits.stanza_bytes, 0) < 0)
		return fail(h);
	d->bidi = true;
	if (h->out->stripped)
		h->out->reason = "dialback.stripped";
	return DIALBACK_FORWARD;
}

void dialback_offer_bidi(struct dialback *d)
{
	d->bidi_offered = true;
}

/* ---- the whole ---- */

enum dialback_fate dialback_check(
	struct dialback *d, enum side said_by, const struct stanza *st, struct dialback_out *out)
{
	struct hearing h = { .d = d, .said_by = said_by, .st = st, .out = out };

	*out = (struct dialback_out){ 0 };
	if (element_is(st->root, NS_BIDI, "bidi"))
		return check_bidi(&h);
	if (dialback_read(st->arena, st->root, &h.is) < 0)
		return fail(&h);
	if (h.is.kind == DIALBACK_OTHER)
		return end(&h, "dialback.element", STREAM_ERROR_UNSUPPORTED_STANZA_TYPE);
	out->from = h.is.from;
	out->to = h.is.to;
	if (!h.is.from || !h.is.to)
		return end(&h, "dialback.address", STREAM_ERROR_IMPROPER_ADDRESSING);
	if (h.is.type == DIALBACK_UNKNOWN)
		return end(&h, "dialback.type", STREAM_ERROR_POLICY_VIOLATION);
	if (h.is.oversize)
		return end(&h, "dialback.size", STREAM_ERROR_POLICY_VIOLATION);
	return h.is.type == DIALBACK_REQUEST ? check_request(&h) : check_answer(&h);
}

int dialback_external(struct dialback *d, struct arena *a, const char *from, const char *to,
	const struct pair **out)
{
	const char *f, *t;
	int r;

	d->begun = true;
	if ((r = pair_prepare(a, from, &f)) < 0 || (r = pair_prepare(a, to, &t)) < 0)
		return r;
	return pairs_set(&d->pairs, SIDE_INITIATOR, f, t, PAIR_VALID, PAIR_BY_EXTERNAL, out);
}

/* A pair refused in so many words is not valid with its twin. */
bool dialback_is_legal(struct dialback *d, enum side side, struct span from, struct span to)
{
	const struct pair *pair = pairs_find(&d->pairs, side, from, to);

	if (pair && (pair->state == PAIR_VALID || pair->state == PAIR_REFUSED))
		return pair->state == PAIR_VALID;
	return d->bidi && pairs_is_valid(&d->pairs, side_other(side), to, from);
}

/* A name written as it is prepared is its own preparation, so a hit needs none. */
bool dialback_takes(
	struct dialback *d, enum side side, struct arena *a, const char *from, const char *to)
{
	struct span f, t;
	const char *prepared_from, *prepared_to;

	if (!from || !to)
		return false;
	f = pair_domain_of(from);
	t = pair_domain_of(to);
	if (dialback_is_legal(d, side, f, t))
		return true;
	if (jid_prep_domain(a, f, &prepared_from) < 0 || jid_prep_domain(a, t, &prepared_to) < 0)
		return false;
	return dialback_is_legal(d, side, span_of(prepared_from), span_of(prepared_to));
}
