/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit's key out of an event of events.json. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include "base/buf.h"

/* Can events tell all fields of that key ("from.bare, to.domain")? If not, *field is the one they cannot, in a static
 * place. */
bool event_key_known(const char *key, const char **field);
/* The key's value, parts joined by ", ". False when the event lacks a part. */
bool event_key_get(const char *key, const json_t *event, struct buf *out);
