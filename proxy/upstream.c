/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to the server: behind hello and header, before the upstream conversation in
 * session_server.c. In: an accepted socket and the service's settings. Out: original destination
 * (the socket's own name under TPROXY, SO_ORIGINAL_DST under REDIRECT), and a socket that is
 * connecting, if need be from the client's address. Our packets carry a mark, so that the
 * interception does not take them again. It never resolves names: destinations are literal or what
 * the client dialled. */
#include "proxy/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#ifndef SO_ORIGINAL_DST
#define SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h; IP6T_SO_ORIGINAL_DST is the same */
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

static int ends_original(int fd, const struct endpoint *local, struct endpoint *dest)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	bool v4 = address_is_v4(&local->address);

	/* A dual-stack listener's IPv4 connections are asked the IPv4 way. */
	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, SO_ORIGINAL_DST, &ss, &len) < 0)
		return -errno;
	address_from_sockaddr((struct sockaddr *)&ss, &dest->address, &dest->port);
	return 0;
}

int upstream_find_ends(int fd, enum intercept intercept, uint16_t own, struct endpoint *client,
	struct endpoint *dest, bool *intercepted)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct endpoint local;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	address_from_sockaddr((struct sockaddr *)&ss, &client->address, &client->port);
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	address_from_sockaddr((struct sockaddr *)&ss, &local.address, &local.port);
	*dest = local;
	*intercepted = intercept == INTERCEPT_TPROXY && local.port != own;
	if (intercept == INTERCEPT_REDIRECT && ends_original(fd, &local, dest) == 0)
		*intercepted = dest->port != own ||
			       memcmp(&dest->address, &local.address, sizeof(local.address)) != 0;
	return 0;
}

int upstream_choose(const struct service *service, const struct endpoint *dest, uint16_t dialled,
	struct endpoint *out)
{
	*out = *dest;
	if (service->upstream_original)
		return 0;
	out->port = service->upstream_port ? service->upstream_port : dialled;
	return service->upstream_host
		       ? address_parse(span_of(service->upstream_host), &out->address)
		       : ERR_SYNTAX;
}

static socklen_t endpoint_sockaddr(const struct endpoint *e, bool v4, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (v4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->address.bytes + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e->port);
	memcpy(&in6->sin6_addr, e->address.bytes, 16);
	return sizeof(*in6);
}

/* Binds to the client's address and a port of the kernel's choice: with the client's own port,
 * connection tracking would take our connection for the client's. */
static int dial_bind(int fd, const struct endpoint *source, bool v4)
{
	static const int one = 1;
	struct endpoint from = { .address = source->address };
	struct sockaddr_storage ss;
	socklen_t len;

	if (v4 ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0
	       : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) < 0)
		return -errno;
	/* The port is chosen in connect(): 64k of them for each server, not for all together. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	len = endpoint_sockaddr(&from, v4, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int upstream_dial(
	const struct endpoint *dest, const struct endpoint *source, uint32_t mark, int *out)
{
	bool v4 = address_is_v4(&dest->address);
	cleanup_fd int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len;
	int r;

	if (source && address_is_v4(&source->address) != v4)
		return -EAFNOSUPPORT;
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Without the capability the mark is missing, which an interception must not be built on;
	 * without interception it is not needed: so only a warning. */
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		log_warn("upstream socket mark refused error=%s", err_text(-errno));
	if (source && (r = dial_bind(fd, source, v4)) < 0)
		return r;
	len = endpoint_sockaddr(dest, v4, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		return -errno;
	*out = take_fd(&fd);
	return 0;
}
