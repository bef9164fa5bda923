/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/mask and capture_write: packets out of order, twice, contradicting each other, with
 * wrong checksums, cut; what comes out has the same shape, right checksums and no word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "nfq-filter/capture_write.h"
#include "nfq-filter/mask.h"
#include "nfq-filter/packet.h"
#include "tests/unit/packets.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

struct lab {
	struct mask *mask;
	char payloads[64][512]; /* as given, in their order */
	enum packet_checksum checksums[64];
	unsigned n;
	uint64_t now_ns;
	uint32_t seq;
};

static int on_give(void *arg, const struct capture_packet *c)
{
	struct lab *l = arg;
	struct packet p = { .time_ns = 0 };

	assert_int_equal(packet_parse_frame(c->link, c->data, c->len, c->wire_len, &p), PACKET_TCP);
	assert_true(l->n < 64 && p.len < sizeof(l->payloads[0]));
	memcpy(l->payloads[l->n], p.payload, p.len);
	l->checksums[l->n++] = p.checksum;
	return 0;
}

static void begin(struct lab *l)
{
	struct mask_options options = { .arg = l, .give = on_give };

	*l = (struct lab){ .mask = mask_new(&options), .now_ns = 1000000000, .seq = 1000 };
	assert_non_null(l->mask);
}

static void send_made(struct lab *l, const struct recipe *r, size_t cut)
{
	struct capture_packet c = { .link = 101, .time_ns = l->now_ns };
	struct made m;

	made_ip(&m, r);
	c.data = m.bytes;
	c.len = m.len - cut;
	c.wire_len = m.len;
	l->now_ns += 1000000;
	assert_int_equal(mask_push(l->mask, &c), 0);
}

static struct recipe recipe_at(uint32_t seq, const char *text)
{
	return (struct recipe){ .src = 1,
		.dst = 2,
		.sport = 40000,
		.dport = 5222,
		.seq = seq,
		.flags = TCP_ACK,
		.data = text,
		.len = strlen(text) };
}

static void open_stream(struct lab *l)
{
	struct recipe syn = recipe_at(l->seq - 1, "");

	syn.flags = TCP_SYN;
	send_made(l, &syn, 0);
	syn = recipe_at(l->seq, HEADER);
	send_made(l, &syn, 0);
	l->seq += (uint32_t)strlen(HEADER);
}

static void say(struct lab *l, uint32_t offset, const char *text)
{
	struct recipe r = recipe_at(l->seq + offset, text);

	send_made(l, &r, 0);
}

static void end(struct lab *l)
{
	assert_int_equal(mask_finish(l->mask), 0);
	mask_free(l->mask);
}

static void test_order(void **state)
{
	struct lab l;

	(void)state;
	begin(&l);
	open_stream(&l);
	say(&l, 14, " to you</body></message>");
	say(&l, 14, " TO YOU</body></message>"); /* another one: the first copy counts */
	assert_int_equal(l.n, 2);                /* they wait for what is in front */
	say(&l, 0, "<message><body");
	assert_int_equal(l.n, 5);
	say(&l, 14, " to you</body></message>");
	end(&l);
	assert_int_equal(l.n, 6);
	assert_string_equal(l.payloads[4], "<message><body");
	/* " to you" is no attribute: from there on nothing is believed. */
	assert_string_equal(l.payloads[2], " to xxxxxxxxxxxxxxxxxxxx");
	assert_string_equal(l.payloads[3], l.payloads[2]);
	assert_string_equal(l.payloads[5], l.payloads[2]);
}

static void test_copies(void **state)
{
	static const char text[] = "<message><body>hello</body></message>";
	struct lab l;

	(void)state;
	begin(&l);
	open_stream(&l);
	say(&l, 0, text);
	say(&l, 0, text);
	say(&l, 15, "HELLO</body></message><presence/>");
	say(&l, 4, "sage><BODY>secret");
	end(&l);
	assert_string_equal(l.payloads[2], "<message><body>xxxxx</body></message>");
	assert_string_equal(l.payloads[3], l.payloads[2]);
	assert_string_equal(l.payloads[4], "xxxxx</body></message><presence/>");
	assert_string_equal(l.payloads[5], "sage><body>xxxxx<");
	for (unsigned i = 0; i < l.n; i++)
		assert_int_equal(l.checksums[i], CHECKSUM_GOOD);
}

