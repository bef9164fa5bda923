/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings of "punish" beside the table of schema.c: part of check_settings.c. In: one setting,
 * then the block as a whole. Out: what is wrong, at the value that is: what a rung counts, how
 * often and for how long it bans, whom it spares, and what does not go together. A ladder that
 * cannot do what is written is worse than none, so all of it is refused. Values are only looked at;
 * options_punish.c takes them over. */
#include <stdlib.h>
#include <string.h>

#include "rules/check_int.h"
#include "rules/list.h"
#include "rules/service.h"

enum { V4_MIN = 8, V4_MAX = 31, V6_MIN = 16, V6_MAX = 63 };

struct shape {
	struct checker *c;
	const struct ast_item *item;
	const struct schema_setting *known;
	const struct ast_setting *s;
};

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

static void shape_wrong(const struct shape *x, const struct ast_value *v, const char *hint)
{
	diag_error(x->c->diags, v ? v->at : x->s->at, hint, "'%s' wants %s", x->known->name,
		x->known->syntax);
}

static void shape_end(const struct shape *x, const struct ast_value *v)
{
	if (v)
		diag_error(x->c->diags, v->at, "a setting ends with ';'",
			"'%s' is one value too many for '%s'",
			v->kind == VALUE_LIST ? "{ ... }" : v->text, x->known->name);
}

static void check_strikes(const struct shape *x, const struct ast_value *v)
{
	const struct ast_value *within = v ? v->next : NULL, *time = within ? within->next : NULL;

	if (!v || v->kind != VALUE_NUMBER || !v->number || v->number > 1000000 ||
		!is_word(within, "within") || !time || time->kind != VALUE_DURATION ||
		!time->number)
		diag_error(x->c->diags, x->s->at, NULL, "expected 'N strikes within TIME'");
	else
		shape_end(x, time->next);
}

static void check_escalate(const struct shape *x, const struct ast_value *v)
{
	const struct ast_value *to = v ? v->next : NULL, *time = to ? to->next : NULL;
	char *end = NULL;
	unsigned long factor = 0;

	if (v && v->kind == VALUE_WORD && v->text[0] == 'x' && v->text[1] >= '1' &&
		v->text[1] <= '9')
		factor = strtoul(v->text + 1, &end, 10);
	if (factor < 1 || factor > 1000 || *end || !is_word(to, "to") || !time ||
		time->kind != VALUE_DURATION || !time->number)
		diag_error(x->c->diags, v ? v->at : x->s->at, "such as x2 to 7d",
			v ? "'%s' wants %s, not '%s'" : "'%s' wants %s", x->known->name,
			x->known->syntax, v && v->kind != VALUE_LIST ? v->text : "{ ... }");
	else
		shape_end(x, time->next);
}

/* ---- of ---- */

/* What the setting says, PUNISH_ADDRESS if it is missing; PUNISH_OF: nothing that is known. */
static enum punish_of of_value(const struct ast_setting *s)
{
	enum punish_of of = PUNISH_ADDRESS;

	if (!s)
		return of;
	for (of = 0; of < PUNISH_OF && !is_word(s->values, punish_of_text(of)); of++)
		;
	return of;
}

