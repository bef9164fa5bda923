/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets in memory. Entries come in from rules/compile.c (elements and files) and rules/live.c
 * (edits) as text, are prepared here (text folding, JID preparation, PCRE2, networks) and are found
 * by hash or by prefix tree; keywords and expressions are also handed to the scanners. Removed
 * entries keep their memory until no scanner can report them any more. It never opens a file, never
 * locks, and never judges. */
#include "rules/list.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "xmpp/jid.h"
#include "xmpp/text.h"

static const char *const type_names[] = {
	[LIST_KEYWORD] = "keyword",
	[LIST_REGEX] = "regex",
	[LIST_DOMAIN] = "domain",
	[LIST_JID] = "jid",
	[LIST_ADDRESS] = "address",
	[LIST_NAMESPACE] = "namespace",
};

int list_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++)
		if (strcmp(type_names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *list_type_text(enum list_type type)
{
	return type_names[type];
}

struct list *list_new(const char *name, enum list_type type)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->type = type;
	map_init(&l->by_key);
	prefix_tree_init(&l->tree);
	l->name = strdup(name);
	l->path = strdup("");
	l->hits = metrics_find(NULL, name);
	if (!l->name || !l->path) {
		list_free(l);
		return NULL;
	}
	return l;
}

void list_free(struct list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_entries; i++)
		list_entry_free(l->entries[i]);
	free(l->entries);
	map_fini(&l->by_key, NULL);
	prefix_tree_fini(&l->tree);
	free(l->name);
	free(l->path);
	free(l);
}

enum pattern_view list_view(const struct list *l)
{
	return l->fold ? PATTERN_FOLDED : l->nocase ? PATTERN_CASEFOLD : PATTERN_RAW;
}

/* ---- preparing an entry ---- */

static int prepare_keyword(
	const struct list *l, struct arena *a, struct span text, const char **key, const char **why)
{
	struct folded f = { 0 };
	int r = 0;

	if (list_view(l) == PATTERN_RAW) {
		*key = arena_strndup(a, text.ptr, text.len);
	} else {
		r = l->fold ? text_fold(a, text, &f) : text_casefold(a, text, &f);
		/* White space at the edges would ask for white space around the word. */
		while (r == 0 && f.len && f.text[0] == ' ')
			f.text++, f.len--;
		while (r == 0 && f.len && f.text[f.len - 1] == ' ')
			f.len--;
		*key = r == 0 ? arena_strndup(a, f.text, f.len) : NULL;
	}
	if (r == 0 && *key && **key == '\0') {
		*why = "nothing is left of it after folding";
		return ERR_SYNTAX;
	}
	return r < 0 ? r : *key ? 0 : -ENOMEM;
}

static int prepare_regex(
	struct arena *a, struct span text, struct regex **re, const char **key, const char **why)
{
	static _Thread_local char reason[160];
	const char *slash = text.ptr[0] == '/' && text.len > 1
				    ? memrchr(text.ptr + 1, '/', text.len - 1)
				    : NULL;
	struct span pattern = text;
	char flags[8] = "";
	size_t offset;
	int r;

	if (slash && text.len - (size_t)(slash - text.ptr) - 1 < sizeof(flags)) {
		pattern = (struct span){ text.ptr + 1, (size_t)(slash - text.ptr) - 1 };
		memcpy(flags, slash + 1, text.len - pattern.len - 2);
	}
	r = regex_new(pattern, flags, reason, sizeof(reason), &offset, re);
	*why = reason;
	if (r < 0)
		return r;
	*key = arena_strdup(a, regex_text(*re));
	return *key ? 0 : -ENOMEM;
}

static int prepare_address(struct arena *a, struct span text, const char **key, const char **why)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;
	int r = address_parse_prefixes(text, p, ADDRESS_RANGE_PREFIXES_MAX, &n);

	if (r < 0) {
		*why = r == ERR_RANGE ? "not a usable range of addresses"
				      : "not an address, network or range";
		return ERR_SYNTAX;
	}
	*key = arena_strndup(a, text.ptr, text.len);
	return *key ? 0 : -ENOMEM;
}

