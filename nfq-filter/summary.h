/* SPDX-License-Identifier: BSD-2-Clause */
/* The summary of a replay as a person reads it. */
#pragma once

#include <stdio.h>
#include <jansson.h>

enum { SUMMARY_TOP = 15 }; /* peers, streams, bans told one by one */

/* all: what replay.c makes of tally_json. */
void summary_print(FILE *out, const json_t *all);
