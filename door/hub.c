/* SPDX-License-Identifier: BSD-2-Clause */
/* From the worker threads to the main thread: between eve.c and link.c of a door.
 * In: JSON messages from any thread. Out: the same on the main loop, in order. The queue is bounded
 * by count; a flood of events costs events, never memory and never a worker's time: senders do not
 * wait. It knows nothing of what the messages mean. */
#include "door/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum hub_kind { HUB_EVENT, HUB_KEEP, HUB_ASK, HUB_ROWS, HUB_DELIVERY, HUB_GONE, HUB_EMPTY };

struct hub_item {
	struct hub_item *next;
	enum hub_kind kind;
	json_int_t seq;
	json_t *json;
};

struct hub {
	uv_async_t async;
	pthread_mutex_t lock;
	struct hub_item *first, **last;
	size_t events, keeps, asks;
	const struct hub_handler *handler;
	void *arg;
	metric *lost;
};

static void hub_deliver(struct hub *h, struct hub_item *item)
{
	switch (item->kind) {
	case HUB_EVENT:
	case HUB_KEEP:
	case HUB_ASK:
		h->handler->on_event(h->arg, item->json);
		break;
	case HUB_DELIVERY:
		h->handler->on_delivery(h->arg, item->seq, json_is_true(item->json));
		break;
	case HUB_ROWS:
		h->handler->on_rows(h->arg, item->seq, item->json);
		break;
	case HUB_GONE:
		h->handler->on_gone(h->arg);
		break;
	case HUB_EMPTY:
		h->handler->on_empty(h->arg);
		break;
	}
}

static struct hub_item *hub_take(struct hub *h)
{
	struct hub_item *first;

	pthread_mutex_lock(&h->lock);
	first = h->first;
	h->first = NULL;
	h->last = &h->first;
	h->events = h->keeps = h->asks = 0;
	pthread_mutex_unlock(&h->lock);
	return first;
}

static void hub_on_async(uv_async_t *async)
{
	struct hub *h = async->data;
	struct hub_item *item = hub_take(h), *next;

	for (; item; item = next) {
		next = item->next;
		hub_deliver(h, item);
		json_decref(item->json);
		free(item);
	}
}

int hub_new(uv_loop_t *main_loop, const struct hub_handler *handler, void *arg, metric *lost,
	struct hub **out)
{
	struct hub *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->last = &h->first;
	h->handler = handler;
	h->arg = arg;
	h->lost = lost;
	h->async.data = h;
	pthread_mutex_init(&h->lock, NULL);
	if ((r = uv_async_init(main_loop, &h->async, hub_on_async)) < 0) {
		free(h);
		return r;
	}
	*out = h;
	return 0;
}

static void hub_on_close(uv_handle_t *handle)
{
	struct hub *h = handle->data;
	struct hub_item *item = hub_take(h), *next;

	for (; item; item = next) {
		next = item->next;
		json_decref(item->json);
		free(item);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void hub_free(struct hub *h)
{
	if (h)
		uv_close((uv_handle_t *)&h->async, hub_on_close);
}

/* False: thrown away. */
static bool hub_put(struct hub *h, enum hub_kind kind, json_int_t seq, json_t *json)
{
	struct hub_item *item = calloc(1, sizeof(*item));
	bool full;

	pthread_mutex_lock(&h->lock);
	full = !item || (kind == HUB_EVENT && h->events >= HUB_EVENTS_MAX) ||
	       (kind == HUB_KEEP && h->keeps >= HUB_KEEPS_MAX) ||
	       (kind == HUB_ASK && h->asks >= HUB_ASKS_MAX);
	if (!full) {
		*item = (struct hub_item){ .kind = kind, .seq = seq, .json = json };
		*h->last = item;
		h->last = &item->next;
		h->events += kind == HUB_EVENT;
		h->keeps += kind == HUB_KEEP;
		h->asks += kind == HUB_ASK;
	}
	pthread_mutex_unlock(&h->lock);
	if (!full) {
		uv_async_send(&h->async);
		return true;
	}
	metric_add(h->lost, 1);
	json_decref(json);
	free(item);
	return false;
}

static bool hub_put_message(struct hub *h, enum hub_kind kind, json_t *message)
{
	if (h && message)
		return hub_put(h, kind, 0, message);
	json_decref(message);
	return false;
}

bool hub_keep(struct hub *h, json_t *message)
{
	return hub_put_message(h, HUB_KEEP, message);
}

bool hub_ask(struct hub *h, json_t *message)
{
	return hub_put_message(h, HUB_ASK, message);
}

void hub_delivery(struct hub *h, json_int_t seq, bool delivered)
{
	hub_put(h, HUB_DELIVERY, seq, json_boolean(delivered));
}

void hub_event(struct hub *h, json_t *message)
{
	hub_put_message(h, HUB_EVENT, message);
}

void hub_rows(struct hub *h, json_int_t seq, json_t *rows)
{
	hub_put(h, HUB_ROWS, seq, rows);
}

void hub_gone(struct hub *h)
{
	hub_put(h, HUB_GONE, 0, NULL);
}

void hub_empty(struct hub *h)
{
	hub_put(h, HUB_EMPTY, 0, NULL);
}
