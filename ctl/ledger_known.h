/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's rows of addresses that logged in. */
#pragma once

#include "ctl/ledger.h"

struct ledger_known {
	struct peer_address address;
	int64_t last_ms; /* book time */
};

/* Enters or renews them, and forgets those whose last time was before that, in one transaction. 0
 * or as ledger_ban_add. */
int ledger_known_put(
	struct ledger *l, const struct ledger_known *rows, size_t n, int64_t before_ms);
/* Those since then, the newest max of them, newest first, until false; the row is borrowed for the
 * call. 0 or ERR_LIBRARY. */
int ledger_known_each(struct ledger *l, int64_t since_ms, size_t max,
	bool (*visit)(void *arg, const struct ledger_known *row), void *arg);
