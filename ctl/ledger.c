/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: a ban is entered here before the kernel hears of it, so that it outlives
 * daemon, table and host. Prefixes with a reason come in; what stands is read back after a restart
 * and by "xmppwallctl bans". Each change is one transaction in a write-ahead log: the file system
 * holds it when the call returns, whatever happens to the process then (a power failure may cost
 * the last moments, never the file). How often a prefix was banned is kept beyond the ban, for
 * escalation. It never asks the clock, and knows no kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/db_file.h"
#include "ctl/ledger_int.h"
#include "rules/address.h"
#include "rules/punish.h"

enum { SCHEMA_VERSION = 2, BUSY_MS = 500, ADDRESS_SIZE = 16, PREFIX_MAX = 128, V4_PREFIX_MIN = 96 };

/* ---- SQLite ---- */

int ledger_error(struct ledger *l, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	}
	log_error("ledger error=\"%s\" detail=\"%s\"", sqlite3_errstr(code),
		l->db ? sqlite3_errmsg(l->db) : "");
	return (code & 0xff) == SQLITE_READONLY ? -EROFS
	       : (code & 0xff) == SQLITE_BUSY   ? -EBUSY
						: ERR_LIBRARY;
}

sqlite3_stmt *ledger_statement(struct ledger *l, enum ledger_sql which)
{
	sqlite3_reset(l->statements[which]);
	sqlite3_clear_bindings(l->statements[which]);
	return l->statements[which];
}

int ledger_run(struct ledger *l, sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	sqlite3_reset(s);
	return ledger_error(l, code);
}

static int read_number(struct ledger *l, enum ledger_sql which, int64_t *value)
{
	sqlite3_stmt *s = ledger_statement(l, which);
	int code = sqlite3_step(s);

	*value = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return ledger_error(l, code);
}

/* ---- opening ---- */

static int read_int(struct ledger *l, const char *query, int *value)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(l->db, query, -1, &s, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		*value = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return code;
}

/* SQLITE_CORRUPT also for what SQLite reads but finds inconsistent. */
static int check_whole(struct ledger *l)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(l->db, "PRAGMA quick_check(1)", -1, &s, NULL);
	const char *text;

	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	if (code == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(s, 0);
		code = text && strcmp(text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	}
	sqlite3_finalize(s);
	return code;
}

/* An SQLite code, or SQLITE_SCHEMA for a file of a newer program. */
static int open_schema(struct ledger *l)
{
	int version = 0, tables = 0;
	int code = read_int(l, "PRAGMA user_version", &version);

	if (code != SQLITE_ROW)
		return code;
	if (version > SCHEMA_VERSION)
		return SQLITE_SCHEMA;
	if (version == SCHEMA_VERSION)
		return check_whole(l);
	if (version == 1) {
		code = check_whole(l);
		return code == SQLITE_OK ? sqlite3_exec(l->db, ledger_migration, NULL, NULL, NULL) : code;
	}
	/* Somebody else's database is not for us to fill. */
	code = read_int(l, "SELECT count(*) FROM sqlite_master", &tables);
	if (code != SQLITE_ROW || tables != 0)
		return code != SQLITE_ROW ? code : SQLITE_CORRUPT;
	return sqlite3_exec(l->db, ledger_schema, NULL, NULL, NULL);
}

static int prepare_all(struct ledger *l)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < SQL_N && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(
			l->db, ledger_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &l->statements[i], NULL);
	/* Tables that are there but not as we made them: damaged for our purposes. */
	return code == SQLITE_ERROR ? SQLITE_CORRUPT : code;
}

