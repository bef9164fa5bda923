/* SPDX-License-Identifier: BSD-2-Clause */
/* How an error finds its way between servers, whose streams mostly go one way only. */
#pragma once

#include "proxy/session.h"

/* Answers a rejected stanza of that side: on its own stream where both ways are legal, else on
 * another session (proxy/crossing.h), else the receiver of an iq is made to answer it. Enters what
 * it did in the ledger. 0 or a negative code. */
int answer_write(struct session *s, struct leg *from, const struct stanza *st,
	enum stanza_error condition, const char *text, const char *detail);
