/* SPDX-License-Identifier: BSD-2-Clause */
/* Can nobody log in any more? Then failed logins say nothing about those who fail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "rules/rules.h"

enum {
	OUTAGE_ADDRESSES = 5,          /* that could log in lately, and now cannot */
	OUTAGE_WINDOW_MS = 60 * 1000,  /* within so much time */
	OUTAGE_LATELY_S = 24 * 3600,   /* lately */
};

/* A login succeeded from that address (of IPv6 its /64). From any thread, at a monotonic time. */
void outage_succeeded(const struct peer_address *a, uint64_t now_ms);
/* One failed. True: so many who could log in lately cannot, and nobody could since the first of them
 * failed. *news (once a minute at most): it is worth an alarm. */
bool outage_failed(const struct peer_address *a, uint64_t now_ms, bool *news);
/* Forgets all, for tests. */
void outage_forget(void);
