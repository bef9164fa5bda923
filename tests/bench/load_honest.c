/* SPDX-License-Identifier: BSD-2-Clause */
/* Honest clients beside an attack: some stay logged in and ask the server for an answer (XEP-0199)
 * so many times a second, others come anew, log in and go. Times count from the moment a ping or
 * login was due, so that what waits for its turn is not left out; a login that fails, or takes
 * longer than ten seconds, is counted as failed. A JSON line when all are logged in, when the time
 * is over, and at the end, with each login's time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { PINGS_MAX = 1 << 20, LOGINS_MAX = 1 << 16 };
#define BEGIN_NS 20000000000ull /* for those who stay, to log in */
#define LOGIN_NS 10000000000ull
#define AFTER_NS 10000000000ull /* for what is under way at the end */

struct client {
	struct load_conn c;
	struct client *next; /* of those under way */
	bool fresh, lost;
	uint64_t since;
};

struct honest {
	const struct load_options *o;
	SSL_CTX *ctx;
	int epoll;
	struct client **steady, *coming; /* fresh logins under way */
	unsigned n_ready, absent, lost, next;
	uint64_t *due, *ping_ns, *login_ns; /* when each ping was due */
	size_t n_pings, n_answers, n_logins, n_failed, n_begun;
};

static struct client *client_new(struct honest *h, unsigned nth, bool fresh, uint64_t since)
{
	struct client *k = calloc(1, sizeof *k);
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = k };

	if (!k)
		load_die("memory");
	k->fresh = fresh;
	k->since = since;
	if ((k->c.fd = load_connect(h->o, nth)) < 0) {
		k->lost = true;
		return k;
	}
	load_secure(&k->c, h->ctx);
	load_login_begin(&k->c);
	if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, k->c.fd, &e) < 0)
		load_die("epoll_ctl");
	return k;
}

static void client_close(struct client *k)
{
	SSL_free(k->c.ssl);
	if (k->c.fd >= 0)
		close(k->c.fd);
	free(k->c.in);
	free(k->c.out);
	k->c.ssl = NULL;
	k->c.in = k->c.out = NULL;
	k->c.fd = -1;
}

/* Answers name the ping: id="pN". */
static void take_answers(struct honest *h, struct load_conn *c)
{
	size_t done = 0;
	uint64_t now = load_now_ns();

	for (;;) {
		const char *end = memchr(c->in + done, '>', c->in_len - done), *id;
		size_t n;

		if (!end)
			break;
		id = memmem(c->in + done, (size_t)(end - c->in) - done, " id=", 4);
		done = (size_t)(end - c->in) + 1;
		if (!id || end - id < 7 || id[5] != 'p')
			continue;
		n = strtoul(id + 6, NULL, 10);
		if (n < h->n_pings && h->due[n]) {
			h->ping_ns[h->n_answers++] = now - h->due[n];
			h->due[n] = 0;
		}
	}
	if (done)
		load_consume(c, done);
}

static void client_over(struct honest *h, struct client *k)
{
	if (!k->fresh && !k->lost)
		h->lost++;
	k->lost = true;
	client_close(k);
}

static void client_watch(struct honest *h, struct client *k)
{
	struct epoll_event e = { .events = EPOLLIN | (k->c.want_write ? EPOLLOUT : 0u),
		.data.ptr = k };

	if (k->c.fd >= 0 && epoll_ctl(h->epoll, EPOLL_CTL_MOD, k->c.fd, &e) < 0)
		load_die("epoll_ctl");
}

static void client_step(struct honest *h, struct client *k)
{
	if (k->lost)
		return;
	if (load_pump(&k->c) < 0) {
		client_over(h, k);
		return;
	}
	while (!load_login_done(&k->c) && load_login_step(&k->c))
		if (load_login_done(&k->c)) {
			h->n_ready += !k->fresh;
			if (k->fresh)
				h->login_ns[h->n_logins++] = load_now_ns() - k->since;
		}
	if (load_login_done(&k->c) && !k->fresh)
		take_answers(h, &k->c);
	if (k->c.out_len && load_pump(&k->c) < 0)
		client_over(h, k);
	else
		client_watch(h, k);
}

static void run_once(struct honest *h, int wait_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(h->epoll, events, 256, wait_ms);

	for (int i = 0; i < n; i++)
		client_step(h, events[i].data.ptr);
}

