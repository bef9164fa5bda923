/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread: the daemon's messages (ctl/link.h) in, ours out. */
#pragma once

#include "base/metrics.h"

/* Serves the channel on fd until the daemon says stop or is gone, then ends the workers. Returns
 * the exit status. */
int link_run(int fd, struct metrics *metrics);
