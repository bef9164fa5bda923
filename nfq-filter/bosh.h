/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection that speaks HTTP where XMPP is served: BOSH (XEP-0124, XEP-0206) is judged in it,
 * the rest is counted and passes. A part of the inspection, which calls it. */
#pragma once

#include "nfq-filter/bosh_session.h"
#include "nfq-filter/inspect.h"

struct bosh;

/* May HTTP be spoken there at all? Live, in the clear, "tls required" says no: NULL or the reason.
 */
const char *bosh_unwelcome(const struct inspection *i);
/* The first bytes, which i->half[side].position is behind, are HTTP: i->bosh reads from here on. As
 * inspection_push. */
int bosh_begin(struct inspection *i, enum flow_side side, struct span bytes);
void bosh_free(struct bosh *b);
/* As inspection_push. */
int bosh_push(struct bosh *b, enum flow_side side, struct span bytes, uint64_t position);
/* As inspection_gap and inspection_end. */
void bosh_gap(struct bosh *b, enum flow_side side);
int bosh_end(struct bosh *b, enum flow_side side);
/* As inspection_decided and inspection_is_unfinished. */
uint64_t bosh_decided(const struct bosh *b, enum flow_side side);
bool bosh_is_unfinished(const struct bosh *b, enum flow_side side);
/* What rules see of the session whose stanza is being judged. */
void bosh_subject(const struct bosh *b, enum flow_side side, struct subject *s);
void bosh_shrink(struct bosh *b);
