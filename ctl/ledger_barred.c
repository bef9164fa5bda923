/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside ledger.c. Names that are kept out, bare JIDs and domains, as prefixes
 * are there: entered before the doors hear of them. A row outlives its ban, for its count is what
 * escalation reckons with; it goes when that memory does, or when another name needs the room. It
 * never asks the clock and prepares no names. */
#include "ctl/ledger_barred.h"

#include <string.h>

#include "base/err.h"
#include "ctl/ledger_int.h"
#include "rules/punish.h"

static void copy_text(char *to, size_t size, const void *from)
{
	size_t len = from ? span_cut(span_of(from), size - 1) : 0;

	memcpy(to, from ? from : "", len);
	to[len] = '\0';
}

static void read_bar(sqlite3_stmt *s, struct ledger_bar *bar)
{
	memset(bar, 0, sizeof(*bar));
	bar->kind = sqlite3_column_int(s, 0) == LEDGER_DOMAIN ? LEDGER_DOMAIN : LEDGER_JID;
	copy_text(bar->name, sizeof(bar->name), sqlite3_column_text(s, 1));
	bar->since_ms = sqlite3_column_int64(s, 2);
	bar->until_ms = sqlite3_column_int64(s, 3);
	copy_text(bar->why, sizeof(bar->why), sqlite3_column_text(s, 4));
	copy_text(bar->rule, sizeof(bar->rule), sqlite3_column_text(s, 5));
	copy_text(bar->id, sizeof(bar->id), sqlite3_column_text(s, 6));
	bar->strikes = (unsigned)sqlite3_column_int64(s, 7);
	bar->count = (unsigned)sqlite3_column_int64(s, 8);
	copy_text(bar->evidence, sizeof(bar->evidence), sqlite3_column_text(s, 9));
}

static sqlite3_stmt *name_statement(
	struct ledger *l, enum ledger_sql which, enum ledger_kind kind, const char *name)
{
	sqlite3_stmt *s = ledger_statement(l, which);

	sqlite3_bind_int(s, 1, (int)kind);
	sqlite3_bind_text(s, 2, name, -1, SQLITE_TRANSIENT);
	return s;
}

static int read_sums(struct ledger *l, long *rows, int64_t *bytes)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_BAR_SUMS);
	int code = sqlite3_step(s);

	*rows = 0;
	*bytes = 0;
	if (code == SQLITE_ROW) {
		*rows = (long)sqlite3_column_int64(s, 0);
		*bytes = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return ledger_error(l, code);
}

int ledger_bar_find(
	struct ledger *l, enum ledger_kind kind, const char *name, struct ledger_bar *out)
{
	const struct ledger_bar *waiting = bars_find(l, (int)kind, name);
	sqlite3_stmt *s;
	int code;

	if (waiting) {
		*out = *waiting;
		return 0;
	}
	s = name_statement(l, SQL_BAR_FIND, kind, name);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		read_bar(s, out);
	sqlite3_reset(s);
	return code == SQLITE_DONE ? ERR_NOTFOUND : ledger_error(l, code);
}

bool ledger_bar_stands(const struct ledger_bar *bar, int64_t now_ms)
{
	return bar->until_ms == 0 || bar->until_ms > now_ms;
}

unsigned ledger_bar_previous(const struct ledger_bar *bar, int64_t now_ms, uint64_t forgive_ms)
{
	if (bar->until_ms && bar->until_ms <= now_ms && now_ms - bar->until_ms > LEDGER_MEMORY_MS)
		return 0;
	return bar->until_ms ? punish_forgiven(bar->count, bar->until_ms, now_ms, forgive_ms)
			     : bar->count;
}

/* What has ended longest ago gives way. */
static int make_room(struct ledger *l, const struct ledger_bar *bar)
{
	int64_t bytes, need = (int64_t)strlen(bar->name);
	sqlite3_stmt *s;
	long rows;
	int r;

	if (l->bar_room-- > 0)
		return 0;
	for (l->bar_room = 0;;) {
		if ((r = read_sums(l, &rows, &bytes)) < 0)
			return r;
		if (rows < LEDGER_BARRED_MAX && bytes + need <= LEDGER_BARRED_BYTES) {
			l->bar_room = (LEDGER_BARRED_BYTES - bytes - need) / LEDGER_NAME_SIZE;
			if (l->bar_room > LEDGER_BARRED_MAX - rows - 1)
				l->bar_room = LEDGER_BARRED_MAX - rows - 1;
			return 0;
		}
		s = ledger_statement(l, SQL_BAR_YIELD);
		sqlite3_bind_int64(s, 1, bar->since_ms);
		if ((r = ledger_run(l, s)) < 0)
			return r;
		if (sqlite3_changes(l->db) == 0)
			return ERR_LIMIT;
	}
}

/* What stands, and what is asked for, make what will stand. */
static int merge_bar(struct ledger *l, struct ledger_bar *bar, enum ledger_how how)
{
	struct ledger_bar standing;
	int r = ledger_bar_find(l, bar->kind, bar->name, &standing);

	if (r == ERR_NOTFOUND) {
		bar->count = 1;
		return make_room(l, bar);
	}
	if (r < 0)
		return r;
	if (!ledger_bar_stands(&standing, bar->since_ms)) {
		bar->count = ledger_bar_previous(&standing, bar->since_ms, bar->forgive_ms) + 1;
		return 0;
	}
	bar->since_ms = standing.since_ms;
	bar->count = standing.count;
	if (how == LEDGER_EXTEND && bar->until_ms &&
		(standing.until_ms == 0 || standing.until_ms > bar->until_ms))
		bar->until_ms = standing.until_ms;
	return 0;
}

