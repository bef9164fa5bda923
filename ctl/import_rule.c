/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules and chains of a script as ours, and what becomes of a rule of which a part has
 * no counterpart. Such a rule stays as a comment. If it would have let stanzas pass, those behind
 * it would suddenly stop what they never saw before: they become dry. In: a chain with its lines;
 * out: its text. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_rule.h"

void import_flush_rule(struct import *im, struct turned *t)
{
	const char *orders;
	char part[16] = "";

	if (!buf_len(&t->orders) && !t->final)
		return;
	if (t->parts++)
		snprintf(part, sizeof(part), "_%u", t->parts);
	orders = buf_len(&t->orders) ? buf_string(&t->orders) : "";
	if (!orders)
		im->error = -ENOMEM;
	else
		buf_putf(t->out, "    rule line_%u%s%s { %s%s%s%s }\n", t->line, part,
			t->dry && t->stops ? " dry" : "", t->condition, orders,
			*orders && t->final ? ", " : "", t->final ? t->final : "");
	im->result->rules++;
	buf_clear(&t->orders);
	t->final = NULL;
	t->stops = false;
}

/* ---- rules ---- */

static bool lets_pass(const struct fw_rule *rule)
{
	static const char *const words[] = { "PASS", "DEFAULT", "RETURN", "REDIRECT", "JUMP_CHAIN",
		"JUMP_EVENT" };
	char name[32];

	for (const struct fw_line *l = rule->lines; l; l = l->next) {
		if (!l->action)
			continue;
		import_action(l, name, sizeof(name));
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strcmp(words[i], name) == 0)
				return true;
	}
	return false;
}

static void write_comments(const struct fw_comment *comments, struct buf *out)
{
	for (const struct fw_comment *c = comments; c; c = c->next)
		buf_putf(out, "    #%s\n", c->text);
}

static void write_left(const struct fw_rule *rule, struct buf *out)
{
	buf_putf(out, "    # line %u, not turned:\n", rule->lines->number);
	for (const struct fw_line *l = rule->lines; l; l = l->next)
		buf_putf(out, "    #     %s\n", l->text);
}

/* All conditions, joined; NULL when one of them was left. Each is tried, so that each is told of.
 */
static const char *conditions_turn(struct import *im, const struct fw_rule *rule)
{
	const char *test, *text = NULL;
	struct buf out;
	bool left = false;

	buf_init(&out, 4 << 20);
	for (const struct fw_line *l = rule->lines; l && !im->error; l = l->next) {
		if (l->action)
			continue;
		test = import_condition(im, l);
		left |= !test;
		if (test && buf_putf(&out, "%s%s", buf_len(&out) ? " and " : "", test) < 0)
			im->error = -ENOMEM;
	}
	if (!left && !im->error) {
		text = buf_len(&out) ? buf_string(&out) : "";
		text = text && *text ? import_format(im, "%s  ", text) : text;
	}
	buf_fini(&out);
	return text;
}

/* Tells whether stanzas may now come further than they did: a rule that let them pass is lost. */
static bool write_rule(struct import *im, const struct fw_rule *rule, bool dry, struct buf *out)
{
	struct turned t = { .out = out, .line = rule->lines->number, .dry = dry };
	unsigned left = im->result->left;

	write_comments(rule->comments, out);
	if (!rule->last->action) { /* the script ended */
		write_left(rule, out);
		return false;
	}
	if (!(t.condition = conditions_turn(im, rule))) {
		write_left(rule, out);
		return lets_pass(rule);
	}
	buf_init(&t.orders, 4 << 20);
	for (const struct fw_line *l = rule->lines; l && !im->error; l = l->next) {
		if (!l->action)
			continue;
		if (t.over) {
			import_differs(im, l, NULL, "this is never reached");
			break;
		}
		import_act(im, &t, l);
	}
	if (im->result->left > left)
		write_left(rule, out);
	import_flush_rule(im, &t);
	buf_fini(&t.orders);
	return t.lost_passing;
}

/* ---- chains ---- */

static void write_hooks(struct import *im, const struct fw_chain *chain, struct buf *out)
{
	static const struct fw_line nowhere = { .number = 1, .column = 1, .text = "" };
	struct fw_line at = nowhere;

	at.number = chain->line ? chain->line : 1;
	switch (chain->where) {
	case FW_PREROUTE:
		buf_puts(out, "    hook c2s direction in;\n    policy accept;\n");
		break;
	case FW_DELIVER:
		buf_puts(out, "    # what reaches accounts here: to their clients, and from other "
			      "servers\n"
			      "    hook c2s direction out;\n    hook s2s direction in;\n    policy "
			      "accept;\n");
		break;
	default:
		import_differs(im, &at, NULL, "::deliver_remote waits for the proxy of s2s");
		buf_puts(out, "    hook s2s direction out;\n    policy accept;\n");
	}
}

/* The chain this line jumps to; NULL if it does not. */
static struct fw_chain *jump_target(struct import *im, const struct fw_line *line)
{
	char name[32];
	const char *target = line->action ? import_action(line, name, sizeof(name)) : "";

	return *target && strcmp(name, "JUMP_CHAIN") == 0
		       ? map_find(&im->chain_map, target, strlen(target))
		       : NULL;
}

/* Has a chain this rule leads to lost what let stanzas pass? */
static bool jumps_to_lost(struct import *im, const struct fw_rule *rule)
{
	for (const struct fw_line *l = rule->lines; l; l = l->next) {
		const struct fw_chain *to = jump_target(im, l);

		if (to && to->taint == TAINT_YES)
			return true;
	}
	return false;
}

static void write_rules(struct import *im, struct fw_chain *chain, struct buf *out)
{
	bool dry = false, lost;

	for (const struct fw_rule *r = chain->rules; r && !im->error; r = r->next) {
		lost = write_rule(im, r, dry, out) || jumps_to_lost(im, r);
		if (lost && !dry)
			buf_puts(out, "    # From here on rules only tell what they would stop "
				      "(dry): one that let stanzas pass "
				      "is missing.\n");
		dry |= lost;
	}
	chain->taint = dry ? TAINT_YES : TAINT_NO;
}

void import_turn_chain(struct import *im, struct fw_chain *chain)
{
	struct buf out;

	chain->taint = TAINT_ASKED;
	for (const struct fw_rule *r = chain->rules; r; r = r->next)
		for (const struct fw_line *l = r->lines; l; l = l->next) {
			struct fw_chain *to = jump_target(im, l);

			if (to && to->taint == TAINT_UNKNOWN)
				import_turn_chain(im, to);
		}
	im->chain = chain;
	buf_init(&out, IMPORT_TEXT_MAX);
	buf_puts(&out, "\n");
	for (const struct fw_comment *c = chain->comments; c; c = c->next)
		buf_putf(&out, "#%s\n", c->text);
	if (!chain->line)
		buf_puts(&out, "# to be filled: the script leaves it to others\n");
	buf_putf(&out, "chain %s {\n", chain->out);
	if (chain->hooked)
		write_hooks(im, chain, &out);
	if (chain->hooked && chain->rules)
		buf_puts(&out, "\n");
	write_rules(im, chain, &out);
	if (buf_puts(&out, "}\n") < 0)
		im->error = ERR_LIMIT;
	else
		chain->text = import_copy(im, buf_ptr(&out), buf_len(&out));
	buf_fini(&out);
}
