/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports on their way to the operator's JID. */
#pragma once

#include <jansson.h>

struct daemon;
struct reports;

/* NULL when out of memory. */
struct reports *reports_new(struct daemon *d);
/* An event (borrowed) of the kind "report": one more letter, if the policy in force has a reporter. */
void reports_add(struct reports *r, const json_t *event);
/* {waiting, delivered, refused, lost, trouble} as status shows it; NULL without a reporter. */
json_t *reports_json(const struct reports *r);
/* Appends a line if they cannot be delivered. */
void reports_attention(const struct reports *r, json_t *lines);
/* What waits is lost, but for the event file. The loop frees what is left. r may be NULL. */
void reports_close(struct reports *r);
