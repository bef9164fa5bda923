/* SPDX-License-Identifier: BSD-2-Clause */
/* "status" as a person reads it. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <jansson.h>

/* What needs attention first, then what runs. rows and columns of the terminal it is to fit in: what is
 * left out is told; 0: everything is written, line by line. */
void show_status(FILE *out, const json_t *status, bool colour, unsigned rows, unsigned columns);
