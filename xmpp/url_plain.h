/* SPDX-License-Identifier: BSD-2-Clause */
/* The plain copy of a text in which url.c looks for URLs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/span.h"
#include "xmpp/text.h"

struct url_plain {
	char *text;       /* NUL-terminated, in the arena */
	uint32_t *source; /* byte offset in the source of each byte; source[len] is the end */
	size_t len;
	bool unseen; /* there were characters that are drawn as nothing */
};

/* f is text case-folded. space: unseen characters become spaces, else they go. 0 or -ENOMEM. */
int url_plain_make(
	struct arena *a, struct span text, const struct folded *f, bool space, struct url_plain *p);