static int open_code(struct ledger *l, const char *path)
{
	int code = sqlite3_open_v2(path, &l->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);

	if (code != SQLITE_OK)
		return code;
	sqlite3_extended_result_codes(l->db, 1);
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(l->db, BUSY_MS);
	/* NORMAL: a commit is with the kernel when it returns; the disk is waited for only at
	 * checkpoints. */
	code = sqlite3_exec(l->db,
		"PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = "
		"NORMAL;"
		"PRAGMA journal_size_limit = 4194304;",
		NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = open_schema(l);
	if (code == SQLITE_OK || code == SQLITE_DONE)
		code = sqlite3_exec(l->db, ledger_later, NULL, NULL, NULL);
	return code == SQLITE_OK || code == SQLITE_DONE ? prepare_all(l) : code;
}

static void close_db(struct ledger *l)
{
	for (size_t i = 0; i < SQL_N; i++) {
		sqlite3_finalize(l->statements[i]);
		l->statements[i] = NULL;
	}
	if (l->db && sqlite3_close(l->db) != SQLITE_OK)
		log_error("ledger closed with statements open");
	l->db = NULL;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	(void)ledger_settle(l);
	close_db(l);
	waiting_fini(l);
	free(l);
}

int ledger_open(const char *path, struct ledger **out, bool *damaged)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int code = SQLITE_ERROR, r = 0;
	int64_t n;

	if (damaged)
		*damaged = false;
	if (!l)
		return -ENOMEM;
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		if ((r = db_file_create(path)) < 0)
			break;
		code = open_code(l, path);
		r = code == SQLITE_SCHEMA ? ERR_UNSUPPORTED : ledger_error(l, code);
		if ((code & 0xff) != SQLITE_CORRUPT && (code & 0xff) != SQLITE_NOTADB)
			break;
		close_db(l);
		if (attempt > 0 || (r = db_file_move_aside(path, "ledger",
					    "bans and list history up to now are")) < 0)
			break;
		if (damaged)
			*damaged = true;
	}
	if (r == 0 && (r = read_number(l, SQL_BAN_COUNT, &n)) == 0)
		l->n_bans = (long)n;
	if (r < 0) {
		ledger_close(l);
		return r;
	}
	*out = l;
	return 0;
}

/* ---- bans ---- */

/* Cuts at a whole UTF-8 character. */
static void copy_bounded(char *to, size_t size, const char *from)
{
	size_t len = span_cut(span_of(from), size - 1);

	memcpy(to, from ? from : "", len);
	to[len] = '\0';
}

static bool clear_hosts(struct peer_address *a, unsigned prefix_len)
{
	if (prefix_len > PREFIX_MAX)
		return false;
	prefix_mask(a, prefix_len);
	return true;
}

static sqlite3_stmt *prefix_statement(
	struct ledger *l, enum ledger_sql which, const struct peer_address *a, unsigned prefix_len)
{
	sqlite3_stmt *s = ledger_statement(l, which);

	sqlite3_bind_blob(s, 1, a->bytes, ADDRESS_SIZE, SQLITE_TRANSIENT);
	sqlite3_bind_int(s, 2, (int)prefix_len);
	return s;
}

static void read_ban(sqlite3_stmt *s, struct ledger_ban *ban)
{
	memset(ban, 0, sizeof(*ban));
	if (sqlite3_column_bytes(s, 0) == ADDRESS_SIZE)
		memcpy(ban->address.bytes, sqlite3_column_blob(s, 0), ADDRESS_SIZE);
	ban->prefix_len = (unsigned)sqlite3_column_int(s, 1);
	ban->since_ms = sqlite3_column_int64(s, 2);
	ban->until_ms = sqlite3_column_int64(s, 3);
	copy_bounded(ban->why, sizeof(ban->why), (const char *)sqlite3_column_text(s, 4));
	copy_bounded(ban->rule, sizeof(ban->rule), (const char *)sqlite3_column_text(s, 5));
	copy_bounded(ban->id, sizeof(ban->id), (const char *)sqlite3_column_text(s, 6));
	ban->strikes = (unsigned)sqlite3_column_int64(s, 7);
	ban->count = (unsigned)sqlite3_column_int64(s, 8);
	copy_bounded(ban->evidence, sizeof(ban->evidence), (const char *)sqlite3_column_text(s, 9));
}

int ledger_ban_find(struct ledger *l, const struct peer_address *address, unsigned prefix_len,
	struct ledger_ban *out)
{
	struct peer_address a = *address;
	sqlite3_stmt *s;
	int code;

	if (!clear_hosts(&a, prefix_len))
		return ERR_RANGE;
	if (waiting_find(l, &a, prefix_len, out, &code))
		return code;
	s = prefix_statement(l, SQL_BAN_FIND, &a, prefix_len);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		read_ban(s, out);
	sqlite3_reset(s);
	return code == SQLITE_DONE ? ERR_NOTFOUND : ledger_error(l, code);
}

