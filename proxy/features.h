/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's <stream:features/> as the client may see them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xmpp/stanza.h"

struct features_context {
	bool secure;         /* the client is inside TLS */
	bool offer_starttls; /* "tls optional" and the client is still in clear */
	bool same_leaf;      /* both legs show the very same certificate: tls-server-end-point holds
				through us */
	size_t max_bytes;    /* our own stanza ceiling, for XEP-0478 */
	uint64_t idle_seconds; /* how long we let a client be silent; 0: for ever */
};

struct features_result {
	bool endpoint;     /* -PLUS was left in for tls-server-end-point */
	bool plus;         /* -PLUS was taken out */
	unsigned stripped; /* elements taken out */
};

/* Edits the tree in place; memory from the arena. 0 or -ENOMEM. */
int features_edit(struct arena *a, struct xml_element *features, const struct features_context *ctx,
	struct features_result *out);
/* Would features_edit have stripped this mechanism? endpoint as of the result. */
bool features_is_stripped(const char *mechanism, bool endpoint);
/* XEP-0478: never promises more than we ourselves let through, and says what that is; 0: no limit
 * of ours. 0 or -ENOMEM. */
int features_lower_limits(
	struct arena *a, struct xml_element *features, size_t max_bytes, uint64_t idle_seconds);
/* Our own offer, where the client may still choose. 0 or -ENOMEM. */
int features_add_starttls(struct arena *a, struct xml_element *features);
