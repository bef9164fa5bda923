/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS contexts: one towards clients and one towards servers for each service; immutable once made,
 * shared by threads. What happens on one connection is in tls_link.h. */
#pragma once

#include <stdbool.h>
#include <openssl/ssl.h>
#include "base/span.h"
#include "proxy/certs.h"
#include "rules/service.h"

/* Reads the system's trust anchors: once, before the sandbox closes the file system. 0 or ERR_TLS.
 */
int tls_init(void);

/* What the callbacks of one handshake need; lives as long as its SSL. */
struct tls_pick {
	const struct certs *certs;
	const char *want_alpn; /* "xmpp-client" */
	const char *to; /* client side: the clear header's "to"; server side: the name dialled; may
			   be NULL */
	const struct cert *chosen; /* client side: what was shown */
	bool same_leaf;            /* server side: our own leaf for that name counts as verified */
	bool verified;             /* server side: chain and name, or our very leaf */
	const char *why;           /* server side: why not; static */
};

/* The side that clients meet: TLS 1.2 and 1.3, no renegotiation, no compression, no early data.
 * Takes no reference. NULL on failure (logged). */
SSL_CTX *tls_server_context(void);
/* The side that dials: anchors is PEM for VERIFY_FILE. NULL on failure (logged). */
SSL_CTX *tls_client_context(enum upstream_verify verify, struct span anchors);
/* The tls_pick of an SSL. */
int tls_pick_index(void);
/* Drains OpenSSL's error queue into one stable word for counters and logs ("no-shared-cipher",
 * "other"). */
const char *tls_error_word(void);
