/* SPDX-License-Identifier: BSD-2-Clause */
/* SASL and SASL2 on their way through, and who the session turns out to be. Payloads are neither
 * changed nor logged. */
#pragma once

#include "proxy/relay.h"

enum nonza_fate sasl_from_client(struct session *s, const struct stanza *st);
enum nonza_fate sasl_from_server(struct session *s, const struct stanza *st);
/* After a <success/> was forwarded: the streams start anew where they must. */
void sasl_succeeded(struct session *s, bool restart);
/* A stanza passes: bind requests and their results tell the session's JID. */
void sasl_watch_bind(struct session *s, struct leg *from, const struct stanza *st);
/* The account is known (text need not be NUL-terminated). 0 or -ENOMEM. */
int session_learn_jid(struct session *s, struct span jid);
/* The session ends: it is no longer counted under its JID. */
void session_forget_jid(struct session *s);
