/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs on disk in the place of those that run, with no session touched (docs/UPGRADE.md).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "ctl/control.h"

struct daemon;
struct upgrade;

enum { UPGRADE_DRAIN_MIN_MS = 1000 };
#define UPGRADE_DRAIN_MAX_MS ((uint64_t)30 * 86400000)

struct upgrade *upgrade_new(struct daemon *d);
/* Refuses what waits; memory goes when the loop has run once more. */
void upgrade_free(struct upgrade *u);
/* Starts one; takes rq (NULL: nobody asked on the socket). drain_ms 0: as the policy says. */
void upgrade_start(struct upgrade *u, struct request *rq, uint64_t drain_ms);
/* Is the daemon about to become another program? Then rq is taken, to be run there, or here should
 * it not come to that. at_once: it needs no job (ctl/jobs.h) and is over before we go. */
bool upgrade_defers(struct upgrade *u, struct request *rq, bool at_once);
/* The same for a reload that nobody waits for. */
bool upgrade_defers_reload(struct upgrade *u);
/* In the next program: the one before handed over to us; or it is the one before, and failed says
 * why the next one did not take it. */
void upgrade_done(struct upgrade *u, const char *failed);
/* The last one failed: appends a line for the operator. */
void upgrade_attention(const struct upgrade *u, json_t *lines);
