/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. Remote domains, each with the first and the last time it was
 * verified (book time), so that who is no stranger is none after a restart and a reboot
 * (ctl/seen.c). It never says how many are kept. */
#include "ctl/ledger_domains.h"

#include "base/err.h"
#include "ctl/ledger_int.h"

static int domain_put(struct ledger *l, const struct ledger_domain *row)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_DOMAIN_PUT);

	sqlite3_bind_text(s, 1, row->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, row->first_ms);
	sqlite3_bind_int64(s, 3, row->last_ms);
	return ledger_run(l, s);
}

static int domain_delete(struct ledger *l, const char *name)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_DOMAIN_DELETE);

	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	return ledger_run(l, s);
}

/* What goes goes first: a name may come back within one message. */
int ledger_domains_put(struct ledger *l, const struct ledger_domain *rows, size_t n,
	const char *const *gone, size_t n_gone)
{
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n_gone && r == 0; i++)
		r = domain_delete(l, gone[i]);
	for (size_t i = 0; i < n && r == 0; i++)
		r = domain_put(l, &rows[i]);
	return ledger_end(l, r);
}

int ledger_domains_each(struct ledger *l, size_t max,
	bool (*visit)(void *arg, const struct ledger_domain *row), void *arg)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_DOMAINS_EACH);
	int code = SQLITE_DONE;
	bool on = true;

	sqlite3_bind_int64(s, 1, (sqlite3_int64)max);
	while (on && (code = sqlite3_step(s)) == SQLITE_ROW) {
		struct ledger_domain row = { (const char *)sqlite3_column_text(s, 0),
			sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2) };

		if (row.name)
			on = visit(arg, &row);
	}
	sqlite3_reset(s);
	return on ? ledger_error(l, code) : 0;
}