/* What no receiver takes, or stands behind a hole for ever, is not read, and not shown either. */
static void test_refused(void **state)
{
	struct recipe r;
	struct lab l;

	(void)state;
	begin(&l);
	open_stream(&l);
	r = recipe_at(l.seq, "<iq>decoy</iq>");
	r.spoil = 5;
	send_made(&l, &r, 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.payloads[2], "xxxxxxxxxxxxxx");
	assert_int_equal(l.checksums[2], CHECKSUM_WRONG);
	r = recipe_at(l.seq, "<iq>bye</iq>");
	r.flags = TCP_RST | TCP_ACK;
	r.seq += 5000;
	send_made(&l, &r, 0);
	assert_string_equal(l.payloads[3], "xxxxxxxxxxxx");
	say(&l, 100, "<iq>behind</iq>");
	assert_int_equal(l.n, 4);
	r = recipe_at(1, "another connection");
	r.src = 3;
	send_made(&l, &r, 0);
	assert_int_equal(l.n, 4);
	end(&l);
	/* The hole is given up at the end, and reading goes on behind it. */
	assert_int_equal(l.n, 6);
	assert_string_equal(l.payloads[4], "<iq>xxxxxx</iq>");
	assert_string_equal(l.payloads[5], "xxxxxxxxxxxxxxxxxx");
}

static void test_cut(void **state)
{
	struct recipe r;
	struct lab l;

	(void)state;
	begin(&l);
	open_stream(&l);
	r = recipe_at(l.seq, "<iq>abcdefgh</iq>");
	send_made(&l, &r, 7);
	say(&l, 17, "<iq>after the hole</iq>");
	end(&l);
	assert_int_equal(l.n, 4);
	assert_string_equal(l.payloads[2], "<iq>xxxxxx");
	assert_string_equal(l.payloads[3], "<iq>xxxxxxxxxxxxxx</iq>");
}

/* ---- the writer ---- */

struct file {
	unsigned char bytes[8192];
	size_t len, max;
};

static int on_put(void *arg, const void *bytes, size_t len)
{
	struct file *f = arg;

	if (f->len + len > f->max)
		return -28;
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
	return 0;
}

static unsigned read_back(const struct file *f, struct capture_packet *out, unsigned max)
{
	struct capture *c = capture_new();
	unsigned n = 0;
	size_t room;
	char *where;

	assert_int_equal(capture_room(c, &room, &where), 0);
	memcpy(where, f->bytes, f->len);
	capture_filled(c, f->len);
	while (n < max && capture_next(c, &out[n]) == CAPTURE_PACKET)
		out[n++].data = NULL;
	capture_finish(c);
	assert_string_equal(capture_reason(c), "");
	assert_false(capture_is_cut(c));
	assert_string_equal(capture_format(c), "pcapng");
	capture_free(c);
	return n;
}

static void test_writer(void **state)
{
	struct file f = { .max = sizeof(f.bytes) };
	struct capture_writer *w = capture_writer_new(on_put, &f, "a program", "why not");
	struct capture_packet back[8],
		p = { 1764000000123456789ull, 1, (const void *)"abcde", 5, 9 };

	(void)state;
	assert_non_null(w);
	assert_int_equal(capture_write(w, &p), 0);
	p.link = 101;
	p.len = p.wire_len = 4;
	p.time_ns++;
	assert_int_equal(capture_write(w, &p), 0);
	p.link = 1;
	p.len = 0;
	assert_int_equal(capture_write(w, &p), 0);
	assert_int_equal(capture_written(w), f.len);
	assert_int_equal(read_back(&f, back, 8), 3);
	assert_int_equal(back[0].time_ns, 1764000000123456789ull);
	assert_int_equal(back[0].link, 1);
	assert_int_equal(back[0].len, 5);
	assert_int_equal(back[0].wire_len, 9);
	assert_int_equal(back[1].time_ns, 1764000000123456790ull);
	assert_int_equal(back[1].link, 101);
	assert_int_equal(back[2].link, 1);
	/* What there is no room for is not written by halves. */
	f.max = f.len + 33;
	p.len = p.wire_len = 5;
	assert_int_equal(capture_write(w, &p), -28);
	assert_int_equal(capture_written(w), f.len);
	capture_writer_free(w);
	f.max = f.len;
	assert_null(capture_writer_new(on_put, &f, "a program", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
