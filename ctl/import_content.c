/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions that look at what a stanza holds, at lists, limits and the clock. Beside
 * import_condition.c, which finds them in its table. In: what stands behind the ':'; out: a test of
 * ours, or a note. Comparisons stay exact: what was looked for byte by byte is not folded. Opens no
 * list: import_list.c does. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/import_condition.h"

/* A pattern as a test of a field. Where nothing matches, too, a value that is not there does. */
static const char *matches_test(struct import *im, const char *field, const char *lua,
	const char *before, const char *behind)
{
	const char *why = NULL, *regex = import_pattern(im, lua, before, behind, &why);

	if (!regex) {
		if (!im->error)
			import_left(im, im->line, NULL, "no regular expression says '%.64s': %s",
				lua, why ? why : "");
		return NULL;
	}
	if (import_pattern_is_empty(im, regex))
		return import_format(
			im, "(%s matches %s or not %s matches /./s)", field, regex, field);
	return import_format(im, "%s matches %s", field, regex);
}

/* ---- content ---- */

const char *condition_payload(struct import *im, const char *value)
{
	return import_format(im, "payload.ns is %s", import_quote(im, value));
}

/* Whether a pattern may be found anywhere; else copies of a text put behind each other would hide
 * it. */
static bool is_loose(const char *lua)
{
	size_t len = strlen(lua);

	return *lua != '^' && (len == 0 || lua[len - 1] != '$');
}

/* Text that means itself, as a pattern. */
static const char *literal_pattern(struct import *im, const char *text)
{
	char *out = arena_alloc(im->arena, 2 * strlen(text) + 1), *at = out;

	if (!out) {
		im->error = -ENOMEM;
		return "";
	}
	for (; *text; text++) {
		if (ispunct((unsigned char)*text))
			*at++ = '%';
		*at++ = *text;
	}
	*at = '\0';
	return out;
}

const char *condition_inspect(struct import *im, const char *value)
{
	const char *equals = strchr(value, '='), *sign = equals, *field, *wanted;
	bool text, pattern = false, part = false;

	if (!equals) {
		field = import_path(im, value, strlen(value), false, &text);
		if (field)
			return import_format(im, "%s exists", field);
		import_left(im, im->line, NULL, "'%.64s' is no path", value);
		return NULL;
	}
	while (sign > value && strchr("~/$", sign[-1]))
		sign--;
	wanted = equals + 1;
	pattern = memchr(sign, '~', (size_t)(equals - sign)) != NULL;
	part = memchr(sign, '/', (size_t)(equals - sign)) != NULL;
	if (memchr(sign, '$', (size_t)(equals - sign)) && strchr(wanted, '$')) {
		import_left(im, im->line, NULL, "values are not compared with each other here");
		return NULL;
	}
	field = import_path(
		im, value, (size_t)(sign - value), part || (pattern && is_loose(wanted)), &text);
	if (!field || !text || (pattern && part)) {
		import_left(im, im->line, "it ends in '#' or '@name'",
			"'%.*s' is no path to a text", (int)(sign - value > 64 ? 64 : sign - value),
			value);
		return NULL;
	}
	if (pattern || part)
		return matches_test(im, field, part ? literal_pattern(im, wanted) : wanted, "", "");
	if (!*wanted) /* a value that is empty is none for ours */
		return import_format(im, "%s not exists", field);
	return import_format(im, "%s is %s", field, import_quote(im, wanted));
}

/* ---- the clock ---- */

static void note_zone(struct import *im)
{
	if (!im->warned_time)
		import_differs(im, im->line, "daemon { timezone \"Europe/Berlin\"; } says which",
			"the time is UTC if nothing else is said");
	im->warned_time = true;
}

static int day_parse(const char *text, size_t len)
{
	static const char days[] = "montuewedthufrisatsun";

	for (int i = 0; len >= 3 && i < 7; i++)
		if (strncasecmp(days + (ptrdiff_t)3 * i, text, 3) == 0)
			return i;
	return -1;
}

const char *condition_day(struct import *im, const char *value)
{
	static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	const char *out = NULL;
	unsigned asked = 0;

	while (*(value += strspn(value, ", \t"))) {
		size_t n = strcspn(value, ",-");
		const char *second =
			value[n] == '-' ? value + n + 1 + strspn(value + n + 1, " \t") : value;
		int first = day_parse(value, n), last = day_parse(second, strcspn(second, ","));

		if (first < 0 || last < 0) {
			import_left(im, im->line, NULL, "'%.32s' is no day", value);
			return NULL;
		}
		for (; first != last; first = (first + 1) % 7)
			asked |= 1u << first;
		asked |= 1u << last;
		value += strcspn(value, ",");
	}
	for (int i = 0; i < 7; i++)
		if (asked & 1u << i)
			out = out ? import_format(im, "%s, %s", out, days[i]) : days[i];
	if (!out) {
		import_left(im, im->line, NULL, "it names no day");
		return NULL;
	}
	note_zone(im);
	return import_format(im, "weekday in { %s }", out);
}

