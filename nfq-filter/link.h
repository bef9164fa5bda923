/* SPDX-License-Identifier: BSD-2-Clause */
/* The inspector's end of the line to the daemon (ctl/link.h). */
#pragma once

#include "base/metrics.h"

/* Runs until the daemon says stop or is gone; takes fd. The process's exit status. */
int link_run(int fd, struct metrics *metrics);
