/* SPDX-License-Identifier: BSD-2-Clause */
/* One rung of the ladder as plain data: part of options.c. In: the checked settings of a "punish"
 * block. Out: a struct punish with its defaults. What only the values together show is said here.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/options_int.h"

enum { FROM_DEFAULT = 4 };

const char *punish_of_text(enum punish_of of)
{
	static const char *const texts[] = { [PUNISH_SESSION] = "session",
		[PUNISH_JID] = "jid",
		[PUNISH_DOMAIN] = "domain",
		[PUNISH_ADDRESS] = "address",
		[PUNISH_PREFIX] = "prefix",
		[PUNISH_OF] = "" };

	return texts[of];
}

static void take_of(const struct ast_setting *s, struct punish *p)
{
	const struct ast_value *v = s ? s->values : NULL;

	p->of = PUNISH_ADDRESS;
	for (enum punish_of of = 0; v && of < PUNISH_OF; of++)
		if (strcmp(v->text, punish_of_text(of)) == 0)
			p->of = of;
	if (p->of != PUNISH_PREFIX)
		return;
	v = v->next;
	p->prefix4 = (unsigned)v->number;
	p->prefix6 = (unsigned)v->next->number;
	v = v->next->next;
	p->from = v ? (unsigned)v->next->number : FROM_DEFAULT;
}

static void take_spare(struct collector *c, const struct ast_setting *s, struct punish *p)
{
	for (const struct ast_value *v = s ? s->values : NULL; v; v = v->next) {
		if (v->kind == VALUE_SET)
			p->spare[p->n_spare++] = options_strdup(c, v->text);
		else if (strcmp(v->text, "shared") == 0)
			p->spare_shared = true;
	}
}

void options_punish(struct collector *c, const struct ast_item *item)
{
	const struct ast_setting *strikes = options_find(item->settings, "strikes"),
				 *escalate = options_find(item->settings, "escalate");
	struct punish *p = &c->out->punishes[c->out->n_punishes++];

	p->name = options_strdup(c, item->name);
	p->strikes = (unsigned)strikes->values->number;
	p->within_ms = strikes->values->next->next->number;
	take_of(options_find(item->settings, "of"), p);
	p->ban_ms = options_ms(options_find(item->settings, "ban"), 0);
	p->escalate = 1;
	p->escalate_max_ms = p->ban_ms;
	if (escalate) {
		p->escalate = (unsigned)strtoul(escalate->values->text + 1, NULL, 10);
		p->escalate_max_ms = escalate->values->next->next->number;
	}
	p->forgive_ms = options_ms(options_find(item->settings, "forgive"), 0);
	take_spare(c, options_find(item->settings, "spare"), p);
	if (p->escalate_max_ms < p->ban_ms)
		diag_error(c->diags, escalate->at, NULL,
			"'escalate' ends before the first ban of punish '%s' does", item->name);
}
