/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's start as the next program in a process that runs already (docs/UPGRADE.md). */
#pragma once

#include <jansson.h>
#include "base/buf.h"
#include "ctl/daemon.h"

/* "--adopt FD --check": could this program take it? The exit status; says why not on stderr. */
int adopt_check(const struct daemon_spec *spec, int fd);
/* Reads the handover into d->former. 0, or a negative code with a line in why. */
int adopt_read(struct daemon *d, int fd, struct buf *why);
/* Instead of what a start takes from disk: policy, counters, locks, numbers. 0, or a negative code
 * with lines in why. */
int adopt_ground(struct daemon *d, struct buf *why);
/* The last step: who waits is answered, who died is started. */
void adopt_end(struct daemon *d);
/* It cannot be taken: the program before goes on, in this process. Returns only when that cannot
 * be, or when it came back already. */
void adopt_back(const struct daemon *d, const char *why);
