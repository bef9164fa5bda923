/* SPDX-License-Identifier: BSD-2-Clause */
/* Is the peer the server it says it is? Asked once its handshake is over: chain and name, pinned
 * keys, DANE. */
#pragma once

#include <time.h>
#include <openssl/x509.h>
#include "proxy/dane.h"
#include "proxy/identity.h"
#include "rules/rules.h"

enum {
	REMOTE_CHAIN_MAX = 16, /* certificates shown */
	REMOTE_DEPTH_MAX = 8   /* of them between the leaf and its root */
};

/* All borrowed. */
struct remote_check {
	X509 *leaf;             /* NULL: none was shown */
	STACK_OF(X509) * chain; /* as shown, with or without the leaf; may be NULL */
	const char *domain;
	unsigned require;  /* of enum remote_require, what is asked at all; 0: everything */
	X509_STORE *trust; /* NULL: nobody */
	const uint8_t (*pins)[REMOTE_PIN_SIZE]; /* struct remote_policy */
	unsigned n_pins;
	const struct dane_records *dane; /* NULL or empty: none */
	time_t now;
};

struct remote_found {
	enum remote_verified verified; /* the best of what holds */
	unsigned ways;                 /* all that holds, of enum remote_require */
	enum identity_by by;           /* by which name the certificate covers the domain */
	const char *why;               /* when none holds: a static word; else "" */
	time_t not_after; /* the leaf's end, 0 without one; a day from now for DANE's usage 3 on an
			     expired one */
};

/* Never fails: what cannot be judged is not verified. A pin stands for a chain and a name; an
 * expired, not yet valid or weak one stands for nothing, but for DANE's usage 3, where dates do not
 * count. Revocation is not asked. */
enum remote_verified remote_verify(const struct remote_check *check, struct remote_found *found);
/* The leaf's key as pins are written. False if it has none. */
bool remote_pin(X509 *leaf, uint8_t pin[REMOTE_PIN_SIZE]);
