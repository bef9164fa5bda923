/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * Segments in any order, overlapping and contradicting each other, from a sender who lies; the
 * receiver is played twice, once as one who keeps the first copy of a byte, once as one who prefers
 * the last. Both get the segments as they are rewritten and must read what the reassembly read,
 * byte for byte. Each five bytes of input are a segment or an acknowledgement; the first two choose
 * where sequence numbers begin and how small the bounds are. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nfq-filter/reassemble.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM = 1 << 14, STEP = 5 };

struct receiver {
	bool known[STREAM];
	char bytes[STREAM];
	size_t next; /* read up to here: no copy changes that any more */
	bool prefers_last;
};

static void receive(struct receiver *v, size_t at, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && at + i < STREAM; i++) {
		if (at + i < v->next || (v->known[at + i] && !v->prefers_last))
			continue;
		v->known[at + i] = true;
		v->bytes[at + i] = bytes[i];
	}
	while (v->next < STREAM && v->known[v->next])
		v->next++;
}

static void read_all(struct reassembly *r, char *out, size_t *read)
{
	struct span bytes;
	uint64_t position;

	while (reassembly_next(r, &bytes, &position)) {
		assert(position == *read);
		assert(*read + bytes.len <= STREAM);
		memcpy(out + *read, bytes.ptr, bytes.len);
		*read += bytes.len;
	}
	assert(r->given == r->next && r->next == *read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct receiver first, last;
	static char out[STREAM];
	struct reassembly_limits limits = {
		.held_bytes = 4096, .held_segments = 64, .kept_bytes = 1024, .window = STREAM / 2
	};
	struct reassembly_pool pool = { .max = 1 << 20 };
	struct reassembly_result result;
	struct reassembly r;
	size_t read = 0;
	uint32_t isn;

	if (size < 2)
		return 0;
	isn = data[0] & 1 ? 0xffffff00u + data[0] : data[0];
	limits.held_bytes >>= data[1] & 7;
	limits.kept_bytes >>= data[1] >> 5;
	memset(&first, 0, sizeof(first));
	memset(&last, 0, sizeof(last));
	last.prefers_last = true;
	reassembly_init(&r, &limits, &pool);
	reassembly_start(&r, isn);
	for (size_t i = 2; i + STEP <= size; i += STEP) {
		const uint8_t *op = data + i;
		/* Near what comes next, before and behind it. */
		int64_t at = (int64_t)read + (int16_t)(op[1] << 8 | op[2]) / (op[0] & 2 ? 64 : 4);
		char segment[1024], raw[1024];
		size_t len = op[0] & 4 ? op[3] * 4u : op[3] & 31;

		if (at < 0 || at + (int64_t)len > STREAM)
			continue;
		if (op[0] & 1) { /* what the receiver has, and no more */
			reassembly_ack(
				&r, isn + (uint32_t)(first.next > (size_t)op[3] ? first.next - op[3]
										: 0));
			continue;
		}
		for (size_t k = 0; k < len; k++)
			raw[k] = (char)(op[4] + (op[0] & 8 ? 0 : k));
		memcpy(segment, raw, len);
		reassembly_rewrite(&r, isn + (uint32_t)at, segment, len);
		if (reassembly_push(&r, isn + (uint32_t)at, raw, len, &result) < 0)
			abort();
		/* Where a bound is reached the packet is not let through. */
		if (result.fate == REASSEMBLY_OUTSIDE || result.fate == REASSEMBLY_FULL)
			break;
		receive(&first, (size_t)at, segment, len);
		receive(&last, (size_t)at, segment, len);
		read_all(&r, out, &read);
		assert(r.held_bytes <= limits.held_bytes && r.n_held <= limits.held_segments);
		assert(first.next == read && last.next == read);
		assert(memcmp(first.bytes, out, read) == 0 && memcmp(last.bytes, out, read) == 0);
		if (op[0] & 16)
			reassembly_shrink(&r);
	}
	/* Holes are passed over one by one, and then there is nothing left. */
	read_all(&r, out, &read);
	while (r.n_held > 0) {
		uint64_t lost = reassembly_skip(&r);
		struct span bytes;
		uint64_t position;

		assert(lost > 0);
		while (reassembly_next(&r, &bytes, &position))
			;
	}
	reassembly_fini(&r);
	assert(pool.used == 0);
	return 0;
}
