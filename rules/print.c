/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree to canonical text: four spaces a level, one setting a line, strings with every invisible
 * character written out. What is printed parses to a tree that prints the same. Items of included
 * files are not repeated: their "include" stands for them. It needs no checked tree and changes
 * nothing; commas inside settings follow schema.c. */
#include "rules/print.h"

#include <string.h>

#include "rules/schema.h"

enum { PRINT_LIST_MAX = 64 /* bytes of entries on one line */, PRINT_INDENT = 4 };

struct printer {
	struct buf *out;
	int error; /* the first */
};

static void put(struct printer *p, const char *text)
{
	int r = buf_puts(p->out, text);

	if (r < 0 && !p->error)
		p->error = r;
}

static void put_bytes(struct printer *p, const char *bytes, size_t len)
{
	int r = buf_put(p->out, bytes, len);

	if (r < 0 && !p->error)
		p->error = r;
}

#define put_format(p, ...)                                                                         \
	do {                                                                                       \
		int r_ = buf_putf((p)->out, __VA_ARGS__);                                          \
		if (r_ < 0 && !(p)->error)                                                         \
			(p)->error = r_;                                                           \
	} while (0)

static void put_indent(struct printer *p, unsigned level)
{
	put_format(p, "%*s", (int)(level * PRINT_INDENT), "");
}

/* ---- values ---- */

/* The character at text (valid UTF-8) and its bytes. */
static uint32_t character_read(const char *text, size_t *len)
{
	const unsigned char *b = (const unsigned char *)text;
	uint32_t c = b[0];

	*len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (*len == 1)
		return c;
	c &= 0x7fu >> *len;
	for (size_t i = 1; i < *len; i++)
		c = c << 6 | (b[i] & 0x3f);
	return c;
}

/* Would a reader not see it, or see something else? */
static bool is_invisible(uint32_t c)
{
	static const uint32_t ranges[][2] = { { 0, 0x1f }, { 0x7f, 0xa0 }, { 0xad, 0xad },
		{ 0x61c, 0x61c }, { 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202f },
		{ 0x2060, 0x206f }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xe0000, 0xe0fff } };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

static void put_string(struct printer *p, const char *text)
{
	static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";

	put(p, "\"");
	for (size_t len; *text; text += len) {
		uint32_t c = character_read(text, &len);
		const char *found = c < 0x80 ? strchr(plain, (int)c) : NULL;

		if (found)
			put_format(p, "\\%c", letters[found - plain]);
		else if (is_invisible(c))
			put_format(p, "\\u{%x}", (unsigned)c);
		else
			put_bytes(p, text, len);
	}
	put(p, "\"");
}

static void put_value(struct printer *p, const struct ast_value *v, unsigned level);

/* An entry of a map has its mark behind it. */
static void put_mark(struct printer *p, const struct ast_value *v)
{
	const char *mark = v->define ? v->define_mark : v->mark;

	if (mark)
		put_format(p, " : %s", mark);
}

static void put_items(struct printer *p, const struct ast_value *list, const char *between,
	unsigned level, bool lines)
{
	const struct ast_value *next;

	for (const struct ast_value *item = list->items; item; item = next) {
		for (next = item->next; next && next->define_rest;)
			next = next->next;
		if (lines)
			put_indent(p, level + 1);
		put_value(p, item, level + 1);
		put_mark(p, item);
		put(p, next || lines ? between : "");
	}
}

/* Measured as printed, not as written, or printing twice might differ. */
static bool list_is_short(const struct ast_value *list)
{
	struct buf text;
	struct printer scratch = { .out = &text };
	bool fits = true;

	buf_init(&text, 0);
	for (const struct ast_value *item = list->items; item && fits; item = item->next) {
		if (item->kind != VALUE_LIST && !item->define_rest)
			put_value(&scratch, item, 0);
		put_mark(&scratch, item);
		fits = item->kind != VALUE_LIST && !scratch.error &&
		       buf_len(&text) < PRINT_LIST_MAX;
	}
	buf_fini(&text);
	return fits;
}

