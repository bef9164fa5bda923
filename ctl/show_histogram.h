/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as bars. */
#pragma once

#include <stdio.h>
#include <jansson.h>

/* Rows of [{"from","to","peers"}] in ascending order, a line each; long tables are folded to about twenty lines. */
void show_histogram(FILE *out, const json_t *rows);