static int prepare_jid(struct arena *a, struct span text, const char **key, const char **why)
{
	struct jid jid;
	int r = jid_parse(a, text, &jid);

	if (r == ERR_SYNTAX)
		*why = "not a JID";
	if (r < 0)
		return r;
	*key = jid_full(a, &jid);
	return *key ? 0 : -ENOMEM;
}

static int prepare_domain(
	const struct list *l, struct arena *a, struct span text, const char **key, const char **why)
{
	int r;

	/* "*.example.org" and ".example.org" are what people write for a suffix. */
	if (l->suffix && text.len > 2 && memcmp(text.ptr, "*.", 2) == 0)
		text.ptr += 2, text.len -= 2;
	else if (l->suffix && text.len > 1 && text.ptr[0] == '.')
		text.ptr++, text.len--;
	r = jid_prep_domain(a, text, key);
	if (r == ERR_SYNTAX)
		*why = "not a domain name";
	return r;
}

static int entry_prepare(const struct list *l, struct arena *a, struct span text, struct regex **re,
	const char **key, const char **why)
{
	switch (l->type) {
	case LIST_KEYWORD:
		return prepare_keyword(l, a, text, key, why);
	case LIST_REGEX:
		return prepare_regex(a, text, re, key, why);
	case LIST_DOMAIN:
		return prepare_domain(l, a, text, key, why);
	case LIST_JID:
		return prepare_jid(a, text, key, why);
	case LIST_ADDRESS:
		return prepare_address(a, text, key, why);
	case LIST_NAMESPACE:
		break;
	}
	*key = arena_strndup(a, text.ptr, text.len);
	return *key ? 0 : -ENOMEM;
}

int list_entry_new(const struct list *l, struct span text, int64_t expires_ms,
	struct list_entry **out, const char **why)
{
	struct list_entry *e;
	struct regex *re = NULL;
	const char *key = NULL;
	struct arena a;
	int r = ERR_SYNTAX;

	*why = "empty";
	if (text.len == 0)
		return r;
	*why = "longer than 1024 bytes";
	if (text.len > LIST_ENTRY_MAX)
		return r;
	*why = "not valid UTF-8 without control characters";
	if (text_valid(text.ptr, text.len, NULL) != text.len || memchr(text.ptr, '\n', text.len) ||
		memchr(text.ptr, '\r', text.len))
		return r;
	arena_init(&a, 0);
	r = entry_prepare(l, &a, text, &re, &key, why);
	if (r == 0 && (e = calloc(1, sizeof(*e)))) {
		e->text = strndup(text.ptr, text.len);
		e->key = strdup(key);
		e->key_len = strlen(key);
		e->re = re;
		e->expires_ms = expires_ms;
		re = NULL;
		if (e->text && e->key)
			*out = e;
		else
			list_entry_free(e), r = -ENOMEM;
	} else if (r == 0) {
		r = -ENOMEM;
	}
	regex_free(re);
	arena_fini(&a);
	return r;
}

void list_entry_free(struct list_entry *e)
{
	if (!e)
		return;
	regex_free(e->re);
	free(e->text);
	free(e->key);
	free(e);
}

/* ---- in and out ---- */

/* Address entries are networks: equal ones may be written in several ways. */
static const struct list_entry *entry_same(const struct list *l, const struct list_entry *e)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;

	if (l->type != LIST_ADDRESS)
		return map_find(&l->by_key, e->key, e->key_len);
	if (address_parse_prefixes(
		    (struct span){ e->key, e->key_len }, p, ADDRESS_RANGE_PREFIXES_MAX, &n) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct list_entry *found = prefix_tree_get(&l->tree, &p[i]);
		if (!found || (i > 0 && found != prefix_tree_get(&l->tree, &p[0])))
			return NULL;
	}
	return prefix_tree_get(&l->tree, &p[0]);
}

