/* SPDX-License-Identifier: BSD-2-Clause */
/* What others are to know of a list that changed: history, events. */
#pragma once

#include <jansson.h>

struct daemon;

/* Who did what, when, for each entry (texts, borrowed); of many entries only how many
 * (n; then not all texts need be there). */
void list_tell_history(struct daemon *d, const char *who, const char *what, const char *list,
	const json_t *texts, size_t n);
/* An event of type "list": something happened to it that an operator should know of. */
void list_tell_event(struct daemon *d, const char *list, const char *action, const char *why);
