/* SPDX-License-Identifier: BSD-2-Clause */
/* From a domain to its TLSA records: above lookup.c, below a session that verifies a remote server
 * (session_federation.c). In: a domain and perhaps the address that was dialled. Out: the records,
 * all signed, or a word for why there are none. Three steps, each of questions side by side: SRV of
 * both services; if one of several servers was dialled, their addresses; TLSA of each server left.
 * What is not signed is never followed, and one bad answer takes nothing from the signed ones
 * beside it: records are only ever a union of proofs, so whoever suppresses some can make a server
 * look unverified, not verified. It never compares a certificate (dane.c), and never waits longer
 * than DANE_ASK_MS in all. */
#include "proxy/dane_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/err.h"
#include "proxy/lookup.h"
#include "proxy/worker.h"
#include "xmpp/jid.h"

enum { SERVICES = 2, S2S_PORT = 5269 };
enum stage { STAGE_SRV, STAGE_ADDRESS, STAGE_TLSA };

struct dane_ask;

/* One question of a stage. */
struct question {
	struct dane_ask *ask;
	struct lookup *lookup; /* NULL: answered, or never asked */
	unsigned target;
};

struct dane_ask {
	struct dane_ask *next, **link; /* of its worker's */
	struct worker *worker;
	void (*done)(void *arg, const struct dane_records *records, const char *why);
	void *arg;
	uint64_t deadline_ms;
	struct endpoint dialled;
	bool has_dialled;
	enum stage stage;
	unsigned waiting; /* of them without an answer */
	struct question questions[DANE_TARGETS_MAX];
	enum lookup_trust worst; /* of all answers */
	bool full;               /* a question could not be asked */
	struct dane_srv targets[DANE_TARGETS_MAX];
	bool reached[DANE_TARGETS_MAX]; /* the address dialled is signed to be its */
	unsigned n_targets, n_none;     /* none: services that are signed not to be there */
	struct dane_records *records;
	char domain[DNS_NAME_MAX + 1];
};

/* ---- the end ---- */

static void ask_free(struct dane_ask *a)
{
	for (size_t i = 0; i < DANE_TARGETS_MAX; i++) {
		if (a->questions[i].lookup)
			lookup_forget(a->questions[i].lookup);
	}
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	dane_records_unref(a->records);
	free(a);
}

static const char *ask_why(const struct dane_ask *a)
{
	static const char *const words[] = { "dns-none", "dns-insecure", "dns-bogus",
		"dns-failed" };

	return a->full ? "dns-full" : words[a->worst];
}

/* The asker may do what it likes, forgetting included: a is gone by then. */
static void ask_end(struct dane_ask *a, const char *why)
{
	void (*done)(void *arg, const struct dane_records *records, const char *why) = a->done;
	struct dane_records *records = a->records;
	void *arg = a->arg;

	a->records = NULL;
	ask_free(a);
	if (dane_records_count(records) > 0)
		done(arg, records, NULL);
	else
		done(arg, NULL, why);
	dane_records_unref(records);
}

/* Bogus says most: somebody changes answers, or a zone is broken. */
static void ask_note(struct dane_ask *a, enum lookup_trust trust)
{
	static const int weight[] = {
		[LOOKUP_SECURE] = 0, [LOOKUP_INSECURE] = 1, [LOOKUP_FAILED] = 2, [LOOKUP_BOGUS] = 3
	};

	if (weight[trust] > weight[a->worst])
		a->worst = trust;
}

/* ---- SRV ---- */

