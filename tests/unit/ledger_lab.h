/* SPDX-License-Identifier: BSD-2-Clause */
/* A ledger in a folder of its own. Include cmocka.h first. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/ledger.h"

struct fixture {
	char folder[64], path[96];
	struct ledger *l;
};

static inline int open_ledger(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	bool damaged = true;

	strcpy(f->folder, "/tmp/test_ledger.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/ledger.db", f->folder);
	assert_int_equal(ledger_open(f->path, &f->l, &damaged), 0);
	assert_false(damaged);
	*state = f;
	return 0;
}

static inline int close_ledger(void **state)
{
	struct fixture *f = *state;
	char command[128];

	ledger_close(f->l);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}
