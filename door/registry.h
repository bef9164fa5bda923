/* SPDX-License-Identifier: BSD-2-Clause */
/* How many sessions each service and each address has, and which accounts an address carries;
 * shared by threads.
 * An IPv6 /64 counts as one address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include <stdint.h>
#include "rules/rules.h"

enum registry_result { REGISTRY_OK, REGISTRY_FULL, REGISTRY_ADDRESS_FULL, REGISTRY_NO_MEMORY };

/* Counts one session in; per_address 0: no ceiling. */
enum registry_result registry_enter(const char *service, const struct peer_address *address,
	unsigned sessions_max, unsigned per_address);
void registry_leave(const char *service, const struct peer_address *address);
/* A session of that address has authenticated as this bare JID; and it is gone. 0 or -ENOMEM. */
int registry_login(const struct peer_address *address, const char *bare);
void registry_logout(const struct peer_address *address, const char *bare);
/* Do bare JIDs other than this one ("" or NULL: any) use the address now? */
bool registry_is_shared(const struct peer_address *address, const char *bare);
/* Who is there at the moment: struct subject's company. */
void registry_company(const struct subject *s, struct subject_company *out);
/* Who uses this network (prefix_len in IPv6 bits) now: a new array of bare JIDs, at most max, and true
 * behind them when there are more. NULL when out of memory. */
json_t *registry_using(const struct peer_address *net, unsigned prefix_len, size_t max);
/* Those other JIDs, at most max, each to be freed; *more is set when there are more of them (or no
 * memory for them). */
unsigned registry_others(const struct peer_address *address, const char *bare, char **others,
	unsigned max, bool *more);
/* Addresses that logged in and were not told of yet, at most max of them: into out. How many. */
size_t registry_known_take(struct peer_address *out, size_t max);
/* Those with sessions that are logged in, and last told so long ago, are to be told again. */
void registry_known_sweep(uint64_t now_ms, uint64_t again_ms);
/* Sessions now, all services. */
size_t registry_count(void);
