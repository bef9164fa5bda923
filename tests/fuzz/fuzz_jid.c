/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* libFuzzer: xmpp/jid over any bytes. A prepared address prepared again is itself, and no part is
 * too long. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "xmpp/jid.h"

#define PART_MAX 1023

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct jid once, twice;
	struct arena a;
	const char *name;
	int r;

	arena_init(&a, 0);
	r = jid_prep_domain(&a, in, &name);
	require(r == 0 || r == ERR_SYNTAX);
	r = jid_parse(&a, in, &once);
	require(r == 0 || r == ERR_SYNTAX);
	if (r == 0) {
		require(strlen(once.local) <= PART_MAX && strlen(once.resource) <= PART_MAX);
		require(once.domain[0] != '\0' && strlen(once.domain) <= PART_MAX);
		require(jid_bare(&a, &once) != NULL);
		require(jid_parse(&a, span_of(jid_full(&a, &once)), &twice) == 0);
		require(strcmp(jid_full(&a, &twice), jid_full(&a, &once)) == 0);
	}
	arena_fini(&a);
	return 0;
}
