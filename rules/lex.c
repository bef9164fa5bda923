/* SPDX-License-Identifier: BSD-2-Clause */
/* The first look at a policy's text: bytes of one file become tokens with their places. Comments
 * and white space end here, and so do escapes in strings. What a bare run of letters and digits
 * means (number, time, address, word) is told by its own form alone, never by what stands around
 * it; so a file can be cut anywhere and still be read. A '/' at the start of a token opens a
 * regular expression, inside a number or an address it is part of it; only where the parser says
 * so, "/24" is the length of a prefix. Nothing here recurses and every call moves on. */
#include "rules/lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/xml_char.h"

void lex_init(struct lexer *lex, const struct source_file *file, struct arena *arena,
	struct diag_list *diags)
{
	*lex = (struct lexer){
		.file = file,
		.at = file->bytes,
		.end = file->bytes + file->len,
		.line_start = file->bytes,
		.line = 1,
		.arena = arena,
		.diags = diags,
	};
	if (file->len >= 3 && memcmp(file->bytes, "\xef\xbb\xbf", 3) == 0)
		lex->at += 3; /* a byte order mark of some editors */
}

/* ---- places and failures ---- */

static struct loc loc_between(const struct lexer *lex, const char *start, const char *end)
{
	return (struct loc){
		.file = lex->file,
		.line = lex->line,
		.column = (unsigned)(start - lex->line_start) + 1,
		.length = (unsigned)(end - start),
	};
}

static const char *text_copy(struct lexer *lex, const char *start, size_t len)
{
	const char *copy = arena_strndup(lex->arena, start, len);

	if (!copy)
		lex->nomem = true;
	return copy ? copy : "";
}

static void token_bad(struct lexer *lex, struct token *out, const char *hint, const char *message)
{
	out->kind = TOKEN_BAD;
	if (lex->diags)
		diag_error(lex->diags, out->at, hint, "%s", message);
}

/* ---- strings ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\u{200d}" from behind the backslash; the bytes it took, 0 if it is none. Its text is never
 * longer than itself. */
static size_t escape_unicode(const char *at, const char *end, char *out, size_t *out_len)
{
	const char *start = at;
	uint32_t c = 0;
	unsigned digits = 0;

	if (end - at < 4 || at[0] != 'u' || at[1] != '{')
		return 0;
	for (at += 2; at < end && hex_value(*at) >= 0 && digits < 6; at++, digits++)
		c = c << 4 | (uint32_t)hex_value(*at);
	if (at == end || *at != '}' || digits == 0 || c == 0 || c > 0x10ffff ||
		(c >= 0xd800 && c < 0xe000))
		return 0;
	*out_len = xml_char_put(c, out);
	return (size_t)(at + 1 - start);
}

/* One escape from behind its backslash; the bytes it took, 0 if there is no such escape. */
static size_t escape_read(const char *at, const char *end, char *out, size_t *out_len)
{
	static const char letters[] = "\"\\nrt", values[] = "\"\\\n\r\t";
	const char *found = at < end && *at ? strchr(letters, *at) : NULL;

	if (!found)
		return escape_unicode(at, end, out, out_len);
	*out = values[found - letters];
	*out_len = 1;
	return 1;
}

/* The closing quote or slash on this line, NULL if there is none. */
static const char *closing_find(const char *at, const char *end, char mark)
{
	for (; at < end && *at != '\n'; at++) {
		if (*at == mark)
			return at;
		if (*at == '\\' && at + 1 < end && at[1] != '\n')
			at++;
	}
	return NULL;
}

static const char *line_end(const char *at, const char *end)
{
	const char *stop = memchr(at, '\n', (size_t)(end - at));

	return stop ? stop : end;
}

static void lex_string(struct lexer *lex, struct token *out)
{
	const char *start = lex->at, *close = closing_find(start + 1, lex->end, '"');
	size_t len = 0;
	char *text;

	lex->at = close ? close + 1 : line_end(start, lex->end);
	out->kind = TOKEN_STRING;
	out->at = loc_between(lex, start, lex->at);
	if (!close) {
		token_bad(lex, out, "a string ends with '\"' on the line where it begins",
			"unterminated string");
		return;
	}
	if (memchr(start, '\0', (size_t)(close - start))) {
		token_bad(lex, out, NULL, "NUL byte in string");
		return;
	}
	if (!(text = arena_alloc(lex->arena, (size_t)(close - start)))) {
		lex->nomem = true;
		return;
	}
	for (const char *at = start + 1; at < close; at++) {
		size_t used, n;

		if (*at != '\\') {
			text[len++] = *at;
			continue;
		}
		if ((used = escape_read(at + 1, close, text + len, &n)) == 0) {
			out->at = loc_between(lex, at, at + 2);
			token_bad(lex, out, "escapes are \\\" \\\\ \\n \\r \\t \\u{200d}",
				"unknown escape in string");
			return;
		}
		len += n;
		at += used;
	}
	text[len] = '\0';
	out->text = text;
}

