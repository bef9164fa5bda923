/* SPDX-License-Identifier: BSD-2-Clause */
/* In front of packet.c when a file is replayed: bytes of a capture become records.
 * In: pcap or pcapng, written by anybody. Out: packets with time and link type, borrowed from the
 * buffer. A length that cannot be is the end of the file, told with its reason; blocks that mean
 * nothing to us are passed over without being kept, whatever their length. It opens no file and
 * looks into no packet. */
#include "nfq-filter/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"

enum {
	MAGIC_MICRO = 0xa1b2c3d4,
	MAGIC_NANO = 0xa1b23c4d,
	MAGIC_SECTION = 0x0a0d0d0a,
	MAGIC_ORDER = 0x1a2b3c4d,
	BLOCK_INTERFACE = 1,
	BLOCK_SIMPLE = 3,
	BLOCK_PACKET = 6,
	OPTION_RESOLUTION = 9,
	OPTION_OFFSET = 14,
	PCAP_HEADER = 24,
	PCAP_RECORD = 16,
	BLOCK_FRAME = 12,                       /* type, length, length again */
	BLOCK_MAX = CAPTURE_PACKET_MAX + 65536, /* of those that we read */
};

enum format { FORMAT_UNKNOWN, FORMAT_PCAP, FORMAT_PCAPNG };

struct interface {
	unsigned link;
	size_t snap;
	uint8_t resolution; /* as the option has it */
	int64_t offset_s;
};

struct capture {
	struct buf in;
	uint64_t filled; /* bytes so far */
	size_t given;    /* bytes of the record that was handed out */
	uint64_t skip;   /* bytes still to pass over */
	enum format format;
	bool swapped, nano, finished;
	unsigned link; /* pcap */
	uint64_t last_ns;
	const char *bad;
	struct interface *interfaces;
	unsigned n_interfaces, cap_interfaces;
};

struct capture *capture_new(void)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (c)
		buf_init(&c->in, BLOCK_MAX + 2 * CAPTURE_ROOM);
	return c;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	buf_fini(&c->in);
	free(c->interfaces);
	free(c);
}

int capture_room(struct capture *c, size_t *len, char **where)
{
	*len = CAPTURE_ROOM;
	buf_pull(&c->in, c->given);
	c->given = 0;
	return buf_reserve(&c->in, CAPTURE_ROOM, where);
}

void capture_filled(struct capture *c, size_t len)
{
	buf_commit(&c->in, len);
	c->filled += len;
}

void capture_finish(struct capture *c)
{
	c->finished = true;
}

const char *capture_reason(const struct capture *c)
{
	return c->bad ? c->bad : "";
}

uint64_t capture_offset(const struct capture *c)
{
	return c->filled - buf_len(&c->in) + c->given;
}

bool capture_is_cut(const struct capture *c)
{
	return c->finished && !c->bad && (c->skip > 0 || buf_len(&c->in) > c->given);
}

const char *capture_format(const struct capture *c)
{
	return c->format == FORMAT_PCAP ? "pcap" : c->format == FORMAT_PCAPNG ? "pcapng" : "";
}

/* ---- numbers ---- */

static const unsigned char *at(const struct capture *c, size_t offset)
{
	return (const unsigned char *)buf_ptr(&c->in) + offset;
}

static uint16_t get16(const struct capture *c, size_t offset)
{
	uint16_t v;

	memcpy(&v, at(c, offset), sizeof(v));
	return c->swapped ? __builtin_bswap16(v) : v;
}

static uint32_t get32(const struct capture *c, size_t offset)
{
	uint32_t v;

	memcpy(&v, at(c, offset), sizeof(v));
	return c->swapped ? __builtin_bswap32(v) : v;
}

static enum capture_result give_bad(struct capture *c, const char *reason)
{
	c->bad = reason;
	return CAPTURE_BAD;
}

/* ---- which format ---- */

static bool magic_pcap(uint32_t magic, bool *swapped, bool *nano)
{
	uint32_t other = __builtin_bswap32(magic);

	*swapped = other == MAGIC_MICRO || other == MAGIC_NANO;
	*nano = magic == MAGIC_NANO || other == MAGIC_NANO;
	return *swapped || magic == MAGIC_MICRO || magic == MAGIC_NANO;
}

bool capture_is_magic(const void *data, size_t len)
{
	bool swapped, nano;
	uint32_t magic;

	if (len < sizeof(magic))
		return false;
	memcpy(&magic, data, sizeof(magic));
	return magic == MAGIC_SECTION || magic_pcap(magic, &swapped, &nano);
}

