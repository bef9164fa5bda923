/* SPDX-License-Identifier: BSD-2-Clause */
/* What "quarantine" keeps: behind the workers' messages, before "xmppwallctl quarantine". In: a
 * stanza with what is known of it; ids to be looked at, released, deleted. Out: rows. Entries,
 * bytes and age are bounded: the oldest give way, and are counted. A release is marked on the disk
 * before anything is delivered, so that whatever dies in between, nothing is delivered twice. It
 * delivers nothing itself (ctl/command_quarantine.c asks the workers to) and knows no policy. */
#include "ctl/quarantine.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/db_file.h"

enum { BUSY_MS = 500, TEXT_MAX = 4096, XML_MAX = 128 * 1024, VERSION = 1 };

enum sql {
	SQL_PUT,
	SQL_LIST,
	SQL_FIND,
	SQL_MARK,
	SQL_SETTLE,
	SQL_DELETE,
	SQL_TOTALS,
	SQL_EXPIRE,
	SQL_OLDEST,
	SQL_N
};

#define COLUMNS                                                                                    \
	"id, time, sender, recipient, jid, service, direction, rule, chain, length(xml), state"

static const char *const sql[SQL_N] = {
	[SQL_PUT] = "INSERT INTO kept (id, time, sender, recipient, jid, service, direction, rule, "
		    "chain, xml, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)",
	[SQL_LIST] = "SELECT " COLUMNS " FROM kept ORDER BY n DESC",
	[SQL_FIND] = "SELECT " COLUMNS ", xml FROM kept WHERE id = ?1",
	[SQL_MARK] = "UPDATE kept SET state = 1 WHERE id = ?1 AND state = 0",
	[SQL_SETTLE] = "UPDATE kept SET state = ?2 WHERE id = ?1 AND state = 1",
	[SQL_DELETE] = "DELETE FROM kept WHERE id = ?1 RETURNING length(xml)",
	[SQL_TOTALS] = "SELECT count(*), coalesce(sum(length(xml)), 0) FROM kept",
	[SQL_EXPIRE] = "DELETE FROM kept WHERE time <= ?1 RETURNING length(xml)",
	[SQL_OLDEST] = "DELETE FROM kept WHERE n = (SELECT min(n) FROM kept) "
		       "RETURNING length(xml)",
};

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE kept (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time INTEGER NOT NULL,"
	" sender TEXT NOT NULL, recipient TEXT NOT NULL, jid TEXT NOT NULL, service TEXT NOT NULL,"
	" direction TEXT NOT NULL, rule TEXT NOT NULL, chain TEXT NOT NULL, xml BLOB NOT NULL,"
	" state INTEGER NOT NULL);"
	"CREATE INDEX kept_time ON kept (time);"
	"PRAGMA user_version = 1;"
	"COMMIT;";

struct quarantine {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_N];
	struct quarantine_ceilings ceilings;
	uint64_t entries, bytes, evicted; /* we are the only writer */
};

/* ---- SQLite ---- */

static int error_of(struct quarantine *q, int code)
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
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	}
	log_error("quarantine error=\"%s\" detail=\"%s\"", sqlite3_errstr(code),
		q->db ? sqlite3_errmsg(q->db) : "");
	return ERR_LIBRARY;
}

static sqlite3_stmt *statement(struct quarantine *q, enum sql which)
{
	sqlite3_reset(q->statements[which]);
	sqlite3_clear_bindings(q->statements[which]);
	return q->statements[which];
}

static int run(struct quarantine *q, sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	sqlite3_reset(s);
	return error_of(q, code);
}

static int count(struct quarantine *q)
{
	sqlite3_stmt *s = statement(q, SQL_TOTALS);
	int code = sqlite3_step(s);

	if (code == SQLITE_ROW) {
		q->entries = (uint64_t)sqlite3_column_int64(s, 0);
		q->bytes = (uint64_t)sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return error_of(q, code);
}

/* Runs a change of the row with that id. */
static int run_on(struct quarantine *q, enum sql which, const char *id, int state)
{
	sqlite3_stmt *s = statement(q, which);
	int r;

	sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
	if (which == SQL_SETTLE)
		sqlite3_bind_int(s, 2, state);
	r = run(q, s);
	return r < 0 ? r : sqlite3_changes(q->db) > 0 ? 0 : ERR_NOTFOUND;
}

/* Runs a deletion that says how large each row was; the number of rows or a code. */
static int run_away(struct quarantine *q, sqlite3_stmt *s)
{
	int code, n = 0, r;

	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		q->entries--;
		q->bytes -= (uint64_t)sqlite3_column_int64(s, 0);
		n++;
	}
	sqlite3_reset(s);
	if ((r = error_of(q, code)) < 0)
		(void)count(q);
	return r < 0 ? r : n;
}

