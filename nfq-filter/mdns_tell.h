/* SPDX-License-Identifier: BSD-2-Clause */
/* What multicast DNS told, for the daemon and through it for the firewall. */
#pragma once

#include <jansson.h>
#include "nfq-filter/mdns.h"

/* The message "serverless" of ctl/link.h with what changed since the last; NULL: nothing (or no
 * memory: it is lost, and said again at half its time). Ask every 50 ms or so, and again while it
 * gives one. */
json_t *mdns_tell(struct mdns *m, uint64_t now_ns);
