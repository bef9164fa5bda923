/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as bytes, and the run of folding over a text. Stands between the carriers, lists and rules
 * that hold text and the pattern scan that reads it. In comes UTF-8; out goes folded UTF-8 in the
 * caller's arena with the way back to the source. What one character becomes is said by text_table;
 * how marks join their letter by text_compose; this file walks the text, collapses white space and
 * keeps the offsets. ASCII, most of all traffic, never leaves the loop of fold_ascii. It never
 * looks at meaning, and the work is linear in the text. */
#include "xmpp/text.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "xmpp/text_alike.h"
#include "xmpp/text_compose.h"
#include "xmpp/text_mixed.h"
#include "xmpp/text_table.h"
#include "xmpp/xml_char.h"

#define TEXT_PLAIN_MAX 16384
#define STEP_MAX       512 /* bytes one character can add: its target and a full cluster written back */

/* ---- bytes ---- */

/* Continuation bytes that follow a lead byte, and the bounds of the first (Unicode 3.9, table 3-7).
 */
static size_t lead_bounds(unsigned char lead, unsigned char *low, unsigned char *high)
{
	*low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef)
		return 2;
	return lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
}

/* As text_decode; *cut says that the bytes end inside a character that could still become valid. */
static size_t decode_at(const unsigned char *s, size_t left, uint32_t *cp, bool *cut)
{
	unsigned char low, high;
	size_t more;
	uint32_t c;

	*cut = false;
	if (left == 0)
		return 0;
	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	if ((more = lead_bounds(s[0], &low, &high)) == 0)
		return 0;
	c = s[0] & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		if (i == left) {
			*cut = true;
			return 0;
		}
		if (s[i] < low || s[i] > high)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
		low = 0x80;
		high = 0xbf;
	}
	*cp = c;
	return more + 1;
}

size_t text_decode(struct span text, size_t i, uint32_t *cp)
{
	bool cut;

	if (i >= text.len)
		return 0;
	return decode_at((const unsigned char *)text.ptr + i, text.len - i, cp, &cut);
}

/* XML 1.0, production 2, for what strict UTF-8 can hold. */
static bool xml_allows(uint32_t cp)
{
	if (cp < 0x20)
		return cp == '\t' || cp == '\n' || cp == '\r';
	return cp != 0xfffe && cp != 0xffff;
}

/* Are all eight bytes in 0x20..0x7f? */
static bool eight_plain(const char *s)
{
	uint64_t word;

	memcpy(&word, s, sizeof(word));
	return !((word | (word - 0x2020202020202020u)) & 0x8080808080808080u);
}

size_t text_valid(const char *bytes, size_t len, bool *incomplete)
{
	size_t i = 0, n;
	bool cut = false;
	uint32_t cp;

	while (i < len) {
		if (len - i >= 8 && eight_plain(bytes + i)) {
			i += 8;
			continue;
		}
		n = decode_at((const unsigned char *)bytes + i, len - i, &cp, &cut);
		if (n == 0 || !xml_allows(cp))
			break;
		i += n;
	}
	if (incomplete)
		*incomplete = i < len && cut;
	return i;
}

/* ---- folding ---- */

struct folder {
	struct arena *arena;
	const struct text_table *table;
	bool fold; /* look-alikes and white space too, not only case */
	char *text;
	uint32_t *source;
	size_t len, cap;
	struct text_cluster cluster; /* open while marks arrive */
	bool open;
	struct text_mixed mixed;
	bool distant; /* there are letters that words of mixed scripts change */
};

/* The cluster is set when it is opened. */
static void folder_init(
	struct folder *f, struct arena *a, const struct text_table *table, bool fold)
{
	f->arena = a;
	f->table = table;
	f->fold = fold;
	f->text = NULL;
	f->source = NULL;
	f->len = f->cap = 0;
	f->open = f->distant = false;
	f->mixed = (struct text_mixed){ 0 };
}

