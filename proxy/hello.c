/* SPDX-License-Identifier: BSD-2-Clause */
/* The first look at a connection, behind listen.c and before any parser.
 * In: the first bytes, what follows <starttls/>, the client's ALPN list. Out: which kind of
 * conversation this is. One port serves STARTTLS and direct TLS alike: the first byte tells
 * (XEP-0368 allows any port), so an operator need not know which port carries what.
 * It never reads from a socket and looks into no handshake but for its length: OpenSSL does that.
 */
#include "proxy/hello.h"

#include <string.h>

enum { TLS_HANDSHAKE = 0x16, TLS_MAJOR = 0x03, CLIENT_HELLO = 1 };
enum { RECORD_HEAD = 5, MESSAGE_HEAD = 4, RECORDS_MAX = 32, HELLO_MAX = 16384 };

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

static unsigned number_at(const char *at, unsigned bytes)
{
	unsigned n = 0;

	while (bytes-- > 0)
		n = n << 8 | (unsigned char)*at++;
	return n;
}

bool hello_is_whole(struct span bytes)
{
	char head[MESSAGE_HEAD] = { 0 };
	size_t body = 0, want = MESSAGE_HEAD;

	for (unsigned n = 0; n < RECORDS_MAX; n++) {
		size_t len, have;

		if (!hello_is_record(bytes))
			return true;
		if (bytes.len < RECORD_HEAD)
			return false;
		len = number_at(bytes.ptr + 3, 2);
		if (len == 0 || len > HELLO_MAX)
			return true;
		bytes = (struct span){ bytes.ptr + RECORD_HEAD, bytes.len - RECORD_HEAD };
		have = len < bytes.len ? len : bytes.len;
		for (size_t i = 0; i < have && body + i < MESSAGE_HEAD; i++)
			head[body + i] = bytes.ptr[i];
		body += have;
		if (body >= MESSAGE_HEAD)
			want = MESSAGE_HEAD + number_at(head + 1, 3);
		if (body >= want || (body > 0 && head[0] != CLIENT_HELLO) || want > HELLO_MAX)
			return true;
		if (have < len)
			return false;
		bytes = (struct span){ bytes.ptr + len, bytes.len - len };
	}
	return true;
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
