/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of the daemon's messages. */
#pragma once

#include <jansson.h>

/* "" and 0 where the key is missing or of another type. */
static inline const char *text_of(json_t *msg, const char *key)
{
	const char *text = json_string_value(json_object_get(msg, key));

	return text ? text : "";
}

static inline json_int_t number_of(json_t *msg, const char *key)
{
	return json_integer_value(json_object_get(msg, key));
}
