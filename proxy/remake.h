/* SPDX-License-Identifier: BSD-2-Clause */
/* Only what a profile names goes on: "forward strict". */
#pragma once

#include "proxy/audit.h"
#include "proxy/session.h"
#include "rules/strict.h"

/* Is there a profile for that direction? */
bool remake_is_due(const struct session *s, enum direction direction);
/* What of st goes on: *root, NULL if nothing may. Counted and told; v (may be NULL) is the verdict that let it pass, *refusal
 * the one that holds if not; line gets what was removed. 0 or -ENOMEM. */
int remake_stanza(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, struct xml_element **root, struct verdict *refusal,
	struct audit_line *line);
/* The same of a stanza kept as text (the quarantine's), which nobody hears of: what goes on is written to out. 0,
 * ERR_REFUSED, ERR_SYNTAX if it is none, or -ENOMEM. */
int remake_text(const struct session *s, enum direction direction, const char *xml,
	const char *content_ns, struct buf *out);
