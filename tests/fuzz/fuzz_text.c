/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* libFuzzer: xmpp/text over any bytes. What is valid must fold, the fold must fold to itself, and
 * its offsets must rise and stay within the source. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(
	int (*fold)(struct arena *, struct span, struct folded *), struct arena *a, struct span in)
{
	struct folded once, twice;

	require(fold(a, in, &once) == 0);
	require(text_valid(once.text, once.len, NULL) == once.len);
	require(once.text[once.len] == '\0' && once.source[once.len] == in.len);
	for (size_t i = 0; i < once.len; i++)
		require(once.source[i] <= once.source[i + 1] && once.source[i] < in.len);
	require(fold(a, (struct span){ once.text, once.len }, &twice) == 0);
	require(twice.len == once.len && memcmp(twice.text, once.text, once.len) == 0);
	for (size_t i = 0; i + 3 < once.len; i += 7)
		text_is_word((struct span){ once.text, once.len }, i, i + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct arena a;
	uint32_t cp;
	bool incomplete;

	for (size_t i = 0; i < size; i++)
		text_decode(in, i, &cp);
	in.len = text_valid(in.ptr, in.len, &incomplete);
	require(in.len < size || !incomplete);
	arena_init(&a, 0);
	check(text_fold, &a, in);
	check(text_casefold, &a, in);
	arena_fini(&a);
	return 0;
}
