/* SPDX-License-Identifier: BSD-2-Clause */
/* The authority itself: a key that signs leaves for this host's own servers, and the certificate
 * that they trust. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <openssl/x509.h>
#include "base/buf.h"

enum { FINGERPRINT_SIZE = 96 };

struct authority {
	X509 *cert; /* who signs */
	STACK_OF(X509) *
		above; /* what its file has behind it: who signed it, if it is not its own root */
	EVP_PKEY *key; /* NULL: not asked for */
};

/* As folder.h: 0 or a negative code with a line in why. The caller holds the folder's lock. */

/* A new one: refused (ERR_EXISTS) where there is one. */
int authority_create(int folder, struct buf *why);
/* Another one in its place; the one before joins the former ones, which servers are to go on
 * trusting while its leaves live. */
int authority_rotate(int folder, struct buf *why);
/* The former ones are no longer exported. */
int authority_forget(int folder, struct buf *why);
/* Bytes of the files, for authority_parse, which touches no file. */
struct authority_files {
	char cert[65536],
		key[2][16384]; /* the second: of a rotation that was cut short; "" if none */
};
int authority_read(int folder, struct authority_files *files, struct buf *why);
/* Wipes the key out of memory. */
void authority_files_wipe(struct authority_files *files);
/* Fits together, may sign, and its time has come and is not over; with_key: the key, too. */
int authority_parse(
	const struct authority_files *files, bool with_key, struct authority *out, struct buf *why);
void authority_fini(struct authority *a);
/* Former ones whose time is not over, the newest first; never NULL on 0. present is none of them.
 */
int authority_former(int folder, const X509 *present, STACK_OF(X509) * *out, struct buf *why);

/* SHA-256 of a certificate as openssl(1) writes it: "AA:BB:..". */
void fingerprint_of(const X509 *cert, char text[FINGERPRINT_SIZE]);
int64_t time_of(const ASN1_TIME *time); /* milliseconds since 1970 */
/* A number of 128 bits nobody can guess. False: the library has none. */
bool serial_set(X509 *cert);
/* One extension as openssl's configuration writes it; issuer: whose key it names. */
bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value);
/* Appends PEM. 0 or a negative code. */
int pem_put(struct buf *out, X509 *cert);
