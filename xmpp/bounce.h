/* SPDX-License-Identifier: BSD-2-Clause */
/* Error answers: stanza errors (RFC 6120 8.3) and stream errors (4.9). */
#pragma once

#include <stdbool.h>
#include "base/buf.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

/* RFC 6120 8.3.3, with the error type that goes with each. */
enum stanza_error {
	STANZA_ERROR_BAD_REQUEST,
	STANZA_ERROR_CONFLICT,
	STANZA_ERROR_FEATURE_NOT_IMPLEMENTED,
	STANZA_ERROR_FORBIDDEN,
	STANZA_ERROR_GONE,
	STANZA_ERROR_INTERNAL_SERVER_ERROR,
	STANZA_ERROR_ITEM_NOT_FOUND,
	STANZA_ERROR_JID_MALFORMED,
	STANZA_ERROR_NOT_ACCEPTABLE,
	STANZA_ERROR_NOT_ALLOWED,
	STANZA_ERROR_NOT_AUTHORIZED,
	STANZA_ERROR_POLICY_VIOLATION,
	STANZA_ERROR_RECIPIENT_UNAVAILABLE,
	STANZA_ERROR_REDIRECT,
	STANZA_ERROR_REGISTRATION_REQUIRED,
	STANZA_ERROR_REMOTE_SERVER_NOT_FOUND,
	STANZA_ERROR_REMOTE_SERVER_TIMEOUT,
	STANZA_ERROR_RESOURCE_CONSTRAINT,
	STANZA_ERROR_SERVICE_UNAVAILABLE,
	STANZA_ERROR_SUBSCRIPTION_REQUIRED,
	STANZA_ERROR_UNDEFINED_CONDITION,
	STANZA_ERROR_UNEXPECTED_REQUEST,
	STANZA_ERROR_COUNT,
};

const char *stanza_error_text(enum stanza_error condition);
/* STANZA_ERROR_COUNT if unknown. */
enum stanza_error stanza_error_find(struct span name);

/* May this stanza be answered with an error at all? Not: type error or result, iq without id,
 * presence probe/unavailable/subscription answers, what has no sender to answer (RFC 6120 8.3.1, 8.2.3). */
bool bounce_allowed(const struct stanza *s);
/* The error answer for s into out: from and to swapped (fallback_from replaces an absent "to" of s),
 * same id, same kind, <error> with condition and text (text may be NULL), verdict id inside the text as given
 * by the caller, and behind it detail, an element of XEP-0182 (may be NULL). A refused MUC join carries <x xmlns='…/muc'/>. content_ns as for write_element.
 * 0 (also when nothing may be sent: then *sent is false), -ENOMEM, ERR_LIMIT. */
int bounce_write(struct buf *out, const struct stanza *s, enum stanza_error condition, const char *text,
	const char *detail, const char *fallback_from, const char *content_ns, bool *sent);
/* <stream:error> with condition and optional text, no closing tag. */
int stream_error_write(struct buf *out, enum stream_error condition, const char *text);
