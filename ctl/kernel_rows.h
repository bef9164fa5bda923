/* SPDX-License-Identifier: BSD-2-Clause */
/* The pairs of address sets that a policy asks for, as rows. */
#pragma once

#include "ctl/kernel.h"
#include "ctl/kernel_sets.h"

struct policy;

/* Fills *sets; its lists are borrowed from the policy. 0 or ERR_LIMIT. */
int kernel_rows(const struct kernel_spec *spec, const struct policy *p, struct kernel_sets *sets);
/* Removes routes that a former policy needed and this one does not. */
void kernel_drop_routes(const struct policy *old, const struct policy *now);
