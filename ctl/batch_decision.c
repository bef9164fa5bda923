/* SPDX-License-Identifier: BSD-2-Clause */
/* "ban --batch" of CrowdSec: what "cscli decisions list -o json" prints (alerts with "decisions" in
 * them) and what its local API streams ({"new":[..],"deleted":[..]}), one document behind the
 * other. A list may have a hundred thousand decisions in one document, so it is not read whole:
 * objects are cut out of it, the innermost array called "decisions", "new" or "deleted" first, and
 * each is read by itself. Behind what is no JSON, reading begins anew with the next line. */
#include <stdio.h>
#include <strings.h>

#include "base/err.h"
#include "ctl/batch_int.h"

/* Longest time that is passed on, in seconds: what is longer is cut by the daemon. */
#define DURATION_MAX_S ((uint64_t)100 * 366 * 24 * 3600)

/* ---- one decision ---- */

/* A number and its unit, in microseconds at the finest: "59m", "12.5s". */
static bool duration_part(const char **at, double *seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "ms", 1e-3 }, { "us", 1e-6 }, { "µs", 1e-6 }, { "μs", 1e-6 },
		{ "ns", 1e-9 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
	double value = 0, scale = 1;
	unsigned digits = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++, digits++)
		value = value * 10 + (**at - '0');
	if (**at == '.')
		for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits++)
			value += (**at - '0') * (scale /= 10);
	for (size_t i = 0; digits && digits < 40 && i < sizeof units / sizeof *units; i++)
		if (strncmp(*at, units[i].unit, strlen(units[i].unit)) == 0) {
			*at += strlen(units[i].unit);
			*seconds += value * units[i].seconds;
			return true;
		}
	return false;
}

/* A duration as Go writes it: "3h59m12.5s", "-1h2m0s". False if it is none. */
static bool duration_parse(const char *text, double *seconds)
{
	bool minus = *text == '-';

	*seconds = 0;
	text += minus || *text == '+';
	if (strcmp(text, "0") == 0)
		return true;
	do
		if (!duration_part(&text, seconds))
			return false;
	while (*text);
	*seconds = minus ? -*seconds : *seconds;
	return true;
}

static const char *decision_text(const json_t *decision, const char *key)
{
	const char *text = json_string_value(json_object_get(decision, key));

	return text ? text : "";
}

static enum batch_verdict duration_read(const json_t *decision, struct batch_item *item)
{
	const char *text = decision_text(decision, "duration");
	double seconds;

	if (!duration_parse(text, &seconds))
		return batch_bad(
			item, "'%.*s' is no duration", (int)span_cut(span_of(text), 40), text);
	if (seconds < 0.001)
		return BATCH_SKIP; /* over already */
	item->entry.for_ms = seconds < (double)DURATION_MAX_S ? (uint64_t)(seconds * 1000)
							      : DURATION_MAX_S * 1000;
	return BATCH_TAKEN;
}

static void reason_set(const struct batch *b, const json_t *decision, struct batch_item *item)
{
	const char *scenario = decision_text(decision, "scenario");
	const char *origin = decision_text(decision, "origin");
	char text[2 * BATCH_WHY_SIZE];

	if (*origin && strcmp(origin, "crowdsec") != 0)
		snprintf(text, sizeof text, "%.*s (%.*s)", (int)span_cut(span_of(scenario), 110),
			scenario, (int)span_cut(span_of(origin), 30), origin);
	else
		snprintf(
			text, sizeof text, "%.*s", (int)span_cut(span_of(scenario), 150), scenario);
	batch_set_why(b, "crowdsec", text, item);
}

static enum batch_verdict decision_read(
	const struct batch *b, const json_t *decision, struct batch_item *item)
{
	const char *scope = decision_text(decision, "scope"),
		   *type = decision_text(decision, "type");
	const char *value = decision_text(decision, "value");
	enum batch_verdict r;

	if (!*scope || !*type || !*value)
		return batch_bad(item, "no decision: \"scope\", \"type\" or \"value\" is missing");
	if (strcasecmp(type, "ban") != 0 || json_is_true(json_object_get(decision, "simulated")) ||
		(strcasecmp(scope, "ip") != 0 && strcasecmp(scope, "range") != 0))
		return BATCH_SKIP;
	item->entry = (struct batch_entry){ .unban = b->cut.deleted || b->spec.unban };
	if (!item->entry.unban && (r = duration_read(decision, item)) != BATCH_TAKEN)
		return r;
	reason_set(b, decision, item);
	return batch_set_address(b, span_of(value), item);
}

/* A document, or an alert, that has no decisions in it. */
static bool is_empty_frame(const json_t *object)
{
	static const char *const frames[] = { "decisions", "new", "deleted" };

	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		const json_t *value = json_object_get(object, frames[i]);

		if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
			return true;
	}
	return false;
}

static enum batch_verdict element_read(struct batch *b, struct batch_item *item)
{
	struct span text = buf_span(&b->cut.copy);
	enum batch_verdict r;
	json_error_t error;
	json_t *object;

	item->line = b->cut.line;
	if (b->cut.overflow)
		return batch_bad(item, "a decision larger than it may be");
	object = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		return batch_bad(item, "no JSON: %s", error.text);
	if (is_empty_frame(object)) {
		r = BATCH_SKIP; /* and nothing that was passed over */
	} else {
		r = decision_read(b, object, item);
		b->skipped += r == BATCH_SKIP;
	}
	json_decref(object);
	return r;
}

