/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ledger*.c share. Nobody else includes this. */
#pragma once

#include <sqlite3.h>
#include "ctl/ledger.h"

enum ledger_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_BAN_FIND,
	SQL_BAN_PUT,
	SQL_BAN_DELETE,
	SQL_BAN_COUNT,
	SQL_BANS,
	SQL_EXPIRE,
	SQL_NEXT_END,
	SQL_COUNT_FIND,
	SQL_COUNT_PUT,
	SQL_COUNT_LOWER,
	SQL_COUNT_EXPIRE,
	SQL_HISTORY_ADD,
	SQL_HISTORY_TRIM,
	SQL_HISTORY_LIST,
	SQL_HISTORY_ALL,
	SQL_CLOCK_FIND,
	SQL_CLOCK_PUT,
	SQL_N,
};

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_N];
	long n_bans; /* rows of bans: we are the only writer */
};

/* The prepared statement, reset and with nothing bound. */
sqlite3_stmt *ledger_statement(struct ledger *l, enum ledger_sql which);
/* Runs a statement that gives no rows; 0 or the code of ledger_error. */
int ledger_run(struct ledger *l, sqlite3_stmt *s);
int ledger_begin(struct ledger *l);
/* Commits when r is 0, else rolls back; passes the first failure on. */
int ledger_end(struct ledger *l, int r);
/* SQLite's code as one of ours; logs it unless it is about space. */
int ledger_error(struct ledger *l, int code);
