/* SPDX-License-Identifier: BSD-2-Clause */
/* Lua patterns and the globs of addresses as regular expressions. In: what a script wrote; out:
 * "/.../s" as our language writes it, tried once with the engine's own compiler, or why there is
 * none. Classes mean ASCII, as they do for a server in the C locale; a dot is a character here and
 * a byte there. Matches nothing itself. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_int.h"
#include "rules/pattern.h"

enum {
	PATTERN_MAX = 16384, /* what becomes of it fits the buffer */
	REPEATS_MAX = 64     /* more of them take a scanner minutes to compile */
};

struct translation {
	struct buf out;
	const char *why;
	unsigned depth, repeats;
};

static const struct {
	char letter;
	const char *name; /* inside brackets, %S being [:^space:] */
} classes[] = {
	{ 'a', "alpha" },
	{ 'c', "cntrl" },
	{ 'd', "digit" },
	{ 'g', "graph" },
	{ 'l', "lower" },
	{ 'p', "punct" },
	{ 's', "space" },
	{ 'u', "upper" },
	{ 'w', "alnum" },
	{ 'x', "xdigit" },
};

static const char *class_name(char letter)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (classes[i].letter == tolower((unsigned char)letter))
			return classes[i].name;
	return NULL;
}

/* A character that means itself. Letters, digits and what is beyond ASCII need no backslash. */
static void put_literal(struct buf *out, const char **at)
{
	unsigned char c = (unsigned char)**at;

	if (c < 0x20 || c == 0x7f) {
		buf_putf(out, "\\x%02x", c);
	} else {
		if (c < 0x80 && !isalnum(c) && c != ' ' && c != '_')
			buf_put(out, "\\", 1);
		buf_put(out, (const char *)&c, 1);
	}
	++*at;
	while (((unsigned char)**at & 0xc0) == 0x80 && c >= 0x80)
		buf_put(out, (*at)++, 1);
}

/* %x inside or outside of brackets; *at stands behind the '%'. */
static bool put_escape(struct translation *t, const char **at, bool inside)
{
	const char *name = class_name(**at);
	bool opposite = isupper((unsigned char)**at);

	if (!**at) {
		t->why = "it ends with '%'";
		return false;
	}
	if (!isalnum((unsigned char)**at)) {
		put_literal(&t->out, at);
		return true;
	}
	if (!name) {
		t->why = strchr("bf", **at)             ? "%b and %f have no equal"
			 : isdigit((unsigned char)**at) ? "it refers back to what it captured"
							: NULL;
		if (!t->why) /* other letters mean themselves */
			put_literal(&t->out, at);
		return !t->why;
	}
	++*at;
	if (strcmp(name, "digit") == 0 || strcmp(name, "space") == 0)
		buf_putf(&t->out, "\\%c", opposite ? toupper(*name) : *name);
	else
		buf_putf(&t->out, inside ? "[:%s%s:]" : "[[:%s%s:]]", opposite ? "^" : "", name);
	return true;
}

/* [set]; *at stands at the bracket. */
static bool put_set(struct translation *t, const char **at)
{
	const char *p = *at + 1;
	bool first = true;

	buf_put(&t->out, "[", 1);
	if (*p == '^')
		buf_put(&t->out, p++, 1);
	for (; *p && (*p != ']' || first); first = false) {
		if (*p == '%') {
			p++;
			if (!put_escape(t, &p, true))
				return false;
			continue;
		}
		put_literal(&t->out, &p);
		if (*p == '-' && p[1] && p[1] != ']') {
			buf_put(&t->out, p++, 1);
			put_literal(&t->out, &p);
		}
	}
	if (!*p) {
		t->why = "a '[' is not closed";
		return false;
	}
	buf_put(&t->out, "]", 1);
	*at = p + 1;
	return true;
}

/* What may be repeated: a character, a class or a set. */
static bool put_single(struct translation *t, const char **at)
{
	if (**at == '.') {
		buf_put(&t->out, (*at)++, 1);
		return true;
	}
	if (**at == '[')
		return put_set(t, at);
	if (**at != '%') {
		put_literal(&t->out, at);
		return true;
	}
	++*at;
	return put_escape(t, at, false);
}

static bool put_group(struct translation *t, const char **at)
{
	if (**at == '(' && (*at)[1] == ')') {
		*at += 2; /* captures a place, not a text */
		return true;
	}
	if (**at == ')' && t->depth-- == 0) {
		t->why = "a ')' closes nothing";
		return false;
	}
	if (**at == '(')
		t->depth++;
	buf_puts(&t->out, **at == '(' ? "(?:" : ")");
	++*at;
	return true;
}

