/* SPDX-License-Identifier: BSD-2-Clause */
/* defend { ... } of the checked tree as a struct defend: classes in the order of the file, the one
 * without a name last; rates of a class from narrow to wide, so that what one address may not is
 * not taken from its network's share. Complaints are about what only the whole shows. It writes no
 * nft text. */
#include "rules/defend.h"

#include <stdlib.h>
#include <string.h>

#include "rules/check_int.h"
#include "rules/options_int.h"

/* ---- one class ---- */

static void take_per(const struct ast_value *v, struct defend_per *per)
{
	*per = (struct defend_per){ DEFEND_V4, DEFEND_V6 };
	for (; v; v = v->next)
		if (v->kind == VALUE_LENGTH) {
			per->v4 = (uint8_t)v->number;
			per->v6 = (uint8_t)v->next->number;
			return;
		}
}

static bool per_equal(const struct defend_per *a, const struct defend_per *b)
{
	return a->v4 == b->v4 && a->v6 == b->v6;
}

static void take_rate(struct collector *c, struct defend_class *k, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;
	struct defend_rate rate = { 0 };
	unsigned at = k->n_rates;

	if (!defend_rate_read(v, &rate.n, &rate.seconds))
		return;
	rate.burst = rate.n;
	if (v->next && strcmp(v->next->text, "burst") == 0)
		rate.burst = (uint32_t)v->next->next->number;
	take_per(v, &rate.per);
	for (unsigned i = 0; i < k->n_rates; i++)
		if (per_equal(&k->rates[i].per, &rate.per)) {
			diag_error(c->diags, s->at, NULL,
				"there is already a rate per /%u /%u in this class", rate.per.v4,
				rate.per.v6);
			return;
		}
	if (k->n_rates == DEFEND_RATES_MAX) {
		diag_error(c->diags, s->at, NULL, "a class has at most %d rates", DEFEND_RATES_MAX);
		return;
	}
	for (; at > 0 && (k->rates[at - 1].per.v4 < rate.per.v4 ||
				 (k->rates[at - 1].per.v4 == rate.per.v4 &&
					 k->rates[at - 1].per.v6 < rate.per.v6));
		at--)
		k->rates[at] = k->rates[at - 1];
	k->rates[at] = rate;
	k->n_rates++;
}

static void take_from(struct collector *c, struct defend_class *k, const struct ast_value *v)
{
	if (v->kind == VALUE_SET)
		k->set = options_strdup(c, v->text);
	else
		k->known_ms = v->next->number;
}

static void take_settings(
	struct collector *c, struct defend_class *k, const struct ast_setting *block)
{
	for (const struct ast_setting *s = block; s; s = s->next) {
		if (strcmp(s->name, "rate") == 0) {
			take_rate(c, k, s);
		} else if (strcmp(s->name, "concurrent") == 0) {
			k->concurrent = (uint32_t)s->values->number;
			take_per(s->values, &k->concurrent_per);
		} else if (strcmp(s->name, "from") == 0) {
			take_from(c, k, s->values);
		} else if (strcmp(s->name, "penalty") == 0) {
			k->penalty_ms = s->values->kind == VALUE_DURATION
						? s->values->number
						: s->values->number * 1000;
		}
	}
}

/* ---- how they fit together ---- */

static void check_class(
	struct collector *c, const struct defend_class *k, const struct ast_setting *s)
{
	const struct ast_setting *from = options_find(s->block, "from"),
				 *penalty = options_find(s->block, "penalty");
	bool address = false;

	if (s->values && !from)
		diag_error(c->diags, s->values->at, "from @SET; or from authenticated 1d;",
			"class '%s' does not say whose connections it is about", k->name);
	if (!s->values && from)
		diag_error(c->diags, from->at, "connections NAME { from ... }",
			"the class without a name is about everybody of no other class");
	for (unsigned i = 0; i < k->n_rates; i++)
		address = address || defend_per_address(&k->rates[i].per);
	if (penalty && !address)
		diag_error(c->diags, penalty->at, "such as rate 10/second burst 30 per /32 /64",
			"a penalty is for who is over a rate of single addresses, and here is "
			"none");
}

