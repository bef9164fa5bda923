/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon is told of a session: events in EVE shape, with the orders that only it can carry
 * out. */
#pragma once

#include "door/scene.h"
#include "proxy/session.h"
#include "rules/strict.h"

/* The session as events, the quarantine and traces tell it; strings are borrowed. */
struct scene event_scene(const struct session *s);
/* ... of one stanza (NULL: none), whose remote server may be another than the header's. */
struct scene event_about(const struct session *s, enum direction direction, const struct stanza *st);
/* A notable verdict. st may be NULL. */
void event_verdict(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v);
/* "forward strict" left something out of st, or refused it. */
void event_strict(struct session *s, enum direction direction, const struct stanza *st, const struct verdict *v,
	const struct strict_result *result);
/* A report ordered by a rule, as an event of its own (docs/CONTROL.md). */
void event_report(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v);
/* A peer refused below the rules: reason is a static id ("xml.comment"). */
void event_refused(
	struct session *s, enum direction direction, enum stream_error error, const char *reason);
