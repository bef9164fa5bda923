/* SPDX-License-Identifier: BSD-2-Clause */
/* Notices when somebody edits the list files by hand, and has the policy follow. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct daemon;
struct watch;

/* Watches the list files of the policy in force from now on. NULL when out of memory. */
struct watch *watch_new(struct daemon *d);
/* Another policy is in force: loaded from disk (what was wrong is not any more), or only made anew
 * (renewed). */
void watch_policy_changed(struct watch *w, bool renewed);
/* Ends all watching; what it owns is freed by the loop. w may be NULL. */
void watch_close(struct watch *w);
/* Appends a line for each file that was refused. */
void watch_attention(const struct watch *w, json_t *lines);
