/* SPDX-License-Identifier: BSD-2-Clause */
/* "ban --batch" in words of our own: [ban|unban] ADDR[/LEN] [for TIME] [why TEXT]. One line in, an
 * entry out, or what is wrong with it. What begins with # is a comment; a reason goes to the end of
 * its line and may hold one. */
#include <jansson.h>

#include "base/clock.h"
#include "ctl/batch_int.h"

static struct span trim(struct span s)
{
	while (s.len && strchr(" \t", *s.ptr))
		s.ptr++, s.len--;
	while (s.len && strchr(" \t", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Takes the first word off; empty at the end or before a comment. */
static struct span word_take(struct span *rest)
{
	struct span word;

	*rest = trim(*rest);
	word = (struct span){ rest->ptr, 0 };
	if (rest->len && *rest->ptr == '#')
		*rest = (struct span){ rest->ptr, 0 };
	while (word.len < rest->len && !strchr(" \t", rest->ptr[word.len]))
		word.len++;
	rest->ptr += word.len;
	rest->len -= word.len;
	return word;
}

static enum batch_verdict time_read(struct span *rest, struct batch_item *item)
{
	struct span word = word_take(rest);

	if (item->entry.unban)
		return batch_bad(item, "an unban has no time");
	if (!word.len || clock_parse_duration(word.ptr, word.len, &item->entry.for_ms) < 0 ||
		item->entry.for_ms == 0)
		return batch_bad(item, "'for %.*s' is not a time: write 90s, 10m, 1h or 7d",
			(int)span_cut(word, 40), word.len ? word.ptr : "");
	return BATCH_TAKEN;
}

static enum batch_verdict why_read(
	const struct batch *b, struct span *rest, struct batch_item *item)
{
	struct span text = trim(*rest);
	char why[BATCH_WHY_SIZE];
	json_t *valid = json_stringn(text.len ? text.ptr : "", text.len);
	size_t n = span_cut(text, sizeof why - 1);

	if (!valid)
		return batch_bad(item, "its reason is not UTF-8");
	json_decref(valid);
	memcpy(why, text.len ? text.ptr : "", n);
	why[n] = '\0';
	batch_set_why(b, "", why, item);
	rest->len = 0;
	return BATCH_TAKEN;
}

enum batch_verdict batch_read_line(const struct batch *b, struct span line, struct batch_item *item)
{
	struct span word = word_take(&line);
	enum batch_verdict r;

	if (!word.len)
		return BATCH_SKIP;
	if (span_is(word, "ban") || span_is(word, "unban")) {
		item->entry.unban = *word.ptr == 'u';
		word = word_take(&line);
	}
	if ((r = batch_set_address(b, word, item)) != BATCH_TAKEN)
		return r;
	batch_set_why(b, "by a batch", "", item);
	while ((word = word_take(&line)).len) {
		if (span_is(word, "for"))
			r = time_read(&line, item);
		else if (span_is(word, "why"))
			r = why_read(b, &line, item);
		else
			r = batch_bad(item, "'%.*s' is neither 'for TIME' nor 'why TEXT'",
				(int)span_cut(word, 40), word.ptr);
		if (r != BATCH_TAKEN)
			return r;
	}
	return BATCH_TAKEN;
}
