/* SPDX-License-Identifier: BSD-2-Clause */
/* List files: one entry a line, comments, an expiry behind the entry. The bytes come from the
 * policy's sources (never from a file opened here), entries go into the set, and what is wrong goes
 * out as diagnostics with line and column, so that one bad line of a feed is found at once. */
#include "rules/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "rules/diag.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span span_trim(struct span s)
{
	while (s.len && is_space(s.ptr[0]))
		s.ptr++, s.len--;
	while (s.len && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool time_parse(struct span text, int64_t *ms)
{
	if (clock_parse_wall(text.ptr, text.len, ms) < 0)
		return false;
	if (*ms <= 0)
		*ms = 1; /* long past, yet not "never" */
	return true;
}

static bool is_year(struct span s)
{
	for (size_t i = 0; i < 4; i++)
		if (i >= s.len || s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return true;
}

/* Where the entry's own text ends: a comment starts at '#' behind white space; inside /.../ nothing
 * does. */
static size_t entry_end(enum list_type type, struct span line)
{
	size_t i = 0;

	if (type == LIST_REGEX && line.ptr[0] == '/')
		for (i = 1; i < line.len && line.ptr[i] != '/'; i++)
			i += line.ptr[i] == '\\';
	for (; i < line.len; i++)
		if (line.ptr[i] == '#' && (i == 0 || is_space(line.ptr[i - 1])))
			return i;
	return line.len;
}

bool list_parse_line(enum list_type type, struct span line, struct span *entry, int64_t *expires_ms,
	const char **why)
{
	static const char *const words[] = { "until", "expires" };
	struct span s = span_trim(line), time;
	size_t at, word_end, n;

	*expires_ms = 0;
	*why = NULL;
	if (s.len == 0)
		return false;
	s.len = entry_end(type, s);
	s = span_trim(s);
	*entry = s;
	if (s.len == 0)
		return false;
	/* The last two words may be "until TIME". */
	for (at = s.len; at > 0 && !is_space(s.ptr[at - 1]); at--)
		;
	time = (struct span){ s.ptr + at, s.len - at };
	for (word_end = at; word_end > 0 && is_space(s.ptr[word_end - 1]); word_end--)
		;
	for (size_t i = 0; i < 2; i++) {
		n = strlen(words[i]);
		if (word_end <= n || memcmp(s.ptr + word_end - n, words[i], n) != 0 ||
			!is_space(s.ptr[word_end - n - 1]))
			continue;
		/* A keyword may well be "until tomorrow": only what starts like a year is meant as
		 * a time. */
		if (!is_year(time))
			continue;
		if (!time_parse(time, expires_ms))
			*why = "the time is not written like 2026-12-01T00:00:00Z";
		*entry = span_trim((struct span){ s.ptr, word_end - n });
	}
	return true;
}

static int line_load(struct list *l, struct arena *a, struct span line, struct loc at,
	int64_t now_ms, struct diag_list *diags)
{
	struct span entry;
	const char *why;
	int64_t expires;
	int r;

	if (!list_parse_line(l->type, line, &entry, &expires, &why))
		return 0;
	at.column = (unsigned)(entry.ptr - line.ptr) + 1;
	at.length = (unsigned)entry.len;
	if (why) {
		diag_error(diags, at, NULL, "%s", why);
		return ERR_SYNTAX;
	}
	if (expires && expires <= now_ms)
		return 0;
	r = list_fill(l, a, entry, expires, LIST_FROM_FILE, &why);
	if (r == ERR_SYNTAX)
		diag_error(diags, at, NULL, "bad %s in set '%s': %s", list_type_text(l->type),
			l->name, why);
	return r;
}

int list_load(
	struct list *l, const struct source_file *file, int64_t now_ms, struct diag_list *diags)
{
	struct loc at = { .file = file, .line = 0 };
	size_t i = 0;
	struct arena a;
	int result = 0, r = 0;

	/* A byte order mark is what some editors leave behind. */
	if (file->len >= 3 && memcmp(file->bytes, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	arena_init(&a, 0);
	while (i < file->len && (r == 0 || r == ERR_SYNTAX)) {
		const char *end = memchr(file->bytes + i, '\n', file->len - i);
		size_t len = end ? (size_t)(end - file->bytes) - i : file->len - i;

		at.line++;
		r = line_load(l, &a, (struct span){ file->bytes + i, len }, at, now_ms, diags);
		if (r < 0)
			result = r;
		i += len + 1;
	}
	arena_fini(&a);
	return result;
}
