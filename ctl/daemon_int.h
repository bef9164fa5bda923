/* SPDX-License-Identifier: BSD-2-Clause */
/* What daemon.c and daemon_rooms.c share. Nobody else includes this. */
#pragma once

#include "base/buf.h"
#include "ctl/daemon.h"

/* Events, limits, what limits saw, bans, quarantine. 0, or a negative code with a line in why. */
int daemon_open_books(struct daemon *d, struct buf *why);
/* Workers, control socket, and what hangs on them. As daemon_open_books. */
int daemon_open_doors(struct daemon *d, struct buf *why);
/* Ready once the workers are, or once it is clear that they are not going to be soon: status tells
 * then. arg is the daemon. */
void daemon_workers_changed(void *arg);
