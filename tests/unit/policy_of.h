/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy of one text, for tests and fuzz targets. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rules/rules.h"

/* The caller's reference; ends the program where the text is no policy. metrics may be NULL. */
static inline struct policy *policy_of_text(const char *text, struct metrics *metrics)
{
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;

	source_init(&sources, false);
	diag_init(&diags);
	if (source_add(&sources, "test.rules", text, strlen(text)) < 0 ||
		policy_load(&sources, "test.rules", NULL, metrics, &diags, &policy) < 0) {
		diag_print(&diags, stderr, false);
		abort();
	}
	diag_fini(&diags);
	source_fini(&sources);
	return policy;
}
