/* SPDX-License-Identifier: BSD-2-Clause */
/* What a verdict makes of a stanza whose bytes may be changed but neither be more nor fewer. */
#pragma once

#include "base/buf.h"
#include "nfq-filter/gate.h"

/* released: position behind what its receiver has been given of that side. GATE_FORWARDED: nothing
 * is to change. BLANKED, ANSWERED, CHANGED: *out has the bytes to stand from v->start to v->end
 * (cleared first). KILLED: it cannot be prevented but by ending the connection, or the verdict says
 * so. 0 or -ENOMEM. */
int apply_verdict(const struct inspection *i, const struct inspect_verdict *v, uint64_t released,
	struct buf *out, enum gate_act *act);
/* "forwarded", "blanked", ... as in events */
const char *gate_act_text(enum gate_act act);
