/* SPDX-License-Identifier: BSD-2-Clause */
/* Where peers arrive. In: the services of a policy. Out: bound, listening sockets, one for each
 * thread of the proxy and each address (SO_REUSEPORT spreads connections over them), transparent
 * where the kernel leads other hosts' traffic here. The daemon opens them because it may; the child
 * only accepts. They stay open while a child is started anew, so that peers wait instead of being
 * refused. No byte of a peer is read here. */
#include "ctl/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "rules/rules.h"

enum { LISTEN_BACKLOG = 4096 };

/* ---- one socket ---- */

static socklen_t sockaddr_make(const char *address, uint16_t port, struct sockaddr_storage *sa)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof *sa);
	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		return sizeof *in4;
	}
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof *in6;
	}
	return 0;
}

static int socket_set(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof on) < 0 ? -errno : 0;
}

static int socket_prepare(int fd, int family, bool transparent)
{
	int r;

	if ((r = socket_set(fd, SOL_SOCKET, SO_REUSEADDR)) < 0 ||
		(r = socket_set(fd, SOL_SOCKET, SO_REUSEPORT)) < 0)
		return r;
	if (family == AF_INET6 && (r = socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) < 0)
		return r;
	if (!transparent)
		return 0;
	return family == AF_INET6 ? socket_set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT)
				  : socket_set(fd, IPPROTO_IP, IP_TRANSPARENT);
}

/* Is anybody there? SO_REUSEPORT would let us share the port with another program of our user,
 * silently. */
static int port_probe(const struct sockaddr_storage *sa, socklen_t len)
{
	cleanup_fd int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	if ((r = socket_set(fd, SOL_SOCKET, SO_REUSEADDR)) < 0 ||
		(sa->ss_family == AF_INET6 && (r = socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) < 0))
		return r;
	return bind(fd, (const struct sockaddr *)sa, len) < 0 ? -errno : 0;
}

/* probe: nobody of ours is on that port yet. */
static int listener_bind(struct listener *l, bool probe)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_make(l->address, l->bound, &sa);
	cleanup_fd int fd = -1;
	int r;

	if (len == 0)
		return -EINVAL;
	if (probe && (r = port_probe(&sa, len)) < 0 && !(l->transparent && r == -EADDRNOTAVAIL))
		return r;
	if ((fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	if ((r = socket_prepare(fd, sa.ss_family, l->transparent)) < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	l->fd = take_fd(&fd);
	return 0;
}

static void why_format(const struct listener *l, int code, struct buf *why)
{
	bool v6 = strchr(l->address, ':') != NULL;

	buf_putf(why, "service '%s': cannot listen on %s%s%s:%u: %s", l->service, v6 ? "[" : "",
		l->address, v6 ? "]" : "", l->bound, err_text(code));
	if (code == -EADDRINUSE)
		buf_putf(why, " (find the program with: ss -ltnp 'sport = :%u')", l->bound);
	else if (code == -EADDRNOTAVAIL)
		buf_putf(why, " (no interface of this host has that address)");
	else if (code == -EPERM && l->transparent)
		buf_putf(why, " (intercept tproxy needs CAP_NET_ADMIN: start xmppwalld as root)");
	else if (code == -EACCES)
		buf_putf(why, " (ports below 1024 need CAP_NET_BIND_SERVICE)");
	else if (code == -EMFILE)
		buf_putf(why, " (raise LimitNOFILE)");
	buf_putf(why, "\n");
}

/* ---- all of a policy ---- */

static bool listener_is(const struct listener *a, const struct listener *b)
{
	return a->port == b->port && a->bound == b->bound && a->thread == b->thread &&
	       strcmp(a->address, b->address) == 0 && a->transparent == b->transparent;
}

bool listeners_has(const struct listeners *l, const struct listener *one)
{
	for (size_t i = 0; i < l->n; i++)
		if (listener_is(&l->all[i], one) && strcmp(l->all[i].service, one->service) == 0)
			return true;
	return false;
}

static int listener_share(struct listener *l, const struct listeners *have)
{
	for (size_t i = 0; have && i < have->n; i++)
		if (listener_is(&have->all[i], l)) {
			l->fd = fcntl(have->all[i].fd, F_DUPFD_CLOEXEC, 3);
			return l->fd < 0 ? -errno : 0;
		}
	return ERR_NOTFOUND;
}

static bool port_is_ours(const struct listeners *l, uint16_t bound)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (l->all[i].bound == bound)
			return true;
	return false;
}

/* Takes one with its texts; closes and frees them on failure. */
static int listeners_add(struct listeners *out, struct listener one)
{
	struct listener *more = realloc(out->all, (out->n + 1) * sizeof *more);

	if (more)
		out->all = more;
	if (!more || !one.service || !one.address) {
		if (one.fd >= 0)
			close(one.fd);
		free(one.service);
		free(one.address);
		return -ENOMEM;
	}
	out->all[out->n++] = one;
	return 0;
}

/* One address and port, a socket a thread. optional: a host without that family is fine. */
static int open_port(const struct service *s, const char *address, uint16_t port, bool optional,
	unsigned threads, const struct listeners *have, struct listeners *out, struct buf *why)
{
	unsigned bound = service_own_port(s, port);
	int r = 0;

	for (unsigned t = 0; t < threads && r == 0; t++) {
		struct listener one = { strdup(s->name), strdup(address), port, (uint16_t)bound,
			s->intercept == INTERCEPT_TPROXY, t, -1 };

		r = bound > 65535 ? ERR_RANGE : listener_share(&one, have);
		if (r == ERR_NOTFOUND)
			r = listener_bind(&one,
				!port_is_ours(have, one.bound) && !port_is_ours(out, one.bound));
		if (optional && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
			log_info("event=listen service=%s note=\"no IPv6 on this host\"", s->name);
			free(one.service);
			free(one.address);
			return 0;
		}
		if (r < 0)
			why_format(&one, r, why);
		if (r < 0) {
			free(one.service);
			free(one.address);
			return r;
		}
		r = listeners_add(out, one);
	}
	return r;
}

static int open_service(const struct service *s, unsigned threads, const struct listeners *have,
	struct listeners *out, struct buf *why)
{
	int r = 0;

	for (unsigned p = 0; p < s->n_ports && r == 0; p++) {
		for (unsigned a = 0; a < s->n_addresses && r == 0; a++)
			r = open_port(
				s, s->addresses[a], s->ports[p], false, threads, have, out, why);
		if (s->n_addresses == 0 && (r = open_port(s, "0.0.0.0", s->ports[p], false, threads,
						    have, out, why)) == 0)
			r = open_port(s, "::", s->ports[p], true, threads, have, out, why);
	}
	return r;
}

int listeners_open(const struct policy *p, unsigned threads, const struct listeners *have,
	struct listeners *out, struct buf *why)
{
	const struct service *services;
	size_t n;
	int r = 0;

	*out = (struct listeners){ 0 };
	services = policy_services(p, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		if (services[i].mode == MODE_PROXY)
			r = open_service(&services[i], threads, have, out, why);
	if (r < 0)
		listeners_close(out);
	return r;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		close(l->all[i].fd);
		free(l->all[i].service);
		free(l->all[i].address);
	}
	free(l->all);
	*l = (struct listeners){ 0 };
}
