/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: nowhere. The ledger's tables and statements as text, which ctl/ledger.c prepares and the ledger_*.c
 * run. It executes nothing. */
#include "ctl/ledger_int.h"

/* What the second version added: what a ban was for, names that are kept out (ctl/ledger_barred.c),
 * addresses that logged in (ctl/ledger_known.c), and the time bans are reckoned in
 * (ctl/booktime.c). */
#define SCHEMA_2                                                                                   \
	"ALTER TABLE bans ADD COLUMN evidence TEXT NOT NULL DEFAULT '';"                           \
	"CREATE TABLE barred (kind INTEGER NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL,"  \
	" until INTEGER NOT NULL, why TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL,"        \
	" strikes INTEGER NOT NULL, count INTEGER NOT NULL, evidence TEXT NOT NULL,"               \
	" PRIMARY KEY (kind, name)) WITHOUT ROWID;"                                                \
	"CREATE INDEX barred_until ON barred (until) WHERE until != 0;"                            \
	"CREATE TABLE known (address BLOB PRIMARY KEY NOT NULL, last INTEGER NOT NULL)"            \
	" WITHOUT ROWID;"                                                                          \
	"CREATE INDEX known_last ON known (last);"                                                 \
	"CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL,"           \
	" boottime INTEGER NOT NULL, wall INTEGER NOT NULL, book INTEGER NOT NULL);"

const char ledger_schema[] =
	"BEGIN;"
	"CREATE TABLE bans (address BLOB NOT NULL, prefix INTEGER NOT NULL, since INTEGER NOT NULL,"
	" until INTEGER NOT NULL, why TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL, strikes "
	"INTEGER NOT NULL,"
	" PRIMARY KEY (address, prefix)) WITHOUT ROWID;"
	"CREATE INDEX bans_until ON bans (until) WHERE until != 0;"
	"CREATE TABLE counts (address BLOB NOT NULL, prefix INTEGER NOT NULL, count INTEGER NOT "
	"NULL,"
	" last INTEGER NOT NULL, PRIMARY KEY (address, prefix)) WITHOUT ROWID;"
	"CREATE INDEX counts_last ON counts (last);"
	"CREATE TABLE history (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL, "
	"what TEXT NOT NULL,"
	" list TEXT NOT NULL, entry TEXT NOT NULL);"
	"CREATE INDEX history_list ON history (list, id);" SCHEMA_2 "PRAGMA user_version = 2;"
	"COMMIT;";

const char ledger_migration[] = "BEGIN;" SCHEMA_2 "PRAGMA user_version = 2; COMMIT;";

#define BAN_COLUMNS                                                                                \
	"bans.address, bans.prefix, since, until, why, rule, id, strikes, coalesce(count, 1),"     \
	" evidence FROM bans LEFT JOIN counts ON counts.address = bans.address AND counts.prefix " \
	"= "                                                                                       \
	"bans.prefix"

#define ENDS "SELECT address, prefix, until FROM bans"

/* What an older program of the same version does not mind: an index on the few that the kernel keeps as intervals, and
 * remote domains (ctl/ledger_domains.c). */
const char ledger_later[] =
	"CREATE INDEX IF NOT EXISTS bans_nets ON bans (prefix) WHERE prefix != 64 AND prefix != 128;"
	"CREATE TABLE IF NOT EXISTS domains (name TEXT PRIMARY KEY NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS domains_last ON domains (last);";

#define EDIT_COLUMNS "time, who, what, list, entry FROM history"

/* A count is remembered as long as its ban stands, and LEDGER_MEMORY_MS beyond. */
#define EXPIRE_COUNTS                                                                              \
	"DELETE FROM counts WHERE last < ?1 AND NOT EXISTS (SELECT 1 FROM bans"                    \
	" WHERE bans.address = counts.address AND bans.prefix = counts.prefix)"

