/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker tells of its connections: events, the quarantine, sessions. */
#pragma once

#include "nfq-filter/worker.h"

/* Hooks of the gate; arg is the worker. */
void tell_judging(
	void *arg, struct inspection *i, enum flow_side side, const struct subject *subject);
void tell_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act);
void tell_killed(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *why);
void tell_noted(void *arg, struct inspection *i, enum flow_side side, const char *what);
void tell_ended(void *arg, struct inspection *i);
/* A row of "sessions" for each stream. */
json_t *tell_sessions(struct worker *w);
/* Adds them up for "top". */
void tell_crowd(struct worker *w, struct crowd *crowd);
/* The number of a session, of all children there ever were; 0: it has none yet. */
uint64_t tell_number(const struct worker *w, const struct inspection *i);
