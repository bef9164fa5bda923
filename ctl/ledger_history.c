/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. Who changed which list, when and how, entered after the list's file
 * was written and read by "xmppwallctl list history". The newest LEDGER_HISTORY_MAX edits are kept.
 * It never holds the lists themselves: those are files. */
#include <string.h>

#include "base/err.h"
#include "ctl/ledger_int.h"

/* Longer text is cut at a whole UTF-8 character. */
static int bind_text(sqlite3_stmt *s, int at, const char *text, size_t max)
{
	size_t len = span_cut(span_of(text), max);

	return sqlite3_bind_text(s, at, text ? text : "", (int)len, SQLITE_TRANSIENT);
}

static int add_one(struct ledger *l, const struct ledger_edit *edit)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_HISTORY_ADD);

	sqlite3_bind_int64(s, 1, edit->time_ms);
	bind_text(s, 2, edit->who, LEDGER_RULE_SIZE);
	bind_text(s, 3, edit->what, LEDGER_RULE_SIZE);
	bind_text(s, 4, edit->list, LEDGER_ENTRY_MAX);
	bind_text(s, 5, edit->entry, LEDGER_ENTRY_MAX);
	return ledger_run(l, s);
}

int ledger_history_add(struct ledger *l, const struct ledger_edit *edits, size_t n)
{
	sqlite3_stmt *s;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_one(l, &edits[i]);
	if (r == 0) {
		s = ledger_statement(l, SQL_HISTORY_TRIM);
		sqlite3_bind_int64(s, 1, LEDGER_HISTORY_MAX);
		r = ledger_run(l, s);
	}
	return ledger_end(l, r);
}

int ledger_history_each(struct ledger *l, const char *list, size_t max,
	bool (*visit)(void *arg, const struct ledger_edit *edit), void *arg)
{
	sqlite3_stmt *s = ledger_statement(l, list ? SQL_HISTORY_LIST : SQL_HISTORY_ALL);
	bool on = true;
	int code;

	if (list)
		bind_text(s, 1, list, LEDGER_ENTRY_MAX);
	sqlite3_bind_int64(
		s, 2, max > LEDGER_HISTORY_MAX ? LEDGER_HISTORY_MAX : (sqlite3_int64)max);
	while (on && (code = sqlite3_step(s)) == SQLITE_ROW) {
		struct ledger_edit edit = {
			.time_ms = sqlite3_column_int64(s, 0),
			.who = (const char *)sqlite3_column_text(s, 1),
			.what = (const char *)sqlite3_column_text(s, 2),
			.list = (const char *)sqlite3_column_text(s, 3),
			.entry = (const char *)sqlite3_column_text(s, 4),
		};

		on = visit(arg, &edit);
	}
	sqlite3_reset(s);
	return on ? ledger_error(l, code) : 0;
}
