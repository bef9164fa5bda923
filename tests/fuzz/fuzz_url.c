/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* libFuzzer: xmpp/url over any valid text. Links come in order, stand where they say, and their
 * hosts are in prepared form; looking only where a link can be finds all that a walk through the
 * whole text does. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/text.h"
#include "xmpp/url_int.h"

#define MAX 16
#define ALL 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void compare(struct arena *a, struct span in)
{
	struct url *parts, *whole;

	require(url_find(a, in, ALL, &parts) == 0);
	require(url_find_in(a, in, ALL, &whole) == 0);
	for (; parts && whole; parts = parts->next, whole = whole->next) {
		require(parts->start == whole->start && parts->end == whole->end);
		require(strcmp(parts->scheme, whole->scheme) == 0);
		require(strcmp(parts->host, whole->host) == 0);
	}
	require(!parts && !whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	unsigned n = 0;
	struct url *u;
	struct arena a;

	in.len = text_valid(in.ptr, in.len, NULL);
	arena_init(&a, 0);
	require(url_find(&a, in, MAX, &u) == 0);
	for (; u; u = u->next) {
		size_t host = strlen(u->host);

		require(++n <= MAX);
		require(u->start < u->end && u->end <= in.len);
		require(strlen(u->text) == u->end - u->start);
		require(memcmp(u->text, in.ptr + u->start, u->end - u->start) == 0);
		require(text_valid(u->host, host, NULL) == host);
		require(host == 0 || u->host[host - 1] != '.');
	}
	compare(&a, in);
	arena_fini(&a);
	return 0;
}
