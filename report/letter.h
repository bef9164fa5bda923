/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports as messages: a text a person reads, and XEP-0377's element for programs. */
#pragma once

#include <jansson.h>

struct component;

/* Sends one: {id, to, subject, body, jid, xml}; from and the rest are ours. ERR_SYNTAX if it would not be one stanza
 * (nothing is sent then), else the codes of component.h. */
int letter_send(struct component *c, const json_t *letter);
/* Has the server send us something and waits for it: all letters before are read by then. Errors that come back
 * for letters meanwhile are appended to refused. */
int letter_settle(struct component *c, json_t *refused);
/* Appends {id, condition}. */
void letter_refused(json_t *refused, const char *id, const char *condition);
