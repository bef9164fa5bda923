/* SPDX-License-Identifier: BSD-2-Clause */
/* Letters and their marks, for text.c (over a text) and text_table.c (within one character). In
 * comes a base and the marks after it, in any order and number; out goes the canonical composition
 * with decoration dropped. What goes out, sent in again, comes out equal. It keeps no state between
 * clusters and allocates nothing; a letter under a thousand marks costs as much as one under
 * TEXT_MARKS_MAX. */
#include "xmpp/text_compose.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>
#include "base/err.h"

static const UNormalizer2 *nfc, *nfd; /* set once before use, by text_table's once */

int text_compose_init(void)
{
	UErrorCode e = U_ZERO_ERROR;

	nfc = unorm2_getNFCInstance(&e);
	nfd = unorm2_getNFDInstance(&e);
	return U_FAILURE(e) ? ERR_LIBRARY : 0;
}

bool text_is_mark(uint32_t cp)
{
	int kind;

	if (cp < 0x300)
		return false;
	kind = u_charType((UChar32)cp);
	return kind == U_NON_SPACING_MARK || kind == U_ENCLOSING_MARK ||
	       u_getCombiningClass((UChar32)cp) != 0;
}

uint32_t text_compose_pair(uint32_t a, uint32_t b)
{
	UChar32 c = unorm2_composePair(nfc, (UChar32)a, (UChar32)b);

	return c < 0 ? 0 : (uint32_t)c;
}

bool text_joins_back(uint32_t cp)
{
	return cp >= 0x300 && (text_is_mark(cp) || !unorm2_hasBoundaryBefore(nfc, (UChar32)cp));
}

void text_cluster_init(struct text_cluster *c, bool fold)
{
	c->n = 0;
	c->fold = fold;
}

static void cluster_push(struct text_cluster *c, uint32_t cp, uint32_t from)
{
	if (c->n > TEXT_MARKS_MAX)
		return;
	c->cp[c->n] = cp;
	c->from[c->n++] = from;
}

/* Is it one base (or mark) followed by marks only? Syllables of Hangul and of Indic vowel pairs
 * stay whole. */
static bool apart_is_marks(const UChar *apart, int32_t len)
{
	int32_t i = 0;
	UChar32 cp;

	U16_NEXT(apart, i, len, cp);
	while (i < len) {
		U16_NEXT(apart, i, len, cp);
		if (!text_is_mark((uint32_t)cp))
			return false;
	}
	return true;
}

void text_cluster_add(struct text_cluster *c, uint32_t cp, uint32_t from)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar apart[16];
	int32_t len = unorm2_getDecomposition(nfd, (UChar32)cp, apart, 16, &e);
	UChar32 part;

	if (len < 0 || U_FAILURE(e) || !apart_is_marks(apart, len)) {
		cluster_push(c, cp, from);
		return;
	}
	for (int32_t i = 0; i < len;) {
		U16_NEXT(apart, i, len, part);
		cluster_push(c, (uint32_t)part, from);
	}
}

/* Bases whose marks are decoration unless they make a letter. */
static bool sheds_marks(uint32_t base)
{
	UErrorCode e = U_ZERO_ERROR;
	UScriptCode script;

	if (base < 0x80)
		return true;
	script = uscript_getScript((UChar32)base, &e);
	return script == USCRIPT_LATIN || script == USCRIPT_GREEK || script == USCRIPT_CYRILLIC;
}

/* Canonical order: by class, stable, never across a mark of class 0. Offsets keep their places. */
static void cluster_order(uint32_t *cp, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint32_t moved = cp[i];
		uint8_t class = u_getCombiningClass((UChar32)moved);
		size_t at = i;

		while (class && at > 0 && u_getCombiningClass((UChar32)cp[at - 1]) > class) {
			cp[at] = cp[at - 1];
			at--;
		}
		cp[at] = moved;
	}
}

/* Marks of class 0 neither compose with these bases nor may they keep others apart. */
static void cluster_shed_class_0(struct text_cluster *c)
{
	size_t kept = 1;

	for (size_t i = 1; i < c->n; i++) {
		if (u_getCombiningClass((UChar32)c->cp[i]) == 0)
			continue;
		c->cp[kept] = c->cp[i];
		c->from[kept++] = c->from[i];
	}
	c->n = kept;
}

void text_cluster_finish(struct text_cluster *c)
{
	size_t kept = 1;
	uint8_t last = 0;
	uint32_t joined;
	bool shed;

	if (c->n == 0)
		return;
	if (text_is_mark(c->cp[0])) { /* marks on nothing */
		cluster_order(c->cp, c->n);
		return;
	}
	shed = c->fold && sheds_marks(c->cp[0]);
	if (shed)
		cluster_shed_class_0(c);
	cluster_order(c->cp + 1, c->n - 1);
	for (size_t i = 1; i < c->n; i++) {
		uint8_t class = u_getCombiningClass((UChar32)c->cp[i]);
		bool blocked = kept > 1 && last >= class;

		joined = blocked ? 0 : text_compose_pair(c->cp[0], c->cp[i]);
		if (joined) {
			c->cp[0] = joined;
		} else if (!shed) {
			c->cp[kept] = c->cp[i];
			c->from[kept++] = c->from[i];
			last = class;
		}
	}
	c->n = kept;
}
