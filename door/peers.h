/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon says and asks of peers ("bar", "unbar", "seen" and "using" of ctl/link.h), for either
 * door. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct line;

/* Does what msg (borrowed) says; one that makes no sense ends the process. False: such a message is
 * not about peers. */
bool peers_on_message(struct line *line, const char *name, json_t *msg);
