/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a program on a subject. The face for doors is judge_stanza in rules.h. */
#pragma once

#include "rules/program.h"
#include "rules/rules.h"

/* For expectations and shadows: tables of their own and a clock that stands, so that a test in a policy file
 * neither counts nor is counted. Lives as long as the judge uses it. */
struct trial {
	uint64_t now_ns;
	int64_t wall_ms;
	struct limit_table **limits; /* one for each limit of the program */
	struct similar_table **similars;
	struct pair_table *pairs;
	struct ibb_table *ibb;
	bool still; /* who wrote to whom is read and not remembered */
};

/* judge_stanza on a program; trial may be NULL. */
int judge_program(struct judge *j, struct program *p, const struct subject *s,
	const struct trial *trial, struct verdict *out);
