/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection speaks, by its first bytes; where a stanza begins in the middle of one; which
 * service it is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/span.h"
#include "rules/rules.h"

enum detect_kind {
	DETECT_MORE, /* white space only: nothing to tell yet */
	DETECT_XML,  /* may be a stream header */
	DETECT_TLS,
	DETECT_HTTP,
	DETECT_OTHER,
};

/* The first bytes of a direction. */
enum detect_kind detect_first(struct span bytes);
/* A TLS record of any kind, as after STARTTLS. */
bool detect_is_tls(struct span bytes);
/* The first bytes of an HTTP message, enough to be sure. */
bool detect_is_http(struct span bytes);
/* Begins (after white space) with a stream header or its XML declaration? *maybe: too short to
 * tell. */
bool detect_is_header(struct span bytes, bool *maybe);
/* Where in a direction joined in its middle a stanza begins; bytes.len when there is none. */
size_t detect_stanza(struct span bytes);
/* A stream header in place of the one that was not seen. */
const char *detect_header(enum service_role role);

/* The policy's service that listens there; NULL if none. */
const struct service *detect_service(const struct policy *p, uint16_t port);
/* The first of the role; NULL if none. */
const struct service *detect_service_role(const struct policy *p, enum service_role role);
/* A port where XMPP is usual. */
bool detect_is_usual(uint16_t port);
/* A port of the policy or one where XMPP is usual. */
bool detect_is_served(const struct policy *p, uint16_t port);
/* What a connection to that port is for, as long as nothing was seen of it. */
enum service_role detect_role(const struct policy *p, uint16_t port);
/* Where BOSH is usual. */
bool detect_is_bosh(uint16_t port);