int ledger_put_bar(struct ledger *l, const struct ledger_bar *bar)
{
	sqlite3_stmt *s = name_statement(l, SQL_BAR_PUT, bar->kind, bar->name);

	sqlite3_bind_int64(s, 3, bar->since_ms);
	sqlite3_bind_int64(s, 4, bar->until_ms);
	sqlite3_bind_text(s, 5, bar->why, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 6, bar->rule, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 7, bar->id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 8, bar->strikes);
	sqlite3_bind_int64(s, 9, bar->count);
	sqlite3_bind_text(s, 10, bar->evidence, -1, SQLITE_TRANSIENT);
	return ledger_run(l, s);
}

int ledger_bar_add(struct ledger *l, struct ledger_bar *bar, enum ledger_how how)
{
	struct ledger_bar entered = *bar;
	int r, merged;

	if (!*bar->name)
		return ERR_RANGE;
	r = waiting_any(l) ? l->waiting_error : ledger_begin(l);
	if (r == 0) {
		if ((r = merge_bar(l, &entered, how)) == 0)
			r = ledger_put_bar(l, &entered);
		r = ledger_end(l, r);
	}
	if (r < 0 && r != ERR_LIMIT) {
		entered = *bar;
		merged = merge_bar(l, &entered, how);
		r = merged < 0 ? merged : bars_wait(l, &entered, r);
	}
	if (r == 0)
		*bar = entered;
	return r;
}

int ledger_bar_end(struct ledger *l, enum ledger_kind kind, const char *name, int64_t now_ms)
{
	struct ledger_bar bar;
	int r = ledger_bar_find(l, kind, name, &bar);

	if (r < 0)
		return r;
	if (!ledger_bar_stands(&bar, now_ms))
		return ERR_NOTFOUND;
	bar.until_ms = now_ms;
	bar.count -= bar.count > 0;
	r = waiting_any(l) ? l->waiting_error : ledger_begin(l);
	if (r == 0)
		r = ledger_end(l,
			bar.count ? ledger_put_bar(l, &bar)
				  : ledger_run(l, name_statement(l, SQL_BAR_DELETE, kind, name)));
	return r < 0 ? bars_wait(l, &bar, r) : 0;
}

static int each(struct ledger *l, sqlite3_stmt *s,
	bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg)
{
	struct ledger_bar bar;
	int code;

	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		read_bar(s, &bar);
		if (!bars_find(l, (int)bar.kind, bar.name) && !visit(arg, &bar))
			break;
	}
	sqlite3_reset(s);
	return ledger_error(l, code);
}

/* Those that wait, of the same time. */
struct choosing {
	bool stands; /* else: ended behind from and until now */
	int64_t from_ms, now_ms;
	bool (*visit)(void *arg, const struct ledger_bar *bar);
	void *arg;
};

static bool visit_waiting(void *arg, const struct ledger_bar *bar)
{
	const struct choosing *c = arg;
	bool stands = ledger_bar_stands(bar, c->now_ms);

	if (stands != c->stands || (!stands && bar->until_ms <= c->from_ms))
		return true;
	return c->visit(c->arg, bar);
}

int ledger_barred_each(struct ledger *l, int64_t now_ms,
	bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg)
{
	struct choosing c = { true, 0, now_ms, visit, arg };
	sqlite3_stmt *s = ledger_statement(l, SQL_BARRED);

	if (!bars_each(l, visit_waiting, &c))
		return 0;
	sqlite3_bind_int64(s, 1, now_ms);
	return each(l, s, visit, arg);
}

int ledger_barred_ended(struct ledger *l, int64_t from_ms, int64_t to_ms,
	bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg)
{
	struct choosing c = { false, from_ms, to_ms, visit, arg };
	sqlite3_stmt *s = ledger_statement(l, SQL_BARRED_ENDED);

	if (!bars_each(l, visit_waiting, &c))
		return 0;
	sqlite3_bind_int64(s, 1, from_ms);
	sqlite3_bind_int64(s, 2, to_ms);
	return each(l, s, visit, arg);
}

int ledger_barred_forget(struct ledger *l, int64_t now_ms)
{
	sqlite3_stmt *s = ledger_statement(l, SQL_BARRED_FORGET);

	sqlite3_bind_int64(s, 1, now_ms - LEDGER_MEMORY_MS);
	return ledger_run(l, s);
}

static int64_t number(struct ledger *l, enum ledger_sql which, int64_t now_ms)
{
	sqlite3_stmt *s = ledger_statement(l, which);
	int64_t n = 0;

	sqlite3_bind_int64(s, 1, now_ms);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return n;
}

int64_t ledger_barred_next_end(struct ledger *l, int64_t now_ms)
{
	return number(l, SQL_BARRED_NEXT, now_ms);
}

long ledger_barred_count(struct ledger *l, int64_t now_ms)
{
	return (long)number(l, SQL_BARRED_COUNT, now_ms);
}
