/* SPDX-License-Identifier: BSD-2-Clause */
/* "rate 20/second burst 60" on a command line. */
#pragma once

#include "ctl/cli.h"
#include "rules/limit.h"

struct limit_words {
	const char *rate_text; /* as written, borrowed */
	uint64_t burst;        /* 0: not given */
	struct limit_rate rate;
};

/* Arguments from first on: [rate] N/PERIOD [burst B]. EXIT_DONE, or the usage error it printed. */
int limit_words_parse(struct cli *cli, int first, struct limit_words *out);
