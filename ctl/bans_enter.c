/* SPDX-License-Identifier: BSD-2-Clause */
/* A ban is entered here, whoever ordered it. In: a prefix with its end and reason. Out, in this
 * order: the ledger (what it has answered survives kill -9), the kernel's block set, the sessions
 * that stand, an event. Those that come in one turn of the loop, or as an operator's batch, are one
 * transaction of each. It decides nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "ctl/kernel.h"
#include "rules/address.h"

enum { BANS_LOG_MAX = 64 /* of one batch, each with a line of its own */ };

void bans_text_cut(const char *value, char *text, size_t size)
{
	size_t n = span_cut(span_of(value), size - 1);

	memcpy(text, value, n);
	text[n] = '\0';
}

void bans_event(struct bans *b, const char *type, const struct ledger_ban *ban, const char *who)
{
	char stamp[40], address[INET6_ADDRSTRLEN], prefix[PREFIX_TEXT_SIZE];
	json_t *event;

	if (strcmp(type, "spared") != 0)
		bans_newest_hear(b, strcmp(type, "ban") == 0, ban);
	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	address_format(&ban->address, address, sizeof address);
	prefix_show(&ban->address, ban->prefix_len, prefix);
	event = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i,s:s}}",
		"timestamp", stamp, "event_type", type, "src_ip", address, "proto", "TCP",
		"app_proto", "xmpp", "xmppwall", "address", prefix, "since",
		(json_int_t)bans_wall(b, ban->since_ms), "until",
		(json_int_t)bans_wall(b, ban->until_ms), "why", ban->why, "rule", ban->rule, "id",
		ban->id, "count", (int)ban->count, "strikes", (int)ban->strikes, "who", who);
	if (event)
		b->spec.on_event(b->spec.arg, event);
	json_decref(event);
}

/* ---- what waits for the ledger's word ---- */

struct pending {
	struct ledger_ban ban;
	enum ledger_how how;
	bool unban;
	char who[80];
};

struct bans_pending {
	struct pending *all;
	size_t n, cap;
	uint32_t *order; /* places in all, for finding an address's last word */
};

void bans_pending_free(struct bans *b)
{
	if (b->pending) {
		free(b->pending->all);
		free(b->pending->order);
	}
	free(b->pending);
	b->pending = NULL;
}

static struct pending *pending_add(struct bans *b)
{
	struct bans_pending *p = b->pending;
	size_t cap;
	void *more;

	if (!p && !(p = b->pending = calloc(1, sizeof *p)))
		return NULL;
	if (p->n == p->cap) {
		cap = p->cap ? 2 * p->cap : 16;
		if (!(more = realloc(p->order, cap * sizeof *p->order)))
			return NULL;
		p->order = more;
		if (!(more = realloc(p->all, cap * sizeof *p->all)))
			return NULL;
		p->all = more;
		p->cap = cap;
	}
	return &p->all[p->n++];
}

static int compare_pending(const void *a, const void *b, void *arg)
{
	const struct bans_pending *p = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct ledger_ban *x = &p->all[i].ban, *y = &p->all[k].ban;
	int r = memcmp(&x->address, &y->address, sizeof x->address);

	if (r == 0)
		r = (int)x->prefix_len - (int)y->prefix_len;
	return r ? r : i < k ? -1 : 1;
}

static struct nft_element element_of(const struct bans *b, const struct ledger_ban *ban)
{
	int64_t now = bans_now(b);

	return (struct nft_element){ ban->address, ban->prefix_len,
		ban->until_ms ? (uint64_t)(ban->until_ms > now ? ban->until_ms - now : 1) : 0 };
}

/* The last word on each address, in one transaction. */
static void tell_kernel(struct bans *b, struct bans_pending *p)
{
	struct nft_element *add = calloc(2 * p->n, sizeof *add), *del = add + p->n;
	size_t n_add = 0, n_del = 0;

	if (!add) {
		kernel_refresh(b->kernel);
		return;
	}
	for (uint32_t i = 0; i < p->n; i++)
		p->order[i] = i;
	qsort_r(p->order, p->n, sizeof *p->order, compare_pending, p);
	for (size_t i = 0; i < p->n; i++) {
		const struct pending *one = &p->all[p->order[i]],
				     *next = i + 1 < p->n ? &p->all[p->order[i + 1]] : NULL;

		if (next && one->ban.prefix_len == next->ban.prefix_len &&
			memcmp(&one->ban.address, &next->ban.address, sizeof one->ban.address) == 0)
			continue;
		if (one->unban)
			del[n_del++] = element_of(b, &one->ban);
		else
			add[n_add++] = element_of(b, &one->ban);
	}
	kernel_bans(b->kernel, add, n_add, del, n_del);
	free(add);
}

