/* SPDX-License-Identifier: BSD-2-Clause */
/* Remote domains that the doors verified, and when each of them was for the first time: what
 * "remote.first_seen" rests on, kept in the ledger. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

struct ledger;
struct seen;

struct seen_spec {
	struct ledger *ledger;                       /* borrowed */
	int64_t (*now)(void *arg);                   /* book time */
	int64_t (*wall)(void *arg, int64_t book_ms); /* ... as the wall clock calls it */
	void (*on_tell)(void *arg, json_t *message); /* to every child that is up; borrowed */
	void *arg;
};

/* Reads the ledger; one that cannot be read is logged, and all are new. 0 or -ENOMEM. */
int seen_open(const struct seen_spec *spec, struct seen **out);
void seen_close(struct seen *s);
/* A child's message "domains" (ctl/link.h), borrowed: all children are told of them. 0 or
 * ERR_PROTO. */
int seen_hear(struct seen *s, const json_t *message);
/* Messages "seen" with all that are known, for a child that starts: to say, which takes each, until
 * false. */
void seen_tell(const struct seen *s, bool (*say)(void *to, json_t *message), void *to);
size_t seen_count(const struct seen *s);
