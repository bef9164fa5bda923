/* SPDX-License-Identifier: BSD-2-Clause */
/* Full TLS handshakes, one after the other on so many connections at once: each says goodbye when
 * its handshake is done and counts when the other end has closed, too, so that no half of one is
 * counted. Sessions are not resumed. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

struct shaker {
	int fd;
	SSL *ssl;
	bool done, want_write;
};

struct shakes {
	const struct load_options *o;
	SSL_CTX *ctx;
	int epoll;
	uint64_t finished, failed;
};

static void watch(struct shakes *all, struct shaker *s, bool add, bool write)
{
	struct epoll_event e = { .events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = s };

	if (!add && write == s->want_write)
		return;
	s->want_write = write;
	if (epoll_ctl(all->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->fd, &e) < 0)
		load_die("epoll_ctl");
}

static void shaker_dial(struct shakes *all, struct shaker *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)all->o->port) };

	inet_pton(AF_INET, all->o->address, &sin.sin_addr);
	s->done = false;
	if ((s->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
		connect(s->fd, (struct sockaddr *)&sin, sizeof sin) < 0)
		load_die("connect");
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	if (!(s->ssl = SSL_new(all->ctx)))
		load_die("SSL_new");
	SSL_set_fd(s->ssl, s->fd);
	SSL_set_connect_state(s->ssl);
	SSL_set_tlsext_host_name(s->ssl, "bench.example");
	watch(all, s, true, true);
}

static void shaker_end(struct shakes *all, struct shaker *s, bool good)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 }; /* no port waits */

	all->finished += good;
	all->failed += !good;
	SSL_free(s->ssl);
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(s->fd);
	shaker_dial(all, s);
}

static void shaker_step(struct shakes *all, struct shaker *s)
{
	char bytes[4096];
	int n, why;

	ERR_clear_error();
	if (!s->done) {
		n = SSL_do_handshake(s->ssl);
		why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
		if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ &&
			why != SSL_ERROR_WANT_WRITE) {
			shaker_end(all, s, false);
			return;
		}
		watch(all, s, false, why == SSL_ERROR_WANT_WRITE);
		if (why != SSL_ERROR_NONE)
			return;
		s->done = true;
		SSL_shutdown(s->ssl);
		shutdown(s->fd, SHUT_WR);
	}
	while ((n = (int)read(s->fd, bytes, sizeof bytes)) > 0)
		;
	if (n == 0)
		shaker_end(all, s, true);
}

int load_handshakes(const struct load_options *o)
{
	struct shakes all = { o, SSL_CTX_new(TLS_client_method()), epoll_create1(0), 0, 0 };
	struct shaker *shakers = calloc(o->connections, sizeof *shakers);
	struct epoll_event events[256];
	uint64_t start, deadline;

	if (!shakers || !all.ctx)
		load_die("memory");
	SSL_CTX_set_min_proto_version(all.ctx, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(all.ctx, SSL_SESS_CACHE_OFF);
	puts("{\"phase\":\"start\"}");
	fflush(stdout);
	start = load_now_ns();
	deadline = start + (uint64_t)o->seconds * 1000000000u;
	for (unsigned i = 0; i < o->connections; i++)
		shaker_dial(&all, &shakers[i]);
	while (load_now_ns() < deadline) {
		int n = epoll_wait(all.epoll, events, 256, 100);

		for (int i = 0; i < n; i++)
			shaker_step(&all, events[i].data.ptr);
	}
	printf("{\"phase\":\"end\",\"messages\":%llu,\"failed\":%llu,\"rate\":%.1f,\"p50_us\":0,"
	       "\"p99_us\":0}\n",
		(unsigned long long)all.finished, (unsigned long long)all.failed,
		(double)all.finished / ((double)(load_now_ns() - start) / 1e9));
	return all.failed > 0;
}
