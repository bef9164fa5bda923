/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a capture (or the kernel's queue) and flow.c: bytes of a packet become numbers.
 * In: a frame as captured, whatever its sender wrote into it. Out: addresses, sequence numbers,
 * flags and the payload, or that it is none of ours, or that it contradicts itself. Checksums are
 * computed and told, not judged by. It keeps nothing from one packet to the next. */
#include "nfq-filter/packet.h"

#include <string.h>

enum {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW_BSD = 12,
	LINK_RAW_OPENBSD = 14,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_COOKED = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_COOKED2 = 276,

	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100,
	VLANS_MAX = 4,

	PROTOCOL_HOP = 0,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AH = 51,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
	EXTENSIONS_MAX = 16,
};

/* A run of bytes that only shrinks. */
struct view {
	const unsigned char *at;
	size_t len;  /* captured */
	size_t wire; /* on the wire; never less than len */
	bool unsummed;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void view_skip(struct view *v, size_t n)
{
	v->at += n;
	v->len -= n;
	v->wire -= n;
}

/* What is behind a header's own length is padding. */
static void view_cut(struct view *v, size_t wire)
{
	if (v->wire > wire)
		v->wire = wire;
	if (v->len > wire)
		v->len = wire;
}

/* ---- checksums ---- */

/* Words of any size do, as long as no carry is lost (RFC 1071 2): halves of eight bytes, each in
 * a sum with room above. */
static uint64_t sum_bytes(const unsigned char *p, size_t len, uint64_t sum)
{
	uint64_t low = 0, high = 0, word;
	uint32_t rest;

	for (; len >= 16; p += 16, len -= 16) {
		memcpy(&word, p, 8);
		low += (uint32_t)word;
		high += word >> 32;
		memcpy(&word, p + 8, 8);
		low += (uint32_t)word;
		high += word >> 32;
	}
	for (sum += low + high; len >= 4; p += 4, len -= 4) {
		memcpy(&rest, p, 4);
		sum += rest;
	}
	if (len) {
		rest = 0;
		memcpy(&rest, p, len);
		sum += rest;
	}
	return sum;
}

/* In the byte order of the machine; equal to 0xffff over data that holds its own checksum. */
static uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of the pseudo header. */
static uint64_t sum_pseudo(const struct packet *p, size_t len)
{
	bool v4 = address_is_v4(&p->src.address);
	size_t from = v4 ? 12 : 0;
	unsigned char tail[8] = { 0, 0, (unsigned char)(len >> 8), (unsigned char)len, 0, 0, 0,
		p->protocol };
	uint64_t sum;

	sum = sum_bytes(p->src.address.bytes + from, 16 - from, 0);
	sum = sum_bytes(p->dst.address.bytes + from, 16 - from, sum);
	return sum_bytes(tail, sizeof(tail), sum);
}

/* Of TCP or UDP, whose checksum stands at that place. */
static enum packet_checksum transport_checksum(
	const struct packet *p, const unsigned char *data, size_t len, size_t place)
{
	uint16_t field, pseudo;
	uint64_t sum;

	/* Lengths beyond 16 bits exist only where the card cuts them: nothing to check. */
	if (len > 0xffff)
		return CHECKSUM_OFFLOADED;
	sum = sum_pseudo(p, len);
	pseudo = sum_fold(sum);
	if (sum_fold(sum_bytes(data, len, sum)) == 0xffff)
		return CHECKSUM_GOOD;
	memcpy(&field, data + place, sizeof(field));
	return field == pseudo ? CHECKSUM_OFFLOADED : CHECKSUM_WRONG;
}

static void sum_write(unsigned char *field, uint64_t sum)
{
	uint16_t value = (uint16_t)~sum_fold(sum);

	memcpy(field, &value, sizeof(value));
}

void packet_sign(const struct packet *p, unsigned char *ip, size_t len)
{
	size_t at = (size_t)(p->tcp - ip), header = (size_t)(ip[0] & 15) * 4;

	memset(ip + at + 16, 0, 2);
	sum_write(ip + at + 16, sum_bytes(ip + at, len - at, sum_pseudo(p, len - at)));
	if (ip[0] >> 4 != 4)
		return;
	memset(ip + 10, 0, 2);
	sum_write(ip + 10, sum_bytes(ip, header, 0));
}

/* ---- TCP ---- */

static void tcp_options(const unsigned char *p, size_t len, struct packet *out)
{
	while (len > 0 && p[0] != 0) {
		size_t n = p[0] == 1 ? 1 : len >= 2 ? p[1] : 0;

		if (n > len || (p[0] != 1 && n < 2))
			return;
		if (p[0] == 8 && n == 10) {
			out->has_stamp = true;
			out->stamp = get32(p + 2);
		}
		if (p[0] == 19 || p[0] == 29)
			out->is_signed = true;
		p += n;
		len -= n;
	}
}

static enum packet_kind parse_tcp(struct view v, struct packet *out)
{
	const unsigned char *p = v.at;
	size_t header;

	if (v.wire < 20)
		return PACKET_BAD;
	if (v.len < 20) /* cut before it says anything */
		return PACKET_OTHER;
	header = (size_t)(p[12] >> 4) * 4;
	if (header < 20 || header > v.wire)
		return PACKET_BAD;
	if (header > v.len)
		return PACKET_OTHER;
	out->src.port = (uint16_t)get16(p);
	out->dst.port = (uint16_t)get16(p + 2);
	out->tcp = p;
	out->tcp_header = header;
	out->seq = get32(p + 4);
	out->ack = get32(p + 8);
	out->flags = p[13] & 0x3f;
	out->urgent = (uint16_t)get16(p + 18);
	if (v.unsummed)
		out->checksum = CHECKSUM_OFFLOADED;
	else if (v.len == v.wire)
		out->checksum = transport_checksum(out, p, v.len, 16);
	tcp_options(p + 20, header - 20, out);
	view_skip(&v, header);
	out->payload = v.at;
	out->len = v.len;
	out->missing = v.wire - v.len;
	return PACKET_TCP;
}

/* ---- UDP ---- */

static enum packet_kind parse_udp(struct view v, struct packet *out)
{
	const unsigned char *p = v.at;
	size_t len;

	if (v.wire < 8)
		return PACKET_BAD;
	if (v.len < 8)
		return PACKET_OTHER;
	len = get16(p + 4);
	if (len == 0) /* a jumbogram, or left to the network card */
		len = v.wire;
	if (len < 8 || len > v.wire)
		return PACKET_BAD;
	view_cut(&v, len);
	out->src.port = (uint16_t)get16(p);
	out->dst.port = (uint16_t)get16(p + 2);
	/* IPv4 may do without. */
	if (get16(p + 6) == 0 && address_is_v4(&out->src.address))
		out->checksum = CHECKSUM_GOOD;
	else if (v.unsummed)
		out->checksum = CHECKSUM_OFFLOADED;
	else if (v.len == v.wire)
		out->checksum = transport_checksum(out, p, v.len, 6);
	view_skip(&v, 8);
	out->payload = v.at;
	out->len = v.len;
	out->missing = v.wire - v.len;
	return PACKET_UDP;
}

static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_AH:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return true;
	default:
		return false;
	}
}

