/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether this host's bridges hand what they forward to tables of family inet (br_netfilter). */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct bridge {
	char name[IFNAMSIZ];
	unsigned index;
	bool known; /* br_netfilter is there, and says */
	bool on;
};

/* All bridges of the caller's network namespace: malloc'd array (caller frees), NULL with 0. 0 or
 * -errno. */
int bridge_list(struct bridge **out, size_t *n);
/* One bridge; others stay as they are. 0 or -errno. */
int bridge_switch(unsigned index, bool on);
/* Does the kernel have br_netfilter, and does it hand over for all bridges anyway? */
bool bridge_is_possible(void);
bool bridge_is_general(void);
