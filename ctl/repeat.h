/* SPDX-License-Identifier: BSD-2-Clause */
/* --watch: a looking command again and again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "ctl/cli.h"

enum { REPEAT_MS = 2000, REPEAT_MIN_MS = 100 };

/* Takes "--watch", "--watch TIME" or "--watch=TIME" out of argv; *every_ms is untouched when it is not there.
 * False after printing the usage error. */
bool repeat_option(struct cli *cli, uint64_t *every_ms);
/* Runs the command each every_ms until the user ends it or nobody reads: on a terminal one screen drawn
 * over the one before, else one output behind the other. What ends a first run ends it (exit status). */
int repeat_run(struct cli *cli, int (*run)(struct cli *cli), uint64_t every_ms);