/* ---- opening ---- */

static void close_db(struct quarantine *q)
{
	for (size_t i = 0; i < SQL_N; i++) {
		sqlite3_finalize(q->statements[i]);
		q->statements[i] = NULL;
	}
	sqlite3_close(q->db);
	q->db = NULL;
}

static int version_of(struct quarantine *q, int *version)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(q->db, "PRAGMA user_version", -1, &s, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		*version = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int open_code(struct quarantine *q, const char *path)
{
	int version = 0;
	int code = sqlite3_open_v2(path, &q->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_exec(q->db,
			"PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL; "
			"PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304; "
			"PRAGMA secure_delete = ON;",
			NULL, NULL, NULL);
	sqlite3_busy_timeout(q->db, BUSY_MS);
	if (code == SQLITE_OK)
		code = version_of(q, &version);
	if (code == SQLITE_OK && version > VERSION)
		return SQLITE_SCHEMA;
	if (code == SQLITE_OK && version == 0)
		code = sqlite3_exec(q->db, schema, NULL, NULL, NULL);
	for (size_t i = 0; i < SQL_N && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(
			q->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &q->statements[i], NULL);
	/* Tables that are there but not as we made them: damaged for our purposes. */
	return code == SQLITE_ERROR ? SQLITE_CORRUPT : code;
}

static int open_path(struct quarantine *q, const char *path)
{
	int code, r;

	for (unsigned attempt = 0;; attempt++) {
		if ((r = db_file_create(path)) < 0)
			return r;
		code = open_code(q, path);
		if (code == SQLITE_SCHEMA)
			return ERR_UNSUPPORTED;
		if ((code & 0xff) != SQLITE_CORRUPT && (code & 0xff) != SQLITE_NOTADB)
			return error_of(q, code);
		close_db(q);
		if (attempt > 0)
			return ERR_LIBRARY;
		if ((r = db_file_move_aside(path, "quarantine", "what was kept is")) < 0)
			return r;
	}
}

int quarantine_open(const char *state_dir, struct quarantine **out, struct buf *why)
{
	struct quarantine *q = calloc(1, sizeof(*q));
	char path[PATH_MAX];
	int r = -ENOMEM;

	if (q && snprintf(path, sizeof(path), "%s/quarantine.db", state_dir) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	else if (q)
		r = open_path(q, path);
	if (r == 0)
		r = count(q);
	if (r < 0) {
		buf_putf(why, "cannot open %s/quarantine.db: %s\n", state_dir,
			r == ERR_UNSUPPORTED ? "it was made by a newer xmppwall" : err_text(r));
		quarantine_close(q);
		return r;
	}
	q->ceilings = (struct quarantine_ceilings){ UINT32_MAX, UINT64_MAX, UINT64_MAX };
	*out = q;
	return 0;
}

void quarantine_close(struct quarantine *q)
{
	if (!q)
		return;
	close_db(q);
	free(q);
}

/* ---- ceilings ---- */

static int expire(struct quarantine *q, int64_t now_ms)
{
	sqlite3_stmt *s = statement(q, SQL_EXPIRE);
	int n;

	if (q->ceilings.keep_ms >= (uint64_t)now_ms)
		return 0;
	sqlite3_bind_int64(s, 1, now_ms - (int64_t)q->ceilings.keep_ms);
	n = run_away(q, s);
	return n < 0 ? n : 0;
}

/* Room for that many more. */
static int evict(struct quarantine *q, uint64_t entries, uint64_t bytes)
{
	int n = 1;

	while (n > 0 && q->entries > 0 &&
		(q->entries + entries > q->ceilings.entries ||
			q->bytes + bytes > q->ceilings.bytes)) {
		n = run_away(q, statement(q, SQL_OLDEST));
		q->evicted++;
	}
	return n < 0 ? n : 0;
}

void quarantine_configure(struct quarantine *q, const struct quarantine_ceilings *ceilings)
{
	q->ceilings = *ceilings;
	if (expire(q, clock_wall_ms()) == 0)
		(void)evict(q, 0, 0);
}

uint64_t quarantine_evicted(const struct quarantine *q)
{
	return q->evicted;
}

/* ---- keeping ---- */

static const char *const texts[] = { "id", "from", "to", "jid", "service", "direction", "rule",
	"chain", "xml" };
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

/* Shapes only: what they say is the worker's word. */
static bool is_stanza(const json_t *stanza)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const json_t *text = json_object_get(stanza, texts[i]);
		bool xml = strcmp(texts[i], "xml") == 0;

		if (!json_is_string(text) || json_string_length(text) > (xml ? XML_MAX : TEXT_MAX))
			return false;
	}
	return *json_string_value(json_object_get(stanza, "id")) != '\0';
}

int quarantine_put(struct quarantine *q, const json_t *stanza, int64_t now_ms)
{
	uint64_t bytes;
	sqlite3_stmt *s;
	int r, at = 1;

	if (!is_stanza(stanza))
		return ERR_PROTO;
	bytes = json_string_length(json_object_get(stanza, "xml"));
	if (q->ceilings.entries < 1 || bytes > q->ceilings.bytes)
		return ERR_LIMIT;
	if ((r = expire(q, now_ms)) < 0 || (r = evict(q, 1, bytes)) < 0)
		return r;
	s = statement(q, SQL_PUT);
	for (size_t i = 0; i < TEXTS; i++) {
		const json_t *text = json_object_get(stanza, texts[i]);

		/* A blob's length is known without reading it. */
		if (i + 1 == TEXTS)
			sqlite3_bind_blob(s, at++, json_string_value(text),
				(int)json_string_length(text), SQLITE_STATIC);
		else
			sqlite3_bind_text(s, at++, json_string_value(text),
				(int)json_string_length(text), SQLITE_STATIC);
		if (i == 0)
			sqlite3_bind_int64(s, at++, now_ms);
	}
	if ((r = run(q, s)) == 0) {
		q->entries++;
		q->bytes += bytes;
	}
	return r;
}

/* ---- looking ---- */

static const char *state_text(int state)
{
	return state == QUARANTINE_KEPT       ? "kept"
	       : state == QUARANTINE_RELEASED ? "released"
					      : "unsure";
}

static json_t *row_json(struct quarantine *q, sqlite3_stmt *s)
{
	static const char *const keys[] = { "id", NULL, "from", "to", "jid", "service", "direction",
		"rule", "chain" };
	int64_t time = sqlite3_column_int64(s, 1);
	json_t *row = json_object(), *text;

	for (int i = 0; i < (int)(sizeof(keys) / sizeof(keys[0])); i++) {
		if (!keys[i])
			continue;
		text = json_string((const char *)sqlite3_column_text(s, i));
		json_object_set_new(row, keys[i], text ? text : json_string(""));
	}
	json_object_set_new(row, "time", json_integer(time));
	json_object_set_new(row, "until",
		json_integer(q->ceilings.keep_ms == UINT64_MAX
				     ? 0
				     : time + (json_int_t)q->ceilings.keep_ms));
	json_object_set_new(row, "size", json_integer(sqlite3_column_int64(s, 9)));
	json_object_set_new(row, "state", json_string(state_text(sqlite3_column_int(s, 10))));
	return row;
}

json_t *quarantine_list(struct quarantine *q, int64_t now_ms)
{
	json_t *rows = json_array();
	sqlite3_stmt *s;

	(void)expire(q, now_ms);
	s = statement(q, SQL_LIST);
	while (sqlite3_step(s) == SQLITE_ROW)
		json_array_append_new(rows, row_json(q, s));
	sqlite3_reset(s);
	return rows;
}

json_t *quarantine_find(struct quarantine *q, const char *id, int64_t now_ms)
{
	json_t *row = NULL, *xml;
	sqlite3_stmt *s;

	(void)expire(q, now_ms);
	s = statement(q, SQL_FIND);
	sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW) {
		row = row_json(q, s);
		xml = json_string((const char *)sqlite3_column_text(s, 11));
		json_object_set_new(row, "xml", xml ? xml : json_string(""));
	}
	sqlite3_reset(s);
	return row;
}

/* ---- releasing ---- */

int quarantine_mark(struct quarantine *q, const char *id)
{
	int code, r;

	/* Not only past the process: past the power, too. */
	if ((code = sqlite3_exec(q->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL)) !=
		SQLITE_OK)
		return error_of(q, code);
	r = run_on(q, SQL_MARK, id, 0);
	sqlite3_exec(q->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	return r;
}

int quarantine_settle(struct quarantine *q, const char *id, enum quarantine_state state)
{
	return run_on(q, SQL_SETTLE, id, (int)state);
}

int quarantine_delete(struct quarantine *q, const char *id)
{
	sqlite3_stmt *s = statement(q, SQL_DELETE);
	int n;

	sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
	n = run_away(q, s);
	return n < 0 ? n : n == 0 ? ERR_NOTFOUND : 0;
}
