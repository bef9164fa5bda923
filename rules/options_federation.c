/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocks "federation" and "remote" of the checked tree as the structs of federation.h. Domains
 * are prepared as those of streams will be, pins are the bytes that will be compared, and what a
 * remote block does not say is filled in from federation, so that whoever holds one need not ask
 * twice. Files of trust anchors and keys are read into the sources: the proxy opens none. It looks
 * into none of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/ibb.h"
#include "rules/options_int.h"

/* Of a prepared domain. */
enum { DOMAIN_TEXT_MAX = 1023 };

static const struct {
	const char *name;
	enum remote_require bit;
} proofs[] = { { "pin", REMOTE_PIN }, { "dane", REMOTE_DANE }, { "pkix", REMOTE_PKIX },
	{ "dialback", REMOTE_DIALBACK } };

const char *remote_require_text(enum remote_require bit)
{
	for (size_t i = 0; i < sizeof(proofs) / sizeof(*proofs); i++)
		if (proofs[i].bit == bit)
			return proofs[i].name;
	return "none";
}

/* ---- pins ---- */

bool remote_pin_read(const char *text, uint8_t pin[REMOTE_PIN_SIZE])
{
	static const char prefix[] = "sha256:", last[] = "AEIMQUYcgkosw048";
	enum { DIGITS = 43 };
	struct arena a;
	struct span bytes;
	bool fine;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	text += sizeof(prefix) - 1;
	/* Of the last digit two bits are left over: 0, or the text is no spelling of 32 bytes. */
	if (strlen(text) != DIGITS + 1 || text[DIGITS] != '=' || !strchr(last, text[DIGITS - 1]))
		return false;
	arena_init(&a, 0);
	bytes = ibb_decode(&a, span_of(text));
	if ((fine = bytes.ptr && bytes.len == REMOTE_PIN_SIZE))
		memcpy(pin, bytes.ptr, REMOTE_PIN_SIZE);
	arena_fini(&a);
	return fine;
}

static void add_pin(struct collector *c, struct remote_policy *r, const struct ast_value *v)
{
	uint8_t pin[REMOTE_PIN_SIZE];

	if (!remote_pin_read(v->text, pin)) {
		c->error = -ENOMEM; /* the checker has read it before */
		return;
	}
	for (unsigned i = 0; i < r->n_pins; i++)
		if (memcmp(r->pins[i], pin, sizeof(pin)) == 0) {
			diag_error(c->diags, v->at, NULL, "'%s' stands here twice", v->text);
			return;
		}
	if (r->n_pins == REMOTE_PINS_MAX)
		diag_error(c->diags, v->at, NULL, "a remote has at most %d pins", REMOTE_PINS_MAX);
	else
		memcpy(r->pins[r->n_pins++], pin, sizeof(pin));
}

/* ---- what both blocks have ---- */

static void take_require(struct remote_policy *r, const struct ast_setting *set)
{
	const struct ast_value *v = set->values;

	r->require = 0;
	for (v = v && v->kind == VALUE_LIST ? v->items : v; v; v = v->next)
		for (size_t i = 0; i < sizeof(proofs) / sizeof(*proofs); i++)
			if (strcmp(proofs[i].name, v->text) == 0)
				r->require |= proofs[i].bit;
}

static void take_common(
	struct collector *c, struct remote_policy *r, const struct ast_setting *settings)
{
	const struct ast_setting *set;

	if ((set = options_find(settings, "require")))
		take_require(r, set);
	if ((set = options_find(settings, "trust")))
		r->trust_file = set->values->next ? options_file(c, set->values->next) : NULL;
	if (options_word(settings, "unverified", "refuse"))
		r->unverified = UNVERIFIED_REFUSE;
	else if (options_find(settings, "unverified"))
		r->unverified = UNVERIFIED_UNTRUSTED;
}

/* ---- federation ---- */

void options_federation_defaults(struct federation_options *f)
{
	*f = (struct federation_options){
		.resolver_port = RESOLVER_PORT,
		.rest = { .name = "", .require = REMOTE_ANY, .bidi = true },
		.leaves = 1000,
		.leaf_life_ms = (uint64_t)24 * 3600000,
		.pairs = 100,
		.dialback_open = 32,
		.dialback_rate = 120,
		.dialback_rate_ms = 60000,
	};
}

static void take_resolver(
	struct collector *c, struct federation_options *f, const struct ast_setting *set)
{
	char host[64];

	if (!options_split_port(set->values->text, host, sizeof(host), &f->resolver_port))
		return; /* the checker has seen to that */
	if (f->resolver_port == 0)
		f->resolver_port = RESOLVER_PORT;
	f->resolver = options_strdup(c, host);
}

static void take_number(const struct ast_setting *settings, const char *name, unsigned *n)
{
	const struct ast_setting *set = options_find(settings, name);

	if (set)
		*n = (unsigned)set->values->number;
}

static void take_numbers(struct federation_options *f, const struct ast_setting *settings)
{
	const struct ast_setting *rate = options_find(settings, "dialback-rate");

	take_number(settings, "leaves", &f->leaves);
	take_number(settings, "pairs", &f->pairs);
	take_number(settings, "dialback-open", &f->dialback_open);
	f->leaf_life_ms = options_ms(options_find(settings, "leaf-life"), f->leaf_life_ms);
	if (rate) {
		f->dialback_rate = rate->values->number;
		f->dialback_rate_ms = rate->values->duration_ms;
	}
}

