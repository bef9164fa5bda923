/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader behind "ban --batch": in come bytes of a file or a pipe, out go bans and unbans one by
 * one, and what could not be read with its line. Here lines are found and their format is guessed;
 * what they mean is known by batch_line.c, batch_fast.c, batch_eve.c and batch_decision.c. Whatever
 * comes, reading goes on behind it: a line too long or broken costs that line. Memory is one
 * line's. Asks nobody and bans nobody. */
#include "ctl/batch_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static const char *const format_names[] = {
	[BATCH_AUTO] = "auto",
	[BATCH_LINES] = "lines",
	[BATCH_EVE] = "eve",
	[BATCH_FAST] = "fast",
	[BATCH_CROWDSEC] = "crowdsec",
};

int batch_format_parse(const char *name, enum batch_format *out)
{
	for (size_t i = 0; i < sizeof format_names / sizeof *format_names; i++)
		if (strcmp(format_names[i], name) == 0) {
			*out = (enum batch_format)i;
			return 0;
		}
	return ERR_SYNTAX;
}

/* ---- what an entry is made of ---- */

enum batch_verdict batch_bad(struct batch_item *item, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(item->error, sizeof item->error, format, ap);
	va_end(ap);
	return BATCH_BAD;
}

const char *batch_prefix_refusal(const struct prefix *p)
{
	static const struct {
		const char *net, *why;
	} never[] = {
		{ "127.0.0.0/8", "loopback is not banned by a batch" },
		{ "::/127", "loopback is not banned by a batch" },
		{ "0.0.0.0/8", "no host has such an address" },
		{ "224.0.0.0/3", "multicast and reserved addresses are not banned" },
		{ "ff00::/8", "multicast and reserved addresses are not banned" },
	};
	struct prefix net;

	if (p->len < 19 || (address_is_v4(&p->address) && p->len < 96 + 8))
		return "wider than a batch may ban (/8, or /19 of IPv6)";
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (address_parse_prefix(span_of(never[i].net), &net.address, &net.len) == 0 &&
			address_in(&net.address, net.len < p->len ? net.len : p->len, &p->address))
			return never[i].why;
	return NULL;
}

enum batch_verdict batch_set_address(
	const struct batch *b, struct span text, struct batch_item *item)
{
	struct prefix *p = &item->entry.prefix;
	const char *refusal;

	if (address_parse_prefix(text, &p->address, &p->len) < 0)
		return batch_bad(item, "'%.*s' is no address or prefix", (int)span_cut(text, 60),
			text.len ? text.ptr : "");
	if (b->spec.prefix6 && p->len == ADDRESS_BITS && !address_is_v4(&p->address)) {
		p->len = b->spec.prefix6;
		prefix_mask(&p->address, p->len);
	}
	refusal = item->entry.unban ? NULL : batch_prefix_refusal(p);
	return refusal ? batch_bad(item, "%.*s: %s", (int)text.len, text.ptr, refusal)
		       : BATCH_TAKEN;
}

void batch_set_why(
	const struct batch *b, const char *ours, const char *text, struct batch_item *item)
{
	const char *prefix = b->spec.why ? b->spec.why : ours;
	char whole[2 * BATCH_WHY_SIZE];
	size_t n;

	snprintf(whole, sizeof whole, "%s%s%s", prefix, *prefix && *text ? ": " : "", text);
	n = span_cut(span_of(whole), sizeof item->entry.why - 1);
	memcpy(item->entry.why, whole, n);
	item->entry.why[n] = '\0';
}

/* ---- lines ---- */

static bool is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!line.ptr[i] || !strchr(" \t\r", line.ptr[i]))
			return false;
	return true;
}

enum line_state { LINE_NONE, LINE_WHOLE, LINE_LONG };

/* The next line; it is the reader's until the next call. At the end what is left is one, too. */
static enum line_state line_take(struct batch *b, struct span *line, size_t *used)
{
	struct span rest = buf_span(&b->in);
	const char *end = rest.len > b->looked
				  ? memchr(rest.ptr + b->looked, '\n', rest.len - b->looked)
				  : NULL;
	bool lost = b->lost;

	if (!end && !b->ended && rest.len <= BATCH_LINE_MAX) {
		b->looked = rest.len;
		return LINE_NONE;
	}
	*line = (struct span){ rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len };
	*used = line->len + (end != NULL);
	b->looked = 0;
	if (*used == 0)
		return LINE_NONE;
	b->lines += !lost;
	b->lost = !end && !b->ended;
	if (lost) /* told already */
		*line = (struct span){ NULL, 0 };
	return !lost && line->len > BATCH_LINE_MAX ? LINE_LONG : LINE_WHOLE;
}

