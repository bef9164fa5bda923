/* SPDX-License-Identifier: BSD-2-Clause */
/* A network namespace of the test's own, with nf_tables in it. Include cmocka.h
 * first. */
#pragma once

#include <errno.h>
#include <sched.h>
#include <string.h>
#include "base/err.h"
#include "ctl/nft.h"

/* Skips the test, with the reason, where there is none. */
static inline struct nft *open_namespace(void)
{
	struct nft *n = NULL;
	int r;

	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespace: %s\n", strerror(errno));
		skip();
	}
	if ((r = nft_open(&n)) < 0) {
		print_message("skipped: no nf_tables: %s\n", err_text(r));
		skip();
	}
	return n;
}
