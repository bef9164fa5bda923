/* SPDX-License-Identifier: BSD-2-Clause */
/* A ban as a person reads it. */
#pragma once

#include <stdio.h>
#include <jansson.h>

/* All that "bans --why" knows of it; "address" is a name, too, of who is barred by name. */
void show_ban_why(FILE *out, const json_t *row);