void options_federation(struct collector *c, const struct ast_item *item)
{
	struct federation_options *f = &c->out->federation;
	const struct ast_setting *set;

	for (set = item->settings; set && !c->error; set = set->next)
		for (const struct ast_value *v = strcmp(set->name, "domains") == 0 ? set->values
										   : NULL;
			v; v = v->next) {
			if (f->n_domains < FEDERATION_DOMAINS_MAX)
				f->domains[f->n_domains++] = options_domain(c, v->text);
			else
				diag_error(c->diags, v->at, NULL,
					"federation has at most %d domains",
					FEDERATION_DOMAINS_MAX);
		}
	if ((set = options_find(item->settings, "authority")))
		f->authority = strcmp(set->values->text, "on") == 0 ? AUTHORITY_ON : AUTHORITY_OFF;
	if ((set = options_find(item->settings, "resolver")))
		take_resolver(c, f, set);
	if ((set = options_find(item->settings, "anchor")))
		f->anchor_file = options_file(c, set->values);
	take_common(c, &f->rest, item->settings);
	take_numbers(f, item->settings);
}

/* ---- remote ---- */

static void add_domain(struct collector *c, struct remote_policy *r, const struct ast_value *v)
{
	if (r->n_domains == REMOTE_DOMAINS_MAX)
		diag_error(c->diags, v->at, "make it two remotes",
			"a remote has at most %d domains", REMOTE_DOMAINS_MAX);
	else
		r->domains[r->n_domains++] = options_domain(c, v->text);
}

void options_remote(struct collector *c, const struct ast_item *item)
{
	struct remote_policy *r = &c->out->remotes[c->out->n_remotes++];

	*r = c->out->federation.rest;
	r->name = options_strdup(c, item->name);
	for (const struct ast_setting *set = item->settings; set && !c->error; set = set->next)
		for (const struct ast_value *v = set->values; v && !c->error; v = v->next) {
			if (strcmp(set->name, "domains") == 0)
				add_domain(c, r, v);
			else if (strcmp(set->name, "pins") == 0)
				add_pin(c, r, v);
		}
	take_common(c, r, item->settings);
	if (options_word(item->settings, "bidi", "off"))
		r->bidi = false;
	if (r->require == REMOTE_PIN && r->n_pins == 0 && !options_find(item->settings, "require"))
		diag_error(c->diags, item->name_at,
			"pins \"sha256:BASE64\"; or a 'require' of its own",
			"remote '%s' has no pins, and federation requires them", item->name);
}

/* ---- by domain ---- */

static int name_compare(const void *a, const void *b)
{
	return strcmp(
		((const struct remote_name *)a)->domain, ((const struct remote_name *)b)->domain);
}

/* Complaints stand at the later of two blocks, by its name. */
static void refuse_twice(
	struct collector *c, const struct remote_name *a, const struct remote_name *b)
{
	const struct remote_name *later = a->remote > b->remote ? a : b,
				 *other = later == a ? b : a;

	for (const struct ast_item *i = c->ast->items; i; i = i->next)
		if (i->kind == ITEM_REMOTE && strcmp(i->name, later->remote->name) == 0) {
			if (later->remote == other->remote)
				diag_error(c->diags, i->name_at, NULL, "remote '%s' names %s twice",
					i->name, a->domain);
			else
				diag_error(c->diags, i->name_at, NULL,
					"remotes '%s' and '%s' both want %s", other->remote->name,
					i->name, a->domain);
			return;
		}
}

void options_remote_names(struct collector *c)
{
	struct options *o = c->out;
	size_t n = 0;

	for (size_t i = 0; i < o->n_remotes; i++)
		n += o->remotes[i].n_domains;
	if (!(o->remote_names = arena_zalloc(c->arena, (n + 1) * sizeof(*o->remote_names)))) {
		c->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < o->n_remotes; i++)
		for (unsigned k = 0; k < o->remotes[i].n_domains; k++)
			o->remote_names[o->n_remote_names++] =
				(struct remote_name){ o->remotes[i].domains[k], &o->remotes[i] };
	qsort(o->remote_names, n, sizeof(*o->remote_names), name_compare);
	for (size_t i = 1; i < n; i++)
		if (name_compare(&o->remote_names[i - 1], &o->remote_names[i]) == 0)
			refuse_twice(c, &o->remote_names[i - 1], &o->remote_names[i]);
}

static const struct remote_policy *name_find(const struct options *o, const char *domain)
{
	const struct remote_name key = { .domain = domain }, *found;

	found = o->n_remote_names ? bsearch(&key, o->remote_names, o->n_remote_names, sizeof(key),
					    name_compare)
				  : NULL;
	return found ? found->remote : NULL;
}

const struct remote_policy *options_remote_find(const struct options *o, const char *domain)
{
	char below[DOMAIN_TEXT_MAX + 3] = "*";
	const struct remote_policy *found = name_find(o, domain);
	const char *dot = domain;

	if (found || o->n_remote_names == 0 || strlen(domain) > DOMAIN_TEXT_MAX)
		return found;
	while (!found && (dot = strchr(dot, '.'))) {
		strcpy(below + 1, dot++);
		found = name_find(o, below);
	}
	return found;
}