/* Fresh clients that are done, or that took too long. */
static void sweep(struct honest *h, uint64_t now)
{
	struct client **at = &h->coming;

	while (*at) {
		struct client *k = *at;
		bool done = load_login_done(&k->c);

		if (!done && !k->lost && now - k->since < LOGIN_NS) {
			at = &k->next;
			continue;
		}
		h->n_failed += !done;
		*at = k->next;
		client_close(k);
		free(k);
	}
}

static void ping(struct honest *h, uint64_t due)
{
	struct client *k = h->steady[h->next++ % h->o->connections];
	char text[160];

	while (!load_login_done(&k->c)) /* there is one that came in */
		k = h->steady[h->next++ % h->o->connections];
	if (h->n_pings == PINGS_MAX)
		return;
	sprintf(text,
		"<iq type='get' id='p%zu' to='bench.example'><ping xmlns='urn:xmpp:ping'/></iq>",
		h->n_pings);
	h->due[h->n_pings++] = due;
	if (k->lost)
		return;
	load_puts(&k->c, text);
	client_step(h, k);
}

static void login(struct honest *h, uint64_t due)
{
	struct client *k;

	if (h->n_begun == LOGINS_MAX)
		return;
	k = client_new(h, (unsigned)h->n_begun++, true, due);
	k->next = h->coming;
	h->coming = k;
}

static bool begin(struct honest *h)
{
	uint64_t give_up = load_now_ns() + BEGIN_NS;

	for (unsigned i = 0; i < h->o->connections; i++)
		h->steady[i] = client_new(h, i, false, load_now_ns());
	while (h->n_ready + h->lost < h->o->connections && load_now_ns() < give_up)
		run_once(h, 100);
	h->absent = h->o->connections - h->n_ready;
	h->lost = 0;
	return h->n_ready > 0;
}

static void tell(struct honest *h)
{
	size_t lost = h->n_pings - h->n_answers;

	load_sort(h->ping_ns, h->n_answers);
	load_sort(h->login_ns, h->n_logins);
	printf("{\"phase\":\"end\",\"pings\":%zu,\"pings_lost\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%."
	       "3f,\"lost\":%u,"
	       "\"absent\":%u,\"logins\":%zu,\"failed\":%zu,\"login_ms\":[",
		h->n_answers, lost, load_quantile_ms(h->ping_ns, h->n_answers, 0.5),
		load_quantile_ms(h->ping_ns, h->n_answers, 0.99), h->lost, h->absent, h->n_logins,
		h->n_failed);
	for (size_t i = 0; i < h->n_logins; i++)
		printf("%s%.3f", i ? "," : "", (double)h->login_ns[i] / 1e6);
	puts("]}");
}

int load_honest(const struct load_options *o)
{
	struct honest h = { .o = o,
		.ctx = SSL_CTX_new(TLS_client_method()),
		.epoll = epoll_create1(0),
		.steady = calloc(o->connections, sizeof *h.steady),
		.due = calloc(PINGS_MAX, sizeof *h.due),
		.ping_ns = calloc(PINGS_MAX, sizeof *h.ping_ns),
		.login_ns = calloc(LOGINS_MAX, sizeof *h.login_ns) };
	uint64_t start, end, pings = 0, logins = 0, now;

	if (!h.ctx || !h.steady || !h.due || !h.ping_ns || !h.login_ns)
		load_die("memory");
	SSL_CTX_set_mode(
		h.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(h.ctx, SSL_SESS_CACHE_OFF);
	if (!begin(&h))
		return 1;
	puts("{\"phase\":\"start\"}");
	fflush(stdout);
	start = load_now_ns();
	end = start + o->seconds * 1000000000ull;
	while ((now = load_now_ns()) < end) {
		for (; start + pings * 1000000000ull / o->rate <= now; pings++)
			ping(&h, start + pings * 1000000000ull / o->rate);
		for (; o->logins && start + logins * 1000000000ull / o->logins <= now; logins++)
			login(&h, start + logins * 1000000000ull / o->logins);
		run_once(&h, 1);
		sweep(&h, load_now_ns());
	}
	puts("{\"phase\":\"measured\"}"); /* what comes now is late */
	fflush(stdout);
	while ((h.coming || h.n_answers < h.n_pings) && load_now_ns() < end + AFTER_NS) {
		run_once(&h, 10);
		sweep(&h, load_now_ns());
	}
	tell(&h);
	return 0;
}
