/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer of "explain", as a person reads it. */
#pragma once

#include <stdio.h>
#include <jansson.h>

/* What stands behind the event (show_explain): values, rule, entries, session. */
void show_reasons(FILE *out, const json_t *answer);
