/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as what another program says of addresses, in each format: reading must end, come to
 * the same whole and in pieces, and give only what a program may ban, with a time and a reason that
 * is text. The first byte chooses the format and the size of the pieces. */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kept out of the test: what a line may be long; the unit test has those. */
enum { INPUT_MAX = 64 * 1024 };

static void entry_check(const struct batch_entry *e)
{
	struct prefix masked = e->prefix;
	json_t *why = json_string(e->why);

	prefix_mask(&masked.address, masked.len);
	assert(memcmp(&masked, &e->prefix, sizeof masked) == 0);
	assert(why && strlen(e->why) < BATCH_WHY_SIZE);
	assert(e->unban || (e->for_ms > 0 && !batch_prefix_refusal(&e->prefix)));
	json_decref(why);
}

static void take_all(struct batch *b, struct buf *told)
{
	struct batch_item item;
	enum batch_what what;
	char prefix[PREFIX_TEXT_SIZE];

	while ((what = batch_next(b, &item)) != BATCH_MORE) {
		assert(item.line >= 1 && item.line <= batch_lines(b) + 1);
		if (what == BATCH_REFUSED) {
			assert(*item.error && memchr(item.error, '\0', sizeof item.error));
			(void)buf_putf(told, "%lu %s\n", item.line, item.error);
			continue;
		}
		entry_check(&item.entry);
		prefix_show(&item.entry.prefix.address, item.entry.prefix.len, prefix);
		(void)buf_putf(told, "%lu %d %s %llu %s\n", item.line, item.entry.unban, prefix,
			(unsigned long long)item.entry.for_ms, item.entry.why);
	}
}

static char *read_in_pieces(
	const struct batch_spec *spec, const uint8_t *data, size_t size, size_t piece)
{
	struct batch *b = batch_new(spec);
	struct buf told;

	assert(b);
	buf_init(&told, 64 << 20);
	for (size_t at = 0, n; at < size; at += n) {
		n = piece < size - at ? piece : size - at;
		assert(batch_push(b, data + at, n) == 0);
		take_all(b, &told);
	}
	batch_end(b);
	take_all(b, &told);
	(void)buf_putf(&told, "%lu %lu %d\n", batch_lines(b), batch_skipped(b), batch_format(b));
	batch_free(b);
	return buf_take(&told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch_spec spec = { .for_ms = 1000 };
	char *whole, *pieces;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	spec.format = (enum batch_format)(data[0] % 5);
	spec.unban = data[0] & 0x80;
	spec.severity = data[0] & 0x40 ? 2 : 0;
	spec.prefix6 = data[0] & 0x20 ? 64 : 0;
	whole = read_in_pieces(&spec, data + 1, size - 1, INPUT_MAX);
	pieces = read_in_pieces(&spec, data + 1, size - 1, 1 + (size_t)(data[0] / 5) % 7);
	assert(whole && pieces && strcmp(whole, pieces) == 0);
	free(whole);
	free(pieces);
	return 0;
}
