/* SPDX-License-Identifier: BSD-2-Clause */
/* The only file of this door that turns a verdict into an act. */
#pragma once

#include "proxy/session.h"

/* Carries out v on st, which came from that side: forwards, drops, bounces or closes, keeps the
 * ledger true, reports. */
void apply_verdict(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v);
/* Before st is judged: what had become of it when the connection it was sent on was lost (XEP-0198
 * 5). False: that is all; *resent: it was paid for. */
bool apply_repeated(struct session *s, struct leg *from, const struct stanza *st, bool *resent);
/* The same on a login that failed; failure is the server's word for it, not yet sent on. True: it
 * goes on as any nonza; false: the session has ended. */
bool apply_login(struct session *s, const struct stanza *failure, const struct verdict *v);
bool apply_login_failure(struct session *s, int code);
/* There is no verdict (memory): fails closed, or open where the service says so. */
void apply_failure(struct session *s, struct leg *from, const struct stanza *st, int code);
