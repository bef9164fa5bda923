/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings of the blocks "federation" and "remote", a part of the table of schema.c. As there: defaults are text for
 * people, options_federation.c holds the numbers, docs/CONFIG.md is compared. It reads no policy. */
#include "rules/schema.h"

#define HOUR        ((uint64_t)3600000)
#define RANGE(a, b) .min = (a), .max = (b)
#define WORD(list)  .shape = SHAPE_WORD, .syntax = (list), .words = (list)
#define PROOFS      "pin|dane|pkix|dialback"

const struct schema_setting schema_federation[SCHEMA_FEDERATION] = {
	{ "domains", SHAPE_DOMAINS, "\"NAME\", \"*.NAME\", ...", NULL, "the names of the service's certificates",
		.doc = "Ours, up to 256: whom our own servers may speak as. \"*.NAME\" stands for all names below NAME.", .repeat = true },
	{ "authority", WORD("on|off"), .initial = "on if there is one",
		.doc = "Does this host's own authority sign a certificate for each remote domain that was verified, which our own "
		       "servers are shown." },
	{ "trust", SHAPE_TRUST, "system | file \"PEM\"", NULL, "system",
		.doc = "Which authorities are believed about remote servers (pkix): those of the system, or those in a file." },
	{ "resolver", SHAPE_RESOLVER, "ADDRESS[:PORT]", NULL, "of the system",
		.doc = "Who is asked for DNS records; signatures are checked here." },
	{ "anchor", SHAPE_STRING, "\"PATH\"", NULL, "of the system",
		.doc = "File of the keys of DNSSEC that are trusted, those of the root zone as a rule." },
	{ "require", .shape = SHAPE_WORDS, .syntax = PROOFS ", ...", .words = PROOFS, .initial = "pin, dane, pkix, dialback",
		.doc = "What a remote server has to prove its domain by; any of them suffices." },
	{ "unverified", WORD("untrusted|refuse"), .initial = "untrusted",
		.doc = "Our own server dials a remote one of which nothing can be verified by certificate: it is shown one that no "
		       "authority signed, and may take dialback; or the stream ends." },
	{ "leaves", SHAPE_NUMBER, "N", NULL, "1000",
		.doc = "Certificates for remote domains kept at most; the one unused for longest gives way.", RANGE(1, 100000) },
	{ "leaf-life", SHAPE_DURATION, "TIME", NULL, "1d", .doc = "How long such a certificate is valid.", RANGE(HOUR, 30 * 24 * HOUR) },
	{ "pairs", SHAPE_NUMBER, "N", NULL, "100", .doc = "Pairs of domains on a stream, in each direction.", RANGE(1, 10000) },
	{ "dialback-open", SHAPE_NUMBER, "N", NULL, "32", .doc = "Dialback requests of a stream that nobody has answered yet.",
		RANGE(1, 1000) },
	{ "dialback-rate", SHAPE_RATE, "N/second|minute|hour|day", NULL, "120/minute",
		.doc = "Dialback requests of a stream; beyond it the stream ends." },
};

const struct schema_setting schema_remote[SCHEMA_REMOTE] = {
	{ "domains", SHAPE_DOMAINS, "\"NAME\", \"*.NAME\", ...", NULL, "",
		.doc = "Whose servers, up to 64: a name counts before \"*.NAME\", which stands for all names below NAME, and a longer "
		       "one of those before a shorter one.",
		.repeat = true, .required = true },
	{ "require", .shape = SHAPE_WORDS, .syntax = PROOFS ", ...", .words = PROOFS, .initial = "as federation says",
		.doc = "What they have to prove their domain by; any of them suffices." },
	{ "pins", SHAPE_PINS, "\"sha256:BASE64\", ...", NULL, "",
		.doc = "SHA-256 of the public keys (SubjectPublicKeyInfo) their certificates may have, up to 16.", .repeat = true },
	{ "trust", SHAPE_TRUST, "system | file \"PEM\"", NULL, "as federation says",
		.doc = "Which authorities are believed about them." },
	{ "unverified", WORD("untrusted|refuse"), .initial = "as federation says",
		.doc = "What our own server gets of one that nothing can be verified of." },
	{ "bidi", WORD("on|off"), .initial = "on",
		.doc = "May a stream be used in both directions (XEP-0288), if both sides want it." },
};
