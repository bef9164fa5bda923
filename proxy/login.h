/* SPDX-License-Identifier: BSD-2-Clause */
/* Logins as rules see them: how many failed, from where and for whom. */
#pragma once

#include "proxy/relay.h"

/* The client's first message of an exchange (base64 text) names an account; text NULL: none yet. */
void login_begin(struct session *s, const struct stanza *st, const char *text);
/* <failure/> from the server: counted, judged by the chains that hook "login", acted on. */
enum nonza_fate login_failed(struct session *s, const struct stanza *st);
/* The session is logged in: rules can ask how many attempts failed before. */
void login_succeeded(struct session *s);
/* The session ends. */
void login_forget(struct session *s);
/* Is the account that it named barred (door/barred.h)? Then it was told so, and the session ends. */
bool login_is_barred(struct session *s, bool sasl2);
