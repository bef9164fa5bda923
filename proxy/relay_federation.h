/* SPDX-License-Identifier: BSD-2-Clause */
/* Both directions between servers once both streams are open: whose stanzas may pass, dialback,
 * SASL EXTERNAL, bidi. */
#pragma once

#include "proxy/relay.h"

/* May this stanza come from that side now? False: it was refused, and the session has ended. */
bool federation_admits(struct session *s, struct leg *from, const struct stanza *st);

/* What becomes of any other element. */
enum nonza_fate federation_nonza(struct session *s, struct leg *from, const struct stanza *st);
/* What rules may ask of a stanza between servers; st NULL: none. */
void federation_subject(const struct session *s, enum direction direction, const struct stanza *st,
	struct subject *subject);
/* <success/> was forwarded: the pair of the header is valid, the streams begin anew. */
void federation_succeeded(struct session *s, struct arena *a);
