/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks up the names of servers, for children that may open no file and ask no name server. In: the
 * policy's backends, the host's own resolver (in a thread of libuv). Out: a message a name, at the
 * start, at each change of the policy and again after the backend's time; failures are told, too,
 * and tried again sooner. What a name meant stays until it is answered anew. It connects to
 * nothing. */
#include "ctl/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/log.h"
#include "rules/rules.h"

enum { RETRY_MS = 5000, ADDRESSES_MAX = 8 };

struct lookup {
	struct lookup *next;
	struct resolver *resolver; /* NULL: nobody wants it any more */
	uv_timer_t timer;
	uv_getaddrinfo_t request;
	bool busy, closed; /* the request is under way; the timer is gone */
	bool wanted;
	uint64_t every_ms;
	json_t *said; /* the last message */
	char name[];
};

struct resolver {
	uv_loop_t *loop;
	void (*told)(void *arg, json_t *msg);
	void *arg;
	struct lookup *lookups;
};

static void lookup_begin(struct lookup *l);

static void lookup_free(struct lookup *l)
{
	if (l->busy || !l->closed)
		return;
	json_decref(l->said);
	free(l);
}

static void lookup_on_closed(uv_handle_t *handle)
{
	struct lookup *l = handle->data;

	l->closed = true;
	lookup_free(l);
}

static void lookup_drop(struct lookup *l)
{
	l->resolver = NULL;
	if (l->busy)
		uv_cancel((uv_req_t *)&l->request);
	uv_close((uv_handle_t *)&l->timer, lookup_on_closed);
}

static void lookup_on_timer(uv_timer_t *timer)
{
	lookup_begin(timer->data);
}

static bool has_text(json_t *all, const char *text)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one) if (strcmp(json_string_value(one), text) == 0) return true;
	return false;
}

static json_t *addresses_of(const struct addrinfo *list)
{
	json_t *out = json_array();

	for (; list && json_array_size(out) < ADDRESSES_MAX; list = list->ai_next) {
		struct peer_address a;
		char text[INET6_ADDRSTRLEN];
		uint16_t port;

		address_from_sockaddr(list->ai_addr, &a, &port);
		address_format(&a, text, sizeof text);
		if (!has_text(out, text))
			json_array_append_new(out, json_string(text));
	}
	return out;
}

static void lookup_tell(struct lookup *l, int status, const struct addrinfo *list)
{
	json_t *msg = json_pack("{s:s,s:s,s:o}", "m", "addresses", "name", l->name, "addresses",
		addresses_of(list));

	if (!msg)
		return;
	if (json_array_size(json_object_get(msg, "addresses")) == 0) {
		json_object_set_new(msg, "error",
			json_sprintf("its name does not resolve: %s",
				status < 0 ? uv_strerror(status) : "no address"));
		log_warn("name=%s error=\"%s\"", l->name,
			status < 0 ? uv_strerror(status) : "no address");
	}
	json_decref(l->said);
	l->said = msg;
	l->resolver->told(l->resolver->arg, msg);
}

static void lookup_on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct lookup *l = request->data;
	uint64_t ms = l->every_ms;

	l->busy = false;
	if (l->resolver) {
		lookup_tell(l, status, status < 0 ? NULL : list);
		if (status < 0 && ms > RETRY_MS)
			ms = RETRY_MS;
		uv_timer_start(&l->timer, lookup_on_timer, ms, 0);
	} else {
		lookup_free(l);
	}
	uv_freeaddrinfo(list);
}

static void lookup_begin(struct lookup *l)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	l->busy = uv_getaddrinfo(l->resolver->loop, &l->request, lookup_on_answer, l->name, NULL,
			  &hints) == 0;
	if (!l->busy)
		uv_timer_start(&l->timer, lookup_on_timer, RETRY_MS, 0);
}

static struct lookup *lookup_find(const struct resolver *r, const char *name)
{
	for (struct lookup *l = r->lookups; l; l = l->next)
		if (strcmp(l->name, name) == 0)
			return l;
	return NULL;
}

static void lookup_want(struct resolver *r, const char *name, uint64_t every_ms)
{
	struct lookup *l = lookup_find(r, name);

	if (l) {
		l->every_ms = l->wanted && l->every_ms < every_ms ? l->every_ms : every_ms;
		l->wanted = true;
		return;
	}
	if (!(l = calloc(1, sizeof *l + strlen(name) + 1))) {
		log_error("name=%s error=\"%s\"", name, err_text(-ENOMEM));
		return;
	}
	strcpy(l->name, name);
	l->resolver = r;
	l->every_ms = every_ms;
	l->wanted = true;
	l->request.data = l->timer.data = l;
	uv_timer_init(r->loop, &l->timer);
	l->timer.data = l;
	l->next = r->lookups;
	r->lookups = l;
	lookup_begin(l);
}

int resolver_new(
	uv_loop_t *loop, void (*told)(void *arg, json_t *msg), void *arg, struct resolver **out)
{
	struct resolver *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	*r = (struct resolver){ .loop = loop, .told = told, .arg = arg };
	*out = r;
	return 0;
}

void resolver_use(struct resolver *r, const struct policy *p)
{
	struct lookup **at = &r->lookups;
	const struct backend *all;
	size_t n;

	for (struct lookup *l = r->lookups; l; l = l->next)
		l->wanted = false;
	all = policy_backends(p, &n);
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < all[i].n_servers; k++)
			if (all[i].servers[k].named)
				lookup_want(r, all[i].servers[k].host, all[i].resolve_ms);
	while (*at) {
		struct lookup *l = *at;

		if (l->wanted) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		lookup_drop(l);
	}
}

json_t *resolver_known(const struct resolver *r)
{
	json_t *all = json_array();

	for (const struct lookup *l = r ? r->lookups : NULL; l; l = l->next)
		if (l->said)
			json_array_append(all, l->said);
	return all;
}

void resolver_close(struct resolver *r)
{
	struct lookup *l;

	if (!r)
		return;
	while ((l = r->lookups)) {
		r->lookups = l->next;
		lookup_drop(l);
	}
	free(r);
}
