/* SPDX-License-Identifier: BSD-2-Clause */
/* Before Vectorscan sees an expression: ".{0,4000}x" takes it half a minute, "(a{1000}){1000}" it
 * refuses without saying which expression of many was too large. Here the counted repeats are
 * multiplied out by the pattern's letters alone, so that such expressions are set apart beforehand
 * and one operator's entry cannot hold up a reload. It is an estimate: what it misjudges is only
 * slower, never wrong, since PCRE2 has the last word on every match anyway. */
#include "rules/pattern_cost.h"

#include <ctype.h>
#include <string.h>

enum {
	COST_CHEAP = 1000,
	COST_MAX = 1 << 30,
	COST_GROUPS_MAX = 100, /* groups inside each other */
	COST_ANY = 3,          /* '.' and "all but": several bytes of UTF-8 */
	COST_PROPERTY = 20,    /* \p{L}: many ranges */
	REPEAT_OPEN_MAX = 65536,
};

struct costing {
	const char *at, *end;
	unsigned long sums[COST_GROUPS_MAX + 1]; /* of each group that is open */
	unsigned depth;
	unsigned long atom; /* the last thing a repeat would repeat */
};

static unsigned long cost_clip(unsigned long cost)
{
	return cost > COST_MAX ? COST_MAX : cost;
}

static void atom_add(struct costing *c, unsigned long cost)
{
	c->atom = cost;
	c->sums[c->depth] = cost_clip(c->sums[c->depth] + cost);
}

/* "[...]" from behind the '['; a ']' that comes first is a member. */
static void class_skip(struct costing *c)
{
	bool negated = c->at < c->end && *c->at == '^';

	c->at += negated;
	c->at += c->at < c->end && *c->at == ']';
	while (c->at < c->end && *c->at != ']') {
		if (*c->at == '[' && c->end - c->at > 1 && c->at[1] == ':') {
			const char *close = memmem(c->at, (size_t)(c->end - c->at), ":]", 2);

			c->at = close ? close + 1 : c->at;
		}
		c->at += *c->at == '\\' && c->at + 1 < c->end ? 2 : 1;
	}
	c->at += c->at < c->end;
	atom_add(c, negated ? COST_ANY : 1);
}

/* From behind the backslash. */
static void escape_skip(struct costing *c)
{
	char letter = c->at < c->end ? *c->at++ : '\\';
	const char *close;

	if (c->at < c->end && *c->at == '{' && strchr("pPxogkNX", letter) &&
		(close = memchr(c->at, '}', (size_t)(c->end - c->at))))
		c->at = close + 1;
	atom_add(c, letter == 'p' || letter == 'P' || letter == 'X' ? COST_PROPERTY
		    : strchr("DHNSVWR", letter)                     ? COST_ANY
								    : 1);
}

static unsigned long count_read(const char **at, const char *end)
{
	unsigned long n = 0;

	for (; *at < end && isdigit((unsigned char)**at); (*at)++)
		n = cost_clip(n * 10 + (unsigned long)(**at - '0'));
	return n;
}

/* "{n}", "{n,}", "{n,m}", "{,m}" from the '{'; false if it is a plain brace. */
static bool repeat_read(struct costing *c)
{
	const char *at = c->at + 1;
	unsigned long low = count_read(&at, c->end), high = low;

	if (at < c->end && *at == ',') {
		at++;
		high = count_read(&at, c->end);
	}
	if (at >= c->end || *at != '}' || at == c->at + 1)
		return false;
	high = high > low ? high : low;
	if (high > REPEAT_OPEN_MAX)
		high = REPEAT_OPEN_MAX;
	if (high > 1) {
		unsigned long more = cost_clip(c->atom) * (high - 1);

		c->sums[c->depth] = cost_clip(c->sums[c->depth] + more);
		c->atom = cost_clip(c->atom + more);
	}
	c->at = at + 1;
	return true;
}

/* False when groups are nested too deeply to be followed. */
static bool step(struct costing *c)
{
	switch (*c->at) {
	case '(':
		if (c->depth == COST_GROUPS_MAX)
			return false;
		c->sums[++c->depth] = 0;
		c->at++;
		return true;
	case ')':
		c->at++;
		if (c->depth > 0) {
			unsigned long inner = c->sums[c->depth--];
			atom_add(c, inner);
		}
		return true;
	case '[':
		c->at++;
		class_skip(c);
		return true;
	case '\\':
		c->at++;
		escape_skip(c);
		return true;
	case '{':
		if (repeat_read(c))
			return true;
		break;
	case '?':
	case '*':
	case '+':
	case '|':
		c->at++;
		return true;
	case '.':
		c->at++;
		atom_add(c, COST_ANY);
		return true;
	default:
		break;
	}
	c->at++;
	atom_add(c, 1);
	return true;
}

unsigned long pattern_cost(struct span pattern)
{
	struct costing c = { .at = pattern.ptr, .end = pattern.ptr + pattern.len };
	unsigned long cost;

	if (pattern.len == 0)
		return 0;
	while (c.at < c.end)
		if (!step(&c))
			return COST_MAX;
	while (c.depth > 0) {
		unsigned long inner = c.sums[c.depth--];

		c.sums[c.depth] = cost_clip(c.sums[c.depth] + inner);
	}
	cost = c.sums[0];
	return cost > pattern.len ? cost - pattern.len : 0;
}

bool pattern_is_cheap(struct span pattern)
{
	return pattern_cost(pattern) <= COST_CHEAP;
}
