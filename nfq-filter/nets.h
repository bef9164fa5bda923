/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks named on a command line. */
#pragma once

#include <stdbool.h>
#include "rules/address.h"

enum { NETS_MAX = 16 };

struct nets {
	struct prefix all[NETS_MAX];
	unsigned n;
};

/* Adds "ADDR or ADDR/LEN, several with commas between". False with a word on standard error, where
 * what names command and option. */
bool nets_add(struct nets *nets, const char *text, const char *what);
/* Is a in one of them? */
bool nets_has(const struct nets *nets, const struct peer_address *a);
