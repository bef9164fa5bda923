/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of mixed scripts, for text.c. Some letters are Latin look-alikes only in bad company:
 * capital Greek nu, Hebrew samekh. In come a place in the source (for capitals, which folding
 * loses) or the whole folded text; out goes what they are there. In words of their own script they
 * keep their fold, or upper and lower case of Greek would part and everyday Hebrew would spell
 * Latin. Each word is walked once, so the work is linear. */
#include "xmpp/text_mixed.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include "xmpp/text.h"
#include "xmpp/text_alike.h"
#include "xmpp/text_compose.h"

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

/* ---- folded text ---- */

/* Where the word from i on ends; *latin and *distant say what it holds. */
static size_t word_end(struct span s, size_t i, bool *latin, bool *distant)
{
	uint32_t cp;
	size_t n;

	*latin = *distant = false;
	while ((n = text_decode(s, i, &cp)) > 0 && is_word_char(cp)) {
		*latin |= cp >= 'a' && cp <= 'z';
		*distant |= text_alike_distant(cp) != 0;
		i += n;
	}
	return i;
}

struct moved {
	char *text;
	uint32_t *source;
	size_t len;
};

static void move(struct moved *m, const char *bytes, size_t n, uint32_t from)
{
	for (size_t i = 0; i < n; i++) {
		m->text[m->len] = bytes[i];
		m->source[m->len++] = from;
	}
}

/* A word of mixed scripts: writes it anew, shorter. */
static void word_change(struct moved *m, struct span s, size_t i, size_t end)
{
	bool changed = false;
	uint32_t cp;
	size_t n;

	for (; i < end && (n = text_decode(s, i, &cp)) > 0; i += n) {
		char to = text_alike_distant(cp);

		if (to)
			move(m, &to, 1, m->source[i]);
		else if (!changed || !text_is_mark(cp))
			move(m, s.ptr + i, n, m->source[i]);
		changed = to || (changed && text_is_mark(cp));
	}
}

size_t text_mixed_letters(char *text, uint32_t *source, size_t len)
{
	struct moved m = { text, source, 0 };
	struct span s = { text, len };
	bool latin, distant;
	size_t i = 0, end, n;
	uint32_t cp;

	while (i < len) {
		end = word_end(s, i, &latin, &distant);
		if (end > i && latin && distant) {
			word_change(&m, s, i, end);
			i = end;
			continue;
		}
		if (end == i)
			end += (n = text_decode(s, i, &cp)) > 0 ? n : 1;
		memmove(text + m.len, text + i, end - i);
		memmove(source + m.len, source + i, (end - i) * sizeof(*source));
		m.len += end - i;
		i = end;
	}
	return m.len;
}
