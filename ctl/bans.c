/* SPDX-License-Identifier: BSD-2-Clause */
/* A ban's day. In: "act" of a worker's event (ctl/bans_act.c), or an operator's word
 * (ctl/bans_operator.c). Both enter it (ctl/bans_enter.c): ledger, kernel, sessions, event. Out
 * again: by time, here, or by "unban". Here is its life, and what the kernel should hold: all that
 * stands. It never speaks nftables itself. */
#include "ctl/bans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"
#include "ctl/kernel.h"
#include "rules/punish.h"

enum {
	BANS_PAGE = 2048,
	BANS_WAKE_MAX_MS = 60 * 1000,
	BANS_RETRY_MS = 1000,
	BARRED_TOLD_MS = 3600 * 1000, /* children taken over were told what ended before */
};

int64_t bans_now(const struct bans *b)
{
	return booktime_now(&b->time);
}

int64_t bans_wall(const struct bans *b, int64_t book_ms)
{
	return booktime_wall(&b->time, book_ms);
}

long bans_count(struct bans *b)
{
	return ledger_bans_count(b->ledger);
}

/* ---- for the kernel ---- */

/* False: it has ended, and is only not swept out as yet. */
static bool element_of(const struct ledger_end_of *end, int64_t now, struct nft_element *e)
{
	*e = (struct nft_element){ end->address, end->prefix_len,
		end->until_ms ? (uint64_t)(end->until_ms - now) : 0 };
	return end->until_ms == 0 || end->until_ms > now;
}

static size_t bans_source_count(void *arg)
{
	const struct bans *b = arg;
	long n = ledger_bans_count(b->ledger);

	return n > 0 ? (size_t)n : 0;
}

static int bans_source_rest(void *arg, struct nft_element **elements, size_t *n)
{
	struct bans *b = arg;
	struct ledger_end_of *ends;
	int64_t now = bans_now(b);
	size_t count;
	int r = ledger_ends_rest(b->ledger, &ends, &count);

	*n = 0;
	*elements = NULL;
	if (r < 0 || count == 0) {
		if (r == 0)
			free(ends);
		return r;
	}
	if ((*elements = calloc(count, sizeof **elements)))
		for (size_t i = 0; i < count; i++)
			*n += element_of(&ends[i], now, &(*elements)[*n]);
	free(ends);
	return *elements ? 0 : -ENOMEM;
}

/* A page of nothing but what has ended is no end of the pages. */
static int bans_source_page(
	void *arg, const struct nft_element *after, struct nft_element *out, size_t max, size_t *n)
{
	struct bans *b = arg;
	struct ledger_end_of ends[BANS_PAGE], last;
	int64_t now = bans_now(b);
	size_t count = 1;
	int r = 0;

	if (after)
		last = (struct ledger_end_of){ after->address, after->prefix_len, 0 };
	*n = 0;
	while (r == 0 && *n == 0 && count > 0) {
		r = ledger_ends_page(b->ledger, after ? &last : NULL, ends,
			max < BANS_PAGE ? max : BANS_PAGE, &count);
		if (r < 0 || count == 0)
			break;
		for (size_t i = 0; i < count; i++)
			*n += !ledger_waits_for(b->ledger, &ends[i]) &&
			      element_of(&ends[i], now, &out[*n]);
		last = ends[count - 1];
		after = out;
	}
	return r;
}

static bool bans_source_find(void *arg, const struct nft_element *prefix, struct nft_element *found)
{
	struct bans *b = arg;
	struct ledger_ban ban;
	struct ledger_end_of end;

	if (ledger_ban_find(b->ledger, &prefix->address, prefix->prefix_len, &ban) < 0)
		return false;
	end = (struct ledger_end_of){ ban.address, ban.prefix_len, ban.until_ms };
	return element_of(&end, bans_now(b), found);
}

struct nft_source bans_source(struct bans *b)
{
	return (struct nft_source){ bans_source_count, bans_source_rest, bans_source_page,
		bans_source_find, b, true };
}

bool bans_cover(void *bans, const struct peer_address *a)
{
	struct bans *b = bans;
	struct ledger_ban ban;

	return ledger_ban_covering(b->ledger, a, bans_now(b), &ban) == 0;
}

void bans_attention(const struct bans *b, json_t *lines)
{
	int error;
	size_t n;

	if (b->damaged)
		json_array_append_new(lines, json_sprintf("the ledger was damaged: it was put "
							  "aside in %s and an empty one begun",
						     b->spec.state_dir));
	if ((n = ledger_waiting(b->ledger, &error)) > 0)
		json_array_append_new(lines,
			json_sprintf("%zu ban%s in force, but the ledger cannot be written: %s", n,
				n == 1 ? " is" : "s (or bans taken back) are", err_text(error)));
	else if (b->expiry_error < 0)
		json_array_append_new(lines, json_sprintf("the ledger cannot be written: %s",
						     err_text(b->expiry_error)));
	if (b->error < 0)
		json_array_append_new(lines,
			json_sprintf("the last ban was not entered: %s", err_text(b->error)));
}

/* ---- time ---- */

