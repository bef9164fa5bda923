/* SPDX-License-Identifier: BSD-2-Clause */
/* Expectations: the tests that stand in a policy file. */
#pragma once

#include "rules/options.h"
#include "rules/program.h"

/* Judges every expectation of the tree on throw-away tables with a clock that stands. One that
 * fails is a diagnostic at its verdict. 0 with *n how many held; ERR_SYNTAX; -ENOMEM. */
int expect_run(struct program *p, const struct ast *ast, const struct options *options,
	struct diag_list *diags, unsigned *n);
