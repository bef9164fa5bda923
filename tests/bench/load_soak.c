/* SPDX-License-Identifier: BSD-2-Clause */
/* Many sessions for a long time: logs IDLE + ACTIVE connections in, a few at a time; the idle ones
 * stay silent, the active ones say RATE messages a second in all, each when the one before came
 * back. Prints a JSON line every few seconds: what was answered, how long it took, and what went
 * wrong; nothing that goes wrong ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { AT_ONCE = 64, SAMPLES_MAX = 1 << 20, SOURCES = 16, PATIENCE_S = 30 };

static const char message[] =
	"<message type='chat' to='echo@bench.example' id='m1'><body>the quick brown fox jumps over "
	"the lazy dog and talks about trains, weather and lunch</body></message>";

struct soak {
	const struct load_options *o;
	SSL_CTX *ctx;
	int epoll;
	struct load_conn **conns;
	unsigned total, dialled, ready, errors, next;
	uint64_t answers, sent;
	uint64_t *samples;
	size_t n_samples;
};

static void fail(struct soak *s, struct load_conn *c, const char *what)
{
	if (s->errors++ < 20)
		fprintf(stderr, "xmppload: connection %u: %s in state %d: %.*s\n", c->number, what,
			c->state, (int)(c->in_len < 200 ? c->in_len : 200), c->in ? c->in : "");
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* From several addresses of the loopback network, so that ports do not run out. */
static void dial(struct soak *s, unsigned number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->o->port) };
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000101u + number % SOURCES) };
	struct load_conn *c = calloc(1, sizeof *c);
	int one = 1;

	if (!c || !(c->stamps = calloc(1, sizeof *c->stamps)))
		load_die("memory");
	s->conns[number] = c;
	inet_pton(AF_INET, s->o->address, &to.sin_addr);
	c->number = number;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
		connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) {
		fail(s, c, strerror(errno));
		return;
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ssl = SSL_new(s->ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	SSL_set_tlsext_host_name(c->ssl, "bench.example");
	load_login_begin(c);
	load_watch(s->epoll, c, true);
}

static void answered(struct soak *s, struct load_conn *c)
{
	size_t len = load_until(c, "</message>");

	if (!len)
		return;
	load_consume(c, len);
	if (c->received == c->sent) {
		fail(s, c, "an answer too many");
		return;
	}
	c->received++;
	s->answers++;
	if (s->n_samples < SAMPLES_MAX)
		s->samples[s->n_samples++] = load_now_ns() - *c->stamps;
}

/* What a silent session does not need is given back. */
static void slim(struct load_conn *c)
{
	if (c->in_len == 0) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
}

static void handle(struct soak *s, struct load_conn *c)
{
	bool wanted = c->want_write;

	if (c->fd < 0)
		return;
	if (load_pump(c) < 0) {
		fail(s, c, "ended");
		return;
	}
	while (!load_login_done(c) && load_login_step(c))
		s->ready += load_login_done(c);
	if (load_login_done(c))
		answered(s, c);
	if (c->fd >= 0 && c->out_len && load_pump(c) < 0)
		fail(s, c, "ended");
	if (c->fd >= 0 && wanted != c->want_write)
		load_watch(s->epoll, c, false);
	slim(c);
}

static void run_once(struct soak *s, int wait_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(s->epoll, events, 256, wait_ms);

	for (int i = 0; i < n; i++)
		handle(s, events[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned overdue(const struct soak *s)
{
	uint64_t now = load_now_ns();
	unsigned n = 0;

	for (unsigned i = 0; i < s->o->active; i++)
		n += s->conns[i]->fd >= 0 && s->conns[i]->received < s->conns[i]->sent &&
		     now - *s->conns[i]->stamps > PATIENCE_S * 1000000000ull;
	return n;
}

static void report(struct soak *s, const char *phase, uint64_t start)
{
	qsort(s->samples, s->n_samples, sizeof *s->samples, by_size);
	printf("{\"phase\":\"%s\",\"seconds\":%.1f,\"ready\":%u,\"errors\":%u,\"overdue\":%u,"
	       "\"messages\":%llu,"
	       "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
		phase, (double)(load_now_ns() - start) / 1e9, s->ready, s->errors, overdue(s),
		(unsigned long long)s->answers,
		s->n_samples ? (double)s->samples[s->n_samples / 2] / 1e3 : 0,
		s->n_samples ? (double)s->samples[s->n_samples * 99 / 100] / 1e3 : 0,
		s->n_samples ? (double)s->samples[s->n_samples - 1] / 1e3 : 0);
	fflush(stdout);
	s->n_samples = 0;
}

/* The next active one whose last message came back. */
static void speak(struct soak *s)
{
	for (unsigned i = 0; i < s->o->active; i++) {
		struct load_conn *c = s->conns[s->next++ % s->o->active];

		if (c->fd < 0 || c->sent > c->received)
			continue;
		*c->stamps = load_now_ns();
		c->sent++;
		load_put(c, message, sizeof message - 1);
		handle(s, c);
		return;
	}
}

static void login_all(struct soak *s, uint64_t start)
{
	while (s->ready + s->errors < s->total) {
		while (s->dialled < s->total && s->dialled - s->ready - s->errors < AT_ONCE) {
			dial(s, s->dialled);
			handle(s, s->conns[s->dialled++]);
		}
		run_once(s, 20);
	}
	report(s, "start", start);
}

static void run(struct soak *s)
{
	uint64_t start = load_now_ns(), now = start, sent = 0;
	uint64_t end = start + (uint64_t)s->o->seconds * 1000000000u,
		 next = start + (uint64_t)s->o->every * 1000000000u;

	for (; now < end; now = load_now_ns()) {
		uint64_t due = (now - start) / 1000 * s->o->rate / 1000000;

		for (unsigned burst = 0; sent < due && burst < 64; sent++, burst++)
			speak(s);
		run_once(s, 1);
		if (now >= next) {
			report(s, "run", start);
			next += (uint64_t)s->o->every * 1000000000u;
		}
	}
	for (unsigned i = 0; i < 1000 && s->answers < s->sent; i++)
		run_once(s, 10);
	report(s, "end", start);
}

int load_soak(const struct load_options *o)
{
	struct soak s = { .o = o,
		.epoll = epoll_create1(0),
		.ctx = SSL_CTX_new(TLS_client_method()),
		.total = o->connections + o->active };

	s.conns = calloc(s.total + 1, sizeof *s.conns);
	s.samples = malloc(SAMPLES_MAX * sizeof *s.samples);
	if (!s.conns || !s.samples || o->active == 0)
		load_die("memory");
	SSL_CTX_set_mode(s.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	login_all(&s, load_now_ns());
	run(&s);
	return s.errors || overdue(&s) ? 1 : 0;
}
