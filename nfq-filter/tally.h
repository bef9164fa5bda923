/* SPDX-License-Identifier: BSD-2-Clause */
/* What a replay adds up: peers, streams, stanzas, rules, and what the ladder would have made of the
 * strikes. Bounded, whatever the capture holds. */
#pragma once

#include <jansson.h>
#include "nfq-filter/inspect.h"

struct tally;

enum {
	TALLY_PEERS_MAX = 65536,
	TALLY_STREAMS_MAX = 10000, /* told one by one */
	TALLY_BANS_MAX = 1000,
	TALLY_BROKEN_MAX = 1000,
};

/* policy is borrowed. NULL when out of memory. */
struct tally *tally_new(struct policy *policy);
void tally_free(struct tally *t);
/* A stanza was judged at wall_ms. 0 or -ENOMEM. */
int tally_verdict(struct tally *t, const struct inspection *i, const struct inspect_verdict *v,
	int64_t wall_ms);
/* A direction broke a rule of RFC 6120. */
int tally_broken(struct tally *t, const struct inspection *i, enum flow_side side,
	enum stream_error error, const char *reason);
/* A stream is over. */
int tally_stream(struct tally *t, const struct inspection *i, uint64_t now_ns);
/* Everything, as docs/CONTROL.md has it; top: peers and streams told one by one. NULL when out of
 * memory. */
json_t *tally_json(struct tally *t, size_t top);
