/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit trail's lines on this side of the daemon: made of stanzas that cross or are refused,
 * and handed over before anything leaves. Only of services with "audit on"; of others all of this
 * is nothing. */
#pragma once

#include <jansson.h>
#include "proxy/session.h"

struct strict_result;

/* The ring of ctl/link.h's "audit"; takes fd. A later one goes in the place of the one before. 0 or
 * a negative code. */
int audit_use(int fd);
/* No line can be taken now: nothing of the session is to be heard until one can. */
bool audit_is_jammed(struct session *s);
/* Once in a while: is it over? */
bool audit_is_freed(struct session *s, uint64_t now_ms);

struct audit_line {
	json_t *said; /* NULL: not audited, or no memory */
	const struct stanza *stanza;
	bool wanted, crosses;
};
/* Of a stanza under its verdict (NULL: unjudged), before any of it is changed. */
void audit_begin(struct audit_line *l, const struct session *s, enum direction direction,
	const struct stanza *st, const struct verdict *v);
/* It does not cross after all: this verdict holds. */
void audit_refuse(struct audit_line *l, const struct verdict *v);
/* What "forward strict" removed. */
void audit_removed(struct audit_line *l, const struct strict_result *result);
/* Hands it over. out: what was written for the other side; nothing: it was refused. Negative:
 * nothing of the stanza may leave, and the session ends. */
int audit_end(struct audit_line *l, struct span out);
/* The line of a message that an operator released from the quarantine. As audit_end. */
int audit_released(const struct session *s, enum direction direction, const char *from,
	const char *to, struct span xml);
/* Of a refusal that makes no difference between what was refused and how: both in one. */
int audit_refusal(const struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v);
