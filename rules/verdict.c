/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts as data for others: the id that names one in logs, bounces and explain, and the JSON
 * object whose keys other tools are written against. Comes in: a verdict of rules/match.c; goes
 * out: text. It never acts on one. */
#include "rules/verdict.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const kind_texts[] = {
	[VERDICT_ACCEPT] = "accept",
	[VERDICT_DROP] = "drop",
	[VERDICT_REJECT] = "reject",
	[VERDICT_CLOSE] = "close",
	[VERDICT_REDIRECT] = "redirect",
	[VERDICT_QUARANTINE] = "quarantine",
};

const char *verdict_kind_text(enum verdict_kind kind)
{
	return kind_texts[kind];
}

bool verdict_is_notable(const struct verdict *v)
{
	return v->dry || v->kind != VERDICT_ACCEPT || v->log || v->log_body || v->strikes ||
	       v->ban_ms || v->n_marks || v->n_strips || v->n_masks || v->tarpit_ms || v->report;
}

/* ---- ids ---- */

static char process_part[11];    /* "k7f3-9q2m-" */
static _Atomic uint64_t counter; /* of blocks of ids */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic unsigned process; /* how often that was drawn */

/* No l, i, o, u: ids are read aloud. */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
enum { IDS = 1024 /* that differ in the last two letters only */ };

static void draw_process_part(void)
{
	uint64_t drawn;
	size_t at = 0;

	if (getrandom(&drawn, sizeof(drawn), 0) != (ssize_t)sizeof(drawn))
		drawn = clock_mono_ns() ^ (uint64_t)getpid() << 20;
	for (unsigned i = 0; i < 8; i++) {
		if (i == 4)
			process_part[at++] = '-';
		process_part[at++] = letters[drawn >> 5 * i & 31];
	}
	process_part[at] = '-';
	atomic_fetch_add(&process, 1);
}

static void process_begin(void)
{
	draw_process_part();
	/* A child that only forked must not repeat its parent's ids. */
	pthread_atfork(NULL, NULL, draw_process_part);
}

static void ids_take(struct verdict_ids *ids)
{
	uint64_t n;
	size_t at = sizeof(process_part) - 1, digits = 0;

	pthread_once(&once, process_begin);
	n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
	memcpy(ids->text, process_part, at);
	while (digits < 7 && n >> 5 * digits)
		digits++;
	while (digits-- > 0)
		ids->text[at++] = letters[n >> 5 * digits & 31];
	ids->len = (unsigned)at;
	ids->used = 0;
	ids->process = atomic_load(&process);
}

void verdict_next_id(struct verdict_ids *ids, char id[VERDICT_ID_SIZE])
{
	if (!ids->len || ids->used == IDS ||
		ids->process != atomic_load_explicit(&process, memory_order_relaxed))
		ids_take(ids);
	memcpy(id, ids->text, sizeof(ids->text));
	id[ids->len] = letters[ids->used >> 5];
	id[ids->len + 1] = letters[ids->used & 31];
	id[ids->len + 2] = '\0';
	ids->used++;
}

void verdict_make_id(char id[VERDICT_ID_SIZE])
{
	static _Thread_local struct verdict_ids ids;

	verdict_next_id(&ids, id);
}

/* ---- JSON ---- */

static void __attribute__((format(printf, 2, 3))) order_add(json_t *orders, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	json_array_append_new(orders, json_string(line));
}

static json_t *orders_json(const struct verdict *v)
{
	json_t *orders = json_array();
	char duration[32];

	if (v->log || v->log_body)
		json_array_append_new(orders, json_string(v->log_body ? "log body" : "log"));
	if (v->count)
		json_array_append_new(orders, json_string("count"));
	for (unsigned i = 0; i < v->n_marks; i++)
		order_add(orders, "mark %s", v->marks[i]);
	for (unsigned i = 0; i < v->n_strips; i++)
		order_add(orders, "strip %s", v->strips[i]);
	if (v->n_masks)
		json_array_append_new(orders, json_string("replace"));
	if (v->tarpit_ms) {
		clock_format_duration(v->tarpit_ms, duration, sizeof(duration));
		order_add(orders, "tarpit %s", duration);
	}
	if (v->report)
		order_add(orders, "report %s", v->report);
	if (v->strikes)
		order_add(orders, "strike %u", v->strikes);
	if (v->ban_ms) {
		clock_format_duration(v->ban_ms, duration, sizeof(duration));
		order_add(orders, "ban %s", duration);
	}
	return orders;
}

/* Text of a peer is valid UTF-8 by now; were it not, the key is still there. */
static json_t *text_json(const char *text)
{
	json_t *s = json_string(text ? text : "");

	return s ? s : json_string("");
}

static json_t *matches_json(const struct verdict *v)
{
	json_t *matches = json_array();

	for (unsigned i = 0; i < v->n_matches; i++) {
		const struct verdict_match *m = &v->matches[i];
		json_t *match = json_object();

		json_object_set_new(match, "field", text_json(m->field));
		json_object_set_new(match, "entry", text_json(m->entry));
		json_object_set_new(match, "text", text_json(m->text));
		if (m->set && *m->set)
			json_object_set_new(match, "set", text_json(m->set));
		json_object_set_new(match, "start", json_integer((json_int_t)m->start));
		json_object_set_new(match, "end", json_integer((json_int_t)m->end));
		if (m->before) {
			json_object_set_new(match, "before", text_json(m->before));
			json_object_set_new(match, "after", text_json(m->after));
		}
		json_array_append_new(matches, match);
	}
	return matches;
}

static json_t *fields_json(const struct verdict *v)
{
	json_t *fields = json_array();

	for (unsigned i = 0; i < v->n_fields; i++) {
		json_t *field = json_object();

		json_object_set_new(field, "field", text_json(v->fields[i].field));
		if (v->fields[i].value)
			json_object_set_new(field, "value", text_json(v->fields[i].value));
		else
			json_object_set_new(
				field, "bytes", json_integer((json_int_t)v->fields[i].bytes));
		json_array_append_new(fields, field);
	}
	return fields;
}

static json_t *verdict_json(const struct verdict *v)
{
	json_t *root = json_object(), *would = v->would ? json_array() : NULL;

	json_object_set_new(root, "verdict", json_string(verdict_kind_text(v->kind)));
	if (v->kind == VERDICT_REJECT)
		json_object_set_new(
			root, "condition", json_string(stanza_error_text(v->condition)));
	if (v->kind == VERDICT_CLOSE)
		json_object_set_new(
			root, "condition", json_string(stream_error_text(v->stream_error)));
	if (v->kind == VERDICT_REDIRECT)
		json_object_set_new(root, "redirect", text_json(v->redirect));
	if (v->text)
		json_object_set_new(root, "text", text_json(v->text));
	json_object_set_new(root, "rule", text_json(v->rule));
	json_object_set_new(root, "chain", text_json(v->chain));
	json_object_set_new(root, "orders", orders_json(v));
	json_object_set_new(root, "matches", matches_json(v));
	if (v->n_fields)
		json_object_set_new(root, "fields", fields_json(v));
	json_object_set_new(root, "id", json_string(v->id));
	if (v->dry)
		json_object_set_new(root, "dry", json_true());
	for (const struct verdict *w = v->would; w; w = w->next)
		json_array_append_new(would, verdict_json(w));
	if (would)
		json_object_set_new(root, "would", would);
	return root;
}

int verdict_format_json(const struct verdict *v, struct buf *out)
{
	json_t *root = verdict_json(v);
	char *text;
	int r;

	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	r = text ? buf_puts(out, text) : -ENOMEM;
	free(text);
	return r;
}
