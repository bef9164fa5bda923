/* SPDX-License-Identifier: BSD-2-Clause */
/* The ceilings every stream starts from; a service's stream-limits { } block changes a copy. What a
 * client needs before login is small, so what a stranger can make us hold is small too (Prosody:
 * 10,000 bytes; a SASL2 request with inline bind and a token stays under 4,000). */
#include "xmpp/limits.h"

const struct xmpp_limits xmpp_limits_default = {
	.stanza_bytes = 262144,
	.stanza_bytes_preauth = 16384,
	.header_bytes = 4096,
	.token_bytes = 65536,
	.attribute_bytes = 32768,
	.depth = 64,
	.elements = 4096,
	.elements_preauth = 64,
	.attributes = 64,
	.namespaces = 16,
	.names_bytes = 1024,
	.space_run = 1024,
};
