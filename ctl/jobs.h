/* SPDX-License-Identifier: BSD-2-Clause */
/* Slow work beside the loop, one job after the other in the order given: loading a policy, editing
 * lists. */
#pragma once

#include <stdbool.h>
#include <uv.h>

struct jobs;

int jobs_new(uv_loop_t *loop, struct jobs **out);
/* Queues: work(arg) in a thread, then done(arg) (may be NULL) on the loop. done always runs, unless the queue is
 * freed. -ENOMEM. */
int jobs_run(struct jobs *j, void (*work)(void *arg), void (*done)(void *arg), void *arg);
/* From inside done: what it began is not over yet; nothing else starts until jobs_release. */
void jobs_hold(struct jobs *j);
/* On the loop. */
void jobs_release(struct jobs *j);
/* Is nothing queued or running? */
bool jobs_idle(const struct jobs *j);
/* Does nothing run? (What is queued behind jobs_hold waits.) */
bool jobs_held_only(const struct jobs *j);
/* Only when idle. */
void jobs_free(struct jobs *j);