/* "/24": at most three digits, and nothing behind them that a length has not. */
static bool lex_length(struct lexer *lex, struct token *out)
{
	const char *start = lex->at, *at = start + 1;
	uint64_t number = 0;

	for (; at < lex->end && at - start <= 3 && isdigit((unsigned char)*at); at++)
		number = number * 10 + (uint64_t)(*at - '0');
	if (at == start + 1 || (at < lex->end && !memchr(" \t\r\n;,}#", *at, 8)))
		return false;
	lex->at = at;
	out->number = number;
	out->kind = TOKEN_LENGTH;
	out->at = loc_between(lex, start, at);
	out->text = text_copy(lex, start, (size_t)(at - start));
	return true;
}

static void lex_regex(struct lexer *lex, struct token *out)
{
	const char *start = lex->at, *close = closing_find(start + 1, lex->end, '/'), *flags;

	lex->at = close ? close + 1 : line_end(start, lex->end);
	while (close && lex->at < lex->end && isalnum((unsigned char)*lex->at))
		lex->at++;
	out->kind = TOKEN_REGEX;
	out->at = loc_between(lex, start, lex->at);
	if (!close) {
		token_bad(lex, out,
			"it ends with '/' on the line where it begins; '/' inside is written '\\/'",
			"unterminated regular expression");
		return;
	}
	if (memchr(start, '\0', (size_t)(close - start))) {
		token_bad(lex, out, NULL, "NUL byte in regular expression");
		return;
	}
	out->text = text_copy(lex, start + 1, (size_t)(close - start - 1));
	out->flags = flags = text_copy(lex, close + 1, (size_t)(lex->at - close - 1));
	if (close == start + 1) {
		token_bad(lex, out, NULL, "empty regular expression");
	} else if (flags[strspn(flags, "imsxuf")]) {
		out->at = loc_between(lex, close + 1, lex->at);
		token_bad(lex, out,
			strlen(flags) > 3 ? "a path stands in double quotes"
					  : "flags are i m s x u and f (look at folded text)",
			"unknown flag of regular expression");
	}
}

/* ---- bare runs ---- */

struct unit {
	const char *text; /* NULL ends a table */
	uint64_t value;
};

static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
	{ "w", 604800000 },
	{ NULL, 0 },
};

static const struct unit rate_units[] = {
	{ "second", 1000 },
	{ "s", 1000 },
	{ "sec", 1000 },
	{ "minute", 60000 },
	{ "m", 60000 },
	{ "min", 60000 },
	{ "hour", 3600000 },
	{ "h", 3600000 },
	{ "day", 86400000 },
	{ "d", 86400000 },
	{ "week", 604800000 },
	{ "w", 604800000 },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "k", 1 << 10 },
	{ "K", 1 << 10 },
	{ "M", 1 << 20 },
	{ "G", 1 << 30 },
	{ NULL, 0 },
};

/* 0 if there is no such unit. */
static uint64_t unit_find(const struct unit *units, const char *text)
{
	while (units->text && strcmp(units->text, text) != 0)
		units++;
	return units->value;
}

/* Decimal digits; false when there are none or they do not fit. */
static bool digits_read(const char **at, uint64_t *number)
{
	const char *start = *at;
	bool fits = true;

	for (*number = 0; isdigit((unsigned char)**at); (*at)++)
		fits = fits && !__builtin_mul_overflow(*number, 10u, number) &&
		       !__builtin_add_overflow(*number, (uint64_t)(**at - '0'), number);
	return *at > start && fits;
}

static bool rate_read(const char *unit, struct token *out)
{
	uint64_t count = 1;

	if (!isdigit((unsigned char)*unit)) {
		out->duration_ms = unit_find(rate_units, unit);
	} else if (!digits_read(&unit, &count) ||
		   __builtin_mul_overflow(
			   count, unit_find(duration_units, unit), &out->duration_ms)) {
		return false;
	}
	out->kind = TOKEN_RATE;
	return out->duration_ms > 0;
}

