/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from the worker threads to the main thread and its channel: bounded, never waiting. */
#pragma once

#include <jansson.h>
#include <uv.h>

struct hub;

enum { HUB_EVENTS_MAX = 20000 };

struct hub_handler {
	/* On the main thread. Each message is an event message or {"rows":[..],"seq":n}; borrowed.
	 */
	void (*on_event)(void *arg, json_t *message);
	void (*on_rows)(void *arg, json_int_t seq, json_t *rows);
	/* A worker has ended its loop. */
	void (*on_gone)(void *arg);
};

int hub_new(uv_loop_t *main_loop, const struct hub_handler *handler, void *arg, struct hub **out);
/* Closes its handle; memory goes when the loop has run once more. No thread may use it any longer.
 */
void hub_free(struct hub *h);
/* From any thread; takes message (NULL: ignored). Above the ceiling it is thrown away and counted.
 */
void hub_event(struct hub *h, json_t *message);
void hub_rows(struct hub *h, json_int_t seq, json_t *rows);
void hub_gone(struct hub *h);
