/* SPDX-License-Identifier: BSD-2-Clause */
/* From text to signature, for rules/similar.c. In: folded text, in which case, look-alikes and
 * invisible characters are gone already. What spammers vary without changing what is read is left
 * out: addresses of any kind, digits, signs, spaces, letters said twice. The rest is one run of
 * letters, cut into overlapping shingles of five; each is hashed under a salt and the least of each
 * of 32 bins makes the signature (one-permutation MinHash; a bin nobody fell into borrows from
 * another, the same for equal texts). Nothing of the text is kept. */
#include "rules/shingle.h"

#include <string.h>

#include "xmpp/text.h"

/* ---- letters ---- */

/* Signs, not letters; whatever is not named is a letter, which does no harm. */
static bool is_sign(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} signs[] = {
		{ 0x80, 0xa9 },
		{ 0xab, 0xb4 },
		{ 0xb6, 0xb9 },
		{ 0xbb, 0xbf },
		{ 0xd7, 0xd7 },
		{ 0xf7, 0xf7 },
		{ 0x0300, 0x036f },
		{ 0x2000, 0x2bff },
		{ 0x3000, 0x3004 },
		{ 0x3008, 0x3020 },
		{ 0xfe00, 0xfe0f },
		{ 0xfe30, 0xfe6f },
		{ 0x1f000, 0x1faff },
		{ 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (cp >= signs[i].first && cp <= signs[i].last)
			return true;
	return false;
}

static bool is_letter(uint32_t cp)
{
	return cp < 0x80 ? (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') : !is_sign(cp);
}

/* Scripts written without spaces. */
static bool is_dense(uint32_t cp)
{
	return (cp >= 0x0e00 && cp <= 0x0eff) || (cp >= 0x1000 && cp <= 0x109f) ||
	       (cp >= 0x1780 && cp <= 0x17ff) || (cp >= 0x3040 && cp <= 0x30ff) ||
	       (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0x20000 && cp <= 0x3ffff);
}

/* ---- shingles ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void shingle_take(struct shingle *s)
{
	const uint32_t *w = s->window;
	uint64_t a = w[0] | (uint64_t)w[1] << 21 | (uint64_t)w[2] << 42;
	uint64_t b = w[3] | (uint64_t)w[4] << 21;
	uint64_t hash = mix(mix(a ^ s->salt[0], b ^ s->salt[1]) ^ s->salt[1], s->salt[0] | 1);
	uint64_t *least = &s->least[hash % SIGNATURE_PARTS];

	if (hash < *least)
		*least = hash;
}

static void letter_take(struct shingle *s, uint32_t cp)
{
	if (cp == s->last || s->letters >= SHINGLE_LETTERS_MAX)
		return;
	s->last = cp;
	memmove(s->window, s->window + 1, sizeof(s->window) - sizeof(*s->window));
	s->window[SHINGLE_LENGTH - 1] = cp;
	if (++s->letters >= SHINGLE_LENGTH)
		shingle_take(s);
	s->dense += is_dense(cp);
}

/* ---- words ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
}

/* A URL, a mail address, a host with or without a path. */
static bool is_address(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] == '@' && i > 0)
			return true;
		if (word.ptr[i] == ':' && word.len - i > 2 && memcmp(word.ptr + i, "://", 3) == 0)
			return true;
		if (word.ptr[i] == '.' && i > 0 && i + 2 < word.len && !is_space(word.ptr[i - 1]) &&
			word.ptr[i - 1] != '.' && is_name(word.ptr[i + 1]) &&
			is_name(word.ptr[i + 2]))
			return true;
	}
	return false;
}

static void word_take(struct shingle *s, struct span word)
{
	unsigned before = s->letters, dense = s->dense;
	uint32_t cp;
	size_t n;

	if (is_address(word))
		return;
	for (size_t i = 0; i < word.len; i += n) {
		if ((n = text_decode(word, i, &cp)) == 0) {
			n = 1;
			continue;
		}
		if (is_letter(cp))
			letter_take(s, cp);
	}
	if (s->letters > before && s->dense == dense)
		s->words++;
}

void shingle_begin(struct shingle *s, const uint64_t salt[2])
{
	memset(s, 0, sizeof(*s));
	memset(s->least, 0xff, sizeof(s->least));
	memcpy(s->salt, salt, sizeof(s->salt));
}

void shingle_add(struct shingle *s, struct span folded)
{
	size_t end;

	for (size_t i = 0; i < folded.len && s->letters < SHINGLE_LETTERS_MAX; i = end + 1) {
		for (end = i; end < folded.len && !is_space(folded.ptr[end]); end++)
			;
		if (end > i)
			word_take(s, (struct span){ folded.ptr + i, end - i });
	}
}

/* From which other bin an empty one borrows: always the same, whatever the text. */
static unsigned bin_borrow(const struct shingle *s, unsigned bin)
{
	uint64_t state = bin + 1;
	unsigned other;

	do {
		state = mix(state + 0x9e3779b97f4a7c15u, 0xd1342543de82ef95u);
		other = (unsigned)(state >> 32) % SIGNATURE_PARTS;
	} while (s->least[other] == UINT64_MAX);
	return other;
}

bool shingle_end(struct shingle *s, unsigned words, struct signature *out)
{
	/* A word is two letters where none is seen to end. */
	if (s->letters < SHINGLE_LETTERS_MIN / (s->dense > s->letters / 2 ? 2 : 1) ||
		s->words + s->dense / 2 < words)
		return false;
	for (unsigned i = 0; i < SIGNATURE_PARTS; i++) {
		unsigned bin = s->least[i] == UINT64_MAX ? bin_borrow(s, i) : i;
		uint64_t least = s->least[bin] / SIGNATURE_PARTS;

		out->parts[i] = (uint16_t)(least ^ least >> 16 ^ least >> 32);
	}
	return true;
}

unsigned signature_agree(const struct signature *a, const struct signature *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SIGNATURE_PARTS; i++)
		n += a->parts[i] == b->parts[i];
	return n;
}