/* Names of hosts only: this one becomes part of the next question's text. */
static bool host_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int dane_srv_read(const unsigned char *bytes, size_t len, struct dane_srv *out)
{
	size_t at = 6, n = 0, label;

	if (len < 7)
		return ERR_SYNTAX;
	out->priority = (uint16_t)(bytes[0] << 8 | bytes[1]);
	out->weight = (uint16_t)(bytes[2] << 8 | bytes[3]);
	out->port = (uint16_t)(bytes[4] << 8 | bytes[5]);
	while ((label = bytes[at++]) > 0) {
		/* The root label follows, so one byte more is needed. */
		if (label > 63 || label >= len - at || n + label + 1 > DNS_NAME_MAX)
			return ERR_SYNTAX;
		if (n > 0)
			out->name[n++] = '.';
		for (; label > 0; label--) {
			unsigned char c = bytes[at++];

			c = (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
			if (!host_byte(c))
				return ERR_SYNTAX;
			out->name[n++] = (char)c;
		}
	}
	out->name[n] = '\0';
	return at == len ? 0 : ERR_SYNTAX;
}

static bool srv_is_before(const struct dane_srv *a, const struct dane_srv *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->weight > b->weight;
}

/* Keeps the first ones in the order in which they are to be tried. */
static void ask_add_target(struct dane_ask *a, const struct dane_srv *srv)
{
	unsigned i;

	if (a->has_dialled && srv->port != a->dialled.port)
		return;
	for (i = 0; i < a->n_targets; i++) {
		if (a->targets[i].port == srv->port && strcmp(a->targets[i].name, srv->name) == 0)
			return;
	}
	if (a->n_targets < DANE_TARGETS_MAX)
		i = a->n_targets++;
	else if (srv_is_before(srv, &a->targets[DANE_TARGETS_MAX - 1]))
		i = DANE_TARGETS_MAX - 1;
	else
		return;
	for (; i > 0 && srv_is_before(srv, &a->targets[i - 1]); i--)
		a->targets[i] = a->targets[i - 1];
	a->targets[i] = *srv;
}

static void ask_take_srv(struct dane_ask *a, const struct lookup_answer *answer)
{
	struct dane_srv srv;

	if (answer->trust == LOOKUP_SECURE && answer->n == 0)
		a->n_none++;
	for (size_t i = 0; i < answer->n; i++) {
		if (dane_srv_read(answer->data[i], (size_t)answer->len[i], &srv) == 0 && *srv.name)
			ask_add_target(a, &srv);
	}
}

/* ---- addresses, TLSA ---- */

static void ask_take_address(
	struct dane_ask *a, unsigned target, const struct lookup_answer *answer)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *dialled = a->dialled.address.bytes;

	for (size_t i = 0; i < answer->n; i++) {
		if ((answer->len[i] == 16 && memcmp(answer->data[i], dialled, 16) == 0) ||
			(answer->len[i] == 4 && memcmp(dialled, mapped, 12) == 0 &&
				memcmp(answer->data[i], dialled + 12, 4) == 0))
			a->reached[target] = true;
	}
}

static void ask_take_tlsa(struct dane_ask *a, unsigned target, const struct lookup_answer *answer)
{
	int number;

	if (answer->n == 0 || (!a->records && !(a->records = dane_records_new())) ||
		(number = dane_records_add_target(a->records, a->targets[target].name)) < 0)
		return;
	/* Those that cannot be used are as if they were not there (RFC 6698 4.1). */
	for (size_t i = 0; i < answer->n; i++)
		dane_records_add(a->records, number, answer->data[i], (size_t)answer->len[i]);
}

/* ---- the steps ---- */

static void ask_on_answer(void *arg, const struct lookup_answer *answer);

/* One question of the stage. 0 or a negative code. */
static int ask_question(
	struct dane_ask *a, unsigned number, const char *name, enum lookup_type type)
{
	struct question *q = &a->questions[number];
	int r;

	*q = (struct question){ .ask = a, .target = number };
	if (strlen(name) > DNS_NAME_MAX)
		return ERR_SYNTAX;
	r = lookup_ask(a->worker, name, type, ask_on_answer, q, &q->lookup);
	if (r == 0)
		a->waiting++;
	else if (r == ERR_LIMIT)
		a->full = true;
	else
		ask_note(a, LOOKUP_FAILED);
	return r;
}

static int ask_srv(struct dane_ask *a)
{
	static const char *const services[SERVICES] = { "_xmpp-server", "_xmpps-server" };
	char name[2 * DNS_NAME_MAX];
	int r = 0;

	for (unsigned i = 0; i < SERVICES && r == 0; i++) {
		snprintf(name, sizeof(name), "%s._tcp.%s", services[i], a->domain);
		r = ask_question(a, i, name, LOOKUP_SRV);
	}
	return a->waiting ? 0 : r;
}

/* RFC 7673 does not ask which server was reached, since whoever follows SRV knows it; we see an
 * address that another dialled. A port has told most of it. Where several servers share the port,
 * their signed addresses decide; where none of these is signed or fits (a mapping in between), all
 * of them count: each is one that the domain itself named. */
static void ask_addresses(struct dane_ask *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool four = memcmp(a->dialled.address.bytes, mapped, 12) == 0;

	a->stage = STAGE_ADDRESS;
	if (!a->has_dialled || a->n_targets < 2)
		return;
	for (unsigned i = 0; i < a->n_targets; i++)
		ask_question(a, i, a->targets[i].name, four ? LOOKUP_A : LOOKUP_AAAA);
}