/* "18:30", "6pm", "6:30 pm": minutes, or -1. */
static int clock_parse_text(const char **at)
{
	char *end;
	long hour, minute = 0;

	*at += strspn(*at, " \t");
	if (!isdigit((unsigned char)**at))
		return -1;
	hour = strtol(*at, &end, 10);
	if (*end == ':' && isdigit((unsigned char)end[1]))
		minute = strtol(end + 1, &end, 10);
	end += strspn(end, " \t");
	if (strncasecmp(end, "am", 2) == 0 || strncasecmp(end, "pm", 2) == 0) {
		hour = hour % 12 + (tolower((unsigned char)*end) == 'p' ? 12 : 0);
		end += 2;
	}
	*at = end + strspn(end, " \t");
	return hour < 0 || hour > 24 || minute < 0 || minute > 59 || hour * 60 + minute > 1440
		       ? -1
		       : (int)(hour * 60 + minute);
}

const char *condition_time(struct import *im, const char *value)
{
	const char *out = NULL;
	struct buf spans;
	unsigned n = 0;

	buf_init(&spans, 0);
	for (;;) {
		const char *start = value;
		int from = clock_parse_text(&value),
		    to = from >= 0 && *value == '-' ? (value++, clock_parse_text(&value)) : -1;

		if (from < 0 || to < 0 || from == to || from == 1440 || (*value && *value != ',')) {
			import_left(im, im->line, "such as 18:00-07:30, or 6pm-7:30am",
				"'%.32s' is no span of time", start);
			buf_fini(&spans);
			return NULL;
		}
		buf_putf(&spans, "%s%02d:%02d-%02d:%02d", n++ ? ", " : "", from / 60, from % 60,
			to / 60 % 24, to % 60);
		if (!*value++)
			break;
	}
	if ((out = buf_string(&spans)))
		out = import_format(im, n > 1 ? "time in { %s }" : "time in %s", out);
	buf_fini(&spans);
	note_zone(im);
	return out;
}

/* ---- limits and lists ---- */

/* The fields of all expressions in a text. NULL when one of them is none of ours. */
static const char *key_fields(struct import *im, const char *text)
{
	const char *out = "", *field, *end;

	while ((text = strchr(text, '$'))) {
		end = text[1] == '<' ? strchr(text, '>') : NULL;
		field = end ? import_expression_field(im, text, (size_t)(end + 1 - text)) : NULL;
		if (!field)
			return NULL;
		if (!strstr(out, field))
			out = *out ? import_format(im, "%s, %s", out, field) : field;
		text = end;
	}
	return out;
}

const char *condition_limit(struct import *im, const char *value)
{
	size_t n = strcspn(value, " \t");
	const char *name = import_copy(im, value, n), *rest = value + n + strspn(value + n, " \t"),
		   *key = "";
	const struct fw_definition *rate = import_definition(im, "RATE", name);

	if (!rate) {
		import_left(im, im->line, NULL, "no such rate '%.64s'", name);
		return NULL;
	}
	if (*rest && (strncmp(rest, "on ", 3) != 0 || !(key = key_fields(im, rest + 3)))) {
		import_left(im, im->line,
			"$<@from|bare> and other parts of addresses can be counted by",
			"'%.64s' is nothing to count by", rest);
		return NULL;
	}
	return import_format(im, "limit %s exceeded", import_limit(im, rate, key));
}

static struct fw_definition *list_find(struct import *im, const char *name)
{
	struct fw_definition *list = import_definition(im, "LIST", name);

	if (!list)
		import_left(im, im->line, NULL, "no such list '%.64s'", name);
	return list;
}

const char *condition_list(struct import *im, const char *value)
{
	const char *contains = strstr(value, " contains "), *expression, *field, *set;
	struct fw_definition *list;
	enum fw_set_type type;

	if (!contains) {
		import_left(im, im->line, NULL, "LIST contains $<...> is missing");
		return NULL;
	}
	if (!(list = list_find(im, import_copy(im, value, (size_t)(contains - value)))))
		return NULL;
	expression = contains + strlen(" contains ");
	field = import_expression_field(im, expression, strlen(expression));
	if (!field) {
		import_left(im, im->line, NULL,
			"only senders, recipients and attributes of the stanza are looked up in "
			"lists");
		return NULL;
	}
	type = strstr(field, ".domain") ? FW_SET_DOMAIN
	       : strstr(field, ".bare") || !strcmp(field, "from") || !strcmp(field, "to")
		       ? FW_SET_JID
		       : FW_SET_KEYWORD;
	if (!(set = import_set(im, list, type))) {
		import_left(im, im->line, NULL, "list '%s' holds hashes", list->name);
		return NULL;
	}
	return import_format(im, "%s in @%s", field, set);
}

