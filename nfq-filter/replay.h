/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture through the inspector: the same path as in the queue, offline. */
#pragma once

#include <stdio.h>
#include "nfq-filter/tell.h"

struct replay_options {
	bool json, progress; /* progress: a line on stderr that moves */
	bool any_checksum;   /* see flow.h */
	enum tell_lines lines;
	const char *limit;  /* instead of all else: "TIME KEY" for each stanza this limit counts;
			       NULL: no */
	uint64_t size;      /* of the file, for the progress; 0: unknown */
	size_t top;         /* peers and streams in the summary */
	struct nets inside; /* what is protected */
};

enum replay_result {
	REPLAY_DONE,
	REPLAY_DAMAGED, /* no capture, or damaged: everything before was read */
};

/* Reads fd to its end; verdicts and the summary go to out. A result, or a negative code of the
 * machine. */
int replay_run(const struct replay_options *options, struct policy *policy, int fd, FILE *out);