static void ask_keep_reached(struct dane_ask *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_targets; i++) {
		if (a->reached[i])
			a->targets[n++] = a->targets[i];
	}
	if (n > 0)
		a->n_targets = n;
}

static void ask_tlsa(struct dane_ask *a)
{
	char name[2 * DNS_NAME_MAX];

	a->stage = STAGE_TLSA;
	ask_keep_reached(a);
	for (unsigned i = 0; i < a->n_targets; i++) {
		snprintf(name, sizeof(name), "_%u._tcp.%s", a->targets[i].port, a->targets[i].name);
		ask_question(a, i, name, LOOKUP_TLSA);
	}
}

/* It is signed that neither service is there: then it is the domain's own host (RFC 6120 3.2.2). */
static void ask_fall_back(struct dane_ask *a)
{
	struct dane_srv self = { .port = S2S_PORT };

	if (a->n_none < SERVICES)
		return;
	strcpy(self.name, a->domain);
	ask_add_target(a, &self);
}

/* All answers of a stage are there. */
static void ask_go_on(struct dane_ask *a)
{
	if (a->stage == STAGE_SRV) {
		ask_fall_back(a);
		ask_addresses(a);
	}
	if (a->stage == STAGE_ADDRESS && a->waiting == 0)
		ask_tlsa(a);
	if (a->waiting == 0)
		ask_end(a, ask_why(a));
}

static void ask_on_answer(void *arg, const struct lookup_answer *answer)
{
	struct question *q = arg;
	struct dane_ask *a = q->ask;

	q->lookup = NULL;
	a->waiting--;
	/* An address narrows the choice only: that it is not signed is no news. */
	if (a->stage != STAGE_ADDRESS)
		ask_note(a, answer->trust);
	switch (a->stage) {
	case STAGE_SRV:
		ask_take_srv(a, answer);
		break;
	case STAGE_ADDRESS:
		ask_take_address(a, q->target, answer);
		break;
	case STAGE_TLSA:
		ask_take_tlsa(a, q->target, answer);
		break;
	}
	if (a->waiting == 0)
		ask_go_on(a);
}

/* ---- from outside ---- */

static struct dane_ask *ask_new(struct worker *w, const char *domain)
{
	struct dane_ask *a = calloc(1, sizeof(*a));
	struct arena arena;
	const char *ascii;
	int r;

	if (!a)
		return NULL;
	arena_init(&arena, 0);
	if ((r = jid_ascii_domain(&arena, span_of(domain), &ascii)) == 0)
		strcpy(a->domain, ascii);
	arena_fini(&arena);
	a->worker = w;
	a->next = w->asks;
	a->link = &w->asks;
	if (a->next)
		a->next->link = &a->next;
	w->asks = a;
	return a;
}

void dane_ask(struct worker *w, const char *domain, const struct endpoint *dialled,
	void (*done)(void *arg, const struct dane_records *records, const char *why), void *arg)
{
	struct dane_ask *a = ask_new(w, domain);
	int r;

	if (!a) {
		done(arg, NULL, "dns-failed");
		return;
	}
	a->done = done;
	a->arg = arg;
	a->deadline_ms = uv_now(&w->loop) + DANE_ASK_MS;
	a->has_dialled = dialled != NULL;
	if (dialled)
		a->dialled = *dialled;
	r = *a->domain ? ask_srv(a) : ERR_SYNTAX;
	if (r == ERR_SYNTAX)
		ask_end(a, "dns-name");
	else if (r < 0)
		ask_end(a, r == ERR_UNSUPPORTED ? "dns-off" : ask_why(a));
}

void dane_forget(struct worker *w, void *arg)
{
	struct dane_ask *a = w->asks, *next;

	for (; a; a = next) {
		next = a->next;
		if (a->arg == arg)
			ask_free(a);
	}
}

void dane_tick(struct worker *w, uint64_t now_ms)
{
	struct dane_ask *a = w->asks;

	/* An end may begin or forget others: from the start again. */
	while (a) {
		if (now_ms >= a->deadline_ms) {
			ask_end(a, a->worst == LOOKUP_BOGUS ? "dns-bogus" : "dns-timeout");
			a = w->asks;
		} else {
			a = a->next;
		}
	}
}
