/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest bans, for "top", which asks each second: the ledger, asked the same, would put all of
 * its rows in order first. In: each ban and unban as it happens, as long as somebody looks; the
 * ledger once, before. Out: JSON. It keeps NEWEST_MAX of them and forgets all when nobody has
 * looked for a while. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"

enum {
	NEWEST_MAX = 256,
	NEWEST_FEW = 5000,       /* of so many all may be looked through often */
	NEWEST_AGAIN_MS = 60000, /* of more */
	NEWEST_IDLE_MS = 60000,  /* not looked at for so long: forgotten */
	NAMES_AGAIN = 20,        /* names are looked for after so many times what it took */
};

struct bans_newest {
	struct ledger_ban all[NEWEST_MAX]; /* newest first */
	size_t n;
	uint64_t filled_ms, asked_ms;
};

struct names_fill {
	const struct bans *b;
	json_t *all;
	size_t max;
};

static bool same_prefix(const struct ledger_ban *a, const struct ledger_ban *b)
{
	return a->prefix_len == b->prefix_len &&
	       memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static void newest_remove(struct bans_newest *n, size_t at)
{
	memmove(&n->all[at], &n->all[at + 1], (n->n - at - 1) * sizeof n->all[0]);
	n->n--;
}

void bans_newest_hear(struct bans *b, bool stands, const struct ledger_ban *ban)
{
	struct bans_newest *n = b->newest;

	if (!n)
		return;
	if (clock_mono_ms() - n->asked_ms > NEWEST_IDLE_MS) {
		free(n);
		b->newest = NULL;
		return;
	}
	for (size_t i = n->n; i-- > 0;)
		if (same_prefix(&n->all[i], ban))
			newest_remove(n, i);
	if (!stands)
		return;
	if (n->n == NEWEST_MAX)
		n->n--;
	memmove(&n->all[1], &n->all[0], n->n * sizeof n->all[0]);
	n->all[0] = *ban;
	n->n++;
}

static bool visit_fill(void *arg, const struct ledger_ban *ban)
{
	struct bans_newest *n = arg;

	n->all[n->n++] = *ban;
	return n->n < NEWEST_MAX;
}

static void newest_fill(struct bans *b, long total)
{
	uint64_t now = clock_mono_ms();
	struct bans_newest *n = b->newest;

	if (n && ((long)n->n >= total || n->n >= NEWEST_MAX / 2 ||
			 (total > NEWEST_FEW && now - n->filled_ms < NEWEST_AGAIN_MS)))
		return;
	if (!n && !(n = b->newest = calloc(1, sizeof *n)))
		return;
	n->n = 0;
	n->filled_ms = now;
	(void)ledger_bans_each(b->ledger, visit_fill, n);
}

json_t *bans_newest(struct bans *b, size_t max)
{
	int64_t now = bans_now(b);
	json_t *all = json_array();

	newest_fill(b, ledger_bans_count(b->ledger));
	if (!b->newest)
		return all;
	b->newest->asked_ms = clock_mono_ms();
	for (size_t i = b->newest->n; i-- > 0;)
		if (b->newest->all[i].until_ms && b->newest->all[i].until_ms <= now)
			newest_remove(b->newest, i);
	for (size_t i = 0; i < b->newest->n && i < max; i++)
		json_array_append_new(all, bans_row(b, &b->newest->all[i]));
	return all;
}

static bool visit_name(void *arg, const struct ledger_bar *bar)
{
	struct names_fill *fill = arg;

	json_array_append_new(fill->all, barred_row(fill->b, bar));
	return json_array_size(fill->all) < fill->max;
}

json_t *bans_newest_names(struct bans *b, size_t max, long *total)
{
	struct bans_names *n = &b->names;
	uint64_t began = clock_mono_ms();
	struct names_fill fill;
	json_t *all;

	if (!n->newest || began >= n->again_ms || max > n->max) {
		json_decref(n->newest);
		fill = (struct names_fill){ b, n->newest = json_array(), n->max = max };
		n->total = ledger_barred_count(b->ledger, bans_now(b));
		if (max > 0 && n->total > 0)
			(void)ledger_barred_each(b->ledger, bans_now(b), visit_name, &fill);
		n->again_ms = clock_mono_ms() + NAMES_AGAIN * (clock_mono_ms() - began);
	}
	*total = n->total > 0 ? n->total : 0;
	all = json_array();
	for (size_t i = 0; i < json_array_size(n->newest) && i < max; i++)
		json_array_append(all, json_array_get(n->newest, i));
	return all;
}
