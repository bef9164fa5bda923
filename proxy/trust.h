/* SPDX-License-Identifier: BSD-2-Clause */
/* The authorities a policy believes about remote servers. Immutable once loaded; a gear's. */
#pragma once

#include <openssl/x509.h>
#include "base/buf.h"
#include "rules/rules.h"

struct trust;

/* Reads each "trust file" of federation and of the remote blocks once (base_path: the
 * configuration). why gets the text for the operator when it fails. 0, or a negative code. */
int trust_load(const struct policy *policy, struct source_set *sources, const char *base_path,
	struct buf *why, struct trust **out);
void trust_free(struct trust *t);
/* The authorities for a remote server, of a block of that policy: its file's or the system's.
 * Borrowed; NULL if there are none. */
X509_STORE *trust_find(const struct trust *t, const struct remote_policy *remote);
