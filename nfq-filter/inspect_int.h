/* SPDX-License-Identifier: BSD-2-Clause */
/* What bosh.c needs of inspect.c. */
#pragma once

#include "nfq-filter/inspect.h"

/* There is XMPP in it: it gets its number. */
void inspection_becomes_stream(struct inspection *i);
/* Nobody reads this side further. */
void inspection_refuse(
	struct inspection *i, enum flow_side side, enum stream_error error, const char *reason);
/* told has side and places; it is judged, counted and told. 0 or a negative code. */
int inspection_judge(struct inspection *i, const struct stanza *st, struct inspect_verdict *told);