/* Room for one more step and the final NUL. */
static int folder_reserve(struct folder *f, size_t left)
{
	size_t cap = f->len + STEP_MAX + left + left / 4;
	uint32_t *source;
	char *text;

	if (f->text && f->len + STEP_MAX <= f->cap)
		return 0;
	if (f->text)
		cap += f->len / 2;
	if (!(text = arena_alloc(f->arena, cap + 1)) ||
		!(source = arena_alloc(f->arena, (cap + 1) * sizeof(*source))))
		return -ENOMEM;
	if (f->len) {
		memcpy(text, f->text, f->len);
		memcpy(source, f->source, f->len * sizeof(*source));
	}
	f->text = text;
	f->source = source;
	f->cap = cap;
	return 0;
}

static void folder_put(struct folder *f, const char *bytes, size_t len, uint32_t from)
{
	assert(f->len + len <= f->cap);
	for (size_t i = 0; i < len; i++) {
		f->text[f->len] = bytes[i];
		f->source[f->len++] = from;
	}
}

/* Steps back over one character of the output. */
static size_t folder_back(const struct folder *f, size_t at, uint32_t *cp)
{
	do
		at--;
	while (((unsigned char)f->text[at] & 0xc0) == 0x80);
	text_decode((struct span){ f->text, f->len }, at, cp);
	return at;
}

/* Takes the last letter and the marks kept on it out of the output again, since another mark
 * follows. */
static void folder_open(struct folder *f)
{
	size_t start = f->len, chars = 0;
	uint32_t cp = 0;

	text_cluster_init(&f->cluster, f->fold);
	f->open = true;
	while (start > 0 && chars++ <= TEXT_MARKS_MAX) {
		start = folder_back(f, start, &cp);
		if (!text_is_mark(cp))
			break;
	}
	for (size_t at = start; at < f->len;) {
		size_t n = text_decode((struct span){ f->text, f->len }, at, &cp);

		text_cluster_add(&f->cluster, cp, f->source[at]);
		at += n;
	}
	f->len = start;
}

static void folder_close(struct folder *f)
{
	char bytes[4];

	if (!f->open)
		return;
	f->open = false;
	text_cluster_finish(&f->cluster);
	for (size_t i = 0; i < f->cluster.n; i++)
		folder_put(f, bytes, xml_char_put(f->cluster.cp[i], bytes), f->cluster.from[i]);
}

/* One folded character that may join what stands before it. */
static void folder_join(struct folder *f, uint32_t cp, uint32_t from)
{
	uint32_t before, joined;
	char bytes[4];
	size_t at;

	if (text_is_mark(cp)) {
		if (!f->open)
			folder_open(f);
		text_cluster_add(&f->cluster, cp, from);
		return;
	}
	folder_close(f);
	if (f->len > 0) {
		at = folder_back(f, f->len, &before);
		joined = text_compose_pair(before, cp);
		if (joined) {
			from = f->source[at];
			f->len = at;
			cp = joined;
		}
	}
	folder_put(f, bytes, xml_char_put(cp, bytes), from);
}

static void folder_add(struct folder *f, struct span target, unsigned flags, uint32_t from)
{
	uint32_t cp;
	size_t n;

	if (!(flags & TEXT_JOINS)) {
		folder_close(f);
		if (!(flags & TEXT_SPACE) || f->len == 0 || f->text[f->len - 1] != ' ')
			folder_put(f, target.ptr, target.len, from);
		return;
	}
	for (size_t i = 0; i < target.len; i += n) {
		n = text_decode(target, i, &cp);
		if (n == 0)
			break;
		if (cp != ' ' || !f->fold) {
			folder_join(f, cp, from);
			continue;
		}
		folder_close(f);
		if (f->len == 0 || f->text[f->len - 1] != ' ')
			folder_put(f, " ", 1, from);
	}
}

/* What ASCII becomes: lower case, white space one space, other controls (NUL stands for that)
 * nothing. */
