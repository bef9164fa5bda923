/* SPDX-License-Identifier: BSD-2-Clause */
/* The way of a stanza through the rules (rules/trace.h), as a person reads it. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <jansson.h>

/* The steps: a line a rule, a line a test. cut: there were more than are shown. */
void show_steps(FILE *out, const json_t *steps, bool cut, bool colour);
