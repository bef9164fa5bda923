/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza for the quarantine. */
#pragma once

#include "door/hub.h"
#include "door/scene.h"

enum { KEEP_XML_MAX = 64 * 1024 /* of one stanza; twice that in JSON still fits a line */ };

/* Completes st (from, to, since when) and sends it. 0; ERR_LIMIT when it is too large or too many
 * wait; -ENOMEM. */
int kept_stanza(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v);
