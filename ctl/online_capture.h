/* SPDX-License-Identifier: BSD-2-Clause */
/* capture without --from: packets of the running inspector. */
#pragma once

#include <stdint.h>
#include "ctl/cli.h"

/* Asks the daemon; once it agrees, becomes the inspector's program with argv, whose standard input
 * gets the packets. An exit status when it does not come to that. */
int capture_live(struct cli *cli, const char *service, uint64_t ms, char **argv);
