/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a policy. Its face is rules.h. */
#pragma once

#include <stdatomic.h>
#include "rules/options.h"
#include "rules/program.h"
#include "rules/rules.h"

struct policy {
	_Atomic unsigned refs;
	struct arena arena; /* options, rule and set infos */
	struct program *program;
	struct options options;
	struct rule_info *rules;
	size_t n_rules;
	struct item_info *items;
	size_t n_items;
	struct set_info *sets;
	struct limit_info *limits;
	unsigned expectations;
	const char *feeds_trouble; /* why its feeds were left out; NULL: they were not */
	char version[24];
};