const char *const ledger_sql[SQL_N] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_BAN_FIND] = "SELECT " BAN_COLUMNS " WHERE bans.address = ?1 AND bans.prefix = ?2",
	[SQL_BAN_PUT] = "INSERT OR REPLACE INTO bans VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_BAN_DELETE] = "DELETE FROM bans WHERE address = ?1 AND prefix = ?2",
	[SQL_BAN_COUNT] = "SELECT count(*) FROM bans",
	[SQL_BANS] = "SELECT " BAN_COLUMNS " ORDER BY since DESC, bans.address, bans.prefix",
	[SQL_EXPIRE] = "DELETE FROM bans WHERE (address, prefix) IN (SELECT address, prefix FROM "
		       "bans WHERE until != 0 AND until <= ?1 ORDER BY until LIMIT ?2)",
	[SQL_ENDS_FIRST] = ENDS " WHERE prefix IN (64, 128) ORDER BY address, prefix LIMIT ?3",
	[SQL_ENDS_PAGE] = ENDS " WHERE (address, prefix) > (?1, ?2) AND prefix IN (64, 128)"
			       " ORDER BY address, prefix LIMIT ?3",
	[SQL_ENDS_NETS] = ENDS " INDEXED BY bans_nets WHERE prefix != 64 AND prefix != 128",
	[SQL_NEXT_END] = "SELECT coalesce(min(until), 0) FROM bans WHERE until != 0",
	[SQL_COUNT_FIND] = "SELECT count, last FROM counts WHERE address = ?1 AND prefix = ?2",
	[SQL_COUNT_PUT] = "INSERT OR REPLACE INTO counts VALUES (?1, ?2, ?3, ?4)",
	[SQL_COUNT_LOWER] =
		"UPDATE counts SET count = max(count - 1, 0) WHERE address = ?1 AND prefix = ?2",
	[SQL_COUNT_EXPIRE] = EXPIRE_COUNTS,
	[SQL_HISTORY_ADD] =
		"INSERT INTO history (time, who, what, list, entry) VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_HISTORY_TRIM] = "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?1",
	[SQL_HISTORY_LIST] = "SELECT " EDIT_COLUMNS " WHERE list = ?1 ORDER BY id DESC LIMIT ?2",
	[SQL_HISTORY_ALL] = "SELECT " EDIT_COLUMNS " ORDER BY id DESC LIMIT ?2",
	[SQL_CLOCK_FIND] = "SELECT boot, boottime, wall, book FROM clock WHERE id = 1",
	[SQL_CLOCK_PUT] = "INSERT OR REPLACE INTO clock VALUES (1, ?1, ?2, ?3, ?4)",
	[SQL_KNOWN_PUT] = "INSERT OR REPLACE INTO known VALUES (?1, ?2)",
	[SQL_KNOWN_EXPIRE] = "DELETE FROM known WHERE last < ?1",
	[SQL_KNOWN_EACH] = "SELECT address, last FROM known WHERE last > ?1 ORDER BY last DESC LIMIT ?2",
	[SQL_DOMAIN_PUT] = "INSERT INTO domains VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET last = ?3",
	[SQL_DOMAIN_DELETE] = "DELETE FROM domains WHERE name = ?1",
	[SQL_DOMAINS_EACH] = "SELECT * FROM (SELECT name, first, last FROM domains ORDER BY last DESC LIMIT ?1) ORDER BY last",
	[SQL_BAR_FIND] = "SELECT * FROM barred WHERE kind = ?1 AND name = ?2",
	[SQL_BAR_PUT] = "INSERT OR REPLACE INTO barred VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
			" ?10)",
	[SQL_BAR_DELETE] = "DELETE FROM barred WHERE kind = ?1 AND name = ?2",
	[SQL_BAR_SUMS] = "SELECT count(*), coalesce(sum(length(CAST(name AS BLOB))), 0) FROM barred",
	[SQL_BAR_YIELD] = "DELETE FROM barred WHERE (kind, name) IN (SELECT kind, name FROM barred"
			  " WHERE until != 0 AND until <= ?1 ORDER BY until LIMIT 100)",
	[SQL_BARRED] = "SELECT * FROM barred WHERE until = 0 OR until > ?1 ORDER BY since DESC,"
		       " kind, name",
	[SQL_BARRED_ENDED] = "SELECT * FROM barred WHERE until != 0 AND until > ?1 AND until <= ?2",
	[SQL_BARRED_FORGET] = "DELETE FROM barred WHERE until != 0 AND until < ?1",
	[SQL_BARRED_NEXT] =
		"SELECT coalesce(min(until), 0) FROM barred WHERE until != 0 AND until > ?1",
	[SQL_BARRED_COUNT] = "SELECT count(*) FROM barred WHERE until = 0 OR until > ?1",
};