/* ---- searches ---- */

/* The text a SEARCH looks at; NULL when it was left. */
static const char *search_field(struct import *im, const char *name)
{
	struct fw_definition *search = import_definition(im, "SEARCH", name);
	const char *field;
	bool text;

	if (!search) {
		import_left(im, im->line, NULL, "no such search '%.64s'", name);
		return NULL;
	}
	field = import_path(im, search->value, strlen(search->value), true, &text);
	if (field && text)
		return field;
	import_left(im, im->line, NULL, "'%.64s' is no path to a text", search->value);
	return NULL;
}

static struct fw_definition *pattern_find(struct import *im, const char *name)
{
	struct fw_definition *pattern = import_definition(im, "PATTERN", name);

	if (!pattern)
		import_left(im, im->line, NULL, "no such pattern '%.64s'", name);
	return pattern;
}

/* Up to three words with what stands between them: "body for word in badwords". */
static bool words_split(const char *value, const char *first, const char *second, char words[3][64],
	const char **rest)
{
	int n = 0;

	*rest = "";
	if (strlen(value) > 512)
		return false;
	if (sscanf(value, "%63s %63s %63s%n", words[0], words[2], words[1], &n) != 3 ||
		strcmp(words[2], first) != 0)
		return false;
	value += n + strspn(value + n, " \t");
	if (second && (strncmp(value, second, strlen(second)) != 0 ||
			      sscanf(value + strlen(second), " %63s", words[2]) != 1))
		return false;
	*rest = value;
	return true;
}

const char *condition_scan(struct import *im, const char *value)
{
	struct fw_definition *pattern, *list;
	const char *field, *rest, *set;
	char words[3][64];

	if (!words_split(value, "for", "in ", words, &rest)) {
		import_left(im, im->line, NULL, "SEARCH for PATTERN in LIST is missing");
		return NULL;
	}
	if (!(field = search_field(im, words[0])) || !(pattern = pattern_find(im, words[1])) ||
		!(list = list_find(im, words[2])))
		return NULL;
	if (!import_pattern_is_word(pattern->value)) {
		import_left(im, im->line, "[%w]+ and its like are words",
			"pattern '%s' cuts out more than words", words[1]);
		return NULL;
	}
	if (strncmp(field, "xml ", 4) != 0 && strcmp(field, "type") != 0 &&
		(set = import_set(im, list, FW_SET_KEYWORD)))
		return import_format(im, "%s contains @%s", field, set);
	if (strncmp(field, "xml ", 4) == 0 && (set = import_set(im, list, FW_SET_KEYWORD)))
		return import_format(im, "%s contains @%s", field, set);
	import_left(im, im->line, NULL, "words of '%s' cannot be looked up in list '%s'", field,
		list->name);
	return NULL;
}

/* At least n of them. */
static const char *count_test(
	struct import *im, const char *field, const char *lua, unsigned long n)
{
	return matches_test(im, field, lua, "(?:", import_format(im, ".*?){%lu}", n));
}

const char *condition_count(struct import *im, const char *value)
{
	struct fw_definition *pattern;
	const char *field, *rest, *least, *more, *why = NULL, *regex;
	char words[3][64], op[3] = "";
	unsigned long n;

	if (!words_split(value, "in", NULL, words, &rest) ||
		sscanf(rest, "%2[<>=] %lu", op, &n) != 2 || n > 1000) {
		import_left(im, im->line, NULL, "PATTERN in SEARCH > NUMBER is missing");
		return NULL;
	}
	if (!(pattern = pattern_find(im, words[0])) || !(field = search_field(im, words[1])))
		return NULL;
	regex = import_pattern(im, pattern->value, "", "", &why);
	if (!regex || !is_loose(pattern->value) || import_pattern_is_empty(im, regex)) {
		import_left(im, im->line, NULL, "pattern '%s' cannot be counted: %s", words[0],
			why ? why : "it is anchored, or matches nothing at all");
		return NULL;
	}
	n += strcmp(op, ">") == 0 || strcmp(op, "<=") == 0;
	if (*op == '>' || *op == '<') {
		least = n ? count_test(im, field, pattern->value, n) : "kind exists";
		return least && *op == '<' ? import_format(im, "not %s", least) : least;
	}
	least = n ? count_test(im, field, pattern->value, n) : "kind exists";
	more = count_test(im, field, pattern->value, n + 1);
	return least && more ? import_format(im, "(%s and not %s)", least, more) : NULL;
}
