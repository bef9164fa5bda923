/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy from its sources to the last reference: parse, check, put the options together, compile,
 * run the expectations; only what passed all of it becomes a policy. Doors and the control room
 * hold references and ask here for services, rules, sets and edits of sets. Files come through
 * struct source_set alone. Judging is in match.c. */
#include "rules/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/check.h"
#include "rules/expect.h"
#include "rules/feed.h"
#include "rules/live.h"
#include "rules/outline.h"
#include "rules/parse.h"
#include "rules/print.h"

/* ---- infos ---- */

static int infos_rules(struct policy *p)
{
	struct program *program = p->program;

	p->rules = arena_zalloc(&p->arena, (program->n_rules + 1) * sizeof(*p->rules));
	if (!p->rules)
		return -ENOMEM;
	for (unsigned i = 0; i < program->n_chains; i++)
		for (unsigned k = 0; k < program->chains[i].n_rules; k++) {
			struct rule *rule = &program->chains[i].rules[k];
			struct rule_info *info = &p->rules[p->n_rules++];

			info->chain = program->chains[i].name;
			info->name = rule->name;
			info->hits = rule->hits;
			info->text = outline_rule(&p->arena, program->chains[i].item, rule->ast);
			if (!info->text)
				return -ENOMEM;
			rule->ast = NULL;
		}
	for (unsigned i = 0; i < program->n_chains; i++)
		program->chains[i].item = NULL;
	return 0;
}

static int infos_sets(struct policy *p)
{
	struct program *program = p->program;

	p->sets = arena_zalloc(&p->arena, (program->n_lists + 1) * sizeof(*p->sets));
	if (!p->sets)
		return -ENOMEM;
	for (unsigned i = 0; i < program->n_lists; i++) {
		const struct list *l = program->lists[i];
		p->sets[i] = (struct set_info){
			.name = l->name,
			.type = list_type_text(l->type),
			.path = l->path,
			.entries = l->n_live,
			.fold = l->fold,
			.nocase = l->nocase,
			.suffix = l->suffix,
			.substring = l->substring,
			.map = l->map,
			.of = l->type == LIST_HASH ? list_type_text(l->of) : "",
			.salt = l->salt,
		};
	}
	return 0;
}