/* On one line, or an entry a line when that would be long. */
static void put_list(struct printer *p, const struct ast_value *list, unsigned level)
{
	if (!list->items) {
		put(p, "{ }");
	} else if (list_is_short(list)) {
		put(p, "{ ");
		put_items(p, list, ", ", level, false);
		put(p, " }");
	} else {
		put(p, "{\n");
		put_items(p, list, ",\n", level, true);
		put_indent(p, level);
		put(p, "}");
	}
}

static void put_value(struct printer *p, const struct ast_value *v, unsigned level)
{
	if (v->define) {
		put_format(p, "$%s", v->define);
		return;
	}
	switch (v->kind) {
	case VALUE_STRING:
		put_string(p, v->text);
		break;
	case VALUE_REGEX:
		put_format(p, "/%s/%s", v->text, v->flags ? v->flags : "");
		break;
	case VALUE_SET:
		put_format(p, "@%s", v->text);
		break;
	case VALUE_DEFINED:
		put_format(p, "$%s", v->text);
		break;
	case VALUE_LIST:
		put_list(p, v, level);
		break;
	default:
		put(p, v->text);
	}
}

/* ---- settings ---- */

/* "5 strikes within 10m" */
static void put_strikes(struct printer *p, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;

	if (v)
		put_value(p, v, 0);
	put_format(p, " %s", s->name);
	for (v = v ? v->next : NULL; v; v = v->next) {
		put(p, " ");
		put_value(p, v, 0);
	}
}

static bool comma_before(const struct schema_setting *known, const struct ast_value *v, bool hooked)
{
	if (!known)
		return v->comma;
	if (known->shape == SHAPE_HOOK)
		return !hooked;
	return known->shape == SHAPE_WORDS || known->shape == SHAPE_SPARE ||
	       ((known->shape == SHAPE_LISTEN || known->shape == SHAPE_FIELD ||
			known->shape == SHAPE_UPSTREAM || known->shape == SHAPE_DOMAINS ||
			known->shape == SHAPE_SERVERS || known->shape == SHAPE_PINS ||
			known->shape == SHAPE_CLEARANCE || known->shape == SHAPE_FORWARD) &&
		       v->comma);
}

static void put_values(struct printer *p, const struct ast_setting *s,
	const struct schema_setting *known, unsigned level)
{
	bool hooked = false;

	for (const struct ast_value *v = s->values; v; v = v->next) {
		hooked = hooked || (v->text && strcmp(v->text, "direction") == 0);
		if (v != s->values && comma_before(known, v, hooked))
			put(p, ",");
		put(p, " ");
		put_value(p, v, level);
	}
}

static void put_settings(struct printer *p, const struct ast_setting *settings,
	const struct schema_block *block, unsigned level)
{
	for (const struct ast_setting *s = settings; s && !p->error; s = s->next) {
		const struct schema_setting *known = block ? schema_find(block, s->name) : NULL;

		put_indent(p, level);
		if (known && known->shape == SHAPE_STRIKES) {
			put_strikes(p, s);
		} else {
			put(p, s->name);
			if (known ? known->shape == SHAPE_ELEMENTS : s->assigned)
				put(p, " =");
			put_values(p, s, known, level);
		}
		if (!s->has_block) {
			put(p, ";\n");
			continue;
		}
		put(p, " {\n");
		put_settings(p, s->block,
			known && known->block ? schema_find_block(known->block) : NULL, level + 1);
		put_indent(p, level);
		put(p, "}\n");
	}
}

/* ---- conditions ---- */

