/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppload: `xmppload server PORT CERT KEY` echoes messages, `xmppload client ...` sends them through whatever
 * stands between and prints one JSON line. What both share: TLS over non-blocking sockets, buffers, epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

uint64_t load_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void load_die(const char *what)
{
	fprintf(stderr, "xmppload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void room_for(char **data, size_t *cap, size_t need)
{
	if (need <= *cap)
		return;
	*cap = need * 2;
	if (!(*data = realloc(*data, *cap)))
		load_die("memory");
}

void load_put(struct load_conn *c, const char *text, size_t len)
{
	room_for(&c->out, &c->out_cap, c->out_len + len);
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
}

void load_puts(struct load_conn *c, const char *text)
{
	load_put(c, text, strlen(text));
}

size_t load_until(const struct load_conn *c, const char *mark)
{
	const char *found = c->in_len ? memmem(c->in, c->in_len, mark, strlen(mark)) : NULL;

	return found ? (size_t)(found - c->in) + strlen(mark) : 0;
}

void load_consume(struct load_conn *c, size_t len)
{
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
}

static int pump_write(struct load_conn *c)
{
	while (c->out_sent < c->out_len) {
		int n = c->ssl ? SSL_write(c->ssl, c->out + c->out_sent, (int)(c->out_len - c->out_sent)) :
				 (int)write(c->fd, c->out + c->out_sent, c->out_len - c->out_sent);

		if (n <= 0 && !c->ssl) {
			c->want_write = errno == EAGAIN;
			return c->want_write ? 0 : -1;
		}
		if (n <= 0) {
			c->want_write = SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE;
			return c->want_write ? 0 : -1;
		}
		c->out_sent += (size_t)n;
	}
	c->out_len = c->out_sent = 0;
	c->want_write = false;
	return 0;
}

static int pump_read(struct load_conn *c)
{
	int got = 0;

	for (;;) {
		room_for(&c->in, &c->in_cap, c->in_len + 16384);
		int n = c->ssl ? SSL_read(c->ssl, c->in + c->in_len, (int)(c->in_cap - c->in_len)) :
				 (int)read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);

		if (n <= 0 && !c->ssl)
			return n < 0 && errno == EAGAIN ? got : -1;
		if (n <= 0)
			return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? got : -1;
		c->in_len += (size_t)n;
		got = 1;
	}
}

int load_pump(struct load_conn *c)
{
	int got;

	ERR_clear_error();
	if (c->ssl && !c->handshaken) {
		int n = SSL_do_handshake(c->ssl);

		if (n != 1) {
			int why = SSL_get_error(c->ssl, n);

			c->want_write = why == SSL_ERROR_WANT_WRITE;
			return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
		}
		c->handshaken = true;
	}
	if ((got = pump_read(c)) < 0 || pump_write(c) < 0)
		return -1;
	return got;
}

void load_watch(int epoll, struct load_conn *c, bool add)
{
	struct epoll_event e = { .events = EPOLLIN | (c->want_write ? EPOLLOUT : 0u), .data.ptr = c };

	if (epoll_ctl(epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e) < 0)
		load_die("epoll_ctl");
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max; /* as many as may be */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc == 5 && strcmp(argv[1], "server") == 0)
		return load_server(&(struct load_options){
			.port = (int)number(argv[2]), .certificate = argv[3], .key = argv[4] });
	if (argc == 9 && strcmp(argv[1], "client") == 0)
		return load_client(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.connections = number(argv[4]), .in_flight = number(argv[5]), .seconds = number(argv[6]),
			.size = number(argv[7]), .rate = number(argv[8]) });
	if (argc == 9 && strcmp(argv[1], "soak") == 0)
		return load_soak(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.connections = number(argv[4]), .active = number(argv[5]), .seconds = number(argv[6]),
			.rate = number(argv[7]), .every = number(argv[8]) });
	if (argc == 6 && strcmp(argv[1], "handshakes") == 0)
		return load_handshakes(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.connections = number(argv[4]), .seconds = number(argv[5]) });
	if (argc == 9 && strcmp(argv[1], "honest") == 0)
		return load_honest(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.sources = argv[4], .n_sources = number(argv[5]), .connections = number(argv[5]),
			.rate = number(argv[6]), .logins = number(argv[7]), .seconds = number(argv[8]) });
	if (argc == 10 && strcmp(argv[1], "flood") == 0)
		return load_flood(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.sources = argv[4], .n_sources = number(argv[5]), .rate = number(argv[6]),
			.seconds = number(argv[7]), .hold_ms = number(argv[8]), .kind = argv[9] });
	if (argc == 11 && strcmp(argv[1], "slow") == 0)
		return load_slow(&(struct load_options){ .address = argv[2], .port = (int)number(argv[3]),
			.sources = argv[4], .n_sources = number(argv[5]), .plain_port = (int)number(argv[6]),
			.connections = number(argv[7]), .rate = number(argv[8]), .seconds = number(argv[9]),
			.kind = argv[10] });
	if (argc == 7 && strcmp(argv[1], "s2s-source") == 0)
		return load_federation_source(&(struct load_peer){ .me = argv[2], .peer = argv[3],
			.certificate = argv[4], .key = argv[5], .trust = argv[6] });
	if (argc >= 7 && strcmp(argv[1], "s2s-sink") == 0)
		return load_federation_sink(&(struct load_peer){ .me = argv[2], .certificate = argv[3],
			.key = argv[4], .trust = argv[5], .address = argv[6], .ports = argv + 7 });
	fprintf(stderr, "usage: xmppload server PORT CERT KEY\n"
			"       xmppload honest ADDRESS PORT SOURCE SOURCES PINGS-A-SECOND LOGINS-A-SECOND SECONDS\n"
			"       xmppload flood ADDRESS PORT SOURCE SOURCES RATE SECONDS HOLD-MS none|hello\n"
			"       xmppload slow ADDRESS PORT SOURCE SOURCES PLAIN-PORT CONNECTIONS RATE SECONDS all|hello|stream|stanza\n"
			"       xmppload handshakes ADDRESS PORT CONNECTIONS SECONDS\n"
			"       xmppload soak ADDRESS PORT IDLE ACTIVE SECONDS RATE EVERY\n"
			"       xmppload s2s-source DOMAIN TO CERT KEY TRUST\n"
			"       xmppload s2s-sink DOMAIN CERT KEY TRUST ADDRESS PORT...\n"
			"       xmppload client ADDRESS PORT CONNECTIONS IN-FLIGHT SECONDS BODY-BYTES RATE\n");
	return 2;
}
