/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ledger*.c share. Nobody else includes this. */
#pragma once

#include <jansson.h>
#include <sqlite3.h>
#include "base/map.h"
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
	SQL_ENDS_FIRST,
	SQL_ENDS_PAGE,
	SQL_ENDS_NETS,
	SQL_CLOCK_FIND,
	SQL_CLOCK_PUT,
	SQL_KNOWN_PUT,
	SQL_KNOWN_EXPIRE,
	SQL_KNOWN_EACH,
	SQL_DOMAIN_PUT,
	SQL_DOMAIN_DELETE,
	SQL_DOMAINS_EACH,
	SQL_BAR_FIND,
	SQL_BAR_PUT,
	SQL_BAR_DELETE,
	SQL_BAR_SUMS,
	SQL_BAR_YIELD,
	SQL_BARRED,
	SQL_BARRED_ENDED,
	SQL_BARRED_FORGET,
	SQL_BARRED_NEXT,
	SQL_BARRED_COUNT,
	SQL_N,
};

/* ledger_sql.c: the tables of a new file; what makes them of those of version 1; what any file gets that lacks it; the
 * statements. */
extern const char ledger_schema[], ledger_migration[], ledger_later[], *const ledger_sql[SQL_N];

struct ledger {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_N];
	long n_bans;        /* that stand: we are the only writer */
	struct map waiting; /* of ledger_waiting.c */
	struct map bars;    /* of ledger_bars_waiting.c */
	char *waiting_path; /* NULL: nowhere */
	int waiting_error;
	long bar_room; /* so many more names fit for sure */
	bool batch, batch_failed;
	long batch_n_bans; /* n_bans when it began */
	void (*batch_end)(void *arg);
	void *batch_arg;
};

/* The prepared statement, reset and with nothing bound. */
sqlite3_stmt *ledger_statement(struct ledger *l, enum ledger_sql which);
/* Runs a statement that gives no rows; 0 or the code of ledger_error. */
int ledger_run(struct ledger *l, sqlite3_stmt *s);
int ledger_begin(struct ledger *l);
/* Commits when r is 0, else rolls back; passes the first failure on. */
int ledger_end(struct ledger *l, int r);
/* Row and count of a ban, as they are; no row: not even that. Inside ledger_begin. */
int ledger_put_row(struct ledger *l, const struct ledger_ban *ban);
int ledger_delete_row(struct ledger *l, const struct peer_address *a, unsigned prefix_len);

/* ---- what the disk did not take (ledger_waiting.c) ---- */

/* A ban, or gone, that the ban was taken back, is kept in memory: error is why. 0, or error when
 * there is no room for it either. */
int waiting_put(struct ledger *l, const struct ledger_ban *ban, bool gone, int error);
/* Is the prefix one of those? *r is 0 with *out filled, or ERR_NOTFOUND. */
bool waiting_find(const struct ledger *l, const struct peer_address *a, unsigned prefix_len,
	struct ledger_ban *out, int *r);
/* False when a visitor said so. */
bool waiting_each(
	const struct ledger *l, bool (*visit)(void *arg, const struct ledger_ban *ban), void *arg);
void waiting_fini(struct ledger *l);
/* The same of names: they, too, wait behind what waits already. */
bool waiting_any(const struct ledger *l);
/* Notes it in the file, and why it waits. */
void waiting_note(struct ledger *l, json_t *line, int error);
/* A text of such a line, cut to its bound; "" when it has none. */
void waiting_text(const json_t *line, const char *key, char *text, size_t size);

struct ledger_bar;
/* The row as it should be is kept in memory. 0, or error when there is no room. */
int bars_wait(struct ledger *l, const struct ledger_bar *bar, int error);
/* Borrowed; NULL when it does not wait. */
const struct ledger_bar *bars_find(const struct ledger *l, int kind, const char *name);
/* False when a visitor said so. */
bool bars_each(
	const struct ledger *l, bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg);
/* A line of the file that speaks of a name. */
void bars_take_line(struct ledger *l, const json_t *line);
/* Inside ledger_begin. 0 or why not. */
int bars_write(struct ledger *l);
void bars_clear(struct ledger *l);
int ledger_put_bar(struct ledger *l, const struct ledger_bar *bar);

/* A ban's change: a transaction, or a part of the batch that is open. */
int ledger_change_begin(struct ledger *l);
int ledger_change_end(struct ledger *l, int r);
/* SQLite's code as one of ours; logs it unless it is about space. */
int ledger_error(struct ledger *l, int code);
