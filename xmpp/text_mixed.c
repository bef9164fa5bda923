/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of mixed scripts, for text.c. In comes a place in a text where a letter stands that is a
 * Latin look-alike only in bad company (capital Greek nu, Hebrew samekh); out goes whether it is in
 * such company. In words of its own script such a letter keeps its own fold, or upper and lower
 * case of Greek would part and everyday Hebrew would spell Latin. Each word is walked once. It
 * folds nothing itself. */
#include "xmpp/text_mixed.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include "xmpp/text.h"

static int script_of(uint32_t cp)
{
	UErrorCode e = U_ZERO_ERROR;

	return uscript_getScript((UChar32)cp, &e);
}

static bool is_word_char(uint32_t cp)
{
	return u_isalnum((UChar32)cp) || (U_MASK(u_charType((UChar32)cp)) & U_GC_M_MASK);
}

/* One character of the source: does it belong to a word (by what it folds to), and is it foreign?
 */
static bool walk_char(struct text_mixed *m, const struct text_table *t, struct span in, size_t at,
	size_t n, uint32_t cp)
{
	struct span target;
	unsigned flags;
	bool letter = false;
	uint32_t c;

	if (text_table_find(t, cp, &target, &flags) < 0)
		return false;
	if (flags & TEXT_SELF)
		target = (struct span){ in.ptr + at, n };
	for (size_t i = 0, k; i < target.len; i += k) {
		if ((k = text_decode(target, i, &c)) == 0 || !is_word_char(c))
			return false;
		letter |= c >= 'a' && c <= 'z';
	}
	m->mixed |= letter && script_of(cp) != m->script;
	return true;
}

static size_t step_back(struct span in, size_t at)
{
	do
		at--;
	while (at > 0 && ((unsigned char)in.ptr[at] & 0xc0) == 0x80);
	return at;
}

bool text_mixed_find(
	struct text_mixed *m, const struct text_table *t, struct span in, size_t at, uint32_t cp)
{
	int script = script_of(cp);
	uint32_t c;
	size_t n;

	if (m->script == script && at >= m->start && at < m->end)
		return m->mixed;
	*m = (struct text_mixed){ .start = at, .end = at, .script = script };
	while (m->start > 0) {
		size_t before = step_back(in, m->start);

		if ((n = text_decode(in, before, &c)) == 0 || !walk_char(m, t, in, before, n, c))
			break;
		m->start = before;
	}
	while ((n = text_decode(in, m->end, &c)) > 0 && walk_char(m, t, in, m->end, n, c))
		m->end += n;
	if (m->end == at) /* cannot be: it folds to a letter */
		m->end += text_decode(in, at, &c);
	return m->mixed;
}
