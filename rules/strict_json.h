/* SPDX-License-Identifier: BSD-2-Clause */
/* What "forward strict" did to a stanza, as JSON. */
#pragma once

#include <jansson.h>
#include "rules/strict.h"

/* {"result":"changed","profile":"chat, rooms","removed":[{"reason":"element","path":"message/x"}],"more":3}; with "why"
 * where it was refused. NULL when out of memory. */
json_t *strict_json(const struct strict *p, const struct strict_result *result);
/* The array alone. */
json_t *strict_json_removed(const struct strict_result *result);
