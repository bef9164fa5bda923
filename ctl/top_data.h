/* SPDX-License-Identifier: BSD-2-Clause */
/* What "top" shows: the answers of the daemon, and what follows from two of them. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

enum top_panel { TOP_PEERS, TOP_SESSIONS, TOP_RULES, TOP_LIMITS, TOP_BANS, TOP_PANELS };

enum { TOP_CURVE = 32 };

struct top_data {
	json_t *now, *before;             /* answers; NULL: none yet, or another daemon gave it */
	json_t *rows[TOP_PANELS];         /* as last told, each with its rates; NULL: never */
	double rows_ms[TOP_PANELS];       /* the daemon's uptime then */
	double curve[TOP_CURVE];          /* stanzas a second, the last one last */
	unsigned n_curve;
};

void top_data_fini(struct top_data *d);
/* Takes an answer in which rows of that panel were asked for. */
void top_data_take(struct top_data *d, enum top_panel asked, json_t *answer);
/* How fast a counter grows, a second; 0 as long as that is not known. */
double top_data_rate(const struct top_data *d, const char *counter);
/* Connections that the kernel refused, a second, over all classes of "defend". */
double top_data_refused(const struct top_data *d);
/* A number of the last answer ("totals.peers"); 0 if it is not there. */
double top_data_number(const struct top_data *d, const char *dotted);
const char *top_data_text(const struct top_data *d, const char *dotted);
/* Per cent of a core that a process of the last answer's "workers" takes; below 0: not known. */
double top_data_cpu(const struct top_data *d, const json_t *worker);
/* "peers", "sessions", ... */
const char *top_panel_key(enum top_panel panel);
/* What tells a row from the others of its panel, over answers: size >= 320. */
void top_row_name(enum top_panel panel, const json_t *row, char *name, size_t size);
