/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/capture: both formats, both byte orders, whole, byte by byte, cut at every byte, and
 * lengths that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "nfq-filter/capture.h"

struct file {
	unsigned char bytes[4096];
	size_t len;
	bool big; /* endian */
};

static void put(struct file *f, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		f->bytes[f->len++] = (unsigned char)(v >> 8 * (f->big ? size - 1 - i : i));
}

static void put_bytes(struct file *f, const char *bytes, size_t len)
{
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

static void pcap_begin(struct file *f, bool big, bool nano, unsigned link)
{
	*f = (struct file){ .big = big };
	put(f, nano ? 0xa1b23c4d : 0xa1b2c3d4, 4);
	put(f, 2, 2);
	put(f, 4, 2);
	put(f, 0, 8);
	put(f, 65535, 4);
	put(f, link, 4);
}

static void pcap_packet(
	struct file *f, uint32_t seconds, uint32_t fraction, const char *text, size_t wire)
{
	put(f, seconds, 4);
	put(f, fraction, 4);
	put(f, strlen(text), 4);
	put(f, wire, 4);
	put_bytes(f, text, strlen(text));
}

/* A block; body is written between begin and end. */
static size_t block_begin(struct file *f, uint32_t type)
{
	put(f, type, 4);
	put(f, 0, 4);
	return f->len - 8;
}

static void block_end(struct file *f, size_t start)
{
	size_t end;

	while ((f->len - start) % 4)
		put(f, 0, 1);
	put(f, f->len - start + 4, 4);
	end = f->len;
	f->len = start + 4;
	put(f, end - start, 4);
	f->len = end;
}

static void section(struct file *f, bool big)
{
	size_t at;

	f->big = big;
	at = block_begin(f, 0x0a0d0d0a);
	put(f, 0x1a2b3c4d, 4);
	put(f, 1, 2);
	put(f, 0, 2);
	put(f, UINT64_MAX, 8);
	block_end(f, at);
}

static void interface(struct file *f, unsigned link, unsigned snap, int resolution, int64_t offset)
{
	size_t at = block_begin(f, 1);

	put(f, link, 2);
	put(f, 0, 2);
	put(f, snap, 4);
	put(f, 2, 2); /* a name, to pass over */
	put(f, 3, 2);
	put_bytes(f, "lo0", 4);
	if (resolution >= 0) {
		put(f, 9, 2);
		put(f, 1, 2);
		put(f, (unsigned)resolution, 1);
		put(f, 0, 3);
		put(f, 14, 2);
		put(f, 8, 2);
		put(f, (uint64_t)offset, 8);
	}
	put(f, 0, 4);
	block_end(f, at);
}

static void packet(struct file *f, uint32_t index, uint64_t ticks, const char *text, size_t wire)
{
	size_t at = block_begin(f, 6), len = strlen(text);

	put(f, index, 4);
	put(f, ticks >> 32, 4);
	put(f, ticks & 0xffffffff, 4);
	put(f, len, 4);
	put(f, wire, 4);
	put_bytes(f, text, len);
	block_end(f, at);
}

static void simple(struct file *f, const char *text, size_t wire)
{
	size_t at = block_begin(f, 3);

	put(f, wire, 4);
	put_bytes(f, text, strlen(text));
	block_end(f, at);
}

/* What comes out as text: "TIME LINK BYTES/WIRE" a line, then how it ended. */
static const char *walk(const unsigned char *bytes, size_t size, size_t step)
{
	static char out[4][2048];
	static unsigned turn;
	struct capture *c = capture_new();
	enum capture_result result = CAPTURE_MORE;
	struct capture_packet p;
	char *o = out[turn++ % 4], *start = o;

	*o = '\0';
	for (size_t at = 0; at < size && result != CAPTURE_BAD; at += step) {
		size_t room, n = size - at < step ? size - at : step;
		char *where;

		assert_int_equal(capture_room(c, &room, &where), 0);
		assert_true(room >= n);
		memcpy(where, bytes + at, n);
		capture_filled(c, n);
		while ((result = capture_next(c, &p)) == CAPTURE_PACKET)
			o += sprintf(o, "%llu %u %.*s/%zu\n", (unsigned long long)p.time_ns, p.link,
				(int)p.len, (const char *)p.data, p.wire_len);
	}
	capture_finish(c);
	o += sprintf(o, "%s%s", capture_reason(c), capture_is_cut(c) ? "cut" : "");
	capture_free(c);
	return start;
}

static void gives(const struct file *f, const char *expected)
{
	assert_string_equal(walk(f->bytes, f->len, f->len), expected);
	assert_string_equal(walk(f->bytes, f->len, 1), expected);
	assert_string_equal(walk(f->bytes, f->len, 7), expected);
	/* Cut anywhere: the beginning of the same, and no crash. */
	for (size_t len = 0; len < f->len; len++) {
		const char *got = walk(f->bytes, len, len ? len : 1), *last = strrchr(got, '\n');
		size_t same = last ? (size_t)(last - got) + 1 : 0;

		assert_memory_equal(got, expected, same);
	}
}

static void test_pcap(void **state)
{
	struct file f;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		pcap_begin(&f, i & 1, i & 2, 101);
		pcap_packet(&f, 1, 5, "one", 3);
		pcap_packet(&f, 2, 6, "", 0);
		pcap_packet(&f, 3, 7, "three", 1500);
		gives(&f, i & 2 ? "1000000005 101 one/3\n2000000006 101 /0\n3000000007 101 "
				  "three/1500\n"
				: "1000005000 101 one/3\n2000006000 101 /0\n3000007000 101 "
				  "three/1500\n");
	}
	assert_true(capture_is_magic(f.bytes, 4));
	assert_false(capture_is_magic(f.bytes, 3));
	assert_false(capture_is_magic("{\"ti", 4));
}

