/* SPDX-License-Identifier: BSD-2-Clause */
/* The bridges that were told by us to hand over what they forward; remembered in the table itself,
 * so that whoever takes the table away can undo it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "ctl/nft.h"

/* After a load of a table with the set "bridges": every bridge hands over. May be called again for
 * bridges that came later. 0, -EOPNOTSUPP without br_netfilter, or a negative code. */
int bridges_on(struct nft *n);
/* Before the table goes, or is loaded without the set: those that we told are told otherwise. */
void bridges_off(struct nft *n);
