/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets made by hand for the tests of the inspector: IPv4 and IPv6 with TCP, checksums right
 * unless asked otherwise. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PACKET_ROOM = 4096 };

struct made {
	unsigned char bytes[PACKET_ROOM];
	size_t len;
};

struct recipe {
	int version;       /* 4 (default) or 6 */
	unsigned src, dst; /* last byte of the address */
	uint16_t sport, dport;
	uint32_t seq, ack;
	unsigned flags;
	const void *options; /* of TCP, a multiple of 4 */
	size_t options_len;
	const void *data;
	size_t len;
	uint16_t urgent;
	uint16_t spoil; /* added to the checksum */
};

static inline void made_put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static inline void made_put32(unsigned char *p, uint32_t v)
{
	made_put16(p, v >> 16);
	made_put16(p + 2, v & 0xffff);
}

static inline uint32_t made_sum(const unsigned char *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static inline unsigned made_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* The TCP segment alone, its checksum over the addresses of the recipe. */
static inline size_t made_tcp(const struct recipe *r, unsigned char *p)
{
	size_t header = 20 + r->options_len, all = header + r->len;
	unsigned char pseudo[40] = { 0 };
	size_t n = r->version == 6 ? 40 : 12;

	memset(p, 0, header);
	made_put16(p, r->sport);
	made_put16(p + 2, r->dport);
	made_put32(p + 4, r->seq);
	made_put32(p + 8, r->ack);
	p[12] = (unsigned char)(header / 4 << 4);
	p[13] = (unsigned char)r->flags;
	made_put16(p + 14, 0xffff);
	made_put16(p + 18, r->urgent);
	if (r->options_len)
		memcpy(p + 20, r->options, r->options_len);
	if (r->len)
		memcpy(p + header, r->data, r->len);
	if (r->version == 6) {
		pseudo[0] = pseudo[16] = 0xfd;
		pseudo[15] = (unsigned char)r->src;
		pseudo[31] = (unsigned char)r->dst;
		made_put16(pseudo + 34, (unsigned)all);
		pseudo[39] = 6;
	} else {
		memcpy(pseudo,
			(unsigned char[]){ 192, 0, 2, (unsigned char)r->src, 192, 0, 2,
				(unsigned char)r->dst, 0, 6 },
			10);
		made_put16(pseudo + 10, (unsigned)all);
	}
	made_put16(
		p + 16, (made_fold(made_sum(p, all, made_sum(pseudo, n, 0))) + r->spoil) & 0xffff);
	return all;
}

static inline void made_ipv4(unsigned char *p, const struct recipe *r, size_t payload,
	unsigned protocol, unsigned fragment, unsigned id)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	made_put16(p + 2, (unsigned)(20 + payload));
	made_put16(p + 4, id);
	made_put16(p + 6, fragment);
	p[8] = 64;
	p[9] = (unsigned char)protocol;
	memcpy(p + 12,
		(unsigned char[]){
			192, 0, 2, (unsigned char)r->src, 192, 0, 2, (unsigned char)r->dst },
		8);
	made_put16(p + 10, made_fold(made_sum(p, 20, 0)));
}

static inline void made_ipv6(
	unsigned char *p, const struct recipe *r, size_t payload, unsigned next)
{
	memset(p, 0, 40);
	p[0] = 0x60;
	made_put16(p + 4, (unsigned)payload);
	p[6] = (unsigned char)next;
	p[7] = 64;
	p[8] = p[24] = 0xfd;
	p[23] = (unsigned char)r->src;
	p[39] = (unsigned char)r->dst;
}

/* From the IP header on. */
static inline void made_ip(struct made *m, const struct recipe *r)
{
	size_t header = r->version == 6 ? 40 : 20, tcp = made_tcp(r, m->bytes + header);

	if (r->version == 6)
		made_ipv6(m->bytes, r, tcp, 6);
	else
		made_ipv4(m->bytes, r, tcp, 6, 0x4000, 1);
	m->len = header + tcp;
}

/* A datagram over IPv4; no checksum, as it may be there, unless spoil asks for one that is wrong. */
static inline void made_udp(struct made *m, const struct recipe *r)
{
	unsigned char *p = m->bytes + 20;

	memset(p, 0, 8);
	made_put16(p, r->sport);
	made_put16(p + 2, r->dport);
	made_put16(p + 4, (unsigned)(8 + r->len));
	made_put16(p + 6, r->spoil);
	memcpy(p + 8, r->data, r->len);
	made_ipv4(m->bytes, r, 8 + r->len, 17, 0x4000, 1);
	m->len = 28 + r->len;
}

/* Puts bytes in front. */
static inline void made_front(struct made *m, const void *bytes, size_t len)
{
	memmove(m->bytes + len, m->bytes, m->len);
	memcpy(m->bytes, bytes, len);
	m->len += len;
}
