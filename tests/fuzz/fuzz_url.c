/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* libFuzzer: xmpp/url over any valid text. Links come in order, stand where they say, and their
 * hosts are in prepared form. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/text.h"
#include "xmpp/url.h"

#define MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
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
	arena_fini(&a);
	return 0;
}
