/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. Addresses that logged in, each with the last time (book time), so
 * that who is known stays known over a restart and a reboot (ctl/known.c). IPv6 comes as /64, its
 * last eight bytes zero. It never says for how long they count. */
#include "ctl/ledger_known.h"

#include <string.h>

#include "base/err.h"
#include "ctl/ledger_int.h"

enum { ADDRESS_SIZE = 16 };

int ledger_known_put(struct ledger *l, const struct ledger_known *rows, size_t n, int64_t before_ms)
{
	sqlite3_stmt *s;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		s = ledger_statement(l, SQL_KNOWN_PUT);
		sqlite3_bind_blob(s, 1, rows[i].address.bytes, ADDRESS_SIZE, SQLITE_STATIC);
		sqlite3_bind_int64(s, 2, rows[i].last_ms);
		r = ledger_run(l, s);
	}
	if (r == 0) {
		s = ledger_statement(l, SQL_KNOWN_EXPIRE);
		sqlite3_bind_int64(s, 1, before_ms);
		r = ledger_run(l, s);
	}
	return ledger_end(l, r);
}

int ledger_known_each(struct ledger *l, int64_t since_ms, size_t max,
	bool (*visit)(void *arg, const struct ledger_known *row), void *arg)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_KNOWN_EACH);
	int code = SQLITE_DONE;
	bool on = true;

	sqlite3_bind_int64(s, 1, since_ms);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)max);
	while (on && (code = sqlite3_step(s)) == SQLITE_ROW) {
		struct ledger_known row = { .last_ms = sqlite3_column_int64(s, 1) };

		if (sqlite3_column_bytes(s, 0) != ADDRESS_SIZE)
			continue;
		memcpy(row.address.bytes, sqlite3_column_blob(s, 0), ADDRESS_SIZE);
		on = visit(arg, &row);
	}
	sqlite3_reset(s);
	return on ? ledger_error(l, code) : 0;
}