static bool is_bare_kind(const struct ast_cond *cond)
{
	static const char *const kinds[] = { "message", "presence", "iq", "stream" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (cond->kind == COND_TEST && cond->op == OP_TRUE &&
			strcmp(cond->text, kinds[i]) == 0)
			return true;
	return false;
}

static void put_test(struct printer *p, const struct ast_cond *cond)
{
	static const char *const operators[] = {
		[OP_TRUE] = "",
		[OP_EXISTS] = " exists",
		[OP_IN] = " in ",
		[OP_CONTAINS] = " contains ",
		[OP_MATCHES] = " matches ",
		[OP_EQ] = " is ",
		[OP_NE] = " is not ",
		[OP_LT] = " < ",
		[OP_LE] = " <= ",
		[OP_GT] = " > ",
		[OP_GE] = " >= ",
	};

	put(p, cond->text);
	if (cond->param) {
		put(p, " ");
		put_string(p, cond->param);
	}
	put(p, operators[cond->op]);
	if (cond->operand)
		put_value(p, cond->operand, 2);
}

static void put_cond(struct printer *p, const struct ast_cond *cond);

static void put_inner(struct printer *p, const struct ast_cond *cond, bool parentheses)
{
	put(p, parentheses ? "(" : "");
	put_cond(p, cond);
	put(p, parentheses ? ")" : "");
}

/* "message url.host in @hosts": behind a bare kind no "and" is needed. */
static void put_and(struct printer *p, const struct ast_cond *cond)
{
	const struct ast_cond *last = cond->left;

	put_inner(p, cond->left, cond->left->kind == COND_OR);
	while (last->kind == COND_AND)
		last = last->right;
	put(p, is_bare_kind(last) ? " " : " and ");
	put_inner(p, cond->right, cond->right->kind == COND_OR);
}

static void put_cond(struct printer *p, const struct ast_cond *cond)
{
	switch (cond->kind) {
	case COND_AND:
		put_and(p, cond);
		break;
	case COND_OR:
		put_cond(p, cond->left);
		put(p, " or ");
		put_cond(p, cond->right);
		break;
	case COND_NOT:
		put(p, "not ");
		put_inner(
			p, cond->left, cond->left->kind == COND_OR || cond->left->kind == COND_AND);
		break;
	case COND_TEST:
		put_test(p, cond);
		break;
	case COND_LIMIT:
		put_format(p, "limit %s exceeded", cond->text);
		break;
	case COND_SIMILAR:
		put_format(p, "similar %s exceeded", cond->text);
		break;
	}
}

int print_cond(const struct ast_cond *cond, struct buf *out)
{
	struct printer p = { .out = out };

	put_cond(&p, cond);
	return p.error;
}

/* ---- rules ---- */

static void put_duration(struct printer *p, uint64_t ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
		{ "s", 1000 }, { "ms", 1 } };
	size_t i = 0;

	while (ms % units[i].ms || (ms == 0 && units[i].ms > 1000))
		i++;
	put_format(p, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
}

static void put_action(struct printer *p, const struct ast_action *a)
{
	static const char *const words[] = {
		[ACTION_ACCEPT] = "accept",
		[ACTION_DROP] = "drop",
		[ACTION_REJECT] = "reject",
		[ACTION_CLOSE] = "close",
		[ACTION_REDIRECT] = "redirect",
		[ACTION_JUMP] = "jump",
		[ACTION_GOTO] = "goto",
		[ACTION_RETURN] = "return",
		[ACTION_LOG] = "log",
		[ACTION_COUNT] = "count",
		[ACTION_MARK] = "mark",
		[ACTION_STRIKE] = "strike",
		[ACTION_BAN] = "ban",
		[ACTION_STRIP] = "strip",
		[ACTION_REPLACE] = "replace",
		[ACTION_TARPIT] = "tarpit",
		[ACTION_REPORT] = "report",
		[ACTION_QUARANTINE] = "quarantine",
	};

	put(p, words[a->kind]);
	if (a->lookup) {
		put(p, " ");
		put_cond(p, a->lookup);
	}
	if (a->word && !(a->define && a->kind == ACTION_STRIP)) {
		put(p, " ");
		if (a->kind == ACTION_STRIP)
			put_string(p, a->word);
		else
			put(p, a->word);
	}
	if (a->define) {
		put_format(p, " $%s", a->define);
		return;
	}
	if (a->text) {
		put(p, " ");
		put_string(p, a->text);
	}
	if (a->kind == ACTION_STRIKE)
		put_format(p, " %llu", (unsigned long long)a->number);
	if (a->kind == ACTION_BAN || a->kind == ACTION_TARPIT) {
		put(p, " ");
		put_duration(p, a->number);
	}
}

static void put_rule(struct printer *p, const struct ast_rule *rule)
{
	put_indent(p, 1);
	put_format(p, "rule %s %s{ ", rule->name, rule->dry ? "dry " : "");
	if (rule->cond) {
		put_cond(p, rule->cond);
		put(p, " ");
	}
	for (const struct ast_action *a = rule->actions; a; a = a->next) {
		put_action(p, a);
		put(p, a->next ? ", " : "");
	}
	put(p, " }\n");
}

/* ---- expectations ---- */

static void put_field(struct printer *p, const char *name, const char *text, bool quoted)
{
	if (!text)
		return;
	put_indent(p, 1);
	put_format(p, "%s ", name);
	if (quoted)
		put_string(p, text);
	else
		put(p, text);
	put(p, "\n");
}

static bool is_plain_address(const char *text)
{
	bool colon = strchr(text, ':') != NULL;

	return (colon || (*text >= '0' && *text <= '9' && strchr(text, '.'))) &&
	       !text[strspn(text, colon ? "0123456789abcdefABCDEF.:" : "0123456789.")];
}

static void put_remote(struct printer *p, const struct ast_expect *e)
{
	if (!e->remote)
		return;
	put_indent(p, 1);
	put(p, "remote ");
	put_string(p, e->remote);
	if (e->verified)
		put_format(p, " verified %s", e->verified);
	if (e->seen)
		put_format(p, " seen %s", e->seen);
	put(p, "\n");
}

static void put_expect(struct printer *p, const struct ast_expect *e)
{
	put_field(p, "from", e->from, true);
	put_field(p, "to", e->to, true);
	put_field(p, "service", e->service, false);
	put_field(p, "direction", e->direction, false);
	put_field(p, "peer", e->peer, !e->peer || !is_plain_address(e->peer));
	put_field(p, "jid", e->jid, true);
	put_remote(p, e);
	put_field(p, "at", e->moment, true);
	put_field(p, "stanza", e->stanza, true);
	if (e->verdict) {
		put_indent(p, 1);
		put_format(p, "verdict %s", e->verdict);
		if (e->condition)
			put_format(p, " %s", e->condition);
		if (e->by)
			put_format(p, " by %s", e->by);
		put(p, "\n");
	}
	put_field(p, "crosses", e->crosses, true);
}

/* ---- items ---- */

static void put_item(struct printer *p, const struct ast_item *item)
{
	const struct schema_block *block = schema_of_item(item);
	bool title = item->kind == ITEM_EXPECT;

	if (item->kind == ITEM_INCLUDE) {
		put(p, "include ");
		put_string(p, item->name);
		put(p, "\n");
		return;
	}
	if (item->kind == ITEM_DEFINE) {
		put_format(p, "define %s = ", item->name);
		if (item->value) /* none in a tree that did not parse whole */
			put_value(p, item->value, 0);
		put(p, ";\n");
		return;
	}
	put(p, block->name);
	if (block->named)
		put(p, " ");
	if (block->named && title)
		put_string(p, item->name);
	else if (block->named)
		put(p, item->name);
	put(p, " {\n");
	put_settings(p, item->settings, block, 1);
	if (item->settings && item->rules)
		put(p, "\n");
	for (const struct ast_rule *rule = item->rules; rule && !p->error; rule = rule->next)
		put_rule(p, rule);
	if (item->expect)
		put_expect(p, item->expect);
	put(p, "}\n");
}

static bool is_line(const struct ast_item *item)
{
	return item->kind == ITEM_INCLUDE || item->kind == ITEM_DEFINE;
}

int print_policy(const struct ast *ast, struct buf *out)
{
	struct printer p = { .out = out };
	const struct ast_item *before = NULL;

	for (const struct ast_item *item = ast->items; item && !p.error; item = item->next) {
		if (item->at.file != ast->items->at.file)
			continue; /* of an included file */
		if (before && !(is_line(before) && before->kind == item->kind))
			put(&p, "\n");
		put_item(&p, item);
		before = item;
	}
	return p.error;
}
