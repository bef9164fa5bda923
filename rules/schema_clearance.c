/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings of the block "clearance", a part of the table of schema.c. As there: docs/CONFIG.md
 * is compared with it. It reads no policy. */
#include "rules/schema.h"

const struct schema_setting schema_clearance[SCHEMA_CLEARANCE] = {
	{ "from", SHAPE_CLEARANCE, "\"NAME\", ... to \"NAME\", ...", NULL, "",
		.doc = "Pairs of domains, in this direction: each before \"to\" with each behind "
		       "it. "
		       "\"*.NAME\" stands for all names below NAME; the narrowest pair counts.",
		.repeat = true, .required = true },
	{ "release", SHAPE_CLEARANCE,
		"\"MARKING\", ... | policy \"OID\"|\"NAMESPACE\" \"MARKING\", ... | policy \"OID\" "
		"class N [to N]",
		NULL, "nothing",
		.doc = "Labels that may cross: by display marking; or those of a policy, by "
		       "marking or "
		       "classification, and then nothing else releases a label of that policy.",
		.repeat = true },
	{ "unlabelled", SHAPE_CLEARANCE, "refuse | as \"MARKING\"", NULL, "refuse",
		.doc = "What bears no label is unlabelled, or passes for something with a marking "
		       "that "
		       "is released." },
	{ "errors", .shape = SHAPE_WORD, .syntax = "release|withhold", .words = "release|withhold",
		.initial = "withhold",
		.doc = "release: an unlabelled stanza of type error that has a condition and "
		       "nothing "
		       "else, no text and no copy of what it answers, may cross." },
};