static bool put_pattern(struct translation *t, const char *at)
{
	if (*at == '^')
		buf_put(&t->out, at++, 1);
	while (*at) {
		if (*at == '$' && !at[1]) {
			buf_puts(&t->out, "\\z");
			at++;
		} else if (*at == '(' || *at == ')') {
			if (!put_group(t, &at))
				return false;
		} else {
			if (!put_single(t, &at))
				return false;
			if (*at && strchr("-*+?", *at) && ++t->repeats > REPEATS_MAX) {
				t->why = "it repeats too much";
				return false;
			}
			if (*at == '-')
				buf_puts(&t->out, "*?");
			else if (*at == '*' || *at == '+' || *at == '?')
				buf_put(&t->out, at, 1);
			at += *at && strchr("-*+?", *at) != NULL;
		}
	}
	if (t->depth)
		t->why = "a '(' is not closed";
	return !t->depth;
}

/* "/text/s", if the engine takes it. */
static const char *finish(struct import *im, struct translation *t, const char **why)
{
	const char *text = buf_string(&t->out), *regex = NULL;
	char said[128];
	struct regex *re;
	size_t offset;
	int r;

	if (!text)
		im->error = -ENOMEM;
	else if (!*text)
		*why = "it is empty";
	else if ((r = regex_new(span_of(text), "s", said, sizeof(said), &offset, &re)) ==
		 ERR_SYNTAX)
		*why = import_copy(im, said, strlen(said));
	else if (r < 0)
		im->error = r;
	else {
		regex_free(re);
		regex = import_format(im, "/%s/s", text);
	}
	buf_fini(&t->out);
	return regex;
}

const char *import_pattern(struct import *im, const char *lua, const char *before,
	const char *behind, const char **why)
{
	struct translation t = { 0 };

	if (strlen(lua) > PATTERN_MAX) {
		*why = "it is too long";
		return NULL;
	}
	buf_init(&t.out, 0);
	buf_puts(&t.out, before);
	if (!put_pattern(&t, lua)) {
		buf_fini(&t.out);
		*why = t.why;
		return NULL;
	}
	buf_puts(&t.out, behind);
	return finish(im, &t, why);
}

const char *import_glob(struct import *im, const char *glob, const char **why)
{
	size_t len = strlen(glob);
	struct translation t = { 0 };

	if (len > PATTERN_MAX) {
		*why = "it is too long";
		return NULL;
	}
	if (len >= 2 && glob[0] == '<' && glob[len - 1] == '>') {
		const char *inner = import_copy(im, glob + 1, len - 2);

		/* The script's own anchors stand around: the pattern begins with the '^' it may
		 * have. */
		return import_pattern(im, import_format(im, "^%s$", inner), "", "", why);
	}
	buf_init(&t.out, 0);
	buf_puts(&t.out, "^");
	while (*glob) {
		if (*glob == '*' && ++t.repeats > REPEATS_MAX) {
			*why = "it repeats too much";
			buf_fini(&t.out);
			return NULL;
		}
		if (*glob == '*' || *glob == '?') {
			buf_puts(&t.out, *glob++ == '*' ? ".*" : ".");
			continue;
		}
		put_literal(&t.out, &glob);
	}
	buf_puts(&t.out, "\\z");
	return finish(im, &t, why);
}

bool import_pattern_is_empty(struct import *im, const char *regex)
{
	struct pattern_scratch *scratch = pattern_scratch_new();
	struct span inner = { regex + 1, strlen(regex) - 3 };
	size_t offset, start, end;
	struct regex *re = NULL;
	char why[128];
	bool empty = false;

	if (!scratch || regex_new(inner, "s", why, sizeof(why), &offset, &re) < 0)
		im->error = -ENOMEM;
	else
		empty = regex_match(scratch, re, (struct span){ "", 0 }, &start, &end) == REGEX_YES;
	regex_free(re);
	pattern_scratch_free(scratch);
	return empty;
}

bool import_pattern_is_word(const char *lua)
{
	size_t n = 0;

	if (*lua == '%' && lua[1])
		n = 2;
	else if (*lua == '[')
		n = strcspn(lua, "]") + 1;
	return n > 1 && n < strlen(lua) && strcmp(lua + n, "+") == 0;
}
