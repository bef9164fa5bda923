/* SPDX-License-Identifier: BSD-2-Clause */
/* What only matters where packets wait for us; inspection_decided and its like are in inspect.h. */
#pragma once

#include "nfq-filter/inspect.h"

/* Why a service does not let that through; a stable id, or NULL where it may pass. */
const char *live_unwelcome(const struct inspection *i, enum inspect_speaks speaks);
/* Is e in clear text what may only be said encrypted? */
bool live_must_encrypt(const struct inspection *i, const struct xml_element *e);
/* White space, and nothing else? */
bool live_is_white(struct span bytes);
/* A direction whose bytes are TLS from here on, if the other's become so, too. False: refused. */
bool live_switches(struct inspection *i, enum flow_side side, struct span bytes, uint64_t position);
/* A message, presence or iq of no stream's namespace: some servers take it for a stanza. */
bool live_is_stray(const struct inspection *i, const struct xml_element *e);
