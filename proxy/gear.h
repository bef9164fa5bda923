/* SPDX-License-Identifier: BSD-2-Clause */
/* What a policy means to the proxy: the rules, and for each service its settings with TLS made
 * ready. Immutable; swapped whole on reload. A session keeps its own service's part, not the whole.
 */
#pragma once

#include <stdatomic.h>
#include <openssl/ssl.h>
#include "base/buf.h"
#include "base/metrics.h"
#include "proxy/backends.h"
#include "proxy/certs.h"
#include "proxy/lookup.h"
#include "proxy/trust.h"
#include "rules/rules.h"

/* One service; outlives the policy it came from as long as a session refers to it. */
struct gear_service {
	_Atomic unsigned refs;
	struct service conf; /* deep copy */
	_Atomic uint16_t
		starttls_port; /* learned: takes STARTTLS only, though clients came with TLS */
	uint32_t mark;         /* for upstream sockets; 0: none */
	struct certs *certs;   /* NULL with "tls none" */
	SSL_CTX *server_ctx;   /* what those who dial meet; NULL with "tls none". Of servers: asks
				  for a certificate, takes any */
	SSL_CTX *client_ctx;   /* NULL with "upstream plain". Of "direction out": takes any */
	struct backends *backends; /* a reference: those of its policy */
};

struct gear {
	_Atomic unsigned refs;
	struct policy *policy;
	struct lookup_settings *lookups; /* who is asked for signed DNS; NULL: nobody */
	struct backends *backends;
	struct trust *trust;
	struct gear_service **services;
	size_t n;
};

/* Loads the policy out of the sources and makes its services ready. previous may be NULL. why gets
 * the text for the operator when it fails. 0 with one reference, else a negative code. */
int gear_load(struct source_set *sources, const char *path, struct gear *previous,
	struct metrics *metrics, struct buf *why, struct gear **out);
struct gear *gear_ref(struct gear *g);
void gear_unref(struct gear *g);
/* A proxied service by name, borrowed; NULL if there is none. */
struct gear_service *gear_find(const struct gear *g, const char *name);
/* Whom this policy believes about a remote server: of remote blocks and federation of g's own
 * policy. Borrowed from g; NULL if nobody. */
X509_STORE *gear_trust(const struct gear *g, const struct remote_policy *remote);
struct gear_service *gear_service_ref(struct gear_service *s);
void gear_service_unref(struct gear_service *s);