static void test_pcap_lies(void **state)
{
	struct file f;

	(void)state;
	pcap_begin(&f, false, false, 1);
	pcap_packet(&f, 1, 0, "one", 3);
	put(&f, 1, 4);
	put(&f, 1, 4);
	put(&f, 0x7fffffff, 4);
	put(&f, 3, 4);
	put_bytes(&f, "abc", 3);
	gives(&f, "1000000000 1 one/3\na record of impossible length");
	f = (struct file){ .big = false };
	put_bytes(&f, "GIF89a..................", 24);
	gives(&f, "neither pcap nor pcapng");
	pcap_begin(&f, false, false, 1);
	f.bytes[4] = 9;
	gives(&f, "a version of pcap that is not known");
	pcap_begin(&f, false, false, 1);
	pcap_packet(&f, 1, 0, "one", 3);
	f.len--;
	gives(&f, "cut");
}

static void test_pcapng(void **state)
{
	struct file f = { .len = 0 };
	size_t at;

	(void)state;
	section(&f, false);
	interface(&f, 1, 0, -1, 0);
	interface(&f, 113, 4, 9, 100);
	packet(&f, 0, 1000007, "one", 3);
	at = block_begin(&f, 0x99); /* unknown: passed over */
	put_bytes(&f, "whatever", 8);
	block_end(&f, at);
	packet(&f, 1, 5, "three", 60);
	simple(&f, "simple", 6);
	section(&f, true);
	interface(&f, 101, 2, 0x80 | 10, -1);
	packet(&f, 0, 3 * 1024 + 512, "half", 4);
	simple(&f, "ab", 900);
	gives(&f, "1000007000 1 one/3\n100000000005 113 three/60\n100000000005 1 simple/6\n"
		  "2500000000 101 half/4\n2500000000 101 ab/900\n");
}

static void test_pcapng_lies(void **state)
{
	struct file f = { .len = 0 };
	size_t at;

	(void)state;
	section(&f, false);
	packet(&f, 0, 1, "x", 1);
	gives(&f, "a packet of an interface that was not described");
	f.len = 0;
	section(&f, false);
	interface(&f, 1, 0, 0x7f, 0); /* clocks that cannot be */
	packet(&f, 0, UINT64_MAX, "x", 1);
	interface(&f, 1, 0, 0xff, INT64_MIN);
	packet(&f, 1, UINT64_MAX, "x", 1);
	interface(&f, 1, 0, 0, INT64_MAX);
	packet(&f, 2, UINT64_MAX, "x", 1);
	gives(&f, "0 1 x/1\n0 1 x/1\n9223372036854775807 1 x/1\n");
	f.len = 0;
	section(&f, false);
	interface(&f, 1, 0, -1, 0);
	at = f.len;
	packet(&f, 0, 1, "abcd", 4);
	f.bytes[at + 20] = 200; /* longer than its block */
	gives(&f, "a packet that is longer than its block");
	f.bytes[at + 20] = 4;
	f.bytes[f.len - 4] ^= 4;
	gives(&f, "a block whose two lengths differ");
	f.bytes[at + 4] = 3;
	gives(&f, "a block of impossible length");
	f.len = 0;
	section(&f, false);
	f.bytes[8] ^= 1;
	gives(&f, "a section of unknown byte order");
	f.len = 0;
	section(&f, false);
	at = block_begin(&f, 7);
	f.len = at + 4;
	put(&f, 0xfffffffc, 4); /* passed over without being kept */
	put_bytes(&f, "rest of it", 10);
	gives(&f, "cut");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcap_lies),
		cmocka_unit_test(test_pcapng),
		cmocka_unit_test(test_pcapng_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
