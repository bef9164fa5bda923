/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy in force until further notice: unless it is confirmed in time, the one before it comes
 * back (reload --confirm). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

struct config;
struct daemon;
struct part_set;
struct probation;

enum { PROBATION_MIN_MS = 1000, PROBATION_MAX_MS = 86400000 };

struct probation *probation_new(struct daemon *d);
/* Closes its timer; memory goes when the loop has run once more. */
void probation_free(struct probation *p);
/* The policy about to leave (borrowed) is kept as its sources. 0 or a negative code. */
int probation_prepare(struct probation *p, struct config *former);
/* What follows it is in force and has ms to be confirmed. */
void probation_arm(struct probation *p, uint64_t ms);
/* Is something to be confirmed? */
bool probation_runs(const struct probation *p);
/* What came stays: confirmed, or rolled back. */
void probation_end(struct probation *p);
/* A rollback did not succeed: why is told until the end, which another rollback or confirm brings.
 */
void probation_fail(struct probation *p, const char *why);
/* Sources of the policy before, borrowed; -1 if nothing waits. Its parts, too. */
int probation_bundle(const struct probation *p);
const struct part_set *probation_parts(const struct probation *p);
/* {"until":unix ms,"former":version}, or null. */
json_t *probation_status(const struct probation *p);
/* Appends lines for the operator. */
void probation_attention(const struct probation *p, json_t *lines);
