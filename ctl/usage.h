/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process costs. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t cpu_ms; /* so far, in user space and in the kernel for it */
	uint64_t memory; /* bytes of it that are resident now */
};

/* From /proc. 0 or -errno, ERR_SYNTAX. */
int usage_read(pid_t pid, struct usage *out);
