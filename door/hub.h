/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from the worker threads to the main thread and its channel: bounded, never waiting. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include <uv.h>
#include "base/metrics.h"

struct hub;

enum {
	HUB_EVENTS_MAX = 20000,
	HUB_KEEPS_MAX = 256, /* stanzas for the quarantine */
	HUB_ASKS_MAX = 256,
};

struct hub_handler {
	/* On the main thread. Each message is an event message or {"rows":[..],"seq":n}; borrowed.
	 */
	void (*on_event)(void *arg, json_t *message);
	void (*on_rows)(void *arg, json_int_t seq, json_t *rows);
	/* A worker was asked to deliver: did it? */
	void (*on_delivery)(void *arg, json_int_t seq, bool delivered);
	/* A worker has ended its loop. */
	void (*on_gone)(void *arg);
	/* A worker that was told to retire has no session any more. */
	void (*on_empty)(void *arg);
};

/* lost counts what was thrown away. */
int hub_new(uv_loop_t *main_loop, const struct hub_handler *handler, void *arg, metric *lost,
	struct hub **out);
/* Closes its handle; memory goes when the loop has run once more. No thread may use it any longer.
 */
void hub_free(struct hub *h);
/* From any thread; takes message (NULL: ignored). Above the ceiling it is thrown away and counted.
 */
void hub_event(struct hub *h, json_t *message);
/* The same for a stanza that is to be kept; false when it was thrown away. */
bool hub_keep(struct hub *h, json_t *message);
/* The same for a question to the daemon. */
bool hub_ask(struct hub *h, json_t *message);
void hub_delivery(struct hub *h, json_int_t seq, bool delivered);
void hub_rows(struct hub *h, json_int_t seq, json_t *rows);
void hub_gone(struct hub *h);
void hub_empty(struct hub *h);
