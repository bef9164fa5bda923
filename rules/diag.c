/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a policy, said so that it can be found: parser, checker, compiler and
 * expectations put their messages in here, commands and the control socket take them out with the
 * source line, carets and a hint. The number kept is bounded; the rest is counted. Bytes of source
 * lines are made harmless before they reach a terminal. It never decides whether a load fails. */
#include "rules/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "rules/source.h"

enum {
	DIAG_LINE_MAX = 160,
	DIAG_CONTEXT = 60,
	DIAG_TAB = 8,
	DIAG_MESSAGE_MAX = 512,
	DIAG_WORD_MAX = 64
};

#define RED     "\033[1;31m"
#define MAGENTA "\033[1;35m"
#define GREEN   "\033[32m"
#define BOLD    "\033[1m"
#define PLAIN   "\033[0m"

void diag_init(struct diag_list *d)
{
	*d = (struct diag_list){ 0 };
	arena_init(&d->arena, 0);
}

void diag_fini(struct diag_list *d)
{
	arena_fini(&d->arena);
	*d = (struct diag_list){ 0 };
}

static void diag_add(struct diag_list *d, struct loc at, bool warning, const char *hint,
	const char *format, va_list args)
{
	char text[DIAG_MESSAGE_MAX];
	struct diag *diag;

	*(warning ? &d->warnings : &d->errors) += 1;
	diag = d->errors + d->warnings - d->dropped > DIAG_MAX
		       ? NULL
		       : arena_zalloc(&d->arena, sizeof(*diag));
	if (!diag) {
		d->dropped++;
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	diag->at = at;
	diag->warning = warning;
	diag->message = arena_strdup(&d->arena, text);
	diag->hint = hint ? arena_strdup(&d->arena, hint) : NULL;
	if (!diag->message)
		diag->message = "out of memory";
	if (d->last)
		d->last->next = diag;
	else
		d->first = diag;
	d->last = diag;
}

void diag_error(struct diag_list *d, struct loc at, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(d, at, false, hint, format, args);
	va_end(args);
}

void diag_warn(struct diag_list *d, struct loc at, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(d, at, true, hint, format, args);
	va_end(args);
}

/* ---- the source line ---- */

static struct span line_find(const struct source_file *file, unsigned line)
{
	const char *at = file->bytes, *end = file->bytes + file->len, *stop;

	for (unsigned n = 1; n < line && at; n++)
		if ((at = memchr(at, '\n', (size_t)(end - at))))
			at++;
	if (!at || line == 0)
		return (struct span){ 0 };
	stop = memchr(at, '\n', (size_t)(end - at));
	stop = stop ? stop : end;
	if (stop > at && stop[-1] == '\r')
		stop--;
	return (struct span){ at, (size_t)(stop - at) };
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* How many columns a byte takes on the screen when it starts at column; its text goes out if out is
 * not NULL. */
static unsigned put_byte(struct buf *out, char c, unsigned column)
{
	unsigned width = 1;

	if (c == '\t') {
		width = DIAG_TAB - column % DIAG_TAB;
		for (unsigned i = 0; out && i < width; i++)
			buf_put(out, " ", 1);
		return width;
	}
	if ((unsigned char)c < 0x20 || c == 0x7f)
		c = '?'; /* a file must not drive the terminal */
	if (out)
		buf_put(out, &c, 1);
	return is_continuation(c) ? 0 : width;
}

/* A long line is shown from a little before the place. */
static size_t window_start(struct span line, size_t mark)
{
	size_t start = 0;

	if (line.len > DIAG_LINE_MAX && mark > DIAG_LINE_MAX - DIAG_CONTEXT)
		start = mark > DIAG_CONTEXT ? mark - DIAG_CONTEXT : 0;
	while (start > 0 && start < line.len && is_continuation(line.ptr[start]))
		start--;
	return start;
}

static void put_excerpt(struct buf *out, const struct diag *diag, struct span line, bool colour)
{
	size_t mark = diag->at.column > 0 ? diag->at.column - 1 : 0, start, end, stop, i;
	unsigned column = 0, carets = 0, indent = 0;

	if (mark > line.len)
		mark = line.len;
	start = window_start(line, mark);
	stop = line.len - start > DIAG_LINE_MAX ? start + DIAG_LINE_MAX : line.len;
	while (stop < line.len && is_continuation(line.ptr[stop]))
		stop++;
	end = mark + (diag->at.length ? diag->at.length : 1);
	if (start > 0) {
		buf_puts(out, "...");
		column = 3;
	}
	indent = column;
	for (i = start; i < stop; i++) {
		unsigned width = put_byte(out, line.ptr[i], column);

		column += width;
		if (i < mark)
			indent = column;
		else if (i < end)
			carets += width;
	}
	buf_puts(out, stop < line.len ? "...\n" : "\n");
	buf_putf(out, "%*s%s", (int)indent, "", colour ? GREEN : "");
	for (i = 0; i < (carets ? carets : 1); i++)
		buf_put(out, "^", 1);
	buf_puts(out, colour ? PLAIN : "");
	if (diag->hint)
		buf_putf(out, " %s", diag->hint);
	buf_puts(out, "\n");
}

static void put_diag(struct buf *out, const struct diag *diag, bool colour)
{
	const struct source_file *file = diag->at.file;
	const char *paint = !colour ? "" : diag->warning ? MAGENTA : RED;

	buf_puts(out, colour ? BOLD : "");
	if (file && diag->at.line)
		buf_putf(out, "%s:%u:%u: ", file->path, diag->at.line, diag->at.column);
	else if (file)
		buf_putf(out, "%s: ", file->path);
	buf_putf(out, "%s%s:%s ", paint, diag->warning ? "warning" : "error", colour ? PLAIN : "");
	for (const char *c = diag->message; *c; c++)
		put_byte(out, *c == '\t' || *c == '\n' ? ' ' : *c, 0);
	buf_puts(out, "\n");
	if (file && diag->at.line && diag->at.line <= file->lines)
		put_excerpt(out, diag, line_find(file, diag->at.line), colour);
	else if (diag->hint)
		buf_putf(out, "    %s\n", diag->hint);
}

static void put_all(struct buf *out, const struct diag_list *d, bool colour)
{
	for (const struct diag *diag = d->first; diag; diag = diag->next)
		put_diag(out, diag, colour);
	if (d->dropped)
		buf_putf(out, "%u error%s, %u more not shown\n", d->errors,
			d->errors == 1 ? "" : "s", d->dropped);
}

void diag_print(const struct diag_list *d, FILE *out, bool colour)
{
	struct buf text;

	buf_init(&text, 0);
	put_all(&text, d, colour);
	if (buf_len(&text))
		fwrite(buf_ptr(&text), 1, buf_len(&text), out);
	buf_fini(&text);
}

char *diag_string(const struct diag_list *d)
{
	struct buf text;
	char *taken;

	buf_init(&text, 0);
	put_all(&text, d, false);
	taken = buf_take(&text);
	buf_fini(&text);
	return taken;
}

/* ---- did you mean ---- */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Insertions, deletions, substitutions and swaps of neighbours between two words of at most
 * DIAG_WORD_MAX bytes. */
static unsigned word_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][DIAG_WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = a[i - 1] == b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *diag_suggest(struct diag_list *d, const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word);
	unsigned best = len < 3 ? 2 : (unsigned)(len + 2) / 3 + 1;
	const char *nearest = NULL;
	cleanup_free char *text = NULL;

	/* Looking for what will not be shown could take long in a file full of errors. */
	if (len == 0 || len > DIAG_WORD_MAX || d->errors >= DIAG_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(words[i]);
		unsigned distance =
			other > DIAG_WORD_MAX ? best : word_distance(word, len, words[i], other);

		if (distance < best) {
			best = distance;
			nearest = words[i];
		}
	}
	if (!nearest || asprintf(&text, "did you mean '%s'?", nearest) < 0) {
		text = NULL;
		return NULL;
	}
	return arena_strdup(&d->arena, text);
}
