/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between the ledger and the kernel's sets. Addresses with their ends, and no
 * more, for there may be a million: page by page in the order they are kept, so that nobody waits
 * while they are read; the networks that are cut into intervals, few, all at once. It writes
 * nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/ledger_int.h"

static void read_end(sqlite3_stmt *s, struct ledger_end_of *end)
{
	memset(end, 0, sizeof(*end));
	if (sqlite3_column_bytes(s, 0) == sizeof(end->address.bytes))
		memcpy(end->address.bytes, sqlite3_column_blob(s, 0), sizeof(end->address.bytes));
	end->prefix_len = (unsigned)sqlite3_column_int(s, 1);
	end->until_ms = sqlite3_column_int64(s, 2);
}

int ledger_ends_page(struct ledger *l, const struct ledger_end_of *after, struct ledger_end_of *out,
	size_t max, size_t *n)
{
	sqlite3_stmt *s = ledger_statement(l, after ? SQL_ENDS_PAGE : SQL_ENDS_FIRST);
	int code;

	*n = 0;
	if (after) {
		sqlite3_bind_blob(
			s, 1, after->address.bytes, sizeof(after->address.bytes), SQLITE_TRANSIENT);
		sqlite3_bind_int(s, 2, (int)after->prefix_len);
	}
	sqlite3_bind_int64(s, 3, (int64_t)max);
	while (*n < max && (code = sqlite3_step(s)) == SQLITE_ROW)
		read_end(s, &out[(*n)++]);
	code = *n < max ? code : SQLITE_OK;
	sqlite3_reset(s);
	return ledger_error(l, code);
}

bool ledger_waits_for(const struct ledger *l, const struct ledger_end_of *end)
{
	struct ledger_ban ban;
	int r;

	return waiting_find(l, &end->address, end->prefix_len, &ban, &r);
}

struct ends {
	struct ledger_end_of *all;
	size_t n, cap;
	bool failed;
};

static bool ends_take(struct ends *e, const struct ledger_end_of *end)
{
	struct ledger_end_of *more;

	if (e->n == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 64;
		if (!(more = realloc(e->all, e->cap * sizeof(*more)))) {
			e->failed = true;
			return false;
		}
		e->all = more;
	}
	e->all[e->n++] = *end;
	return true;
}

static bool visit_waiting(void *arg, const struct ledger_ban *ban)
{
	const struct ledger_end_of end = { ban->address, ban->prefix_len, ban->until_ms };

	return ends_take(arg, &end);
}

int ledger_ends_rest(struct ledger *l, struct ledger_end_of **out, size_t *n)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_ENDS_NETS);
	struct ends e = { .n = 0 };
	struct ledger_end_of end;
	int code = SQLITE_DONE;

	*n = 0;
	*out = NULL;
	while (!e.failed && (code = sqlite3_step(s)) == SQLITE_ROW) {
		read_end(s, &end);
		if (!ledger_waits_for(l, &end))
			ends_take(&e, &end);
	}
	sqlite3_reset(s);
	if (!e.failed)
		waiting_each(l, visit_waiting, &e);
	if (e.failed || code != SQLITE_DONE) {
		free(e.all);
		return e.failed ? -ENOMEM : ledger_error(l, code);
	}
	*out = e.all;
	*n = e.n;
	return 0;
}
