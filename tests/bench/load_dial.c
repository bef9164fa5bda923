/* SPDX-License-Identifier: BSD-2-Clause */
/* What the clients have in common that come from many addresses: connections that nobody waits for,
 * and what is told at the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

/* A record of 512 bytes with a ClientHello of 508. */
const unsigned char load_half_hello[LOAD_HALF_HELLO] = { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };

int load_connect(const struct load_options *o, unsigned nth)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct linger linger = { .l_onoff = 1, .l_linger = 0 }; /* no port waits */
	int one = 1, kept, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	inet_pton(AF_INET, o->address, &to.sin_addr);
	inet_pton(AF_INET, o->sources, &from.sin_addr);
	from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + nth % o->n_sources);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	/* The port is chosen with the connection: there are as many as for each destination. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
		(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS))
		return fd;
	kept = errno;
	close(fd);
	errno = kept;
	return -1;
}

void load_secure(struct load_conn *c, SSL_CTX *ctx)
{
	if (!(c->ssl = SSL_new(ctx)))
		load_die("SSL_new");
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	SSL_set_tlsext_host_name(c->ssl, "bench.example");
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void load_sort(uint64_t *samples, size_t n)
{
	qsort(samples, n, sizeof *samples, by_size);
}

double load_quantile_ms(const uint64_t *sorted, size_t n, double quantile)
{
	return n ? (double)sorted[(size_t)((double)(n - 1) * quantile)] / 1e6 : 0;
}
