/* SPDX-License-Identifier: BSD-2-Clause */
/* From one capture to another: some of the packets, masked if wanted. */
#pragma once

#include <stdio.h>
#include "nfq-filter/mask.h"
#include "nfq-filter/nets.h"

struct copy_options {
	bool mask, names; /* see mask.h */
	bool any_checksum;
	bool progress;     /* a line on stderr that moves */
	uint64_t size;     /* bytes of the new file at most; 0: no bound */
	uint64_t time_ns;  /* of the capture, from its first packet; 0: all */
	uint64_t in_size;  /* of the file read, for the progress; 0: unknown */
	struct nets peers; /* packets from or to these; none: all */
};

struct copy_result {
	uint64_t read, packets, bytes; /* packets read; packets and bytes written */
	struct mask_sums mask;
	enum copy_end {
		COPY_ALL,
		COPY_DAMAGED, /* no capture, or damaged: everything before was written */
		COPY_SIZE,
		COPY_TIME,
		COPY_STOPPED, /* copy_stop */
	} end;
	const char *damage; /* static */
};

/* Reads in to its end, or to a bound; 0 or a negative code of the machine. */
int copy_run(const struct copy_options *options, int in, int out, struct copy_result *result);
/* For a signal handler: the copy ends with what has come so far. */
void copy_stop(void);
