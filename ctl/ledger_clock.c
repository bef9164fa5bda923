/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. One row: what the host's clocks said when ctl/booktime.c last
 * looked, so that the next start knows how much time has passed for bans, whatever happened to the
 * wall clock. It never asks a clock itself. */
#include <stdio.h>

#include "base/err.h"
#include "ctl/ledger_int.h"

int ledger_clock_find(struct ledger *l, struct ledger_clock *out)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_CLOCK_FIND);
	int code = sqlite3_step(s);

	if (code == SQLITE_ROW) {
		const char *boot = (const char *)sqlite3_column_text(s, 0);

		*out = (struct ledger_clock){ .boot_ms = sqlite3_column_int64(s, 1),
			.wall_ms = sqlite3_column_int64(s, 2),
			.book_ms = sqlite3_column_int64(s, 3) };
		snprintf(out->boot, sizeof out->boot, "%s", boot ? boot : "");
	}
	sqlite3_reset(s);
	return code == SQLITE_DONE ? ERR_NOTFOUND : ledger_error(l, code);
}

int ledger_clock_put(struct ledger *l, const struct ledger_clock *reading)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_CLOCK_PUT);

	sqlite3_bind_text(s, 1, reading->boot, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 2, reading->boot_ms);
	sqlite3_bind_int64(s, 3, reading->wall_ms);
	sqlite3_bind_int64(s, 4, reading->book_ms);
	return ledger_run(l, s);
}
