/* SPDX-License-Identifier: BSD-2-Clause */
/* Which domains a certificate speaks for between servers (RFC 6120 13.7.1.2, RFC 6125, RFC 9525).
 */
#pragma once

#include <stdbool.h>
#include <openssl/x509.h>

/* The kind of name that covers a domain; the first of these where several do. */
enum identity_by { IDENTITY_NONE, IDENTITY_DNS, IDENTITY_SRV, IDENTITY_XMPPADDR, IDENTITY_CN };

/* subjectAltNames looked at; a certificate with more covers nothing. */
enum { IDENTITY_NAMES_MAX = 1024 };

/* "none", "dns", "srv", "xmppaddr", "cn". */
const char *identity_by_text(enum identity_by by);
/* Does the leaf cover the domain (any spelling)? by (may be NULL): through what. Names that are
 * none (a NUL byte, a wrong type, bad form) cover nothing and are counted. */
bool identity_covers(X509 *leaf, const char *domain, enum identity_by *by);
/* Calls each with every usable name: prepared, without the "*." of a wildcard, borrowed for the
 * call. Gives how many names could not be used; all of them count as one where there are too many.
 */
unsigned identity_names(X509 *leaf,
	void (*each)(void *arg, const char *name, bool wildcard, enum identity_by by), void *arg);
