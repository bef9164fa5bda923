/* SPDX-License-Identifier: BSD-2-Clause */
/* A server that dials another one and sends messages with the time in their ids: STARTTLS, a
 * certificate of its own, SASL EXTERNAL, as servers do; the other's certificate must name the
 * other's domain. Or it sends as a client, over a connection that somebody else has logged in on
 * and hands down. Orders on standard input:
 *
 *     dial ADDRESS PORT             the next connection, from 0 on, is a stream
 *     take FD                       the next connection is this one
 *     send N RATE COUNT FROM TO     so many messages a second over connection N
 *
 * The time is taken where a message is given to TLS; load_federation_sink.c takes it again where it
 * came out. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { CONNS_MAX = 64, ANSWER_MS = 20000 };

static const char words[] =
	"the quick brown fox jumps over the lazy dog and talks about trains, weather and lunch at "
	"noon; then it asks whether anybody has seen the minutes of the last meeting, for nobody "
	"wrote them down.";

size_t load_element(const struct load_conn *c, const char *name)
{
	char open[64], close[64];
	size_t len;
	const char *found, *end;

	snprintf(open, sizeof open, "<%s", name);
	snprintf(close, sizeof close, "</%s>", name);
	if (!c->in_len || !(found = memmem(c->in, c->in_len, open, strlen(open))))
		return 0;
	len = c->in_len - (size_t)(found - c->in);
	if (!(end = memchr(found, '>', len)))
		return 0;
	if (end[-1] != '/' && !(end = memmem(found, len, close, strlen(close))))
		return 0;
	return (size_t)(end - c->in) + (*end == '>' ? 1 : strlen(close));
}

size_t load_header(const struct load_conn *c)
{
	const char *open = c->in_len ? memmem(c->in, c->in_len, "<stream:stream", 14) : NULL;
	const char *end = open ? memchr(open, '>', c->in_len - (size_t)(open - c->in)) : NULL;

	return end ? (size_t)(end - c->in) + 1 : 0;
}

SSL_CTX *load_peer_context(const struct load_peer *p, const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, p->certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, p->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_load_verify_locations(ctx, p->trust, NULL) != 1)
		load_die("certificates");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}

struct load_conn *load_peer_conn(int fd)
{
	struct load_conn *c = calloc(1, sizeof *c);
	int one = 1;

	if (!c)
		load_die("memory");
	c->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return c;
}

static void give_up(const struct load_conn *c, const char *what)
{
	fprintf(stderr, "xmppload: in vain for <%s>: %.*s\n", what,
		(int)(c->in_len < 500 ? c->in_len : 500), c->in ? c->in : "");
	exit(1);
}

/* What comes up to the end of that element, and whether it says so. */
static bool await_element(struct load_conn *c, const char *name, const char *says)
{
	size_t len;
	bool said;

	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		if (load_pump(c) < 0)
			give_up(c, name);
		if ((len = load_element(c, name)))
			break;
		p.events |= c->want_write ? POLLOUT : 0;
		if (poll(&p, 1, ANSWER_MS) < 1)
			give_up(c, name);
	}
	said = memmem(c->in, len, says, strlen(says)) != NULL;
	load_consume(c, len);
	return said;
}

static void put_header(struct load_conn *c, const struct load_peer *p)
{
	char text[512];

	snprintf(text, sizeof text, LOAD_SERVER_HEADER " from='%s' to='%s'>", p->me, p->peer);
	load_puts(c, text);
}

static void open_stream(struct load_conn *c, const struct load_peer *p, SSL_CTX *ctx)
{
	put_header(c, p);
	await_element(c, "stream:features", "");
	load_puts(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	await_element(c, "proceed", "");
	if (!(c->ssl = SSL_new(ctx)) || SSL_set1_host(c->ssl, p->peer) != 1)
		load_die("SSL_new");
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	SSL_set_tlsext_host_name(c->ssl, p->peer);
	put_header(c, p);
	if (!await_element(c, "stream:features", "EXTERNAL"))
		give_up(c, "mechanism");
	load_puts(
		c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
	await_element(c, "success", "");
	put_header(c, p);
	await_element(c, "stream:features", "");
}

static struct load_conn *dial(
	const char *address, int port, const struct load_peer *p, SSL_CTX *ctx)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct load_conn *c;

	inet_pton(AF_INET, address, &sin.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof sin) < 0)
		load_die("connect");
	c = load_peer_conn(fd);
	open_stream(c, p, ctx);
	return c;
}

static void send_one(struct load_conn *c, const char *from, const char *to)
{
	char text[1024];

	snprintf(text, sizeof text,
		"<message from='%s' to='%s' type='chat' id='s%llu'><body>%s</body></message>", from,
		to, (unsigned long long)load_now_ns(), words);
	load_puts(c, text);
	if (load_pump(c) < 0)
		give_up(c, "message");
}

/* Each at its moment: one sent late does not put the next one off. */
static void send_many(
	struct load_conn *c, unsigned rate, unsigned count, const char *from, const char *to)
{
	uint64_t start = load_now_ns() + 1000000;

	for (unsigned i = 0; i < count; i++) {
		uint64_t due = start + (uint64_t)i * 1000000000u / rate;
		struct timespec ts = { (time_t)(due / 1000000000u), (long)(due % 1000000000u) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		send_one(c, from, to);
		if (c->in_len && load_until(c, "</stream:stream>"))
			give_up(c, "message");
	}
	c->in_len = 0; /* pings and the like */
}

int load_federation_source(const struct load_peer *p)
{
	SSL_CTX *ctx = load_peer_context(p, TLS_client_method());
	struct load_conn *conns[CONNS_MAX];
	unsigned n = 0, which, rate, count;
	char line[1024], address[64], from[256], to[256];
	int number;

	prctl(PR_SET_TIMERSLACK, 1);
	while (fgets(line, sizeof line, stdin)) {
		if (n < CONNS_MAX && sscanf(line, "dial %63s %d", address, &number) == 2) {
			conns[n++] = dial(address, number, p, ctx);
		} else if (n < CONNS_MAX && sscanf(line, "take %d", &number) == 1) {
			conns[n++] = load_peer_conn(number);
		} else if (sscanf(line, "send %u %u %u %255s %255s", &which, &rate, &count, from,
				   to) == 5 &&
			   which < n && rate > 0) {
			send_many(conns[which], rate, count, from, to);
		} else {
			fprintf(stderr, "xmppload: no such order: %s", line);
			return 2;
		}
		puts("{\"phase\":\"done\"}");
		fflush(stdout);
	}
	return 0;
}