static enum packet_kind parse_transport(struct view v, struct packet *out)
{
	return out->protocol == PROTOCOL_TCP   ? parse_tcp(v, out)
	       : out->protocol == PROTOCOL_UDP ? parse_udp(v, out)
					       : PACKET_OTHER;
}

static enum packet_kind give_fragment(struct view v, struct packet *out)
{
	out->payload = v.at;
	out->len = v.len;
	out->missing = v.wire - v.len;
	/* Extension headers may stand between the fragment's header and TCP or UDP. */
	return out->protocol == PROTOCOL_TCP || out->protocol == PROTOCOL_UDP ||
			       is_extension(out->protocol)
		       ? PACKET_FRAGMENT
		       : PACKET_OTHER;
}

/* ---- IP ---- */

static void address_v4(struct peer_address *a, const unsigned char *p)
{
	memset(a->bytes, 0, 10);
	a->bytes[10] = a->bytes[11] = 0xff;
	memcpy(a->bytes + 12, p, 4);
}

static enum packet_kind parse_ipv4(struct view v, struct packet *out)
{
	const unsigned char *p = v.at;
	size_t header, total;
	unsigned fragment;

	if (v.len < 20)
		return v.wire < 20 ? PACKET_BAD : PACKET_OTHER;
	header = (size_t)(p[0] & 15) * 4;
	total = get16(p + 2);
	if (total == 0) /* left to the network card */
		total = v.wire;
	if (header < 20 || header > total || header > v.wire || total > v.wire)
		return PACKET_BAD;
	if (header > v.len)
		return PACKET_OTHER;
	if (get16(p + 10) != 0 && sum_fold(sum_bytes(p, header, 0)) != 0xffff)
		return PACKET_BAD;
	view_cut(&v, total);
	address_v4(&out->src.address, p + 12);
	address_v4(&out->dst.address, p + 16);
	out->protocol = p[9];
	fragment = get16(p + 6);
	out->fragment_id = get16(p + 4);
	out->more = fragment & 0x2000;
	out->offset = (size_t)(fragment & 0x1fff) * 8;
	view_skip(&v, header);
	if (out->more || out->offset)
		return give_fragment(v, out);
	return parse_transport(v, out);
}

