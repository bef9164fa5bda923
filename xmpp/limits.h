/* SPDX-License-Identifier: BSD-2-Clause */
/* Every ceiling a stream has, in one place. Reaching one is a stream event with a named reason. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct xmpp_limits {
	size_t stanza_bytes;         /* one first-level element after login (default 262144; RFC 6120 13.12: >= 10000) */
	size_t stanza_bytes_preauth; /* the same before login (16384) */
	size_t header_bytes;         /* XML declaration and stream header (4096) */
	size_t token_bytes;          /* one tag (name and all attributes); 65536 */
	size_t attribute_bytes;      /* one attribute value (32768) */
	unsigned depth;              /* elements inside each other (64) */
	unsigned elements;           /* in one stanza after login (4096) */
	unsigned elements_preauth;   /* 64 */
	unsigned attributes;         /* on one element (64) */
	unsigned namespaces;         /* declarations on one element (16) */
	unsigned names_bytes;        /* one element or attribute name, or one namespace URI (1024) */
	size_t space_run;            /* white space between stanzas taken silently per second, bytes (1024) */
};

/* The defaults named above. */
extern const struct xmpp_limits xmpp_limits_default;
