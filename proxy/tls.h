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
	bool late;                 /* client side: the certificate is chosen by tls_link_show */
	bool shown;                /* and that has been done */
	bool same_leaf;            /* server side: our own leaf for that name counts as verified */
	bool verified;             /* server side: chain and name, or our very leaf */
	const char *why;           /* server side: why not; static */
};

/* The side that clients meet: TLS 1.2 and 1.3, no renegotiation, no compression, no early data.
 * Takes no reference. NULL on failure (logged). */
SSL_CTX *tls_server_context(void);
/* The side that dials: anchors is PEM for VERIFY_FILE. NULL on failure (logged). */
SSL_CTX *tls_client_context(enum upstream_verify verify, struct span anchors);
/* Between servers, the side that is dialled: as tls_server_context, and a client certificate is
 * asked for; any is taken, and none (remote.h judges afterwards), in each handshake anew. */
SSL_CTX *tls_federation_server_context(void);
/* Between servers, the side that dials a remote one: takes any certificate, likewise. */
SSL_CTX *tls_federation_client_context(void);
/* The system's trust anchors; borrowed. Empty if there are none. */
X509_STORE *tls_system_trust(void);
/* Trust anchors out of PEM bytes, any certificate in it: a root, an authority below it, or a
 * server's own. The caller owns it; NULL if there are none. */
X509_STORE *tls_trust_store(struct span pem);
/* The tls_pick of an SSL. */
int tls_pick_index(void);
/* Drains OpenSSL's error queue into one stable word for counters and logs ("no-shared-cipher",
 * "other"). */
const char *tls_error_word(void);