static enum batch_verdict line_read(
	const struct batch *b, struct span line, struct batch_item *item)
{
	item->entry = (struct batch_entry){ .unban = b->spec.unban, .for_ms = b->spec.for_ms };
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (is_blank(line))
		return BATCH_SKIP;
	if (memchr(line.ptr, '\0', line.len))
		return batch_bad(item, "a NUL byte in it");
	switch (b->format) {
	case BATCH_EVE:
		return batch_read_eve(b, line, item);
	case BATCH_FAST:
		return batch_read_fast(b, line, item);
	default:
		return batch_read_line(b, line, item);
	}
}

static enum batch_what next_line(struct batch *b, struct batch_item *item)
{
	enum batch_verdict verdict;
	enum line_state state;
	struct span line;
	size_t used;

	while ((state = line_take(b, &line, &used)) != LINE_NONE) {
		item->line = b->lines;
		verdict = state == LINE_LONG ? batch_bad(item, "longer than a line may be")
					     : line_read(b, line, item);
		if (verdict == BATCH_SKIP && !is_blank(line))
			b->skipped++;
		buf_pull(&b->in, used);
		if (verdict != BATCH_SKIP)
			return verdict == BATCH_TAKEN ? BATCH_ENTRY : BATCH_REFUSED;
	}
	return BATCH_MORE;
}

/* ---- the format ---- */

/* Of the first line that is not blank. */
static enum batch_format format_guess(struct span line)
{
	static const char fast[] = "[**]", event[] = "\"event_type\"", none[] = "null";

	if (memmem(line.ptr, line.len, fast, sizeof fast - 1))
		return BATCH_FAST;
	if (*line.ptr == '{')
		return memmem(line.ptr, line.len, event, sizeof event - 1) ? BATCH_EVE
									   : BATCH_CROWDSEC;
	if (*line.ptr == '[' || span_is(line, none)) /* cscli's word for no decisions */
		return BATCH_CROWDSEC;
	return BATCH_LINES;
}

/* False while the first line is not whole. Blank ones before it are passed over. */
static bool format_settle(struct batch *b)
{
	struct span rest = buf_span(&b->in);
	const char *end;

	while (rest.len && strchr(" \t\r\n", *rest.ptr) && *rest.ptr) {
		b->lines += *rest.ptr == '\n';
		buf_pull(&b->in, 1);
		rest = buf_span(&b->in);
	}
	end = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
	if (!rest.len || (!end && !b->ended && rest.len <= BATCH_LINE_MAX))
		return false;
	rest.len = end ? (size_t)(end - rest.ptr) : rest.len;
	while (rest.len > 1 && strchr(" \t\r", rest.ptr[rest.len - 1]))
		rest.len--;
	b->format = format_guess(rest);
	return true;
}

/* A byte order mark, as some editors write it, is no part of the first line. */
static bool mark_settle(struct batch *b)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct span rest = buf_span(&b->in);

	if (rest.len < sizeof mark - 1 && !b->ended)
		return false;
	if (rest.len >= sizeof mark - 1 && memcmp(rest.ptr, mark, sizeof mark - 1) == 0)
		buf_pull(&b->in, sizeof mark - 1);
	b->begun = true;
	return true;
}

enum batch_what batch_next(struct batch *b, struct batch_item *item)
{
	if ((!b->begun && !mark_settle(b)) || (b->format == BATCH_AUTO && !format_settle(b)))
		return BATCH_MORE;
	return b->format == BATCH_CROWDSEC ? batch_next_decision(b, item) : next_line(b, item);
}

/* ---- face ---- */

struct batch *batch_new(const struct batch_spec *spec)
{
	struct batch *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->spec = *spec;
	b->format = spec->format;
	buf_init(&b->in, 2 * BATCH_LINE_MAX + 1);
	buf_init(&b->cut.copy, BATCH_LINE_MAX);
	return b;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	buf_fini(&b->in);
	buf_fini(&b->cut.copy);
	free(b);
}

int batch_push(struct batch *b, const void *data, size_t len)
{
	return buf_put(&b->in, data, len);
}

void batch_end(struct batch *b)
{
	b->ended = true;
}

unsigned long batch_lines(const struct batch *b)
{
	return b->lines;
}

unsigned long batch_skipped(const struct batch *b)
{
	return b->skipped;
}

enum batch_format batch_format(const struct batch *b)
{
	return b->format;
}