/* Leaves the format unknown when more bytes are wanted. */
static enum capture_result read_magic(struct capture *c)
{
	uint32_t magic;

	if (buf_len(&c->in) < sizeof(magic))
		return CAPTURE_MORE;
	memcpy(&magic, at(c, 0), sizeof(magic));
	if (magic == MAGIC_SECTION) {
		c->format = FORMAT_PCAPNG;
		return CAPTURE_MORE;
	}
	if (!magic_pcap(magic, &c->swapped, &c->nano))
		return give_bad(c, "neither pcap nor pcapng");
	if (buf_len(&c->in) < PCAP_HEADER)
		return CAPTURE_MORE;
	if (get16(c, 4) != 2)
		return give_bad(c, "a version of pcap that is not known");
	/* Above: length of the frame check sequence. */
	c->link = get32(c, 20) & 0xffff;
	c->given = PCAP_HEADER;
	c->format = FORMAT_PCAP;
	return CAPTURE_MORE;
}

/* ---- pcap ---- */

static enum capture_result next_pcap(struct capture *c, struct capture_packet *out)
{
	uint32_t len, wire, fraction;

	if (buf_len(&c->in) < PCAP_RECORD)
		return CAPTURE_MORE;
	fraction = get32(c, 4);
	len = get32(c, 8);
	wire = get32(c, 12);
	if (len > CAPTURE_PACKET_MAX)
		return give_bad(c, "a record of impossible length");
	if (buf_len(&c->in) < PCAP_RECORD + (size_t)len)
		return CAPTURE_MORE;
	c->last_ns = get32(c, 0) * 1000000000ull + fraction * (c->nano ? 1ull : 1000ull);
	*out = (struct capture_packet){ c->last_ns, c->link, at(c, PCAP_RECORD), len,
		wire > len ? wire : len };
	c->given = PCAP_RECORD + (size_t)len;
	return CAPTURE_PACKET;
}

/* ---- pcapng ---- */

/* Ticks of the interface's clock; what does not fit is the end of time. */
static uint64_t interface_time(const struct interface *i, uint64_t ticks)
{
	unsigned n = i->resolution & 0x7f;
	__int128 ns = ticks;

	if (i->resolution & 0x80) {
		ns = n < 64 ? (__int128)ticks * 1000000000 >> n : 0;
	} else {
		for (; n < 9; n++)
			ns *= 10;
		for (; n > 9 && ns; n--)
			ns /= 10;
	}
	ns += (__int128)i->offset_s * 1000000000;
	return ns < 0 ? 0 : ns > INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)ns;
}

static void interface_options(struct capture *c, struct interface *i, size_t from, size_t to)
{
	while (to - from >= 4) {
		unsigned code = get16(c, from), len = get16(c, from + 2);

		from += 4;
		if (code == 0 || len > to - from)
			return;
		if (code == OPTION_RESOLUTION && len == 1)
			i->resolution = *at(c, from);
		if (code == OPTION_OFFSET && len == 8) {
			uint32_t half[2] = { get32(c, from), get32(c, from + 4) };
			bool big = c->swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

			i->offset_s =
				(int64_t)((uint64_t)half[big ? 0 : 1] << 32 | half[big ? 1 : 0]);
		}
		len = (len + 3) & ~3u;
		from += len < to - from ? len : to - from;
	}
}

static enum capture_result read_interface(struct capture *c, size_t len)
{
	struct interface *i, *more;

	if (len < BLOCK_FRAME + 8)
		return give_bad(c, "an interface block that is too short");
	if (c->n_interfaces >= CAPTURE_INTERFACES_MAX)
		return give_bad(c, "more interfaces than the ceiling");
	if (c->n_interfaces == c->cap_interfaces) {
		unsigned cap = c->cap_interfaces ? c->cap_interfaces * 2 : 8;

		if (!(more = realloc(c->interfaces, cap * sizeof(*more))))
			return give_bad(c, "out of memory");
		c->interfaces = more;
		c->cap_interfaces = cap;
	}
	i = &c->interfaces[c->n_interfaces++];
	*i = (struct interface){ .link = get16(c, 8), .snap = get32(c, 12), .resolution = 6 };
	interface_options(c, i, 16, len - 4);
	return CAPTURE_MORE;
}

static enum capture_result give_block(struct capture *c, struct capture_packet *out,
	const struct interface *i, size_t from, size_t len, size_t wire)
{
	*out = (struct capture_packet){ c->last_ns, i->link, at(c, from), len,
		wire > len ? wire : len };
	return CAPTURE_PACKET;
}

