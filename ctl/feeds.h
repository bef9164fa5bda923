/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the feeds of the policy's sets up to date. */
#pragma once

#include <jansson.h>

struct daemon;
struct feeds;

/* Looks after the feeds of the policy in force from now on. NULL when out of memory. */
struct feeds *feeds_new(struct daemon *d);
/* Another policy is in force. f may be NULL. */
void feeds_policy_changed(struct feeds *f);
/* Ends what is under way; what it owns is freed by the loop. f may be NULL. */
void feeds_close(struct feeds *f);
/* "list-feeds": an array of objects, one a feed; of one set only unless set is NULL. */
json_t *feeds_json(const struct feeds *f, const char *set);
/* Appends a line for each feed that fails. */
void feeds_attention(const struct feeds *f, json_t *lines);
/* Looks at all feeds (of one set unless NULL) now. How many. */
size_t feeds_refresh(struct feeds *f, const char *set);