static bool number_read_hex(const char *text, struct token *out)
{
	size_t n = 0;

	for (text += 2, out->number = 0; hex_value(text[n]) >= 0; n++)
		out->number = out->number << 4 | (uint64_t)hex_value(text[n]);
	out->kind = TOKEN_NUMBER;
	return n > 0 && n <= 16 && !text[n];
}

/* The size unit in front of a rate's slash: 64k/second. 0: there is none. */
static uint64_t rate_unit(const char *text)
{
	char unit[2] = { text[0] };

	return text[0] && text[1] == '/' ? unit_find(size_units, unit) : 0;
}

/* A number with or without unit, or a rate. */
static bool number_read(const char *text, struct token *out)
{
	uint64_t unit;

	if (text[0] == '0' && text[1] == 'x')
		return number_read_hex(text, out);
	if (!digits_read(&text, &out->number))
		return false;
	if (*text == '/')
		return rate_read(text + 1, out);
	if ((unit = rate_unit(text)))
		return rate_read(text + 2, out) &&
		       !__builtin_mul_overflow(out->number, unit, &out->number);
	out->kind = TOKEN_NUMBER;
	if (!*text)
		return true;
	if ((unit = unit_find(duration_units, text)))
		out->kind = TOKEN_DURATION;
	else if ((unit = unit_find(size_units, text)))
		out->kind = TOKEN_SIZE;
	return unit && !__builtin_mul_overflow(out->number, unit, &out->number);
}

/* Only by its letters; whether it is an address is seen by who wants one. */
static bool looks_like_address(const char *text)
{
	bool colon = strchr(text, ':') != NULL;

	if (text[0] == '[')
		return true;
	if (!colon && !strchr(text, '.'))
		return false;
	return text[strspn(text, colon ? "0123456789abcdefABCDEF.:/-" : "0123456789./-")] == '\0';
}

/* A '/' goes on with numbers (rates), addresses (prefixes) and JIDs (resources); behind a word it
 * opens a regex. */
static const char *bare_end(const char *start, const char *end)
{
	bool slash = isdigit((unsigned char)*start);
	const char *at = start;

	if (*at == '[') {
		while (at < end && !isspace((unsigned char)*at) && *at != ']' && *at != ';')
			at++;
		slash = true;
		at += at < end && *at == ']';
	}
	for (; at < end; at++) {
		unsigned char c = (unsigned char)*at;

		slash = slash || c == ':' || (c == '@' && at > start);
		if (!isalnum(c) && c < 0x80 && !(c && strchr("_.-:@", c)) && !(c == '/' && slash))
			break;
	}
	return at;
}

static void lex_bare(struct lexer *lex, struct token *out)
{
	const char *start = lex->at;

	lex->at = bare_end(start, lex->end);
	out->at = loc_between(lex, start, lex->at);
	out->text = text_copy(lex, start, (size_t)(lex->at - start));
	if (isdigit((unsigned char)*start) && number_read(out->text, out))
		return;
	if (strcmp(out->text, ":") == 0) {
		out->kind = TOKEN_COLON;
		return;
	}
	out->kind = looks_like_address(out->text) ? TOKEN_ADDRESS : TOKEN_WORD;
	if (out->kind == TOKEN_ADDRESS)
		return;
	if (strchr(out->text, ':') && !lex->names)
		token_bad(
			lex, out, "write it in double quotes", "a word with ':' must be a string");
	else if (isdigit((unsigned char)*start) && !strpbrk(out->text, ".@"))
		token_bad(lex, out,
			"times are written 250ms 90s 10m 1h 7d, sizes 64k 10M 1G, rates 20/second",
			"not a number, time, size, rate or address");
}

/* ---- the rest ---- */

/* Two's complement: whoever lets it pass knows. */
static bool lex_negative(struct lexer *lex, struct token *out)
{
	const char *start = lex->at, *end = start + 1;

	while (end < lex->end && isdigit((unsigned char)*end))
		end++;
	if (!lex->names || end == start + 1 || end - start > 18)
		return false;
	lex->at = end;
	out->kind = TOKEN_NUMBER;
	out->at = loc_between(lex, start, end);
	out->text = text_copy(lex, start, (size_t)(end - start));
	out->number = (uint64_t)strtoll(out->text, NULL, 10);
	return true;
}

