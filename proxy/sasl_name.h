/* SPDX-License-Identifier: BSD-2-Clause */
/* The name in the first message of a SASL exchange, and nothing else of it. */
#pragma once

#include "base/span.h"

enum { SASL_NAME_MAX = 1023 };

struct sasl_name {
	char name[SASL_NAME_MAX + 1]; /* "" where the mechanism tells none, or it is malformed */
	char flag; /* SCRAM's gs2-cbind-flag (RFC 5802 7): 'n', 'y', 'p'; '\0': none */
};

/* Reads PLAIN (RFC 4616), SCRAM (RFC 5802) and EXTERNAL (RFC 4422 A) out of the base64 text of the client's first message.
 * Whatever else is in there is wiped from memory before it returns. */
void sasl_name_read(const char *mechanism, struct span base64, struct sasl_name *out);
