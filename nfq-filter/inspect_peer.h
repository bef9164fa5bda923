/* SPDX-License-Identifier: BSD-2-Clause */
/* Who the peer of a connection is: as rules see him, and where there is no server. */
#pragma once

#include "nfq-filter/inspect.h"

/* Is a stream with that header, on that port, one of XEP-0174? */
bool peer_is_serverless(const struct inspection *i, const struct stream_header *header);
/* A side of a serverless stream has said its header, which is in i->half. */
void peer_opened(struct inspection *i, enum flow_side side);
/* All but the stanza's is borrowed from i. */
struct subject peer_subject(
	const struct inspection *i, enum flow_side side, const struct stanza *st);
/* The domain of a peer that is a server or a component, once it was verified, as the stream names it;
 * NULL: there is none. */
const char *peer_domain(const struct inspection *i);
