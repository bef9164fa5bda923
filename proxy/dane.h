/* SPDX-License-Identifier: BSD-2-Clause */
/* What signed DNS says of a domain's certificates (TLSA, RFC 6698), and whether a chain is what it
 * says. The records come from proxy/dane_ask.h; once they are shared nobody changes them, so any
 * thread may hold a reference. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <openssl/x509.h>

enum { DANE_TARGETS_MAX = 8, DANE_RECORDS_MAX = 32, DANE_DATA_MAX = 8192 };

struct dane_records;

/* Without targets and records, one reference; NULL when out of memory. */
struct dane_records *dane_records_new(void);
struct dane_records *dane_records_ref(const struct dane_records *r);
void dane_records_unref(const struct dane_records *r);
/* A server of the domain, by the name its records stand under (A-labels): its number, ERR_LIMIT for
 * one too many, -ENOMEM. */
int dane_records_add_target(struct dane_records *r, const char *name);
/* One TLSA record of that target as it is on the wire (RFC 6698 2.1). 0; ERR_SYNTAX for what cannot
 * be used (too short, numbers nobody knows, a digest of another length), ERR_LIMIT for one too many
 * or too large, -ENOMEM. */
int dane_records_add(struct dane_records *r, int target, const unsigned char *bytes, size_t len);
size_t dane_records_count(const struct dane_records *r);

/* Is the certificate what the records say? leaf and chain (may be NULL; with or without the leaf)
 * are as the peer showed them; trust is asked for usages 0 and 1 only (NULL: those never hold);
 * domain is the one that leaf is to speak for, its name or the target's must be in it, but for
 * usage 3, where name and expiry do not count (RFC 7671 5.1). 1: yes; 0: no, with a fixed word in
 * *why ("dane-mismatch", "dane-name", "dane-chain"); negative: out of memory. From any thread. */
int dane_verify(const struct dane_records *r, X509 *leaf, STACK_OF(X509) * chain, X509_STORE *trust,
	const char *domain, const char **why);
