/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of the daemon as a person reads them. Peer text in them is escaped before it meets a terminal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

/* A column: the JSON key of each row (dots descend: "xmpp.from"), and how to write it. */
struct show_column {
	const char *title;
	const char *key;
	enum show_format { SHOW_TEXT, SHOW_NUMBER, SHOW_WALL_TIME, SHOW_UNTIL, SHOW_AGE } format;
};

/* An aligned table; "empty" is printed instead when there are no rows. */
void show_table(FILE *out, const struct show_column *columns, size_t n, const json_t *rows,
	const char *empty);
/* One event in one line: time, what was done, who to whom, rule, what matched, verdict id. */
void show_event(FILE *out, const json_t *event, bool colour);
/* One event in full: rule, entry, text, session. */
void show_explain(FILE *out, const json_t *event, bool colour);
/* A string with control bytes escaped, cut at width bytes (0: whole). Static buffers, four in turn. */
const char *show_safe(const char *text, size_t width);
/* Value behind a dotted key; NULL if absent. Borrowed. */
const json_t *show_get(const json_t *object, const char *dotted);
/* Its text ("" if absent or not a string). */
const char *show_text(const json_t *object, const char *dotted);
/* For a person: the two largest units, and no milliseconds once there are seconds; size >= 32. */
void show_age(int64_t ms, char *text, size_t size);
/* The time until then (unix ms), "for ever" for 0; size >= 32. */
void show_left(int64_t until_ms, char *text, size_t size);