static int infos_limits(struct policy *p)
{
	struct program *program = p->program;

	p->limits = arena_zalloc(&p->arena, (program->n_limits + 1) * sizeof(*p->limits));
	if (!p->limits)
		return -ENOMEM;
	for (unsigned i = 0; i < program->n_limits; i++) {
		const struct limit *l = &program->limits[i];
		p->limits[i] = (struct limit_info){
			.name = l->name,
			.key = l->key,
			.count = l->count.field ? l->count.field->name : "stanzas",
			.distinct = l->distinct.field ? l->distinct.field->name : "",
			.bytes = l->bytes,
			.rate = l->configured,
			.entries = l->entries,
			.exceeded = l->exceeded,
			.evicted = l->evicted,
		};
	}
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static uint64_t digest_add(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

/* The same in every process that got the same bytes, in whatever order; certificates and keys are
 * no rules. */
static void version_set(struct policy *p, const struct source_set *sources)
{
	struct map_entry *e;
	uint64_t sum = 0;
	size_t at = 0;

	while (map_each(&sources->files, &at, &e)) {
		struct source_file *f = e->value;
		if (ends_with(e->key, ".key") || ends_with(e->key, ".crt") ||
			ends_with(e->key, ".pem"))
			continue;
		sum += digest_add(digest_add(0xcbf29ce484222325u, e->key, e->key_len),
			f->packed ? (const void *)source_digest(f) : f->bytes,
			f->packed ? sizeof(f->digest) : f->len);
	}
	snprintf(p->version, sizeof(p->version), "%012llx",
		(unsigned long long)(sum ^ sum >> 48) & 0xffffffffffff);
}

/* ---- loading ---- */

static int tree_load(
	struct source_set *sources, const char *path, struct diag_list *diags, struct ast **ast)
{
	int r = parse_policy(sources, path, diags, ast);

	return r < 0 ? r : check_policy(*ast, sources, diags);
}

static int policy_fill(struct policy *p, const struct ast *ast, struct source_set *sources,
	struct policy *previous, struct metrics *metrics, struct diag_list *diags)
{
	int r;

	if ((r = options_collect(ast, sources, &p->arena, diags, &p->options)) < 0 ||
		(r = program_new(ast, sources, previous ? previous->program : NULL, metrics, diags,
			 &p->program)) < 0 ||
		(r = expect_run(p->program, ast, &p->options, diags, &p->expectations)) < 0 ||
		(r = infos_rules(p)) < 0 || (r = infos_sets(p)) < 0 || (r = infos_limits(p)) < 0 ||
		(r = outline_make(ast, &p->arena, &p->items, &p->n_items)) < 0)
		return r;
	version_set(p, sources);
	return part_set_add_all(&p->program->parts, &sources->used);
}

static int policy_make(struct source_set *sources, const char *path, struct policy *previous,
	struct metrics *metrics, struct diag_list *diags, struct policy **out)
{
	struct ast *ast = NULL;
	struct policy *p = NULL;
	int r = tree_load(sources, path, diags, &ast);

	if (r == 0 && !(p = calloc(1, sizeof(*p))))
		r = -ENOMEM;
	if (r == 0) {
		atomic_init(&p->refs, 1);
		arena_init(&p->arena, 0);
		r = policy_fill(p, ast, sources, previous, metrics, diags);
	}
	ast_free(ast);
	if (r < 0) {
		policy_unref(p);
		return r;
	}
	*out = p;
	return 0;
}

static bool has_feeds(const struct source_set *sources)
{
	static const char folder[] = "/:feed/";
	struct map_entry *e;

	for (size_t at = 0; map_each(&sources->files, &at, &e);)
		if (strncmp(e->key, folder, sizeof(folder) - 1) == 0)
			return true;
	return false;
}

/* What strangers write into a feed may break an expectation. That must keep nobody from starting or
 * reloading: then the policy is made without feeds, and says so. */
int policy_load(struct source_set *sources, const char *path, struct policy *previous,
	struct metrics *metrics, struct diag_list *diags, struct policy **out)
{
	struct diag_list with;
	int r;

	if (!has_feeds(sources))
		return policy_make(sources, path, previous, metrics, diags, out);
	diag_init(&with);
	if ((r = policy_make(sources, path, previous, metrics, &with, out)) == ERR_SYNTAX) {
		sources->without_feeds = true;
		r = policy_make(sources, path, previous, metrics, diags, out);
		sources->without_feeds = false;
		if (r == 0)
			(*out)->feeds_trouble = arena_strdup(&(*out)->arena,
				with.first ? with.first->message : "they break the policy");
	}
	diag_fini(&with);
	return r;
}

struct policy *policy_ref(struct policy *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void policy_unref(struct policy *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	program_free(p->program);
	options_fini(&p->options);
	arena_fini(&p->arena);
	free(p);
}

int policy_print(
	struct source_set *sources, const char *path, struct diag_list *diags, struct buf *out)
{
	struct ast *ast = NULL;
	int r = tree_load(sources, path, diags, &ast);

	if (r == 0)
		r = print_policy(ast, out);
	ast_free(ast);
	return r;
}

/* ---- looking ---- */

const struct service *policy_services(const struct policy *p, size_t *n)
{
	*n = p->options.n_services;
	return p->options.services;
}

const struct daemon_options *policy_daemon(const struct policy *p)
{
	return &p->options.daemon;
}

const struct punish *policy_punish(const struct policy *p, size_t *n)
{
	*n = p->options.n_punishes;
	return p->options.punishes;
}

const struct backend *policy_backends(const struct policy *p, size_t *n)
{
	*n = p->options.n_backends;
	return p->options.backends;
}

const struct federation_options *policy_federation(const struct policy *p)
{
	return &p->options.federation;
}

const struct remote_policy *policy_remotes(const struct policy *p, size_t *n)
{
	*n = p->options.n_remotes;
	return p->options.remotes;
}

const struct remote_policy *policy_remote(const struct policy *p, const char *domain)
{
	return options_remote_find(&p->options, domain);
}

const struct remote_policy *policy_remote_or_rest(const struct policy *p, const char *domain)
{
	const struct remote_policy *remote = policy_remote(p, domain);

	return remote ? remote : &p->options.federation.rest;
}

size_t policy_rules(const struct policy *p, const struct rule_info **out)
{
	*out = p->rules;
	return p->n_rules;
}

size_t policy_items(const struct policy *p, const struct item_info **out)
{
	*out = p->items;
	return p->n_items;
}

size_t policy_sets(const struct policy *p, const struct set_info **out)
{
	*out = p->sets;
	return p->program->n_lists;
}

size_t policy_limits(const struct policy *p, const struct limit_info **out)
{
	*out = p->limits;
	return p->program->n_limits;
}

void limit_info_format(
	const struct limit_info *info, const struct limit_rate *rate, char *text, size_t size)
{
	if (info->bytes || *info->distinct)
		limit_rate_format_exact(rate, info->bytes, text, size);
	else
		limit_rate_format(rate, text, size);
}

static bool is_distinct(const struct policy *p, const char *limit)
{
	for (unsigned i = 0; i < p->program->n_limits; i++)
		if (strcmp(p->limits[i].name, limit) == 0)
			return *p->limits[i].distinct;
	return false;
}

const char *policy_reject_detail(const struct policy *p, const struct verdict *v)
{
	/* The last ones are those of the rule that decided. */
	for (unsigned i = v->n_matches; v->kind == VERDICT_REJECT && i-- > 0;) {
		const struct verdict_match *m = &v->matches[i];

		if (strcmp(m->field, "account.sessions") == 0)
			return "resource-limit-exceeded";
		if (strcmp(m->field, "size") == 0)
			return "stanza-too-big";
		if (strcmp(m->field, "recipients") == 0 ||
			(strcmp(m->field, "limit") == 0 && is_distinct(p, m->entry)))
			return "too-many-stanzas";
	}
	return NULL;
}

int policy_limit_set(struct policy *p, const char *name, const struct limit_rate *rate)
{
	for (unsigned i = 0; i < p->program->n_limits; i++) {
		struct limit *l = &p->program->limits[i];

		if (strcmp(l->name, name) != 0)
			continue;
		pthread_rwlock_wrlock(&p->program->lock);
		l->changed = rate != NULL;
		l->rate = rate ? *rate : l->configured;
		pthread_rwlock_unlock(&p->program->lock);
		return 0;
	}
	return ERR_NOTFOUND;
}

void policy_limit_observed(
	struct policy *p, size_t index, struct sketch_counts *ended, struct sketch_counts *running)
{
	sketch_take(p->program->limits[index].sketch, clock_mono_ns(), ended, running);
}

const struct part_set *policy_parts(const struct policy *p)
{
	return &p->program->parts;
}

const char *policy_version(const struct policy *p)
{
	return p->version;
}

unsigned policy_expectations(const struct policy *p)
{
	return p->expectations;
}

struct address_walk {
	bool (*visit)(void *arg, const struct peer_address *a, unsigned prefix_len);
	void *arg;
	int64_t now_ms;
};

static bool visit_prefix(void *arg, const struct prefix *prefix, void *value)
{
	const struct address_walk *walk = arg;

	if (!list_place_live(value, walk->now_ms))
		return true;
	return walk->visit(walk->arg, &prefix->address, prefix->len);
}

int policy_addresses(const struct policy *p, const char *set,
	bool (*visit)(void *arg, const struct peer_address *a, unsigned prefix_len), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	struct address_walk walk = { visit, arg, clock_wall_ms() };

	if (!l || l->type != LIST_ADDRESS)
		return ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	prefix_tree_each(&l->tree, visit_prefix, &walk);
	pthread_rwlock_unlock(&p->program->lock);
	return 0;
}

static bool place_is_live(const void *value, void *arg)
{
	return list_place_live(value, *(const int64_t *)arg) != NULL;
}

bool policy_addresses_overlap(const struct policy *p, const char *set,
	const struct peer_address *a, unsigned prefix_len)
{
	const struct list *l = set ? program_find_list(p->program, set) : NULL;
	const struct prefix prefix = { *a, prefix_len };
	int64_t now_ms = clock_wall_ms();
	bool found;

	if (!l || l->type != LIST_ADDRESS)
		return false;
	pthread_rwlock_rdlock(&p->program->lock);
	found = prefix_tree_overlaps(&l->tree, &prefix, place_is_live, &now_ms);
	pthread_rwlock_unlock(&p->program->lock);
	return found;
}

static struct span domain_part(const char *name)
{
	const char *at = strrchr(name, '@');

	return span_of(at ? at + 1 : name);
}

bool policy_names_have(const struct policy *p, const char *set, const char *name)
{
	const struct list *l = program_find_list(p->program, set);
	int64_t now = clock_wall_ms();
	struct list_item item;
	bool has = false;

	if (!l)
		return false;
	pthread_rwlock_rdlock(&p->program->lock);
	if (l->type == LIST_DOMAIN)
		has = list_find_domain(l, domain_part(name), now, &item);
	else if (l->type == LIST_JID)
		has = list_find_jid(l, span_of(name), now, &item) ||
		      list_find_jid(l, domain_part(name), now, &item);
	pthread_rwlock_unlock(&p->program->lock);
	return has;
}

/* ---- live lists ---- */

int policy_list_check(const struct policy *p, const char *set, struct span entry, const char **why)
{
	const struct list *l = program_find_list(p->program, set);
	struct list_entry *e;
	struct span text;
	int64_t expires;
	int r;

	*why = "no such set";
	if (!l)
		return ERR_NOTFOUND;
	if (!list_parse_line(l->type, entry, &text, &expires, why)) {
		*why = "empty, or a comment in a list file";
		return ERR_SYNTAX;
	}
	if (*why)
		return ERR_SYNTAX;
	if (!expires && text.ptr + text.len < entry.ptr + entry.len &&
		memchr(text.ptr + text.len, '#',
			(size_t)(entry.ptr + entry.len - text.ptr) - text.len)) {
		*why = "'#' behind white space begins a comment in a list file";
		return ERR_SYNTAX;
	}
	if ((r = list_entry_new(l, text, expires, &e, why)) == 0)
		list_entry_free(e);
	return r;
}

static void sets_refresh(struct policy *p)
{
	for (unsigned i = 0; i < p->program->n_lists; i++)
		__atomic_store_n(
			&p->sets[i].entries, p->program->lists[i]->n_live, __ATOMIC_RELAXED);
}

int policy_list_edit(struct policy *p, const char *set, const struct span *add, size_t n_add,
	const struct span *del, size_t n_del)
{
	struct list *l = program_find_list(p->program, set);
	int r = l ? live_edit(p->program, l, add, n_add, del, n_del) : ERR_NOTFOUND;

	if (r == 0) {
		pthread_mutex_lock(&p->program->editing);
		sets_refresh(p);
		pthread_mutex_unlock(&p->program->editing);
	}
	return r;
}

int policy_list_settle(struct policy *p)
{
	int r = live_settle(p->program);

	pthread_mutex_lock(&p->program->editing);
	sets_refresh(p);
	pthread_mutex_unlock(&p->program->editing);
	return r;
}
