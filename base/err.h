/* SPDX-License-Identifier: BSD-2-Clause */
/* One dialect of failure: 0 or a negative code. System errors are their negative errno;
 * our own start at -1000. Errors of the peer are never codes: they are events (see xmpp/stream.h). */
#pragma once

enum err {
	ERR_LIMIT = -1000,  /* a ceiling of ours was reached */
	ERR_SYNTAX = -1001, /* text we were given does not parse */
	ERR_RANGE = -1002,  /* a number or size is out of its range */
	ERR_NOTFOUND = -1003,
	ERR_EXISTS = -1004,
	ERR_PROTO = -1005,  /* a sibling process spoke nonsense */
	ERR_TLS = -1006,    /* OpenSSL refused; text is in the log */
	ERR_REFUSED = -1007, /* policy or permission says no */
	ERR_UNSUPPORTED = -1008, /* this kernel or build lacks it */
	ERR_LIBRARY = -1009, /* a library failed in a way it does not explain */
	ERR_CLOSED = -1010, /* the other end is gone */
};

/* A short English text for any negative code of ours or errno; never NULL, static storage. */
const char *err_text(int code);
