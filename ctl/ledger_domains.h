/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's rows of remote domains that were verified. */
#pragma once

#include "ctl/ledger.h"

struct ledger_domain {
	const char *name;
	int64_t first_ms, last_ms; /* book time */
};

/* Enters them, or renews their last time; and forgets those of the names in gone, in one
 * transaction. 0 or as ledger_ban_add. */
int ledger_domains_put(struct ledger *l, const struct ledger_domain *rows, size_t n,
	const char *const *gone, size_t n_gone);
/* The newest max of them, the one seen least lately first, until false; the row is borrowed for the
 * call. 0 or ERR_LIBRARY. */
int ledger_domains_each(struct ledger *l, size_t max,
	bool (*visit)(void *arg, const struct ledger_domain *row), void *arg);
