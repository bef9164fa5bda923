/* SPDX-License-Identifier: BSD-2-Clause */
/* ESS security labels (RFC 2634 section 3.2), as XEP-0258 carries them: base64 of DER. Only what a
 * clearance looks at is kept; all of it must be there as the standard writes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

enum {
	ESS_BYTES_MAX = 4096,  /* of a label, decoded */
	ESS_POLICY_SIZE = 264, /* of an object identifier of 64 bytes as text */
	ESS_CLASS_MAX = 256    /* ub-integer-options */
};

struct ess_label {
	char policy[ESS_POLICY_SIZE]; /* "1.3.6.1.4.1.5": the security policy identifier */
	bool has_class;
	unsigned class;  /* 0 unmarked ... 5 top-secret, or what the policy says */
	bool categories; /* it bears security categories, which narrow who may see it */
};

/* False: it is not the one DER encoding of an ESSSecurityLabel, or beyond the ceilings. */
bool ess_parse(const uint8_t *bytes, size_t len, struct ess_label *out);
/* The bytes of a base64 text (RFC 4648 section 4; white space anywhere is left out, nothing else).
 * False: it is none, or has more than max bytes. out has room for max. */
bool ess_decode(struct span text, uint8_t *out, size_t max, size_t *len);
