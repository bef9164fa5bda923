/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashes for sets that name people or places without telling who is in them. In comes the text a
 * field gave, already prepared, and the set's salt; out goes the digest that the set is searched
 * for. Nettle does the arithmetic: it is small, and may stand in one program with libnftables, as
 * OpenSSL may not. */
#include "rules/hash.h"

#include <nettle/sha2.h>
#include <string.h>

#include "xmpp/url.h"

static struct sha256_ctx *context(struct hash_state *h)
{
	_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct hash_state), "it fits");

	return (struct sha256_ctx *)h->room;
}

void hash_begin(struct hash_state *h)
{
	sha256_init(context(h));
}

void hash_add(struct hash_state *h, const void *bytes, size_t len)
{
	if (len)
		sha256_update(context(h), len, bytes);
}

void hash_add_number(struct hash_state *h, uint64_t number)
{
	hash_add(h, &number, sizeof(number));
}

void hash_add_span(struct hash_state *h, struct span text)
{
	hash_add_number(h, text.len);
	hash_add(h, text.ptr, text.len);
}

void hash_end(struct hash_state *h, uint8_t out[HASH_SIZE])
{
	sha256_digest(context(h), HASH_SIZE, out);
}

void hash_salted(const char *salt, struct span text, uint8_t out[HASH_SIZE])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, strlen(salt), (const uint8_t *)salt);
	if (text.len)
		sha256_update(&sha, text.len, (const uint8_t *)text.ptr);
	sha256_digest(&sha, HASH_SIZE, out);
}

static int digit_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool hash_parse(struct span text, uint8_t out[HASH_SIZE])
{
	if (text.len != HASH_HEX)
		return false;
	for (size_t i = 0; i < HASH_SIZE; i++) {
		int high = digit_value(text.ptr[2 * i]), low = digit_value(text.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

struct span hash_url_text(struct arena *a, const struct url *url)
{
	const char *authority = strstr(url->text, "://"), *rest;
	size_t host = url->host ? strlen(url->host) : 0, len;
	char *text;

	rest = authority ? authority + 3 : url->text;
	rest += strcspn(rest, "/?#");
	len = strcspn(rest, "#");
	if (len == 0) {
		rest = "/";
		len = 1;
	}
	if (!(text = arena_alloc(a, host + len)))
		return (struct span){ NULL, 0 };
	if (host)
		memcpy(text, url->host, host);
	memcpy(text + host, rest, len);
	return (struct span){ text, host + len };
}
