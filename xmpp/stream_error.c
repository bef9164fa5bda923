/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of RFC 6120 4.9.3's conditions, and <stream:error> as bytes. */
#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

static const char *const names[STREAM_ERROR_COUNT] = {
	[STREAM_ERROR_NONE] = "none",
	[STREAM_ERROR_BAD_FORMAT] = "bad-format",
	[STREAM_ERROR_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
	[STREAM_ERROR_CONFLICT] = "conflict",
	[STREAM_ERROR_CONNECTION_TIMEOUT] = "connection-timeout",
	[STREAM_ERROR_HOST_GONE] = "host-gone",
	[STREAM_ERROR_HOST_UNKNOWN] = "host-unknown",
	[STREAM_ERROR_IMPROPER_ADDRESSING] = "improper-addressing",
	[STREAM_ERROR_INTERNAL_SERVER_ERROR] = "internal-server-error",
	[STREAM_ERROR_INVALID_FROM] = "invalid-from",
	[STREAM_ERROR_INVALID_NAMESPACE] = "invalid-namespace",
	[STREAM_ERROR_INVALID_XML] = "invalid-xml",
	[STREAM_ERROR_NOT_AUTHORIZED] = "not-authorized",
	[STREAM_ERROR_NOT_WELL_FORMED] = "not-well-formed",
	[STREAM_ERROR_POLICY_VIOLATION] = "policy-violation",
	[STREAM_ERROR_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
	[STREAM_ERROR_RESET] = "reset",
	[STREAM_ERROR_RESOURCE_CONSTRAINT] = "resource-constraint",
	[STREAM_ERROR_RESTRICTED_XML] = "restricted-xml",
	[STREAM_ERROR_SEE_OTHER_HOST] = "see-other-host",
	[STREAM_ERROR_SYSTEM_SHUTDOWN] = "system-shutdown",
	[STREAM_ERROR_UNDEFINED_CONDITION] = "undefined-condition",
	[STREAM_ERROR_UNSUPPORTED_ENCODING] = "unsupported-encoding",
	[STREAM_ERROR_UNSUPPORTED_FEATURE] = "unsupported-feature",
	[STREAM_ERROR_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
	[STREAM_ERROR_UNSUPPORTED_VERSION] = "unsupported-version",
};

const char *stream_error_text(enum stream_error error)
{
	return error < STREAM_ERROR_COUNT ? names[error] : "undefined-condition";
}

enum stream_error stream_error_find(struct span name)
{
	for (unsigned i = STREAM_ERROR_NONE + 1; i < STREAM_ERROR_COUNT; i++)
		if (span_is(name, names[i]))
			return (enum stream_error)i;
	return STREAM_ERROR_NONE;
}

int stream_error_write(struct buf *out, enum stream_error condition, const char *text)
{
	int r;

	if ((r = buf_putf(out, "<stream:error><%s xmlns=\"" NS_STREAMS "\"/>",
		     stream_error_text(condition))) < 0)
		return r;
	if (text && ((r = buf_puts(out, "<text xmlns=\"" NS_STREAMS "\" xml:lang=\"en\">")) < 0 ||
			    (r = write_text(out, span_of(text))) < 0 ||
			    (r = buf_puts(out, "</text>")) < 0))
		return r;
	return buf_puts(out, "</stream:error>");
}
