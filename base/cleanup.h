/* SPDX-License-Identifier: BSD-2-Clause */
/* Locals that clean up after themselves, and the hand-over of what they own. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define cleanup_free __attribute__((__cleanup__(cleanup_free_fn)))
#define cleanup_fd   __attribute__((__cleanup__(cleanup_fd_fn)))
#define cleanup(fn)  __attribute__((__cleanup__(fn)))

/* Ownership leaves the local: returns the value and forgets it. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}
