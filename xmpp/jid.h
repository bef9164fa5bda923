/* SPDX-License-Identifier: BSD-2-Clause */
/* JIDs prepared by RFC 3920's stringprep profiles (nodeprep, nameprep with IDNA, resourceprep) as
 * servers do, so that two spellings of one address compare equal (ICU usprep). */
#pragma once

#include <stdbool.h>
#include "base/arena.h"
#include "base/span.h"

struct jid {
	const char *local, *domain, *resource; /* prepared; "" if absent; domain never empty, in Unicode form,
	                                        * without trailing dot */
};

/* 0; ERR_SYNTAX if it is not a JID (length over 1023 a part, bad characters); -ENOMEM. Strings in the arena. */
int jid_parse(struct arena *a, struct span text, struct jid *out);
/* "local@domain" / "domain" and with "/resource" in the arena; NULL when out of memory. */
const char *jid_bare(struct arena *a, const struct jid *j);
const char *jid_full(struct arena *a, const struct jid *j);
/* Is jid (NULL: no) the one named, both as text? A bare one means all its resources. */
bool jid_is_named(const char *named, const char *jid);
/* Prepares a bare domain name: lower case, Unicode form, no trailing dot, IP literals kept. */
int jid_prep_domain(struct arena *a, struct span text, const char **out);
/* A prepared domain as DNS and certificates write it, in A-labels. ERR_SYNTAX for what has no name there: an address,
 * labels over 63 bytes, more than 253 in all, other than letters, digits, hyphens and underscores; -ENOMEM. */
int jid_ascii_domain(struct arena *a, struct span domain, const char **out);
