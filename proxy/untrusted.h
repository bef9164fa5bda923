/* SPDX-License-Identifier: BSD-2-Clause */
/* A certificate that is nobody's word: shown to our own server in the place of one that could not
 * be verified. */
#pragma once

#include <openssl/x509.h>

/* A new P-256 key and a leaf for the domain (prepared), signed by that key itself, good for a day.
 * The caller owns both. 0, ERR_SYNTAX (the domain cannot be a DNS name), ERR_TLS. */
int untrusted_make(const char *domain, X509 **leaf, EVP_PKEY **key);
