/* SPDX-License-Identifier: BSD-2-Clause */
/* The slow attack of bench_slowloris.py: so many connections held open from many addresses, a third
 * each with half of a TLS ClientHello, with a stream begun and nothing in it, and with half an
 * element behind a TLS handshake. A byte now and then keeps each of them alive; one that is closed
 * is opened again. JSON lines: "held" when all stand for the first time (or no more will), "end" at
 * the end, which a line on standard input brings about. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

#define DRIP_NS     3000000000ull
#define PATIENCE_NS 10000000000ull /* for a connection to stand, and a handshake to end */
#define AGAIN_NS    1000000000ull  /* from a connection's end to the next one in its place */

enum { KIND_HELLO, KIND_STREAM, KIND_STANZA, KINDS, CHEAP = 4 };
static const char *const kinds[] = { "hello", "stream", "stanza" };

static const char header[] =
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' to='bench.example' version='1.0'>";
static const char half[] = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AH";

struct slow {
	struct load_conn c;
	unsigned nth, kind;
	bool connected, held;
	uint64_t next; /* to drip, or to open again */
};

struct attack {
	const struct load_options *o;
	SSL_CTX *ctx;
	int epoll;
	struct slow *all;
	unsigned held[KINDS], most;
	uint64_t opened, closed;
};

static void slow_watch(struct attack *t, struct slow *s, bool add, bool write)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | (write ? EPOLLOUT : 0u),
		.data.ptr = s };

	if (epoll_ctl(t->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->c.fd, &e) < 0)
		load_die("epoll_ctl");
}

static void slow_over(struct attack *t, struct slow *s)
{
	if (s->held)
		t->held[s->kind]--;
	t->closed++;
	SSL_free(s->c.ssl);
	if (s->c.fd >= 0)
		close(s->c.fd);
	free(s->c.in);
	free(s->c.out);
	s->c = (struct load_conn){ .fd = -1 };
	s->connected = s->held = false;
	s->next = load_now_ns() + AGAIN_NS;
}

static void slow_open(struct attack *t, struct slow *s)
{
	struct load_options o = *t->o;

	if (s->kind == KIND_STREAM)
		o.port = o.plain_port;
	if ((s->c.fd = load_connect(&o, s->nth)) < 0) {
		s->next = load_now_ns() + AGAIN_NS;
		return;
	}
	t->opened++;
	s->next = load_now_ns() + PATIENCE_NS;
	slow_watch(t, s, true, true);
}

static bool slow_say(struct slow *s, const void *bytes, size_t len)
{
	return send(s->c.fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void slow_is_held(struct attack *t, struct slow *s)
{
	unsigned sum = 0;

	if (!s->held)
		t->held[s->kind]++;
	s->held = true;
	s->next = load_now_ns() + DRIP_NS;
	for (unsigned k = 0; k < KINDS; k++)
		sum += t->held[k];
	t->most = sum > t->most ? sum : t->most;
}

/* It stands: what its kind begins with. */
static bool slow_begin(struct attack *t, struct slow *s)
{
	s->connected = true;
	if (s->kind == KIND_STANZA) {
		load_secure(&s->c, t->ctx);
		load_puts(&s->c, header);
		return true;
	}
	if (s->kind == KIND_HELLO ? !slow_say(s, load_half_hello, LOAD_HALF_HELLO)
				  : !slow_say(s, header, strlen(header)))
		return false;
	slow_is_held(t, s);
	slow_watch(t, s, false, false);
	return true;
}

static bool slow_step(struct attack *t, struct slow *s)
{
	char bytes[4096];
	ssize_t n;

	if (s->kind != KIND_STANZA) {
		while ((n = recv(s->c.fd, bytes, sizeof bytes, 0)) > 0)
			;
		return n < 0 && errno == EAGAIN;
	}
	if (load_pump(&s->c) < 0)
		return false;
	if (!s->held && load_until(&s->c, "</stream:features>")) {
		load_puts(&s->c, half);
		slow_is_held(t, s);
		if (load_pump(&s->c) < 0)
			return false;
	}
	slow_watch(t, s, false, s->c.want_write);
	return true;
}

static bool slow_drip(struct slow *s)
{
	s->next += DRIP_NS;
	if (s->kind != KIND_STANZA)
		return slow_say(s, s->kind == KIND_HELLO ? "" : " ", 1);
	load_puts(&s->c, "A");
	return load_pump(&s->c) >= 0;
}

/* most: of the new connections with a handshake, which cost something; of the others some more. */
static void look_at_all(struct attack *t, unsigned *at, unsigned most)
{
	uint64_t now = load_now_ns();
	unsigned room[KINDS] = { CHEAP * most, CHEAP * most, most };

	for (unsigned n = 0; n < t->o->connections; n++) {
		struct slow *s = &t->all[*at];

		*at = (*at + 1) % t->o->connections;
		if (s->next > now)
			continue;
		if (s->c.fd < 0) {
			if (room[s->kind] > 0) {
				room[s->kind]--;
				slow_open(t, s);
			}
		} else if (!s->held || !slow_drip(s)) {
			slow_over(t, s);
		}
	}
}

static void attack_tell(const struct attack *t, const char *phase)
{
	printf("{\"phase\":\"%s\",\"hello\":%u,\"stream\":%u,\"stanza\":%u,\"most\":%u,\"opened\":%"
	       "llu,\"closed\":%llu}\n",
		phase, t->held[KIND_HELLO], t->held[KIND_STREAM], t->held[KIND_STANZA], t->most,
		(unsigned long long)t->opened, (unsigned long long)t->closed);
	fflush(stdout);
}

static bool is_told_to_end(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) != 0;
}

static struct slow *make_all(const struct load_options *o)
{
	struct slow *all = calloc(o->connections, sizeof *all);
	int only = -1;

	if (!all)
		load_die("memory");
	for (unsigned k = 0; k < KINDS; k++)
		if (strcmp(o->kind, kinds[k]) == 0)
			only = (int)k;
	for (unsigned i = 0; i < o->connections; i++)
		all[i] = (struct slow){
			.c.fd = -1, .nth = i, .kind = only < 0 ? i % KINDS : (unsigned)only
		};
	return all;
}

int load_slow(const struct load_options *o)
{
	struct attack t = { .o = o,
		.ctx = SSL_CTX_new(TLS_client_method()),
		.epoll = epoll_create1(0),
		.all = make_all(o) };
	struct epoll_event events[512];
	uint64_t start = load_now_ns(), last = start, now;
	unsigned at = 0;
	bool told = false;

	SSL_CTX_set_mode(t.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(t.ctx, SSL_SESS_CACHE_OFF);
	while (!is_told_to_end()) {
		int n = epoll_wait(t.epoll, events, 512, 1);

		for (int i = 0; i < n; i++) {
			struct slow *s = events[i].data.ptr;
			bool fine = !(events[i].events & (EPOLLERR | EPOLLHUP));

			if (s->c.fd >= 0 && (!fine || (!s->connected && !slow_begin(&t, s)) ||
						    !slow_step(&t, s)))
				slow_over(&t, s);
		}
		now = load_now_ns();
		if (now - last > 10000000) { /* so many new ones a second, and no more */
			look_at_all(&t, &at, (unsigned)((now - last) / 1000 * o->rate / 1000000));
			last = now;
		}
		if (!told &&
			(t.most == o->connections || now - start > o->seconds * 1000000000ull)) {
			attack_tell(&t, "held");
			told = true;
		}
	}
	attack_tell(&t, "end");
	return 0;
}
