/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of the local authority (docs/FEDERATION.md), one for each remote domain that was
 * verified: kept for the whole process, shared by its threads, signed by xmppwall-ca on the
 * daemon's errand. Its callers see to it that the domain was verified; here nothing is. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <jansson.h>
#include <openssl/x509.h>
#include "proxy/remote.h"

struct worker;

/* Never changes once it is there. It may serve and dial; both directions of a pair of domains show
 * the very same one (XEP-0344). For SSL_use_cert_and_key(). */
struct leaf {
	_Atomic unsigned refs;
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;     /* what stands between it and the authority, mostly nothing */
	int64_t since_ms, until_ms; /* its validity, wall clock */
};

struct leaf *leaf_ref(struct leaf *l);
void leaf_unref(struct leaf *l);

/* On the worker's own thread, once: leaf is the callee's reference, or NULL and why says why not,
 * which nobody else logs. */
typedef void (*leaf_done)(void *arg, struct leaf *leaf, const char *why);

struct leaf_wanted {
	const char *domain;            /* prepared, in Unicode form */
	enum remote_verified verified; /* how it was: for the record; never NONE */
	time_t not_after; /* the end of the certificate it stands for; 0: it has none */
	leaf_done done;
	void *arg; /* whoever wants it: leaves_forget names it again */
};

/* A leaf for exactly that domain, which ends no later than not_after. On the worker's thread; texts
 * are borrowed for the call.
 * 1: it is there, *out is a reference, done will not come.
 * 0: it is being minted, and done will come, from a later turn of the loop.
 * Else a negative code: ERR_LIMIT (too many are being minted), ERR_RANGE (not_after has passed),
 * ERR_REFUSED (nothing was verified), ERR_TLS, -ENOMEM. */
int leaves_want(struct worker *w, const struct leaf_wanted *wanted, struct leaf **out);
/* Whoever wanted it does not any more: done will not come. On the worker's thread. */
void leaves_forget(struct worker *w, const void *arg);

/* ---- for the worker, the main thread ---- */

/* What is kept at most from now on; the one unused for longest gives way. */
void leaves_configure(unsigned max);
/* On the worker's thread: calls done where an answer has come, or time is over. Cheap if not. */
void leaves_tick(struct worker *w);
/* On the main thread: the daemon's "minted" of ctl/link.h, borrowed. 0 or ERR_PROTO. */
int leaves_take(json_t *msg);
/* There is another authority, or none: what was kept is let go. */
void leaves_drop(void);
/* All threads have ended. */
void leaves_fini(void);