/* ---- cutting ---- */

/* What kind of array begins behind this key. */
static char array_kind(const struct batch_cut *cut)
{
	struct span key = { cut->key, cut->key_len };

	if (cut->depth == 0 || span_is(key, "decisions") || span_is(key, "new"))
		return '+';
	return span_is(key, "deleted") ? '-' : '[';
}

static void element_begin(struct batch *b)
{
	struct batch_cut *cut = &b->cut;
	char around = cut->depth ? cut->stack[cut->depth - 1] : '+';

	if (around != '+' && around != '-')
		return;
	cut->element = cut->depth + 1;
	cut->deleted = around == '-';
	cut->overflow = false;
	cut->line = b->lines + 1;
	buf_clear(&cut->copy);
}

static bool cut_open(struct batch *b, char c)
{
	struct batch_cut *cut = &b->cut;

	if (cut->depth == CUT_DEPTH)
		return false;
	if (c == '{')
		element_begin(b);
	cut->stack[cut->depth] = c == '{' ? '{' : array_kind(cut);
	cut->depth++;
	cut->key_len = 0;
	return true;
}

/* True when an element has ended with it. */
static bool cut_close(struct batch_cut *cut, char c, bool *broken)
{
	bool object = cut->depth && cut->stack[cut->depth - 1] == '{';

	*broken = cut->depth == 0 || object != (c == '}');
	if (*broken)
		return false;
	cut->depth--;
	return cut->element == cut->depth + 1;
}

static void string_byte(struct batch_cut *cut, char c)
{
	if (cut->escaped) {
		cut->escaped = false;
		cut->key_len = sizeof cut->key; /* no key that we know */
	} else if (c == '\\') {
		cut->escaped = true;
	} else if (c == '"') {
		cut->string = false;
	} else if (cut->key_len < sizeof cut->key) {
		cut->key[cut->key_len++] = c;
	}
}

/* Forgets the document; what is left of the line is passed over. */
static enum batch_what cut_lose(struct batch *b, struct batch_item *item, const char *why)
{
	item->line = b->lines + 1;
	b->cut.depth = b->cut.element = 0;
	b->cut.string = b->cut.escaped = false;
	b->cut.key_len = 0;
	b->cut.lost = true;
	(void)batch_bad(item, "%s", why);
	return BATCH_REFUSED;
}

static void element_copy(struct batch_cut *cut, char c)
{
	if (cut->element && !cut->overflow)
		cut->overflow = buf_put(&cut->copy, &c, 1) < 0;
}

/* Between documents there may be white space and "null". */
static bool may_stand(const struct batch_cut *cut, char c)
{
	return cut->depth > 0 || (c && strchr(" \t\r\n,null", c));
}

/* One byte behind, outside of strings. BATCH_MORE: go on. */
static enum batch_what cut_byte(struct batch *b, char c, struct batch_item *item)
{
	struct batch_cut *cut = &b->cut;
	enum batch_verdict verdict;
	bool broken, ends;

	if (c == '{' || c == '[') {
		if (!cut_open(b, c))
			return cut_lose(b, item, "nested too deeply");
		element_copy(cut, c);
		return BATCH_MORE;
	}
	element_copy(cut, c);
	if (c == '"' && cut->depth) {
		cut->string = true;
		cut->key_len = 0;
		return BATCH_MORE;
	}
	if (c != '}' && c != ']')
		return may_stand(cut, c) ? BATCH_MORE : cut_lose(b, item, "no JSON");
	ends = cut_close(cut, c, &broken);
	if (broken)
		return cut_lose(b, item, "no JSON: brackets do not match");
	if (!ends)
		return BATCH_MORE;
	verdict = element_read(b, item);
	cut->element = 0;
	return verdict == BATCH_SKIP    ? BATCH_MORE
	       : verdict == BATCH_TAKEN ? BATCH_ENTRY
					: BATCH_REFUSED;
}

static enum batch_what byte_next(struct batch *b, char c, struct batch_item *item)
{
	struct batch_cut *cut = &b->cut;

	if (cut->lost) {
		cut->lost = c != '\n';
		return BATCH_MORE;
	}
	if (cut->string) {
		if ((unsigned char)c < ' ')
			return cut_lose(b, item, "no JSON: a control character in a string");
		string_byte(cut, c);
		element_copy(cut, c);
		return BATCH_MORE;
	}
	return cut_byte(b, c, item);
}

static enum batch_what document_end(struct batch *b, struct batch_item *item)
{
	bool open = b->cut.depth > 0;

	if (!b->ended)
		return BATCH_MORE;
	if (open)
		(void)cut_lose(b, item, "the document ends in the middle");
	b->lines += b->cut.partial;
	b->cut.partial = false;
	return open ? BATCH_REFUSED : BATCH_MORE;
}

enum batch_what batch_next_decision(struct batch *b, struct batch_item *item)
{
	while (buf_len(&b->in)) {
		char c = *buf_ptr(&b->in);
		enum batch_what what = byte_next(b, c, item);

		buf_pull(&b->in, 1);
		b->lines += c == '\n';
		b->cut.partial = c != '\n';
		if (c == '\n' && b->cut.lost)
			b->cut.lost = false;
		if (what != BATCH_MORE)
			return what;
	}
	return document_end(b, item);
}
