/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration says of servers that speak to servers (docs/FEDERATION.md): the block
 * "federation" for all of them, and blocks "remote" for those that are held to something else.
 * Plain data, made by rules/options_federation.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a remote server may prove that it is the domain it speaks for: of "require" any of them
 * suffices. */
enum remote_require {
	REMOTE_PIN = 1,
	REMOTE_DANE = 2,
	REMOTE_PKIX = 4,
	REMOTE_DIALBACK = 8,
	REMOTE_ANY = 15
};

/* What our own server is shown for a remote one that nothing could be verified of. */
enum remote_unverified {
	UNVERIFIED_UNTRUSTED, /* a certificate that no authority has signed: it decides by itself */
	UNVERIFIED_REFUSE,    /* nothing: the stream ends */
};

enum federation_authority {
	AUTHORITY_DEFAULT, /* on, if there is one on this host */
	AUTHORITY_ON,
	AUTHORITY_OFF,
};

enum {
	FEDERATION_DOMAINS_MAX = 256,
	REMOTE_DOMAINS_MAX = 64,
	REMOTE_PINS_MAX = 16,
	REMOTE_PIN_SIZE = 32,
	RESOLVER_PORT = 53
};

/* remote partner { domains "partner.example", "*.partner.example"; require pin; pins "sha256:...";
 * } What it does not say is as federation says. */
struct remote_policy {
	const char *name; /* "": what federation itself says, for those that no block names */
	const char *domains[REMOTE_DOMAINS_MAX]; /* prepared, "*." kept in front */
	unsigned n_domains;
	unsigned require;                               /* of enum remote_require, never 0 */
	uint8_t pins[REMOTE_PINS_MAX][REMOTE_PIN_SIZE]; /* SHA-256 of a SubjectPublicKeyInfo */
	unsigned n_pins;
	const char *trust_file; /* trust anchors in PEM, a path of the sources; NULL: those of the
				   system */
	enum remote_unverified unverified;
	bool bidi; /* XEP-0288 may be used with them */
};

/* federation { domains "example.org"; require pkix, dane; ... } */
struct federation_options {
	const char *domains[FEDERATION_DOMAINS_MAX]; /* ours, prepared, "*." kept in front; none:
							the certificates' names */
	unsigned n_domains;
	enum federation_authority authority;
	const char *resolver; /* an address; NULL: as the system says */
	uint16_t resolver_port;
	const char *anchor_file;   /* of DNSSEC, a path of the sources; NULL: the system's */
	struct remote_policy rest; /* for remote servers that no block names */
	unsigned leaves;           /* kept at most; default 1000 */
	uint64_t leaf_life_ms;     /* default a day */
	unsigned pairs;            /* on a stream, each direction; default 100 */
	unsigned dialback_open; /* requests of a stream that nobody has answered yet; default 32 */
	uint64_t dialback_rate,
		dialback_rate_ms; /* requests of a stream within a time; default 120 in a minute */
};

/* Which of the remote blocks has a name. */
struct remote_name {
	const char *domain; /* "*." kept in front */
	const struct remote_policy *remote;
};

/* "pin", "dane" and so on of one bit. */
const char *remote_require_text(enum remote_require bit);
/* "sha256:BASE64" of exactly 32 bytes. */
bool remote_pin_read(const char *text, uint8_t pin[REMOTE_PIN_SIZE]);
