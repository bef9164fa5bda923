/* SPDX-License-Identifier: BSD-2-Clause */
/* The front door: listening sockets that the daemon opened, on one worker's loop.
 * In: connections. Out: sessions, each with its client's address and where that wanted to go (its
 * own name under TPROXY, conntrack's memory under REDIRECT). Ceilings are checked here, in all and
 * for each address, before a byte is read or memory is spent. When descriptors run out it pauses
 * instead of spinning. A connection that reached our own port although interception is the way in
 * would make us dial ourselves: it is refused. It never opens a listener itself. */
#include "proxy/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "door/registry.h"
#include "proxy/session.h"
#include "proxy/worker.h"

enum { ACCEPT_BATCH = 32 };

struct listener {
	struct listener *next;
	struct worker *worker;
	uv_poll_t poll;
	int fd;
	uint16_t port; /* as peers dial it */
	uint16_t own;  /* as bound */
	bool paused;
	char service[];
};

/* Why it may not come in; NULL if it may. */
static const char *listen_refuse(const struct policy *policy, const struct service *conf,
	const struct endpoint *peer, bool intercepted)
{
	enum { WHOLE = 128 };

	if (conf->upstream_original && !intercepted)
		return "not-intercepted";
	if (conf->from_set &&
		!policy_addresses_overlap(policy, conf->from_set, &peer->address, WHOLE))
		return "not-from";
	/* Our own servers may be few and their streams many. */
	switch (registry_enter(conf->name, &peer->address, conf->sessions_max,
		conf->direction == SERVICE_OUT ? 0 : conf->sessions_per_address)) {
	case REGISTRY_OK:
		return NULL;
	case REGISTRY_FULL:
		return "full";
	case REGISTRY_ADDRESS_FULL:
		return "address-full";
	default:
		return "memory";
	}
}

static void listen_take(struct listener *l, int fd)
{
	struct gear_service *service = gear_find(l->worker->gear, l->service);
	struct endpoint peer, dest;
	const char *why = "gone";
	bool intercepted = false;
	char address[64];
	int r;

	if (!service || upstream_find_ends(fd, service->conf.intercept, l->own, &peer, &dest,
				&intercepted) < 0) {
		metric_add(counters.listen_refused, 1);
		close(fd);
		return;
	}
	if ((why = listen_refuse(l->worker->gear->policy, &service->conf, &peer, intercepted))) {
		address_format(&peer.address, address, sizeof(address));
		metric_add(counters.listen_refused, 1);
		counters_add("listen.refused", why);
		log_info("connection refused service=%s address=%s why=%s", l->service, address,
			why);
		close(fd);
		return;
	}
	metric_add(counters.listen_accepted, 1);
	r = session_new(l->worker, service, fd, &peer, &dest, intercepted ? dest.port : l->port);
	if (r < 0)
		log_warn("session not started error=%s", err_text(r));
}

static void listen_on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			listen_take(l, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			metric_add(counters.listen_exhausted, 1);
			log_error("accept service=%s error=%s", l->service, err_text(-errno));
			uv_poll_stop(&l->poll);
			l->paused = true;
		}
		return;
	}
}

void listener_resume(struct worker *w)
{
	for (struct listener *l = w->listeners; l; l = l->next) {
		if (l->paused) {
			l->paused = false;
			uv_poll_start(&l->poll, UV_READABLE, listen_on_poll);
		}
	}
}

static uint16_t listen_own_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	struct peer_address unused;
	socklen_t len = sizeof(ss);
	uint16_t port = 0;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		address_from_sockaddr((struct sockaddr *)&ss, &unused, &port);
	return port;
}

int listener_open(struct worker *w, int fd, const char *service, uint16_t port)
{
	struct listener *l = calloc(1, sizeof(*l) + strlen(service) + 1);
	int r;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->worker = w;
	l->fd = fd;
	l->port = port;
	l->own = listen_own_port(fd);
	strcpy(l->service, service);
	if ((r = uv_poll_init_socket(&w->loop, &l->poll, fd)) < 0) {
		close(fd);
		free(l);
		return r;
	}
	l->poll.data = l;
	l->next = w->listeners;
	w->listeners = l;
	return uv_poll_start(&l->poll, UV_READABLE, listen_on_poll);
}

static void listen_on_close(uv_handle_t *handle)
{
	free(handle->data);
}

void listener_close(struct worker *w, const char *service, uint16_t port)
{
	struct listener **at = &w->listeners;

	while (*at) {
		struct listener *l = *at;

		if ((service && strcmp(service, l->service) != 0) || (port && port != l->port)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		uv_poll_stop(&l->poll);
		uv_close((uv_handle_t *)&l->poll, listen_on_close);
		close(l->fd);
	}
}
