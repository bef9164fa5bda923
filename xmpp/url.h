/* SPDX-License-Identifier: BSD-2-Clause */
/* URLs in running text in their disguises: with and without scheme, userinfo, repeated percent-encoding,
 * punycode and Unicode hosts, full-width dots, dotless/hex/octal IPv4, IPv6, trailing dot, defanged dots. */
#pragma once

#include "base/arena.h"
#include "base/span.h"

struct url {
	struct url *next;
	const char *scheme; /* lower case; "" when none was written */
	const char *host;   /* prepared: lower case Unicode without trailing dot, or canonical IP text */
	const char *text;   /* as it stood in the source */
	size_t start, end;  /* where, in bytes of the source */
};

/* All URLs of a text, in order, at most max; in the arena. *out NULL if none. 0 or -ENOMEM. */
int url_find(struct arena *a, struct span text, unsigned max, struct url **out);
