/* SPDX-License-Identifier: BSD-2-Clause */
/* The first look at a connection, behind listen.c and before any parser.
 * In: the first bytes, what follows <starttls/>, the client's ALPN list. Out: which kind of
 * conversation this is. One port serves STARTTLS and direct TLS alike: the first byte tells
 * (XEP-0368 allows any port), so an operator need not know which port carries what.
 * It never reads from a socket and never parses a handshake: OpenSSL does that. */
#include "proxy/hello.h"

#include <string.h>

enum { TLS_HANDSHAKE = 0x16, TLS_MAJOR = 0x03 };

static bool hello_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte order mark begins: an XML stream that the parser refuses by name. */
static bool hello_is_mark(char c)
{
	return c == '\xef' || c == '\xfe' || c == '\xff';
}

enum hello_kind hello_classify(struct span bytes)
{
	if (bytes.len == 0)
		return HELLO_MORE;
	if (bytes.ptr[0] == TLS_HANDSHAKE)
		return hello_is_record(bytes) ? HELLO_TLS : HELLO_OTHER;
	if (bytes.ptr[0] == '<' || hello_is_space(bytes.ptr[0]) || hello_is_mark(bytes.ptr[0]))
		return HELLO_CLEAR;
	return HELLO_OTHER;
}

bool hello_is_record(struct span rest)
{
	if (rest.len >= 1 && rest.ptr[0] != TLS_HANDSHAKE)
		return false;
	return rest.len < 2 || rest.ptr[1] == TLS_MAJOR;
}

enum hello_alpn hello_choose_alpn(struct span list, const char *want, struct span *chosen)
{
	bool found = false;
	size_t at = 0;

	if (list.len == 0)
		return HELLO_ALPN_NONE;
	/* The whole list is walked: a broken tail spoils it. */
	while (at < list.len) {
		size_t len = (unsigned char)list.ptr[at++];

		if (len == 0 || len > list.len - at)
			return HELLO_ALPN_REFUSE;
		if (!found && span_is((struct span){ list.ptr + at, len }, want)) {
			*chosen = (struct span){ list.ptr + at, len };
			found = true;
		}
		at += len;
	}
	return found ? HELLO_ALPN_CHOSEN : HELLO_ALPN_REFUSE;
}
