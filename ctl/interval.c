/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between the ledger's prefixes and the kernel's interval sets. Prefixes either
 * nest or are disjoint, so one walk over them in order with a stack of those still open cuts them
 * into disjoint runs: a narrow ban that outlasts the wide one around it is cut out of it, one that
 * does not is left to the wide one. It never asks what time it is: durations are compared, not
 * ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/interval.h"

enum { BITS = 128, DEPTH_MAX = BITS + 1 };

int interval_compare(const struct peer_address *a, const struct peer_address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool interval_step(struct peer_address *a, int direction)
{
	struct peer_address next = *a;
	uint8_t wrapped = direction > 0 ? 0x00 : 0xff;

	for (size_t i = sizeof(next.bytes); i-- > 0;) {
		next.bytes[i] = (uint8_t)(next.bytes[i] + direction);
		if (next.bytes[i] != wrapped) {
			*a = next;
			return true;
		}
	}
	return false;
}

bool interval_of(const struct peer_address *address, unsigned prefix_len, struct nft_run *run)
{
	if (prefix_len > BITS)
		return false;
	run->first = *address;
	run->last = *address;
	for (unsigned i = 0; i < sizeof(address->bytes); i++) {
		unsigned fixed = prefix_len <= i * 8       ? 0
				 : prefix_len >= i * 8 + 8 ? 8
							   : prefix_len - i * 8;
		uint8_t hosts = (uint8_t)(0xff >> fixed);

		run->first.bytes[i] &= (uint8_t)~hosts;
		run->last.bytes[i] |= hosts;
	}
	return true;
}

/* Wider first among those of equal start, longer first among equals: the rest of equals is then
 * covered. */
static int compare_runs(const void *a, const void *b)
{
	const struct nft_run *x = a, *y = b;
	int r = interval_compare(&x->first, &y->first);

	if (r == 0)
		r = interval_compare(&y->last, &x->last);
	if (r == 0 && x->left_ms != y->left_ms)
		r = x->left_ms == 0 || (y->left_ms != 0 && x->left_ms > y->left_ms) ? -1 : 1;
	return r;
}

struct flatten {
	struct nft_run *out;
	size_t n;
	struct nft_run open[DEPTH_MAX];
	unsigned depth;
	struct peer_address
		at; /* first address of the innermost open run that is not written yet */
	bool full;  /* the innermost open run is written to its end */
};

static void write_until(struct flatten *f, const struct peer_address *last)
{
	const struct nft_run *top = &f->open[f->depth - 1];

	if (f->full || interval_compare(&f->at, last) > 0)
		return;
	f->out[f->n++] = (struct nft_run){ .first = f->at, .last = *last, .left_ms = top->left_ms };
}

static void close_top(struct flatten *f)
{
	struct peer_address last = f->open[f->depth - 1].last;

	write_until(f, &last);
	f->depth--;
	f->at = last;
	f->full = !interval_step(&f->at, 1) ||
		  (f->depth && interval_compare(&last, &f->open[f->depth - 1].last) == 0);
}

static void add_run(struct flatten *f, const struct nft_run *run)
{
	struct peer_address before = run->first;
	const struct nft_run *top;

	while (f->depth && interval_compare(&f->open[f->depth - 1].last, &run->first) < 0)
		close_top(f);
	if (f->depth) {
		top = &f->open[f->depth - 1];
		if (top->left_ms == 0 || (run->left_ms != 0 && run->left_ms <= top->left_ms))
			return;
		if (interval_compare(&f->at, &run->first) < 0 && interval_step(&before, -1))
			write_until(f, &before);
	}
	f->open[f->depth++] = *run;
	f->at = run->first;
	f->full = false;
}

int interval_flatten(
	const struct nft_element *elements, size_t n, struct nft_run **out, size_t *n_out)
{
	struct nft_run *sorted = calloc(n ? n : 1, sizeof(*sorted));
	struct flatten *f = calloc(1, sizeof(*f));
	int r = 0;

	/* Each prefix writes at most itself and one more piece of the one around it. */
	if (f)
		f->out = calloc(2 * n + 1, sizeof(*f->out));
	if (!sorted || !f || !f->out)
		r = -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!interval_of(&elements[i].address, elements[i].prefix_len, &sorted[i]))
			r = ERR_RANGE;
		sorted[i].left_ms = elements[i].left_ms;
	}
	if (r == 0) {
		qsort(sorted, n, sizeof(*sorted), compare_runs);
		for (size_t i = 0; i < n; i++)
			add_run(f, &sorted[i]);
		while (f->depth)
			close_top(f);
		*out = f->out;
		*n_out = f->n;
	} else if (f) {
		free(f->out);
	}
	free(sorted);
	free(f);
	return r;
}