static bool ends_later(const struct ledger_ban *a, const struct ledger_ban *b)
{
	return b->until_ms != 0 && (a->until_ms == 0 || a->until_ms > b->until_ms);
}

int ledger_ban_covering(struct ledger *l, const struct peer_address *address, int64_t now_ms,
	struct ledger_ban *out)
{
	unsigned least = address_is_v4(address) ? V4_PREFIX_MIN : 0;
	int found = ERR_NOTFOUND;

	for (unsigned len = PREFIX_MAX + 1; len-- > least;) {
		struct ledger_ban ban;
		int r = ledger_ban_find(l, address, len, &ban);

		if (r < 0 && r != ERR_NOTFOUND)
			return r;
		if (r < 0 || (ban.until_ms != 0 && ban.until_ms <= now_ms))
			continue;
		if (found < 0 || ends_later(&ban, out))
			*out = ban;
		found = 0;
	}
	return found;
}

static int count_find(struct ledger *l, const struct peer_address *a, unsigned prefix_len,
	unsigned *count, int64_t *last)
{
	sqlite3_stmt *s = prefix_statement(l, SQL_COUNT_FIND, a, prefix_len);
	int code = sqlite3_step(s);

	*count = 0;
	*last = 0;
	if (code == SQLITE_ROW) {
		*count = (unsigned)sqlite3_column_int64(s, 0);
		*last = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return ledger_error(l, code);
}

/* Of so many bans, the last of which ended then. */
static unsigned count_left(unsigned count, int64_t last, int64_t now, uint64_t forgive_ms)
{
	if (last <= now && now - last > LEDGER_MEMORY_MS)
		return 0;
	return punish_forgiven(count, last, now, forgive_ms);
}

unsigned ledger_previous(struct ledger *l, const struct peer_address *address, unsigned prefix_len,
	int64_t now_ms, uint64_t forgive_ms)
{
	struct peer_address a = *address;
	struct ledger_ban waiting;
	unsigned count = 0;
	int64_t last;
	int r;

	if (waiting_find(l, &a, prefix_len, &waiting, &r) && r == 0)
		return waiting.count;
	if (!clear_hosts(&a, prefix_len) || count_find(l, &a, prefix_len, &count, &last) < 0)
		return 0;
	return count_left(count, last, now_ms, forgive_ms);
}

int ledger_put_row(struct ledger *l, const struct ledger_ban *ban)
{
	sqlite3_stmt *s = prefix_statement(l, SQL_BAN_PUT, &ban->address, ban->prefix_len);
	int r;

	sqlite3_bind_int64(s, 3, ban->since_ms);
	sqlite3_bind_int64(s, 4, ban->until_ms);
	sqlite3_bind_text(s, 5, ban->why, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 6, ban->rule, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 7, ban->id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 8, ban->strikes);
	sqlite3_bind_text(s, 9, ban->evidence, -1, SQLITE_TRANSIENT);
	if ((r = ledger_run(l, s)) < 0)
		return r;
	s = prefix_statement(l, SQL_COUNT_PUT, &ban->address, ban->prefix_len);
	sqlite3_bind_int64(s, 3, ban->count);
	sqlite3_bind_int64(s, 4, ban->until_ms ? ban->until_ms : INT64_MAX);
	return ledger_run(l, s);
}

/* What stands, and what is asked for, make what will stand. */
static int merge_ban(struct ledger *l, struct ledger_ban *ban, enum ledger_how how, bool *is_new)
{
	int64_t now = ban->since_ms, last;
	struct ledger_ban standing;
	unsigned count;
	int r = ledger_ban_find(l, &ban->address, ban->prefix_len, &standing);

	if (r < 0 && r != ERR_NOTFOUND)
		return r;
	if (r == 0 && (standing.until_ms == 0 || standing.until_ms > now)) {
		ban->since_ms = standing.since_ms;
		ban->count = standing.count;
		if (how == LEDGER_EXTEND && ends_later(&standing, ban))
			ban->until_ms = standing.until_ms;
		return 0;
	}
	if (r == ERR_NOTFOUND && l->n_bans >= LEDGER_BANS_MAX)
		return ERR_LIMIT;
	*is_new = r == ERR_NOTFOUND;
	if ((r = count_find(l, &ban->address, ban->prefix_len, &count, &last)) < 0)
		return r;
	ban->count = count_left(count, last, now, ban->forgive_ms) + 1;
	return 0;
}

int ledger_ban_add(struct ledger *l, struct ledger_ban *ban, enum ledger_how how)
{
	struct ledger_ban entered = *ban;
	bool is_new = false;
	int r;

	if (!clear_hosts(&entered.address, entered.prefix_len))
		return ERR_RANGE;
	copy_bounded(entered.why, sizeof(entered.why), ban->why);
	copy_bounded(entered.rule, sizeof(entered.rule), ban->rule);
	copy_bounded(entered.id, sizeof(entered.id), ban->id);
	copy_bounded(entered.evidence, sizeof(entered.evidence), ban->evidence);
	if ((r = merge_ban(l, &entered, how, &is_new)) < 0)
		return r;
	/* In their order: behind what waits already. */
	r = waiting_any(l) ? l->waiting_error : ledger_change_begin(l);
	if (r == 0)
		r = ledger_change_end(l, ledger_put_row(l, &entered));
	/* What a batch cannot write, its owner enters again, one by one. */
	if (r < 0 && (!l->batch || waiting_any(l)))
		r = waiting_put(l, &entered, false, r);
	if (r == 0) {
		l->n_bans += is_new;
		*ban = entered;
	}
	return r;
}

int ledger_delete_row(struct ledger *l, const struct peer_address *a, unsigned prefix_len)
{
	int r = ledger_run(l, prefix_statement(l, SQL_BAN_DELETE, a, prefix_len));

	if (r == 0 && sqlite3_changes(l->db) == 0)
		return 0;
	return r < 0 ? r : ledger_run(l, prefix_statement(l, SQL_COUNT_LOWER, a, prefix_len));
}

int ledger_ban_remove(struct ledger *l, const struct peer_address *address, unsigned prefix_len)
{
	struct ledger_ban ban;
	int r = ledger_ban_find(l, address, prefix_len, &ban);

	if (r < 0)
		return r;
	r = waiting_any(l) ? l->waiting_error : ledger_change_begin(l);
	if (r == 0)
		r = ledger_change_end(l, ledger_delete_row(l, &ban.address, prefix_len));
	if (r < 0 && (!l->batch || waiting_any(l)))
		r = waiting_put(l, &ban, true, r);
	l->n_bans -= r == 0;
	return r;
}

long ledger_expire(struct ledger *l, int64_t now_ms)
{
	sqlite3_stmt *s;
	long n = 0;
	int r;

	if ((r = ledger_settle(l)) < 0 || (r = ledger_begin(l)) < 0)
		return r;
	s = ledger_statement(l, SQL_EXPIRE);
	sqlite3_bind_int64(s, 1, now_ms);
	sqlite3_bind_int(s, 2, LEDGER_EXPIRE_MAX);
	if ((r = ledger_run(l, s)) == 0) {
		n = sqlite3_changes(l->db);
		s = ledger_statement(l, SQL_COUNT_EXPIRE);
		sqlite3_bind_int64(s, 1, now_ms - LEDGER_MEMORY_MS);
		r = ledger_run(l, s);
	}
	if ((r = ledger_end(l, r)) < 0)
		return r;
	l->n_bans -= n;
	return n;
}

int64_t ledger_next_end(struct ledger *l)
{
	int64_t end;

	return read_number(l, SQL_NEXT_END, &end) < 0 ? 0 : end;
}

long ledger_bans_count(struct ledger *l)
{
	return l->n_bans;
}

int ledger_bans_each(
	struct ledger *l, bool (*visit)(void *arg, const struct ledger_ban *ban), void *arg)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_BANS);
	struct ledger_ban ban, waiting;
	int code = SQLITE_DONE, r;

	if (!waiting_each(l, visit, arg))
		return 0;
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		read_ban(s, &ban);
		if (!waiting_find(l, &ban.address, ban.prefix_len, &waiting, &r) &&
			!visit(arg, &ban))
			break;
	}
	sqlite3_reset(s);
	return ledger_error(l, code);
}
