/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiver's <stream:features/> as the initiator may see them, on a stream between servers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xmpp/stanza.h"

struct federation_features_context {
	bool external; /* a certificate minted for the verified initiator was shown to the receiver
			*/
	bool bidi;     /* the policy takes streams both ways */
	size_t max_bytes;      /* our own stanza ceiling, for XEP-0478 */
	uint64_t idle_seconds; /* 0: for ever */
};

struct federation_features_result {
	bool external;     /* EXTERNAL is offered still */
	bool bidi;         /* so is bidi: dialback_offer_bidi */
	bool errors;       /* dialback with errors is understood (XEP-0220 2.4.2) */
	unsigned stripped; /* elements taken out */
};

/* Edits the tree in place; memory from the arena. 0 or -ENOMEM. */
int federation_features_edit(struct arena *a, struct xml_element *features,
	const struct federation_features_context *ctx, struct federation_features_result *out);
