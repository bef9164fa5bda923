/* SPDX-License-Identifier: BSD-2-Clause */
/* One leaf: a certificate for exactly one domain. */
#pragma once

#include <stdint.h>
#include <openssl/x509.h>
#include "ca/authority.h"

struct leaf_request {
	const char *domain;   /* prepared, in Unicode form */
	const char *key;      /* public, in PEM */
	int64_t life_ms;      /* how long it is to live at most */
	int64_t not_after_ms; /* nor longer than that, wall clock; 0: none */
};

/* *why (static) says why there is none. The caller owns *out. */
int leaf_sign(const struct authority *by, const struct leaf_request *request, X509 **out,
	const char **why);
