/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS messages made by hand, names written out or as pointers to where they stood. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct dns_made {
	unsigned char bytes[16384];
	size_t len;
	unsigned answers;
};

static inline void dns_put16(struct dns_made *m, unsigned v)
{
	m->bytes[m->len++] = (unsigned char)(v >> 8);
	m->bytes[m->len++] = (unsigned char)v;
}

static inline void dns_put32(struct dns_made *m, uint32_t v)
{
	dns_put16(m, v >> 16);
	dns_put16(m, v & 0xffff);
}

/* flags 0x8400: an answer of multicast DNS. */
static inline void dns_make(struct dns_made *m, unsigned flags)
{
	memset(m, 0, sizeof(*m));
	m->len = 12;
	m->bytes[2] = (unsigned char)(flags >> 8);
	m->bytes[3] = (unsigned char)flags;
}

static inline void dns_count(struct dns_made *m, unsigned answers)
{
	m->answers = answers;
	m->bytes[6] = (unsigned char)(answers >> 8);
	m->bytes[7] = (unsigned char)answers;
}

/* "ann@x._presence._tcp.local": labels by dots; "*12" is a pointer to byte 12, and ends it. */
static inline void dns_put_name(struct dns_made *m, const char *text)
{
	unsigned to;

	while (*text) {
		size_t n = strcspn(text, ".");

		if (sscanf(text, "*%u", &to) == 1) {
			dns_put16(m, 0xc000 | to);
			return;
		}
		m->bytes[m->len++] = (unsigned char)n;
		memcpy(m->bytes + m->len, text, n);
		m->len += n;
		text += n + (text[n] == '.');
	}
	m->bytes[m->len++] = 0;
}

/* A record's head; what is put until dns_close is its data. */
static inline size_t dns_open(
	struct dns_made *m, const char *name, unsigned type, unsigned cls, uint32_t ttl)
{
	dns_put_name(m, name);
	dns_put16(m, type);
	dns_put16(m, cls);
	dns_put32(m, ttl);
	dns_put16(m, 0);
	dns_count(m, m->answers + 1);
	return m->len;
}

static inline void dns_close(struct dns_made *m, size_t at)
{
	m->bytes[at - 2] = (unsigned char)((m->len - at) >> 8);
	m->bytes[at - 1] = (unsigned char)(m->len - at);
}

enum { DNS_IN = 1, DNS_IN_FLUSH = 0x8001 };

static inline void dns_srv(struct dns_made *m, const char *name, unsigned cls, uint32_t ttl,
	unsigned port, const char *host)
{
	size_t at = dns_open(m, name, 33, cls, ttl);

	dns_put32(m, 0);
	dns_put16(m, port);
	dns_put_name(m, host);
	dns_close(m, at);
}

static inline void dns_a(
	struct dns_made *m, const char *name, unsigned cls, uint32_t ttl, uint32_t address)
{
	size_t at = dns_open(m, name, 1, cls, ttl);

	dns_put32(m, address);
	dns_close(m, at);
}

static inline void dns_aaaa(struct dns_made *m, const char *name, unsigned cls, uint32_t ttl,
	const unsigned char address[16])
{
	size_t at = dns_open(m, name, 28, cls, ttl);

	memcpy(m->bytes + m->len, address, 16);
	m->len += 16;
	dns_close(m, at);
}

/* texts: "key=value" each ended by a line feed. */
static inline void dns_txt(struct dns_made *m, const char *name, uint32_t ttl, const char *texts)
{
	size_t at = dns_open(m, name, 16, DNS_IN_FLUSH, ttl);

	while (*texts) {
		size_t n = strcspn(texts, "\n");

		m->bytes[m->len++] = (unsigned char)n;
		memcpy(m->bytes + m->len, texts, n);
		m->len += n;
		texts += n + (texts[n] == '\n');
	}
	dns_close(m, at);
}

static inline void dns_ptr(struct dns_made *m, const char *name, uint32_t ttl, const char *target)
{
	size_t at = dns_open(m, name, 12, DNS_IN, ttl);

	dns_put_name(m, target);
	dns_close(m, at);
}
