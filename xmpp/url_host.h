/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands where a host stands: decoded, put into its one form, and judged for being one. */
#pragma once

#include <stdbool.h>
#include "base/arena.h"
#include "base/span.h"

/* raw: UTF-8, case-folded, without port. *out: the prepared name or canonical IP text (no
 * brackets), in the arena; NULL if it is no host. 0 or -ENOMEM. Percent signs are decoded until
 * none is left; IPv4 in any of its old spellings (one to four parts, decimal, octal, hex) becomes
 * dotted decimal. */
int url_host_prep(struct arena *a, struct span raw, const char **out);
/* Would a reader or a program take that prepared name for a host without a scheme before it? By its
 * last label: strict (where the dot may well end a sentence) asks for a top-level domain known
 * here. */
bool url_host_plausible(const char *host, bool strict);
/* Is cp drawn as nothing, so that a name reads the same without it? */
bool url_is_unseen(uint32_t cp);