static void on_expiry(uv_timer_t *timer)
{
	struct bans *b = timer->data;
	long n = ledger_expire(b->ledger, bans_now(b));

	b->expiry_error = n < 0 ? (int)n : 0;
	barred_expire(b);
	if (n > 0) /* the kernel's elements end by themselves */
		log_info("event=bans-ended n=%ld", n);
	bans_wake(b);
}

/* The kernel's elements count down by themselves, and not while the host sleeps; entries of lists
 * end by the wall clock. After a step both are brought to what they should be. */
static void time_note(struct bans *b)
{
	enum booktime_news news = booktime_look(&b->time);

	if (news == BOOKTIME_SAME)
		return;
	(void)ledger_clock_put(b->ledger, &b->time.noted); /* or in a minute */
	if (news != BOOKTIME_STEPPED)
		return;
	log_warn("event=clock-step by_ms=%lld note=\"the wall clock was set, or this host slept; "
		 "bans keep their ends\"",
		(long long)b->time.stepped_ms);
	if (b->kernel)
		kernel_refresh(b->kernel);
	b->spec.on_step(b->spec.arg, b->time.stepped_ms);
}

/* At the next end, and once a minute for the clock; once a second, however often it is called,
 * while the ledger cannot be written. */
void bans_wake(struct bans *b)
{
	int64_t now = bans_now(b), next = ledger_next_end(b->ledger), left,
		name = ledger_barred_next_end(b->ledger, b->barred_until_ms);
	int error;

	next = next == 0 || (name && name < next) ? name : next;
	left = next - now + 1;
	time_note(b);
	if (b->expiry_error < 0 || ledger_waiting(b->ledger, &error) > 0) {
		if (!uv_is_active((uv_handle_t *)&b->timer) ||
			uv_timer_get_due_in(&b->timer) > BANS_RETRY_MS)
			uv_timer_start(&b->timer, on_expiry, BANS_RETRY_MS, 0);
		return;
	}
	if (next == 0 || left > BANS_WAKE_MAX_MS)
		left = BANS_WAKE_MAX_MS;
	uv_timer_start(&b->timer, on_expiry, left > 10 ? (uint64_t)left : 10, 0);
}

/* ---- face ---- */

static void time_start(struct bans *b)
{
	struct ledger_clock last;
	char boot[sizeof last.boot];
	bool is_there = ledger_clock_find(b->ledger, &last) == 0;

	booktime_boot_id(boot, sizeof boot);
	booktime_start(&b->time, boot, is_there ? &last : NULL);
	(void)ledger_clock_put(b->ledger, &b->time.noted);
}

/* Somebody else writes into the ledger. */
static void on_batch_end(void *arg)
{
	(void)bans_flush(arg);
}

int bans_open(uv_loop_t *loop, const struct bans_spec *spec, struct bans **out, struct buf *why)
{
	struct bans *b = calloc(1, sizeof *b);
	char path[4096];
	int r = -ENOMEM;

	if (!b || !(b->ladder = punish_new(0))) {
		free(b);
		return r;
	}
	b->spec = *spec;
	snprintf(path, sizeof path, "%s/ledger.sqlite", spec->state_dir);
	if ((r = ledger_open(path, &b->ledger, &b->damaged)) < 0) {
		buf_putf(why, "cannot open the ledger %s: %s\n", path, err_text(r));
		punish_free(b->ladder);
		free(b);
		return r;
	}
	snprintf(path, sizeof path, "%s/bans.waiting", spec->run_dir);
	(void)ledger_wait_in(b->ledger, path);
	time_start(b);
	(void)ledger_expire(b->ledger, bans_now(b));
	uv_timer_init(loop, &b->timer);
	uv_check_init(loop, &b->check);
	b->timer.data = b->check.data = b;
	ledger_batch_hook(b->ledger, on_batch_end, b);
	b->barred_until_ms = bans_now(b) - BARRED_TOLD_MS;
	bans_wake(b);
	*out = b;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct bans *b = handle->data;

	if (--b->closing == 0)
		free(b);
}

void bans_close(struct bans *b)
{
	if (!b)
		return;
	bans_act_close(b);
	(void)bans_flush(b);
	bans_pending_free(b);
	ledger_close(b->ledger);
	punish_free(b->ladder);
	policy_unref(b->policy);
	free(b->newest);
	json_decref(b->names.newest);
	b->closing = 2;
	uv_close((uv_handle_t *)&b->timer, on_handle_closed);
	uv_close((uv_handle_t *)&b->check, on_handle_closed);
}

struct ledger *bans_ledger(struct bans *b)
{
	return b->ledger;
}

void bans_set_kernel(struct bans *b, struct kernel *kernel)
{
	b->kernel = kernel;
}

void bans_configure(struct bans *b, struct policy *p)
{
	const struct punish *ladders;
	size_t n;

	ladders = policy_punish(p, &n);
	if (punish_configure(b->ladder, ladders, n) < 0)
		log_warn("event=punish note=\"only the first %d ladders count\"", PUNISH_RULES_MAX);
	policy_ref(p);
	policy_unref(b->policy);
	b->policy = p;
}
