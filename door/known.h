/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells the daemon from which addresses somebody logged in (message "known" of ctl/link.h). */
#pragma once

#include <stdint.h>
#include <jansson.h>

struct policy;

struct known_teller {
	uint64_t swept_ms; /* when standing sessions were looked through */
};

/* The next message; NULL: nothing to tell now, or nobody asks. Call it until then, once a second. A
 * new reference. */
json_t *known_tell(struct known_teller *t, const struct policy *p, uint64_t now_ms);