/* clang-format off */
static const char ascii_fold[128] = {
	['\t'] = ' ', ['\n'] = ' ', ['\v'] = ' ', ['\f'] = ' ', ['\r'] = ' ', [' '] = ' ',
	['!'] = '!', '"', '#', '$', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	['0'] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '@',
	['A'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
	'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '[', '\\', ']', '^', '_', '`',
	['a'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
	'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '{', '|', '}', '~',
};
/* clang-format on */

/* The same for casefolding: only letters change. */
static inline char ascii_lower(unsigned char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* A character of two or three bytes; 0 if there is none such. */
static inline size_t decode_short(const unsigned char *s, size_t left, uint32_t *cp)
{
	if (left < 3 || s[0] < 0xc2 || s[0] >= 0xf0 || (s[1] & 0xc0) != 0x80)
		return 0;
	if (s[0] < 0xe0) {
		*cp = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
		return 2;
	}
	*cp = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	return (s[2] & 0xc0) == 0x80 && *cp >= 0x800 && *cp >> 11 != 0x1b ? 3 : 0;
}

/* Rows of the table that were read last. */
struct row {
	uint32_t page;
	const struct text_entry *entries; /* NULL: none yet */
};

static inline const struct text_entry *row_entry(
	struct row *row, const struct text_table *t, uint32_t cp)
{
	if (!row->entries || row->page != cp >> 8) {
		row->page = cp >> 8;
		row->entries = text_table_row(t, cp);
	}
	return row->entries ? &row->entries[cp & 0xff] : NULL;
}

/* Folds from i on what stands by itself, most of all letters; returns where something stands that
 * does not: marks and what they join, white space outside ASCII, what the table has no room for,
 * the rest of the text. An output character takes FAST_STEP bytes at most, and so many are written.
 */
enum { FAST_STEP = 8 };

static size_t fold_fast(struct folder *f, struct span in, size_t i)
{
	const unsigned char *s = (const unsigned char *)in.ptr;
	const struct text_table *table = f->table;
	struct row row = { 0, NULL };
	uint32_t *source = f->source;
	char *text = f->text;
	size_t len = f->len, last = f->cap - FAST_STEP;
	bool fold = f->fold;
	unsigned seen = 0;

	while (i < in.len && len <= last) {
		const struct text_entry *e;
		uint32_t cp;
		size_t n;

		if (s[i] < 0x80) {
			char c = fold ? ascii_fold[s[i]] : ascii_lower(s[i]);
			bool goes = fold && (!c || (c == ' ' && len > 0 && text[len - 1] == ' '));

			source[len] = (uint32_t)i++;
			text[len] = c;
			len += !goes;
			continue;
		}
		if (!(n = decode_short(s + i, in.len - i, &cp)) ||
			!(e = row_entry(&row, table, cp)) ||
			(e->flags & ~(TEXT_SELF | TEXT_DISTANT)) || e->len > 3)
			break;
		seen |= e->flags;
		source[len] = source[len + 1] = source[len + 2] = (uint32_t)i;
		if (e->flags & TEXT_SELF) {
			memcpy(text + len, s + i, 3);
			len += n;
		} else {
			memcpy(text + len, e->bytes, 4);
			len += e->len;
		}
		i += n;
	}
	f->len = len;
	f->distant |= (seen & TEXT_DISTANT) != 0;
	return i;
}

/* Streams are checked before; this is for a file of the operator's that nobody checked. */
static void folder_bad_byte(struct folder *f, uint32_t from)
{
	folder_close(f);
	folder_put(f, "\ufffd", 3, from);
}

static int folder_run(struct folder *f, struct span in)
{
	struct span target;
	unsigned flags;
	size_t i = 0, n;
	uint32_t cp;
	char capital;
	int r;

	while (i < in.len) {
		if ((r = folder_reserve(f, in.len - i)) < 0)
			return r;
		if ((unsigned char)in.ptr[i] < 0x80)
			folder_close(f);
		if (!f->open && (n = fold_fast(f, in, i)) > i) {
			i = n;
			continue;
		}
		if ((n = text_decode(in, i, &cp)) == 0) {
			folder_bad_byte(f, (uint32_t)i++);
			continue;
		}
		if ((r = text_table_find(f->table, cp, &target, &flags)) < 0)
			return r;
		if (flags & TEXT_SELF)
			target = (struct span){ in.ptr + i, n };
		if ((flags & TEXT_CAPITAL) && text_mixed_find(&f->mixed, f->table, in, i, cp)) {
			capital = text_alike_capital(cp);
			target = (struct span){ &capital, 1 };
		}
		f->distant |= (flags & TEXT_DISTANT) != 0;
		if (target.len)
			folder_add(f, target, flags, (uint32_t)i);
		i += n;
	}
	if ((r = folder_reserve(f, 0)) < 0)
		return r;
	folder_close(f);
	if (f->distant)
		f->len = text_mixed_letters(f->text, f->source, f->len);
	return 0;
}

/* ---- plain text ---- */

/* The way back where every byte became one byte in the same place. */
static uint32_t same_place[TEXT_PLAIN_MAX + 1];
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

static void places_fill(void)
{
	for (uint32_t i = 0; i <= TEXT_PLAIN_MAX; i++)
		same_place[i] = i;
}

typedef unsigned char bytes16 __attribute__((vector_size(16)));

/* Sixteen bytes of printable ASCII in lower case; false if there are others, or two spaces side by
 * side (the byte behind them is looked at too). */
static bool sixteen_fold(const char *from, char *to)
{
	bytes16 b, next, odd;
	uint64_t halves[2];

	memcpy(&b, from, sizeof(b));
	memcpy(&next, from + 1, sizeof(next));
	odd = (bytes16)(b < 0x20) | (bytes16)(b >= 0x7f) |
	      ((bytes16)(b == ' ') & (bytes16)(next == ' '));
	memcpy(halves, &odd, sizeof(halves));
	if (halves[0] | halves[1])
		return false;
	b |= (bytes16)(b >= 'A') & (bytes16)(b <= 'Z') & 0x20;
	memcpy(to, &b, sizeof(b));
	return true;
}

/* Most texts: ASCII in which nothing moves. False if this is none. */
static bool plain_fold(struct span in, char *to)
{
	char last = 0;
	size_t i = 0;

	while (i < in.len) {
		size_t end = in.len - i > 16 ? i + 16 : in.len;

		if (in.len - i > 16 && !(last == ' ' && in.ptr[i] == ' ') &&
			sixteen_fold(in.ptr + i, to + i)) {
			i = end;
			last = to[i - 1];
			continue;
		}
		for (; i < end; i++) {
			unsigned char byte = (unsigned char)in.ptr[i];
			char c = byte < 0x80 ? ascii_fold[byte] : 0;

			if (!c || (c == ' ' && last == ' '))
				return false;
			to[i] = last = c;
		}
	}
	return true;
}

/* 0, -ENOMEM, or 1 if it is no plain text. */
static int fold_plain(struct arena *a, struct span in, struct folded *out)
{
	char *text;

	if (in.len > TEXT_PLAIN_MAX || (in.len > 0 && (unsigned char)in.ptr[0] >= 0x80))
		return 1;
	if (!(text = arena_alloc(a, in.len + 1)))
		return -ENOMEM;
	if (!plain_fold(in, text))
		return 1;
	pthread_once(&places_once, places_fill);
	text[in.len] = '\0';
	*out = (struct folded){ text, in.len, same_place };
	return 0;
}

static int fold_with(struct arena *a, const struct text_table *table, bool fold, struct span in,
	struct folded *out)
{
	struct folder f;
	int r;

	if (in.len > UINT32_MAX / 2)
		return -ENOMEM;
	if (fold && (r = fold_plain(a, in, out)) <= 0)
		return r;
	folder_init(&f, a, table, fold);
	if ((r = folder_run(&f, in)) < 0)
		return r;
	f.text[f.len] = '\0';
	f.source[f.len] = (uint32_t)in.len;
	*out = (struct folded){ f.text, f.len, f.source };
	return 0;
}

int text_fold(struct arena *a, struct span in, struct folded *out)
{
	const struct text_table *table;
	int r = text_table_fold(&table);

	return r < 0 ? r : fold_with(a, table, true, in, out);
}

int text_casefold(struct arena *a, struct span in, struct folded *out)
{
	const struct text_table *table;
	int r = text_table_case(&table);

	return r < 0 ? r : fold_with(a, table, false, in, out);
}
