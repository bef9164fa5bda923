/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting a child by fork and exec with a channel on descriptor 3 and a metrics page on 4. */
#pragma once

#include <sys/types.h>

enum { CHILD_FD_CHANNEL = 3, CHILD_FD_METRICS = 4 };

struct child_spec {
	const char *path;         /* program */
	char *const *argv;        /* NULL-terminated */
	int metrics_fd;           /* duplicated into the child */
};

/* *channel_fd is our end of the socketpair (close-on-exec). The child gets only 0,1,2,3,4 and dies
 * with its parent (PR_SET_PDEATHSIG). 0 or a negative errno, also when exec itself fails. */
int child_spawn(const struct child_spec *spec, pid_t *pid, int *channel_fd);