static int index_put(struct list *l, struct list_entry *e)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;
	int r = 0;

	if (l->type != LIST_ADDRESS)
		return map_put(&l->by_key, e->key, e->key_len, e, NULL);
	if ((r = address_parse_prefixes(
		     (struct span){ e->key, e->key_len }, p, ADDRESS_RANGE_PREFIXES_MAX, &n)) < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = prefix_tree_put(&l->tree, &p[i], e, NULL);
	return r;
}

static void index_take(struct list *l, const struct list_entry *e)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;

	if (l->type != LIST_ADDRESS) {
		if (map_find(&l->by_key, e->key, e->key_len) == e)
			map_take(&l->by_key, e->key, e->key_len);
		return;
	}
	if (address_parse_prefixes(
		    (struct span){ e->key, e->key_len }, p, ADDRESS_RANGE_PREFIXES_MAX, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (prefix_tree_get(&l->tree, &p[i]) == e)
			prefix_tree_take(&l->tree, &p[i]);
}

int list_put(struct list *l, struct list_entry *e)
{
	int r;

	if (l->n_entries == l->cap_entries) {
		size_t cap = l->cap_entries ? l->cap_entries * 2 : 64;
		struct list_entry **grown = realloc(l->entries, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->entries = grown;
		l->cap_entries = cap;
	}
	list_remove(l, e);
	if ((r = index_put(l, e)) < 0) {
		index_take(l, e);
		return r;
	}
	e->added = ++l->edits;
	l->entries[l->n_entries++] = e;
	l->n_live++;
	return 0;
}

bool list_renew(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = (struct list_entry *)entry_same(l, e);

	if (!old)
		return false;
	old->expires_ms = e->expires_ms;
	return true;
}

bool list_remove(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = (struct list_entry *)entry_same(l, e);

	if (!old)
		return false;
	index_take(l, old);
	old->removed = ++l->edits;
	l->n_live--;
	return true;
}

void list_sweep(struct list *l, uint64_t upto)
{
	size_t kept = 0;

	if (l->n_live == l->n_entries)
		return;
	for (size_t i = 0; i < l->n_entries; i++) {
		struct list_entry *e = l->entries[i];
		if (e->removed && e->removed <= upto)
			list_entry_free(e);
		else
			l->entries[kept++] = e;
	}
	l->n_entries = kept;
}

/* ---- looking up ---- */

bool list_entry_is_live(const struct list_entry *e, int64_t now_ms)
{
	return !e->removed && (e->expires_ms == 0 || e->expires_ms > now_ms);
}

const struct list_entry *list_find(const struct list *l, struct span key, int64_t now_ms)
{
	const struct list_entry *e = map_find(&l->by_key, key.ptr ? key.ptr : "", key.len);

	return e && list_entry_is_live(e, now_ms) ? e : NULL;
}

const struct list_entry *list_find_domain(const struct list *l, struct span domain, int64_t now_ms)
{
	const struct list_entry *e = list_find(l, domain, now_ms);

	while (!e && l->suffix && domain.len) {
		const char *dot = memchr(domain.ptr, '.', domain.len);
		if (!dot)
			break;
		domain.len -= (size_t)(dot + 1 - domain.ptr);
		domain.ptr = dot + 1;
		e = list_find(l, domain, now_ms);
	}
	return e;
}

const struct list_entry *list_find_jid(const struct list *l, struct span jid, int64_t now_ms)
{
	const struct list_entry *e = list_find(l, jid, now_ms);
	const char *slash = !e && jid.len ? memchr(jid.ptr, '/', jid.len) : NULL;

	if (slash)
		e = list_find(l, (struct span){ jid.ptr, (size_t)(slash - jid.ptr) }, now_ms);
	return e;
}

static bool value_is_live(const void *value, void *arg)
{
	return list_entry_is_live(value, *(const int64_t *)arg);
}

const struct list_entry *list_find_address(
	const struct list *l, const struct peer_address *a, int64_t now_ms)
{
	return prefix_tree_find(&l->tree, a, value_is_live, &now_ms);
}
