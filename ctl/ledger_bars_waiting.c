/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside ledger_barred.c, when its disk takes nothing. What ledger_waiting.c
 * does for prefixes is done for names here: rows as they should be are kept in memory, found as if
 * they were in the table, noted in the same file, and written with the others. At most BARS_MAX. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/span.h"
#include "ctl/ledger_barred.h"
#include "ctl/ledger_int.h"

enum { BARS_MAX = 2000, KEY_MAX = LEDGER_NAME_SIZE + 1 };

static size_t key_of(int kind, const char *name, char key[KEY_MAX])
{
	size_t len = strnlen(name, KEY_MAX - 1);

	key[0] = (char)kind;
	memcpy(key + 1, name, len);
	return len + 1;
}

const struct ledger_bar *bars_find(const struct ledger *l, int kind, const char *name)
{
	char key[KEY_MAX];

	return l->bars.count ? map_find(&l->bars, key, key_of(kind, name, key)) : NULL;
}

static int bars_keep(struct ledger *l, const struct ledger_bar *bar)
{
	struct ledger_bar *mine = malloc(sizeof *mine);
	char key[KEY_MAX];
	size_t len = key_of((int)bar->kind, bar->name, key);
	void *old = NULL;
	int r = !mine                                                       ? -ENOMEM
		: l->bars.count >= BARS_MAX && !map_has(&l->bars, key, len) ? ERR_LIMIT
									    : 0;

	if (r == 0) {
		*mine = *bar;
		r = map_put(&l->bars, key, len, mine, &old);
	}
	free(r == 0 ? old : mine);
	return r;
}

static json_t *line_of(const struct ledger_bar *bar)
{
	return json_pack("{s:s,s:i,s:I,s:I,s:s,s:s,s:s,s:i,s:i,s:s}", "name", bar->name, "kind",
		(int)bar->kind, "since", (json_int_t)bar->since_ms, "until",
		(json_int_t)bar->until_ms, "why", bar->why, "rule", bar->rule, "id", bar->id,
		"count", (int)bar->count, "strikes", (int)bar->strikes, "evidence", bar->evidence);
}

int bars_wait(struct ledger *l, const struct ledger_bar *bar, int error)
{
	if (bars_keep(l, bar) < 0)
		return error;
	waiting_note(l, line_of(bar), error);
	return 0;
}

void bars_take_line(struct ledger *l, const json_t *line)
{
	struct ledger_bar bar = {
		.kind = json_integer_value(json_object_get(line, "kind")) == LEDGER_DOMAIN
				? LEDGER_DOMAIN
				: LEDGER_JID,
		.since_ms = json_integer_value(json_object_get(line, "since")),
		.until_ms = json_integer_value(json_object_get(line, "until")),
		.count = (unsigned)json_integer_value(json_object_get(line, "count")),
		.strikes = (unsigned)json_integer_value(json_object_get(line, "strikes")),
	};

	waiting_text(line, "name", bar.name, sizeof bar.name);
	waiting_text(line, "why", bar.why, sizeof bar.why);
	waiting_text(line, "rule", bar.rule, sizeof bar.rule);
	waiting_text(line, "id", bar.id, sizeof bar.id);
	waiting_text(line, "evidence", bar.evidence, sizeof bar.evidence);
	if (*bar.name)
		(void)bars_keep(l, &bar);
}

bool bars_each(
	const struct ledger *l, bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg)
{
	struct map_entry *entry;

	for (size_t at = 0; map_each(&l->bars, &at, &entry);)
		if (!visit(arg, entry->value))
			return false;
	return true;
}

int bars_write(struct ledger *l)
{
	struct map_entry *entry;
	int r = 0;

	for (size_t at = 0; r == 0 && map_each(&l->bars, &at, &entry);)
		r = ledger_put_bar(l, entry->value);
	return r;
}

void bars_clear(struct ledger *l)
{
	map_fini(&l->bars, free);
	map_init(&l->bars);
}
