/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy routing for intercepted packets: "fwmark MARK lookup TABLE" and "local default dev lo
 * table TABLE", IPv4 and IPv6. A host without IPv6 is fine. Reads sysctls, never writes one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctl/firewall.h"

/* mark: firewall_mark_local(). Idempotent, also after a crash. 0, -EPERM or another errno (what was
 * added stays: call again or route_remove). ERR_RANGE for the kernel's own tables (0, 253 to 255).
 */
int route_add(uint32_t mark, uint32_t table);
/* Removes what route_add made; nothing there is success. */
int route_remove(uint32_t mark, uint32_t table);
/* Is all of it there? 1, 0 or a negative errno. */
int route_present(uint32_t mark, uint32_t table);

enum { ROUTE_CHECKS = 7 };
/* The sysctls that interception depends on and that are the operator's: forwarding of both
 * families, src_valid_mark, rp_filter. Returns how many lines were written. */
size_t route_check(struct firewall_check *out, size_t max);
/* Does connection tracking take up connections only at their beginning, as synproxy needs it? */
bool route_tracks_strictly(void);