/* One extension header; false when there is none, or none that we can pass. */
static bool extension_skip(struct view *v, struct packet *out, bool *fragment)
{
	size_t len = 8;

	if (!is_extension(out->protocol) || v->len < 8)
		return false;
	if (out->protocol == PROTOCOL_AH)
		len = ((size_t)v->at[1] + 2) * 4;
	else if (out->protocol != PROTOCOL_FRAGMENT)
		len = ((size_t)v->at[1] + 1) * 8;
	if (len > v->len)
		return false;
	if (out->protocol == PROTOCOL_FRAGMENT) {
		out->offset = get16(v->at + 2) & 0xfff8u;
		out->more = v->at[3] & 1;
		out->fragment_id = get32(v->at + 4);
		/* An atomic fragment (RFC 6946) is whole. */
		*fragment = out->more || out->offset;
	}
	out->protocol = v->at[0];
	view_skip(v, len);
	return true;
}

/* Through the extension headers to TCP. */
static enum packet_kind parse_extensions(struct view v, struct packet *out)
{
	bool fragment = false;
	unsigned n = 0;

	/* Behind a fragment's header others may be in another fragment: they come with the whole.
	 */
	while (!fragment && extension_skip(&v, out, &fragment)) {
		if (++n > EXTENSIONS_MAX)
			return PACKET_BAD;
	}
	return fragment ? give_fragment(v, out) : parse_transport(v, out);
}

enum packet_kind packet_parse_transport(const void *data, size_t len, struct packet *out)
{
	struct view v = { data, len, len, false };
	enum packet_kind kind;

	if (address_is_v4(&out->src.address))
		return parse_transport(v, out);
	kind = parse_extensions(v, out);
	return kind == PACKET_FRAGMENT ? PACKET_BAD : kind;
}

static enum packet_kind parse_ipv6(struct view v, struct packet *out)
{
	size_t payload;

	if (v.len < 40)
		return v.wire < 40 ? PACKET_BAD : PACKET_OTHER;
	payload = get16(v.at + 4);
	if (payload == 0) /* a jumbogram, or left to the network card */
		payload = v.wire - 40;
	if (payload > v.wire - 40)
		return PACKET_BAD;
	view_cut(&v, 40 + payload);
	memcpy(out->src.address.bytes, v.at + 8, 16);
	memcpy(out->dst.address.bytes, v.at + 24, 16);
	out->protocol = v.at[6];
	view_skip(&v, 40);
	return parse_extensions(v, out);
}

static enum packet_kind parse_ip(struct view v, struct packet *out)
{
	unsigned version = v.len ? v.at[0] >> 4 : 0;

	return version == 4 ? parse_ipv4(v, out) : version == 6 ? parse_ipv6(v, out) : PACKET_OTHER;
}

static void packet_clear(struct packet *out)
{
	*out = (struct packet){ .time_ns = out->time_ns };
}

enum packet_kind packet_parse_ip(const void *ip, size_t len, size_t wire_len, struct packet *out)
{
	packet_clear(out);
	return parse_ip((struct view){ ip, len, wire_len > len ? wire_len : len, false }, out);
}

enum packet_kind packet_parse_unsummed(const void *ip, size_t len, struct packet *out)
{
	packet_clear(out);
	return parse_ip((struct view){ ip, len, len, true }, out);
}

/* ---- links ---- */

/* v stands behind the type. */
static enum packet_kind parse_type(struct view v, unsigned type, struct packet *out)
{
	for (unsigned i = 0; type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD; i++) {
		if (v.len < 4)
			return PACKET_OTHER;
		if (i == VLANS_MAX)
			return PACKET_BAD;
		type = get16(v.at + 2);
		view_skip(&v, 4);
	}
	return type == TYPE_IPV4 || type == TYPE_IPV6 ? parse_ip(v, out) : PACKET_OTHER;
}

enum packet_kind packet_parse_frame(
	unsigned link, const void *frame, size_t len, size_t wire_len, struct packet *out)
{
	static const struct {
		unsigned link;
		size_t header;
		int type_at; /* -1: IP follows */
	} links[] = {
		{ LINK_ETHERNET, 14, 12 },
		{ LINK_COOKED, 16, 14 },
		{ LINK_COOKED2, 20, 0 },
		{ LINK_NULL, 4, -1 },
		{ LINK_LOOP, 4, -1 },
		{ LINK_RAW, 0, -1 },
		{ LINK_RAW_BSD, 0, -1 },
		{ LINK_RAW_OPENBSD, 0, -1 },
		{ LINK_IPV4, 0, -1 },
		{ LINK_IPV6, 0, -1 },
	};
	struct view v = { frame, len, wire_len > len ? wire_len : len, false };
	unsigned type;

	packet_clear(out);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (links[i].link != link)
			continue;
		if (v.len < links[i].header)
			return PACKET_OTHER;
		type = links[i].type_at >= 0 ? get16(v.at + links[i].type_at) : 0;
		view_skip(&v, links[i].header);
		return links[i].type_at >= 0 ? parse_type(v, type, out) : parse_ip(v, out);
	}
	return PACKET_LINK;
}