static const struct ast_setting *find(const struct ast_item *item, const char *name)
{
	for (const struct ast_setting *s = item->settings; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static bool check_length(const struct shape *x, const struct ast_value *v, unsigned low,
	unsigned high, const char *family)
{
	if (!v || v->kind != VALUE_LENGTH) {
		shape_wrong(x, v, "such as prefix /24 /56: one for IPv4, one for IPv6");
		return false;
	}
	if (v->number >= low && v->number <= high)
		return true;
	diag_error(x->c->diags, v->at, NULL, "a prefix of %s is /%u to /%u", family, low, high);
	return false;
}

static void check_prefix(const struct shape *x, const struct ast_value *v)
{
	const struct ast_value *number;

	if (!check_length(x, v, V4_MIN, V4_MAX, "IPv4 (the first)") ||
		!check_length(x, v->next, V6_MIN, V6_MAX, "IPv6 (the second)"))
		return;
	if (!(v = v->next->next))
		return;
	number = v->next;
	if (!is_word(v, "from") || !number || number->kind != VALUE_NUMBER ||
		!is_word(number->next, "addresses"))
		shape_wrong(x, v, "such as from 8 addresses");
	else if (number->number < 2 || number->number > PUNISH_FROM_MAX)
		diag_error(x->c->diags, number->at, NULL,
			"a prefix is banned for 2 to %d addresses", PUNISH_FROM_MAX);
	else
		shape_end(x, number->next->next);
}

static void check_of(const struct shape *x, const struct ast_value *v)
{
	static const char words[] = "session|jid|domain|address|prefix";
	enum punish_of of = of_value(x->s);

	if (!v)
		shape_wrong(x, v, NULL);
	else if (of == PUNISH_OF)
		diag_error(x->c->diags, v->at,
			v->kind == VALUE_WORD ? schema_suggest_word(x->c->diags, words, v->text)
					      : NULL,
			"'of' wants %s", x->known->syntax);
	else if (of == PUNISH_PREFIX)
		check_prefix(x, v->next);
	else
		shape_end(x, v->next);
}

/* ---- spare ---- */

static void check_spare_set(const struct shape *x, const struct ast_value *v, enum punish_of of)
{
	const struct ast_item *set = check_find(x->c, ITEM_SET, v->text);
	bool names = of == PUNISH_JID || of == PUNISH_DOMAIN;
	int type = set ? check_set_type(set) : -1;

	if (!set)
		diag_error(x->c->diags, v->at, check_suggest(x->c, ITEM_SET, v->text),
			"no such set '%s'", v->text);
	else if (type >= 0 && names && type != LIST_DOMAIN &&
		 !(of == PUNISH_JID && type == LIST_JID))
		diag_error(x->c->diags, v->at, NULL, "a punishment of %s spares a set of %s",
			punish_of_text(of), of == PUNISH_JID ? "jid or domain" : "domain");
	else if (type >= 0 && !names && type != LIST_ADDRESS)
		diag_error(x->c->diags, v->at, NULL, "a punishment of %s spares a set of address",
			punish_of_text(of));
}

static void check_spare(const struct shape *x, const struct ast_value *v)
{
	enum punish_of of = of_value(find(x->item, "of"));
	unsigned sets = 0;

	if (!v)
		shape_wrong(x, v, NULL);
	for (; v; v = v->next) {
		bool none = is_word(v, "none");

		if (v->kind == VALUE_SET && ++sets <= PUNISH_SPARE_MAX)
			check_spare_set(x, v, of);
		else if (v->kind == VALUE_SET)
			diag_error(x->c->diags, v->at, NULL, "at most %d sets", PUNISH_SPARE_MAX);
		else if (!is_word(v, "shared") && !none)
			diag_error(x->c->diags, v->at,
				v->kind == VALUE_WORD
					? schema_suggest_word(x->c->diags, "shared|none", v->text)
					: NULL,
				"'spare' cannot be '%s'",
				v->kind == VALUE_LIST ? "{ ... }" : v->text);
		else if (none && (v != x->s->values || v->next))
			diag_error(x->c->diags, v->at, NULL, "'none' stands alone");
		else if (!none && of != PUNISH_ADDRESS && of != PUNISH_PREFIX && of != PUNISH_OF)
			diag_error(x->c->diags, v->at, NULL,
				"addresses are shared; a punishment of %s hits nobody else",
				punish_of_text(of));
	}
}

void check_punish_setting(struct checker *c, const struct ast_item *item,
	const struct schema_setting *known, const struct ast_setting *s)
{
	struct shape x = { c, item, known, s };

	if (known->shape == SHAPE_STRIKES)
		check_strikes(&x, s->values);
	else if (known->shape == SHAPE_ESCALATE)
		check_escalate(&x, s->values);
	else if (known->shape == SHAPE_OF)
		check_of(&x, s->values);
	else
		check_spare(&x, s->values);
}

/* ---- together ---- */

/* A session is closed, once: nothing lasts. */
static void check_session(struct checker *c, const struct ast_item *item)
{
	static const char *const names[] = { "ban", "escalate", "forgive", "spare" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct ast_setting *s = find(item, names[i]);

		if (s)
			diag_error(c->diags, s->at, NULL,
				"a session is closed: '%s' means nothing for it", names[i]);
	}
}

/* Where the ceiling is passed, and there only. */
static void check_number(struct checker *c, const struct ast_item *item)
{
	unsigned n = 0;

	for (const struct ast_item *i = c->ast->items; i; i = i->next) {
		n += i->kind == ITEM_PUNISH;
		if (i == item)
			break;
	}
	if (n == PUNISH_RULES_MAX + 1)
		diag_error(c->diags, item->at, NULL, "a ladder has at most %d rungs",
			PUNISH_RULES_MAX);
}

/* So many addresses have at least so many strikes. */
static void check_from(
	struct checker *c, const struct ast_setting *of, const struct ast_setting *strikes)
{
	const struct ast_value *v = of->values;

	while (v && v->kind != VALUE_NUMBER)
		v = v->next;
	if (v && strikes && strikes->values && strikes->values->kind == VALUE_NUMBER &&
		strikes->values->number < v->number)
		diag_error(c->diags, v->at, NULL, "%llu strikes cannot come from %llu addresses",
			(unsigned long long)strikes->values->number, (unsigned long long)v->number);
}

void check_punish(struct checker *c, const struct ast_item *item)
{
	const struct ast_setting *of = find(item, "of"), *forgive = find(item, "forgive");
	enum punish_of kind = of_value(of);

	check_number(c, item);
	if (kind == PUNISH_SESSION)
		check_session(c, item);
	else if (!find(item, "ban"))
		diag_error(c->diags, item->name_at, NULL, "punish '%s' has no 'ban'", item->name);
	if (kind != PUNISH_SESSION && forgive && !find(item, "escalate"))
		diag_error(
			c->diags, forgive->at, NULL, "'forgive' means nothing without 'escalate'");
	if (kind == PUNISH_PREFIX)
		check_from(c, of, find(item, "strikes"));
}