/* @name and $name. */
static void lex_set(struct lexer *lex, struct token *out)
{
	const char *start = lex->at++;

	while (lex->at < lex->end && (isalnum((unsigned char)*lex->at) || *lex->at == '_' ||
					     *lex->at == '-' || *lex->at == '.'))
		lex->at++;
	out->kind = *start == '@' ? TOKEN_SET : TOKEN_DEFINED;
	out->at = loc_between(lex, start, lex->at);
	out->text = text_copy(lex, start + 1, (size_t)(lex->at - start - 1));
	if (!*out->text)
		token_bad(lex, out, NULL,
			*start == '@' ? "'@' needs the name of a set"
				      : "'$' needs the name of a definition");
}

static void skip_blank(struct lexer *lex)
{
	while (lex->at < lex->end) {
		if (*lex->at == '#') {
			lex->at = line_end(lex->at, lex->end);
		} else if (*lex->at == '\n') {
			lex->line_start = ++lex->at;
			lex->line++;
		} else if (*lex->at == ' ' || *lex->at == '\t' || *lex->at == '\r') {
			lex->at++;
		} else {
			return;
		}
	}
}

static void lex_unknown(struct lexer *lex, struct token *out)
{
	const char *hint = NULL, *start = lex->at++;

	if (*start == '!' || *start == '&' || *start == '|') {
		hint = *start == '!' ? "write 'not'" : *start == '&' ? "write 'and'" : "write 'or'";
		while (lex->at < lex->end && *lex->at == *start)
			lex->at++;
	} else if (*start == '\'') {
		hint = "strings stand in double quotes";
	}
	out->at = loc_between(lex, start, lex->at);
	token_bad(lex, out, hint, *start ? "unexpected character" : "NUL byte");
}

static bool lex_punctuation(struct lexer *lex, struct token *out)
{
	static const struct {
		char text[3];
		enum token_kind kind;
	} marks[] = {
		{ "==", TOKEN_EQ },
		{ "!=", TOKEN_NE },
		{ "<=", TOKEN_LE },
		{ ">=", TOKEN_GE },
		{ "=", TOKEN_ASSIGN },
		{ "<", TOKEN_LT },
		{ ">", TOKEN_GT },
		{ "{", TOKEN_BRACE_OPEN },
		{ "}", TOKEN_BRACE_CLOSE },
		{ "(", TOKEN_PAREN_OPEN },
		{ ")", TOKEN_PAREN_CLOSE },
		{ ";", TOKEN_SEMICOLON },
		{ ",", TOKEN_COMMA },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		size_t n = strlen(marks[i].text);

		if ((size_t)(lex->end - lex->at) < n || memcmp(lex->at, marks[i].text, n) != 0)
			continue;
		out->kind = marks[i].kind;
		out->at = loc_between(lex, lex->at, lex->at + n);
		lex->at += n;
		return true;
	}
	return false;
}

void lex_next(struct lexer *lex, struct token *out)
{
	unsigned char c;

	*out = (struct token){ .text = "" };
	skip_blank(lex);
	out->at = loc_between(lex, lex->at, lex->at);
	if (lex->at == lex->end)
		return;
	c = (unsigned char)*lex->at;
	if (c == '"')
		lex_string(lex, out);
	else if (c == '/') {
		if (!lex->lengths || !lex_length(lex, out))
			lex_regex(lex, out);
	} else if (c == '@' || c == '$')
		lex_set(lex, out);
	else if (isalnum(c) || c >= 0x80 || c == '_' || c == ':' || c == '[')
		lex_bare(lex, out);
	else if (!(c == '-' && lex_negative(lex, out)) && !lex_punctuation(lex, out))
		lex_unknown(lex, out);
}

/* ---- UTF-8 ---- */

/* Bytes of the sequence that begins with c, and the bounds of its second byte (Unicode 15, table
 * 3-7); 0 if none does. */
static unsigned utf8_length(unsigned char c, unsigned char *low, unsigned char *high)
{
	*low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t lex_check_utf8(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t at = 0;

	while (at < len) {
		unsigned char low, high;
		unsigned n = utf8_length(p[at], &low, &high);

		if (n == 0 || n > len - at)
			return at;
		for (unsigned i = 1; i < n; i++) {
			if (p[at + i] < (i == 1 ? low : 0x80) || p[at + i] > (i == 1 ? high : 0xbf))
				return at;
		}
		at += n;
	}
	return len;
}
