/* SPDX-License-Identifier: BSD-2-Clause */
/* The certificates of one service: NAME.crt (leaf first, then its chain) and NAME.key, chosen by
 * name. Immutable and shared once loaded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <openssl/ssl.h>
#include "base/buf.h"
#include "rules/source.h"

struct cert {
	char *file; /* "/etc/xmppwall/certs/example.org.crt", for messages */
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf; may be empty */
	EVP_PKEY *key;
	char **names; /* prepared: lower case Unicode, "*." kept in front of wildcards */
	size_t n_names;
	size_t n_hosts; /* of them; the rest are SRV-IDs and xmppAddrs, which servers read and
			   clients do not */
};

struct certs;

/* Loads all pairs of a folder out of the sources (base_path: the file that names the folder). Bad,
 * mismatched and expired pairs are skipped with a warning; why gets one line about the last one. A
 * pair that was good in former (may be NULL) and is broken now is half a renewal: ERR_SYNTAX. 0,
 * ERR_NOTFOUND when none is usable, -ENOMEM. One reference. */
int certs_load(struct source_set *sources, const char *base_path, const char *folder,
	const struct certs *former, struct buf *why, struct certs **out);
struct certs *certs_ref(struct certs *c);
void certs_unref(struct certs *c);
size_t certs_count(const struct certs *c);
/* The one for a name (SNI or stream "to", any case, trailing dot, A- or U-labels): exact before
 * wildcard (left-most label only). NULL if none covers it. Borrowed. */
const struct cert *certs_find(const struct certs *c, const char *name);
/* default.crt, else the first by file name. Never NULL. */
const struct cert *certs_default(const struct certs *c);
/* Does cert cover the name? */
bool cert_covers(const struct cert *cert, const char *name);