static enum capture_result read_packet(struct capture *c, size_t len, struct capture_packet *out)
{
	uint32_t index, caplen;

	if (len < BLOCK_FRAME + 20)
		return give_bad(c, "a packet block that is too short");
	index = get32(c, 8);
	caplen = get32(c, 20);
	if (index >= c->n_interfaces)
		return give_bad(c, "a packet of an interface that was not described");
	if (caplen > len - BLOCK_FRAME - 20 || caplen > CAPTURE_PACKET_MAX)
		return give_bad(c, "a packet that is longer than its block");
	c->last_ns =
		interface_time(&c->interfaces[index], (uint64_t)get32(c, 12) << 32 | get32(c, 16));
	return give_block(c, out, &c->interfaces[index], 28, caplen, get32(c, 24));
}

static enum capture_result read_simple(struct capture *c, size_t len, struct capture_packet *out)
{
	size_t wire, caplen;

	if (len < BLOCK_FRAME + 4)
		return give_bad(c, "a packet block that is too short");
	if (c->n_interfaces == 0)
		return give_bad(c, "a packet of an interface that was not described");
	wire = caplen = get32(c, 8);
	if (c->interfaces[0].snap && caplen > c->interfaces[0].snap)
		caplen = c->interfaces[0].snap;
	if (caplen > len - BLOCK_FRAME - 4)
		caplen = len - BLOCK_FRAME - 4;
	if (caplen > CAPTURE_PACKET_MAX)
		return give_bad(c, "a packet that is longer than its block");
	return give_block(c, out, &c->interfaces[0], 12, caplen, wire);
}

/* A section has its own byte order and its own interfaces. */
static enum capture_result read_section(struct capture *c)
{
	uint32_t order;

	memcpy(&order, at(c, 8), sizeof(order));
	if (order != MAGIC_ORDER && __builtin_bswap32(order) != MAGIC_ORDER)
		return give_bad(c, "a section of unknown byte order");
	c->swapped = order != MAGIC_ORDER;
	c->n_interfaces = 0;
	return CAPTURE_MORE;
}

static enum capture_result next_block(struct capture *c, struct capture_packet *out)
{
	uint32_t type, len;

	if (buf_len(&c->in) < BLOCK_FRAME)
		return CAPTURE_MORE;
	memcpy(&type, at(c, 0), sizeof(type)); /* reads the same in both orders */
	if (type == MAGIC_SECTION && read_section(c) == CAPTURE_BAD)
		return CAPTURE_BAD;
	type = get32(c, 0);
	len = get32(c, 4);
	if (len < BLOCK_FRAME || len % 4 || (type == MAGIC_SECTION && len < 28))
		return give_bad(c, "a block of impossible length");
	if (type != BLOCK_INTERFACE && type != BLOCK_PACKET && type != BLOCK_SIMPLE) {
		c->skip = len;
		return CAPTURE_MORE;
	}
	if (len > BLOCK_MAX)
		return give_bad(c, "a block of impossible length");
	if (buf_len(&c->in) < len)
		return CAPTURE_MORE;
	if (get32(c, len - 4) != len)
		return give_bad(c, "a block whose two lengths differ");
	c->given = len;
	return type == BLOCK_INTERFACE ? read_interface(c, len)
	       : type == BLOCK_PACKET  ? read_packet(c, len, out)
				       : read_simple(c, len, out);
}

/* ---- the machine ---- */

static void pass_over(struct capture *c)
{
	size_t n;

	buf_pull(&c->in, c->given);
	c->given = 0;
	n = buf_len(&c->in);
	if (n > c->skip)
		n = (size_t)c->skip;
	buf_pull(&c->in, n);
	c->skip -= n;
}

enum capture_result capture_next(struct capture *c, struct capture_packet *out)
{
	enum capture_result r;
	enum format before;

	if (c->bad)
		return CAPTURE_BAD;
	for (;;) {
		pass_over(c);
		if (c->skip > 0)
			return CAPTURE_MORE;
		before = c->format;
		if (before == FORMAT_UNKNOWN)
			r = read_magic(c);
		else
			r = before == FORMAT_PCAP ? next_pcap(c, out) : next_block(c, out);
		/* A header, an interface or a block to pass over: on to the next. */
		if (r != CAPTURE_MORE || (c->given == 0 && c->skip == 0 && c->format == before))
			return r;
	}
}
