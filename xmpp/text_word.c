/* SPDX-License-Identifier: BSD-2-Clause */
/* Word edges, asked by the pattern scan for each literal it found: do these bytes stand as whole
 * words? In come a text (raw or folded) and a range; out goes yes or no. It looks at two characters
 * on each side and no further, so a text full of hits costs no more than the hits. It keeps nothing
 * and makes no lists of words. */
#include "xmpp/text.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

/* A character as far as words go. */
enum edge {
	EDGE_NONE, /* not part of a word, or the end of the text */
	EDGE_WORD,
	EDGE_FREE, /* of a script written without spaces: a word may end anywhere */
};

static enum edge script_edge(UChar32 cp)
{
	UErrorCode e = U_ZERO_ERROR;

	switch (uscript_getScript(cp, &e)) {
	case USCRIPT_HAN:
	case USCRIPT_HIRAGANA:
	case USCRIPT_KATAKANA:
	case USCRIPT_BOPOMOFO:
	case USCRIPT_THAI:
	case USCRIPT_LAO:
	case USCRIPT_KHMER:
	case USCRIPT_MYANMAR:
		return EDGE_FREE;
	default:
		/* the long-vowel mark and the like are common to both kana */
		return uscript_hasScript(cp, USCRIPT_KATAKANA) ? EDGE_FREE : EDGE_WORD;
	}
}

static enum edge edge_of(uint32_t cp)
{
	if (cp < 0x80)
		return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') ||
				       (cp >= 'A' && cp <= 'Z') || cp == '_'
			       ? EDGE_WORD
			       : EDGE_NONE;
	if (u_isalnum((UChar32)cp) || u_hasBinaryProperty((UChar32)cp, UCHAR_ALPHABETIC) ||
		(U_MASK(u_charType((UChar32)cp)) & (U_GC_M_MASK | U_GC_PC_MASK)))
		return script_edge((UChar32)cp);
	return EDGE_NONE;
}

static enum edge edge_before(struct span text, size_t at)
{
	uint32_t cp;

	if (at == 0)
		return EDGE_NONE;
	do
		at--;
	while (at > 0 && ((unsigned char)text.ptr[at] & 0xc0) == 0x80);
	return text_decode(text, at, &cp) ? edge_of(cp) : EDGE_NONE;
}

static enum edge edge_after(struct span text, size_t at)
{
	uint32_t cp;

	return text_decode(text, at, &cp) ? edge_of(cp) : EDGE_NONE;
}

bool text_is_word(struct span text, size_t start, size_t end)
{
	if (end <= start || end > text.len)
		return false;
	if (edge_before(text, start) == EDGE_WORD && edge_after(text, start) == EDGE_WORD)
		return false;
	return !(edge_before(text, end) == EDGE_WORD && edge_after(text, end) == EDGE_WORD);
}
