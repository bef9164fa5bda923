/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon wants to know and says about the servers behind "upstream backend": part of
 * link.c. In: addresses of names, questions. Out: rows, and a message when a server goes down or
 * comes up again, with its event. Checks run while this child takes new sessions. It chooses no
 * server: backends.c does. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/health.h"
#include "proxy/link_int.h"

enum { DOWN_ROWS_MAX = 100 };

/* EVE's shape, beside the sessions' events. */
static json_t *backend_event(const struct backend *b, const struct backend_server *server,
	const struct endpoint *at, enum server_state state, const char *why)
{
	char now[40], address[INET6_ADDRSTRLEN] = "";
	json_t *event;

	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	event = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "timestamp", now,
		"event_type", "backend", "proto", "TCP", "app_proto", "xmpp", "backend", "name",
		b->name, "server", server->text, "state", server_state_text(state), "why", why);
	if (event && at->port) {
		address_format(&at->address, address, sizeof(address));
		json_object_set_new(event, "dest_ip", json_string(address));
		json_object_set_new(event, "dest_port", json_integer(at->port));
	}
	return event;
}

/* All that are down, for "status". */
static void backends_tell_down(struct link *l)
{
	json_t *rows = backends_rows(l->gear ? l->gear->backends : NULL), *row,
	       *down = json_array();
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(text_of(row, "state"), "down") == 0 &&
			json_array_size(down) < DOWN_ROWS_MAX)
			json_array_append_new(
				down, json_pack("{s:s, s:s, s:s}", "backend",
					      text_of(row, "backend"), "server",
					      text_of(row, "server"), "why", text_of(row, "why")));
	}
	json_decref(rows);
	line_send(&l->line, json_pack("{s:s, s:o}", "m", "down", "rows", down));
}

static void backend_told(void *arg, const struct backend *b, const struct backend_server *server,
	const struct endpoint *at, enum server_state state, const char *why)
{
	struct link *l = arg;
	json_t *event = backend_event(b, server, at, state, why);

	backends_tell_down(l);
	if (event)
		line_send(&l->line, json_pack("{s:s, s:o}", "m", "event", "event", event));
}

int link_backends_init(struct link *l)
{
	return health_new(&l->loop, backend_told, l, &l->health);
}

void link_backends_use(struct link *l)
{
	if (!l->started || l->line.stopping || l->retiring)
		return;
	health_use(l->health, l->gear);
	backends_tell_down(l);
}

void link_backends_end(struct link *l)
{
	health_use(l->health, NULL);
}

void link_backends_fini(struct link *l)
{
	health_free(l->health);
	l->health = NULL;
}

void link_on_backends(struct link *l, json_t *msg)
{
	json_t *rows = backends_rows(l->gear ? l->gear->backends : NULL);

	line_send(&l->line,
		json_pack("{s:s, s:I, s:o, s:b}", "m", "backends", "seq", number_of(msg, "seq"),
			"rows", rows ? rows : json_array(), "more", 0));
}

void link_on_addresses(struct link *l, json_t *msg)
{
	struct peer_address all[SERVER_ADDRESSES_MAX];
	const char *name = text_of(msg, "name");
	json_t *one;
	size_t i, n = 0;

	if (!*name) {
		line_nonsense(&l->line, "addresses");
		return;
	}
	json_array_foreach(json_object_get(msg, "addresses"), i, one)
	{
		const char *text = json_string_value(one);

		if (n < SERVER_ADDRESSES_MAX && text && address_parse(span_of(text), &all[n]) == 0)
			n++;
	}
	backends_resolved(name, all, n, text_of(msg, "error"));
}