static void check_among(
	struct collector *c, const struct defend_class *k, const struct ast_setting *s)
{
	const struct defend *d = &c->out->daemon.defend;
	struct loc at = s->values ? s->values->at : s->at;

	for (unsigned i = 0; i < d->n_classes; i++) {
		if (strcmp(d->classes[i].name, k->name) == 0)
			diag_error(c->diags, at, NULL,
				s->values ? "there is already a class '%s'"
					  : "there is already a class without a name",
				k->name);
		else if (k->known_ms && d->classes[i].known_ms)
			diag_error(c->diags, options_find(s->block, "from")->at, NULL,
				"class '%s' already takes those that logged in",
				d->classes[i].name);
	}
}

static void take_class(struct collector *c, const struct ast_setting *s)
{
	struct defend *d = &c->out->daemon.defend;
	struct defend_class class = { .name = DEFEND_OTHERS };
	unsigned at = d->n_classes;

	if (s->values)
		class.name = options_strdup(c, s->values->text);
	if (c->error)
		return;
	take_settings(c, &class, s->block);
	check_class(c, &class, s);
	check_among(c, &class, s);
	if (d->n_classes == DEFEND_CLASSES_MAX) {
		diag_error(
			c->diags, s->at, NULL, "there are at most %d classes", DEFEND_CLASSES_MAX);
		return;
	}
	if (s->values && at > 0 && strcmp(d->classes[at - 1].name, DEFEND_OTHERS) == 0) {
		d->classes[at] = d->classes[at - 1];
		at--;
	}
	d->classes[at] = class;
	d->n_classes++;
}

/* ---- the rest ---- */

static void take_synproxy(struct defend *d, const struct ast_value *v)
{
	d->synproxy = strcmp(v->text, "on") == 0;
	for (v = v->next; v; v = v->next->next) {
		if (strcmp(v->text, "mss") == 0)
			d->mss = (uint16_t)v->next->number;
		else
			d->wscale = (uint8_t)v->next->number;
	}
}

void options_defend(struct collector *c, const struct ast_item *item)
{
	struct defend *d = &c->out->daemon.defend;

	for (const struct ast_setting *s = item->settings; s && !c->error; s = s->next) {
		if (strcmp(s->name, "connections") == 0)
			take_class(c, s);
		else if (strcmp(s->name, "synproxy") == 0)
			take_synproxy(d, s->values);
		else if (strcmp(s->name, "entries") == 0)
			d->entries = (uint32_t)s->values->number;
	}
}

void options_defend_reach(struct collector *c)
{
	const struct ast_setting *synproxy = NULL;
	size_t proxied = 0;

	for (const struct ast_item *i = c->ast->items; i && !synproxy; i = i->next)
		if (i->kind == ITEM_OPTIONS && strcmp(i->name, "defend") == 0)
			synproxy = options_find(i->settings, "synproxy");
	if (!synproxy || !c->out->daemon.defend.synproxy || c->out->n_services == 0)
		return;
	for (size_t i = 0; i < c->out->n_services; i++)
		proxied += c->out->services[i].mode == MODE_PROXY;
	if (proxied == 0)
		diag_error(c->diags, synproxy->values->at,
			"the inspector must see each handshake itself",
			"'synproxy on' is for services of mode proxy, and here is none");
	for (size_t i = 0; i < c->out->n_services && proxied > 0; i++)
		if (c->out->services[i].mode == MODE_INSPECT)
			diag_warn(c->diags, synproxy->values->at,
				"the inspector must see each handshake itself",
				"service '%s' of mode inspect goes without synproxy",
				c->out->services[i].name);
}
