/* SPDX-License-Identifier: BSD-2-Clause */
/* A rule while it is made: what its actions have come to so far. */
#pragma once

#include "ctl/import_int.h"

struct turned {
	struct buf orders; /* what goes before the final word */
	const char *final; /* NULL: none yet */
	bool stops;        /* final may keep a stanza from its way */
	bool over;         /* what is behind it is never reached */
	bool lost_passing; /* an action that led stanzas elsewhere was left */
	struct buf *out;
	const char *condition; /* "" or ends in a space */
	unsigned line, parts;
	bool dry;
};

/* Takes in one action; a jump ends the rule of ours, and what follows goes into another with the
 * same condition. */
void import_act(struct import *im, struct turned *t, const struct fw_line *line);
/* One of our rules is complete, if there is anything in it: it is written. */
void import_flush_rule(struct import *im, struct turned *t);
