/* SPDX-License-Identifier: BSD-2-Clause */
/* The near end of the benchmark: logs N connections in, keeps W messages in flight on each for a while (or sends at
 * a fixed rate), and prints messages a second and round-trip quantiles as one JSON line. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { WAIT_FEATURES, WAIT_SUCCESS, WAIT_FEATURES_AGAIN, WAIT_BIND, READY };
enum { SAMPLES_MAX = 2000000, RING = 4096 };

static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			     "xmlns:stream='http://etherx.jabber.org/streams' to='bench.example' version='1.0'>";
static uint64_t *samples;
static size_t n_samples;
static char *message;
static size_t message_len;

static void make_message(unsigned body)
{
	static const char *const words = "the quick brown fox jumps over the lazy dog and talks about trains, "
					 "weather and lunch at noon; ";

	message = malloc(body + 256);
	message_len = (size_t)sprintf(message, "<message type='chat' to='echo@bench.example' id='m1'><body>");
	for (unsigned i = 0; i < body; i++)
		message[message_len++] = words[i % strlen(words)];
	message_len += (size_t)sprintf(message + message_len, "</body></message>");
}

static void send_message(struct load_conn *c)
{
	c->stamps[c->sent++ % RING] = load_now_ns();
	load_put(c, message, message_len);
}

void load_login_begin(struct load_conn *c)
{
	load_puts(c, header);
}

bool load_login_done(const struct load_conn *c)
{
	return c->state == READY;
}

bool load_login_step(struct load_conn *c)
{
	static const char *const marks[] = { "</stream:features>", "<success", "</stream:features>", "</iq>" };
	size_t len = load_until(c, marks[c->state]);

	if (!len)
		return false;
	if (c->state == WAIT_SUCCESS) { /* up to its '>' */
		const char *end = memchr(c->in + len, '>', c->in_len - len);

		if (!end)
			return false;
		len = (size_t)(end - c->in) + 1;
	}
	load_consume(c, len);
	if (c->state == WAIT_FEATURES)
		load_puts(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHUAcA==</auth>");
	else if (c->state == WAIT_SUCCESS)
		load_puts(c, header);
	else if (c->state == WAIT_FEATURES_AGAIN)
		load_puts(c, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
	c->state++;
	return true;
}

/* Answers in the input; consumed all at once. */
static unsigned take_answers(struct load_conn *c)
{
	unsigned answers = 0;
	size_t done = 0;
	uint64_t now = load_now_ns();

	for (;;) {
		const char *found = memmem(c->in + done, c->in_len - done, "</message>", 10);

		if (!found)
			break;
		done = (size_t)(found - c->in) + 10;
		answers++;
		if (n_samples < SAMPLES_MAX)
			samples[n_samples++] = now - c->stamps[c->received % RING];
		c->received++;
	}
	if (done)
		load_consume(c, done);
	return answers;
}

static struct load_conn *dial(const struct load_options *o, SSL_CTX *ctx, unsigned number)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
	struct load_conn *c = calloc(1, sizeof *c);

	if (!c || !(c->stamps = calloc(RING, sizeof *c->stamps)))
		load_die("memory");
	inet_pton(AF_INET, o->address, &sin.sin_addr);
	c->number = number;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof sin) < 0)
		load_die("connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	SSL_set_tlsext_host_name(c->ssl, "bench.example");
	load_login_begin(c);
	return c;
}

struct phase {
	int epoll;
	bool login;          /* until all are READY; else messages until the deadline */
	uint64_t deadline;
	unsigned ready, in_flight;
	uint64_t answers;
	bool paced;
};

static void handle(struct phase *p, struct load_conn *c)
{
	bool wanted = c->want_write;
	int r = load_pump(c);

	if (r < 0) {
		fprintf(stderr, "xmppload: connection %u ended in state %d: %.*s\n", c->number, c->state,
			(int)(c->in_len < 300 ? c->in_len : 300), c->in ? c->in : "");
		exit(1);
	}
	while (c->state < READY && load_login_step(c))
		p->ready += c->state == READY;
	if (c->state == READY && !p->login) {
		unsigned answers = take_answers(c);

		p->answers += answers;
		for (unsigned i = 0; !p->paced && i < answers; i++)
			send_message(c);
	}
	if (c->out_len && load_pump(c) < 0)
		exit(1);
	if (wanted != c->want_write)
		load_watch(p->epoll, c, false);
}

static void run_once(struct phase *p, int wait_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(p->epoll, events, 256, wait_ms);

	for (int i = 0; i < n; i++)
		handle(p, events[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void run_paced(struct phase *p, struct load_conn **conns, const struct load_options *o)
{
	uint64_t start = load_now_ns(), sent = 0;

	while (load_now_ns() < p->deadline) {
		uint64_t due = (load_now_ns() - start) / 1000 * o->rate / 1000000;

		for (; sent < due; sent++) {
			send_message(conns[sent % o->connections]);
			if (load_pump(conns[sent % o->connections]) < 0)
				exit(1);
			handle(p, conns[sent % o->connections]);
		}
		run_once(p, 0);
	}
}

int load_client(const struct load_options *o)
{
	struct phase p = { .epoll = epoll_create1(0), .login = true, .in_flight = o->in_flight, .paced = o->rate > 0 };
	struct load_conn **conns = calloc(o->connections, sizeof *conns);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	uint64_t start, give_up = load_now_ns() + 60000000000u;

	samples = malloc(SAMPLES_MAX * sizeof *samples);
	if (!conns || !samples)
		load_die("memory");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	make_message(o->size);
	for (unsigned i = 0; i < o->connections; i++) {
		conns[i] = dial(o, ctx, i);
		load_watch(p.epoll, conns[i], true);
		handle(&p, conns[i]);
	}
	while (p.ready < o->connections && load_now_ns() < give_up)
		run_once(&p, 100);
	if (p.ready < o->connections) {
		fprintf(stderr, "xmppload: %u of %u logged in within a minute\n", p.ready, o->connections);
		return 1;
	}
	p.login = false;
	start = load_now_ns();
	p.deadline = start + (uint64_t)o->seconds * 1000000000u;
	puts("{\"phase\":\"start\"}");
	fflush(stdout);
	if (p.paced) {
		run_paced(&p, conns, o);
	} else {
		for (unsigned i = 0; i < o->connections; i++)
			for (unsigned k = 0; k < o->in_flight; k++)
				send_message(conns[i]);
		for (unsigned i = 0; i < o->connections; i++)
			handle(&p, conns[i]);
		while (load_now_ns() < p.deadline)
			run_once(&p, 100);
	}
	double seconds = (double)(load_now_ns() - start) / 1e9;

	qsort(samples, n_samples, sizeof *samples, by_size);
	printf("{\"phase\":\"end\",\"messages\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
		(unsigned long long)p.answers, seconds, (double)p.answers / seconds,
		n_samples ? (double)samples[n_samples / 2] / 1e3 : 0,
		n_samples ? (double)samples[n_samples * 99 / 100] / 1e3 : 0);
	return 0;
}
