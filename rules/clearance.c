/* SPDX-License-Identifier: BSD-2-Clause */
/* What a clearance table says of a stanza's labels. In comes a pair of prepared domains and the
 * labels as xmpp/label.c read them, out goes an answer; rules decide what becomes of it. Markings
 * are compared byte for byte: what only looks like a released one is another one. Whatever is odd
 * about a label withholds the stanza. It allocates nothing and changes nothing. */
#include "rules/clearance.h"

#include "xmpp/ns.h"

/* ---- pairs ---- */

static bool is_below(struct span name, struct span top)
{
	return name.len > top.len && name.ptr[name.len - top.len - 1] == '.' &&
	       memcmp(name.ptr + name.len - top.len, top.ptr, top.len) == 0;
}

static bool domain_holds(const struct clearance_domain *d, struct span name)
{
	return d->below ? is_below(name, d->name) : span_equal(d->name, name);
}

enum clearance_relation clearance_compare(
	const struct clearance_domain *a, const struct clearance_domain *b)
{
	if (a->below == b->below && span_equal(a->name, b->name))
		return CLEARANCE_SAME;
	if (b->below && domain_holds(b, a->name))
		return CLEARANCE_NARROWER;
	if (a->below && domain_holds(a, b->name))
		return CLEARANCE_WIDER;
	return CLEARANCE_APART;
}

const struct clearance *clearance_find(
	const struct clearance_set *set, struct span from, struct span to)
{
	for (unsigned i = 0; i < set->n; i++)
		if (domain_holds(&set->pairs[i].from, from) && domain_holds(&set->pairs[i].to, to))
			return set->pairs[i].table;
	return NULL;
}

/* ---- labels ---- */

static bool policy_is_named(const struct clearance *c, const struct label_part *p)
{
	for (unsigned i = 0; i < c->n_policies && p->policy.len; i++)
		if (span_equal(c->policies[i].policy, p->policy))
			return true;
	return false;
}

/* Categories narrow what a classification allows, and nobody here can read them. */
static bool policy_releases(
	const struct clearance *c, const struct label_part *p, struct span display)
{
	for (unsigned i = 0; i < c->n_policies; i++) {
		const struct clearance_policy *line = &c->policies[i];

		if (!span_equal(line->policy, p->policy))
			continue;
		if (line->display.ptr ? span_equal(line->display, display)
				      : p->has_class && !p->categories && p->class >= line->low &&
						p->class <= line->high)
			return true;
	}
	return false;
}

static bool display_releases(const struct clearance *c, struct span display)
{
	for (unsigned i = 0; i < c->n_displays; i++)
		if (span_equal(c->displays[i], display))
			return true;
	return false;
}

static bool is_fit(const struct clearance *c, const struct label *l)
{
	if (l->odd || !l->parts)
		return false;
	/* Equivalent labels say the same in another policy: one that does not makes the label odd.
	 */
	for (const struct label_part *p = l->parts; p; p = p->next)
		if (policy_is_named(c, p) && !policy_releases(c, p, l->display))
			return false;
	return policy_is_named(c, l->parts) || display_releases(c, l->display);
}

/* RFC 6120 8.3.1 lets an error repeat what it answers and speak in words: such a one needs a label.
 */
static bool is_bare_error(const struct stanza *s)
{
	const struct xml_element *error, *condition;

	if (strcmp(stanza_type(s), "error") != 0 || !(error = element_first(s->root)) ||
		!element_is(error, s->root->ns, "error") || s->root->children->next ||
		!(condition = element_first(error)) || error->children->next)
		return false;
	return string_equal(condition->ns, NS_STANZAS) && strcmp(condition->name, "text") != 0 &&
	       !condition->children && !condition->attrs;
}

enum clearance_answer clearance_ask(
	const struct clearance *c, const struct stanza *s, const struct labels *labels)
{
	if (labels->odd)
		return CLEARANCE_WITHHELD;
	for (const struct label *l = labels->first; l; l = l->next)
		if (!is_fit(c, l))
			return CLEARANCE_WITHHELD;
	if (labels->covered || c->unlabelled || (c->errors && is_bare_error(s)))
		return CLEARANCE_RELEASED;
	return CLEARANCE_UNLABELLED;
}

const char *clearance_text(enum clearance_answer answer)
{
	static const char *const texts[] = {
		[CLEARANCE_UNLISTED] = "unlisted",
		[CLEARANCE_RELEASED] = "released",
		[CLEARANCE_WITHHELD] = "withheld",
		[CLEARANCE_UNLABELLED] = "unlabelled",
	};
	return texts[answer];
}
