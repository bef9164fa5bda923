/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdict ids; the rest of the verdict's face is in rules.h. */
#pragma once

#include "rules/rules.h"

/* A new id, never given before by this process and by no other but with a chance of 2^-40. */
void verdict_make_id(char id[VERDICT_ID_SIZE]);

/* Ids put aside for one judge, so that judges do not wait for each other. Zeroed: none. */
struct verdict_ids {
	char text[VERDICT_ID_SIZE]; /* all but the last two letters */
	unsigned len, used, process;
};
/* The same from ids. */
void verdict_next_id(struct verdict_ids *ids, char id[VERDICT_ID_SIZE]);
