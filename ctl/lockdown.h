/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate is shut: only the policy's allow set may come in, until an operator or the time says
 * otherwise, whatever happens to the daemon meanwhile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

struct buf;
struct daemon;
struct lockdown;

/* Reads STATE/lockdown.json if it is there; bans must be open, for their time. 0 or -ENOMEM. */
int lockdown_open(struct daemon *d, struct lockdown **out);
/* Closes its timer; memory goes when the loop has run once more. */
void lockdown_close(struct lockdown *l);
bool lockdown_is_on(const struct lockdown *l);
/* In force when it returns: in the kernel, the sessions of others told to end. for_ms 0: until
 * lockdown_off. Again: with the new end and reason. 0; what the kernel failed with (it is tried
 * again, and said in why). A state file that cannot be written is no failure, but told (attention)
 * and tried again. */
int lockdown_on(
	struct lockdown *l, uint64_t for_ms, const char *text, const char *who, struct buf *why);
/* 0, or what the kernel failed with; as lockdown_on. */
int lockdown_off(struct lockdown *l, const char *who, struct buf *why);
/* {"on","since","until","why","who","kept"}: wall times, until 0 without an end; kept: on disk. */
json_t *lockdown_json(const struct lockdown *l);
/* Appends lines for the operator. */
void lockdown_attention(const struct lockdown *l, json_t *lines);