static void tell_sessions(struct bans *b, const struct bans_pending *p)
{
	char prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < p->n; i++) {
		if (p->all[i].unban)
			continue;
		prefix_format(&p->all[i].ban.address, p->all[i].ban.prefix_len, prefix);
		b->spec.on_kill(b->spec.arg, prefix, NULL, "banned");
	}
}

static void tell_others(struct bans *b, const struct bans_pending *p)
{
	char prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < p->n; i++) {
		const struct ledger_ban *ban = &p->all[i].ban;

		bans_event(b, p->all[i].unban ? "unban" : "ban", ban, p->all[i].who);
		if (p->n > BANS_LOG_MAX)
			continue;
		prefix_format(&ban->address, ban->prefix_len, prefix);
		log_info("event=%s address=%s until_ms=%lld count=%u rule=%s id=%s",
			p->all[i].unban ? "unban" : "ban", prefix,
			(long long)bans_wall(b, ban->until_ms), ban->count,
			*ban->rule ? ban->rule : "-", *ban->id ? ban->id : "-");
	}
	if (p->n > BANS_LOG_MAX)
		log_info("event=bans-changed n=%zu who=\"%s\"", p->n, p->all[0].who);
}

/* ---- entering ---- */

/* The disk did not take them together: each by itself, for what it refuses then is kept in memory
 * (ctl/ledger_waiting.c). Those that cannot be kept at all are left out. */
static int enter_again(struct bans *b, struct bans_pending *p)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct pending *one = &p->all[i];
		int code = one->unban ? ledger_ban_remove(
						b->ledger, &one->ban.address, one->ban.prefix_len)
				      : ledger_ban_add(b->ledger, &one->ban, one->how);

		if (code == 0)
			p->all[kept++] = *one;
		else
			r = code;
	}
	if (r < 0)
		log_error("event=ban-ledger lost=%zu error=\"%s\"", p->n - kept, err_text(r));
	p->n = kept;
	return r;
}

int bans_flush(struct bans *b)
{
	struct bans_pending *p = b->pending;
	int r;

	uv_check_stop(&b->check);
	if (!ledger_batch_is_open(b->ledger) && (!p || p->n == 0))
		return 0;
	r = ledger_batch_end(b->ledger);
	/* Told what follows here, somebody may enter the next. */
	b->pending = NULL;
	if (r < 0)
		r = p ? enter_again(b, p) : 0;
	b->error = r;
	if (p && p->n > 0) {
		if (b->kernel)
			tell_kernel(b, p);
		tell_sessions(b, p);
		tell_others(b, p);
		bans_wake(b);
	}
	if (b->pending)
		return r;
	b->pending = p;
	if (p && p->cap > BANS_LOG_MAX)
		bans_pending_free(b);
	else if (p)
		p->n = 0;
	return r;
}

static void on_check(uv_check_t *check)
{
	(void)bans_flush(check->data);
}

/* Those of one turn of the loop are one batch, and end with it. Without one (the disk takes
 * nothing) each is kept by itself. */
static struct pending *enter_begin(struct bans *b)
{
	(void)ledger_batch_begin(b->ledger);
	uv_check_start(&b->check, on_check);
	return pending_add(b);
}

/* A batch that failed is entered again at once, one by one, this one too. */
static int enter_end(struct bans *b, int r)
{
	if (r == 0)
		return 0;
	if (r != ERR_LIMIT && r != ERR_RANGE && r != ERR_NOTFOUND &&
		ledger_batch_is_open(b->ledger))
		return bans_flush(b);
	b->pending->n--;
	return r;
}

int bans_enter(struct bans *b, struct ledger_ban *ban, enum ledger_how how, const char *who)
{
	struct pending *entry = enter_begin(b);
	int r = -ENOMEM;

	if (entry) {
		*entry = (struct pending){ .ban = *ban, .how = how };
		bans_text_cut(who, entry->who, sizeof entry->who);
		r = ledger_ban_add(b->ledger, &entry->ban, how);
		if (r == 0)
			*ban = entry->ban;
		r = enter_end(b, r);
	}
	if (r < 0) {
		b->error = r;
		log_error("event=ban-ledger error=\"%s\"", err_text(r));
	}
	return r;
}

int bans_leave(struct bans *b, struct ledger_ban *ban, const char *who)
{
	struct pending *entry;
	int r = ledger_ban_find(b->ledger, &ban->address, ban->prefix_len, ban);

	if (r < 0)
		return r;
	if (!(entry = enter_begin(b)))
		return -ENOMEM;
	*entry = (struct pending){ .ban = *ban, .unban = true };
	bans_text_cut(who, entry->who, sizeof entry->who);
	r = ledger_ban_remove(b->ledger, &ban->address, ban->prefix_len);
	return enter_end(b, r);
}
