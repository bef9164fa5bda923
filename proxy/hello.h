/* SPDX-License-Identifier: BSD-2-Clause */
/* What a peer's first bytes are, and what may stand behind <starttls/>. No library, no state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/span.h"

enum hello_kind {
	HELLO_MORE,  /* nothing yet */
	HELLO_TLS,   /* a TLS record: direct TLS (XEP-0368) */
	HELLO_CLEAR, /* '<', white space or a byte order mark: an XML stream */
	HELLO_OTHER, /* neither: not for us */
};

enum hello_kind hello_classify(struct span bytes);
/* May these bytes, read in the same segment behind <starttls/>, be the beginning of a ClientHello?
 * Anything else was injected in clear text to be read as if it came through TLS (CVE-2011-0411
 * class). True for none. */
bool hello_is_record(struct span rest);

/* Is a ClientHello (RFC 8446 4.1.2) all there, in however many records? Also true of what will
 * never be one, or is too long to wait for: that is for the library to refuse. */
bool hello_is_whole(struct span bytes);

/* ALPN (RFC 7301): list is the client's offer in wire format, want our protocol. */
enum hello_alpn {
	HELLO_ALPN_NONE,   /* nothing offered: allowed (SHOULD in XEP-0368) */
	HELLO_ALPN_CHOSEN, /* *chosen lies inside the list */
	HELLO_ALPN_REFUSE, /* only unknown ones, or broken: no_application_protocol */
};
enum hello_alpn hello_choose_alpn(struct span list, const char *want, struct span *chosen);
