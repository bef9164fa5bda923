/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon is told: events in EVE shape, with the orders that only it can carry out. */
#pragma once

#include "door/hub.h"
#include "door/scene.h"
#include "xmpp/stream.h"

/* A notable verdict. st may be NULL. */
void eve_verdict(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v);
/* A stanza that "forward strict" left something out of, or refused: then v is that refusal. */
struct strict;
struct strict_result;
void eve_strict(struct hub *hub, const struct scene *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, const struct strict *p, const struct strict_result *result);
/* A report ordered by a rule, as an event of its own (docs/CONTROL.md). */
void eve_report(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v);
/* A peer refused below the rules: reason is a static id ("xml.comment"). */
void eve_refused(struct hub *hub, const struct scene *s, enum direction direction,
	enum stream_error error, const char *reason);
/* The operator must know: traffic is lost or nearly so. what is a stable id ("queue.dropped"). */
void eve_alarm(struct hub *hub, const char *what, uint64_t count);
