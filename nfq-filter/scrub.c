/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside gate.c and hold.c: the hand that changes a packet's headers.
 * In: a copy of a packet that was parsed without complaint. Out: the same with what its receiver
 * and we might read differently made harmless, or turned into a reset, checksums right. Lengths
 * only shrink. It decides nothing and never touches a payload: that is reassembly's to rewrite. */
#include "nfq-filter/scrub.h"

#include <string.h>

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_SEGMENT = 2,
	OPTION_MULTIPATH = 30,
	OPTION_FAST_OPEN = 34,
	OPTION_EXPERIMENT = 254, /* Fast Open before it had a number */
	HEADER_MIN = 20,
	/* A message of the queue holds 65,531 bytes; a segment of loopback would be longer. */
	SEGMENT_MAX = 65000,
	HOPS = 64,
};

static void put16(unsigned char *p, size_t value)
{
	p[0] = (unsigned char)(value >> 8);
	p[1] = (unsigned char)value;
}

static void put32(unsigned char *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

static bool is_unwanted(unsigned char option)
{
	return option == OPTION_MULTIPATH || option == OPTION_FAST_OPEN ||
	       option == OPTION_EXPERIMENT;
}

static bool is_too_large(const unsigned char *p, size_t n)
{
	return p[0] == OPTION_SEGMENT && n == 4 && (p[2] << 8 | p[3]) > SEGMENT_MAX;
}

/* Blanks the unwanted options in [p, p+len), or only says whether there are some. */
static bool options_blank(unsigned char *p, size_t len, bool write)
{
	bool found = false;

	while (len > 0 && p[0] != OPTION_END) {
		size_t n = p[0] == OPTION_NOP ? 1 : len >= 2 ? p[1] : 0;

		if (n > len || n == 0 || (p[0] != OPTION_NOP && n < 2))
			break;
		if (is_unwanted(p[0])) {
			found = true;
			if (write)
				memset(p, OPTION_NOP, n);
		}
		if (is_too_large(p, n)) {
			found = true;
			if (write)
				put16(p + 2, SEGMENT_MAX);
		}
		p += n;
		len -= n;
	}
	return found;
}

bool scrub_is_due(const struct packet *p)
{
	return (p->flags & TCP_URG) || ((p->flags & TCP_SYN) && p->len > 0) ||
	       (p->tcp_header > HEADER_MIN &&
		       options_blank((unsigned char *)(uintptr_t)p->tcp + HEADER_MIN,
			       p->tcp_header - HEADER_MIN, false));
}

/* What IP says of the length. */
static void length_write(unsigned char *bytes, size_t len)
{
	if (bytes[0] >> 4 == 4)
		put16(bytes + 2, len);
	else
		put16(bytes + 4, len - 40);
}

static void finish(unsigned char *bytes, size_t len, struct packet *p)
{
	uint64_t time_ns = p->time_ns;

	length_write(bytes, len);
	packet_sign(p, bytes, len);
	packet_parse_ip(bytes, len, len, p);
	p->time_ns = time_ns;
}

size_t scrub_normalise(unsigned char *bytes, size_t len, struct packet *p)
{
	unsigned char *tcp = bytes + (p->tcp - bytes);

	len = (size_t)(p->tcp - bytes) + p->tcp_header + p->len; /* what is behind is padding */
	options_blank(tcp + HEADER_MIN, p->tcp_header - HEADER_MIN, true);
	tcp[13] = (unsigned char)(tcp[13] & ~TCP_URG);
	put16(tcp + 18, 0);
	if (p->flags & TCP_SYN)
		len -= p->len;
	finish(bytes, len, p);
	return len;
}

size_t scrub_reset(unsigned char *bytes, struct packet *p, uint32_t seq)
{
	unsigned char *tcp = bytes + (p->tcp - bytes);
	size_t len = (size_t)(p->tcp - bytes) + HEADER_MIN;

	/* Whoever sent it may have meant it to die on its way. */
	bytes[bytes[0] >> 4 == 4 ? 8 : 7] = HOPS;
	put32(tcp + 4, seq);
	tcp[12] = HEADER_MIN / 4 << 4;
	tcp[13] = TCP_RST | TCP_ACK;
	put16(tcp + 14, 0);
	put16(tcp + 18, 0);
	finish(bytes, len, p);
	return len;
}
