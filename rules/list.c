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
#include "rules/hash.h"
#include "xmpp/jid.h"
#include "xmpp/text.h"

enum { MARK_MAX = 63, LETTERS = 53 /* what a mark may begin with: A-Z a-z _ */ };

static const char *const type_names[] = {
	[LIST_KEYWORD] = "keyword",
	[LIST_REGEX] = "regex",
	[LIST_DOMAIN] = "domain",
	[LIST_JID] = "jid",
	[LIST_ADDRESS] = "address",
	[LIST_NAMESPACE] = "namespace",
	[LIST_HASH] = "hash",
	[LIST_COUNTRY] = "country",
	[LIST_URL] = "url",
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
	l->salt = strdup("");
	l->hits = metrics_find(NULL, name);
	if (!l->name || !l->path || !l->salt) {
		list_free(l);
		return NULL;
	}
	return l;
}

struct list *list_like(const struct list *l)
{
	struct list *like = list_new(l->name, l->type);

	if (!like)
		return NULL;
	like->fold = l->fold;
	like->nocase = l->nocase;
	like->substring = l->substring;
	like->suffix = l->suffix;
	like->map = l->map;
	like->of = l->of;
	free(like->salt);
	if (!(like->salt = strdup(l->salt))) {
		list_free(like);
		return NULL;
	}
	return like;
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
	list_free(l->except);
	free(l->name);
	free(l->path);
	free(l->salt);
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

static int prepare_country(struct arena *a, struct span text, const char **key, const char **why)
{
	char *letters = arena_strndup(a, text.ptr, text.len);

	*why = "not the two letters of a country, such as DE";
	if (text.len != 2)
		return ERR_SYNTAX;
	for (char *c = letters; c && *c; c++) {
		*c &= (char)~0x20;
		if (*c < 'A' || *c > 'Z')
			return ERR_SYNTAX;
	}
	*key = letters;
	return letters ? 0 : -ENOMEM;
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
	case LIST_COUNTRY:
		return prepare_country(a, text, key, why);
	case LIST_ADDRESS: /* entry_new_address */
	case LIST_HASH:    /* entry_new_hash */
	case LIST_URL:
	case LIST_NAMESPACE:
		break;
	}
	*key = arena_strndup(a, text.ptr, text.len);
	return *key ? 0 : -ENOMEM;
}

static struct list_entry *entry_alloc(
	struct span text, const void *key, size_t key_len, const struct prefix *p, size_t n)
{
	struct list_entry *e = calloc(1, sizeof(*e) + n * sizeof(*e->places));

	if (!e)
		return NULL;
	e->text = strndup(text.ptr, text.len);
	e->key = calloc(1, key_len + 1);
	if (!e->text || !e->key) {
		list_entry_free(e);
		return NULL;
	}
	memcpy(e->key, key, key_len);
	e->key_len = key_len;
	e->n_places = n;
	for (size_t i = 0; i < n; i++)
		e->places[i] = (struct list_place){ p[i], e, NULL };
	return e;
}

/* Equal ranges may be written in several ways: the key is the first and the last address. */
static int entry_new_address(struct span text, struct list_entry **out, const char **why)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	struct peer_address ends[2];
	size_t n;
	int r = address_parse_prefixes(text, p, ADDRESS_RANGE_PREFIXES_MAX, &n);

	if (r < 0) {
		*why = r == ERR_RANGE ? "not a usable range of addresses"
				      : "not an address, network or range";
		return ERR_SYNTAX;
	}
	ends[0] = p[0].address;
	ends[1] = p[n - 1].address;
	for (unsigned bit = p[n - 1].len; bit < ADDRESS_BITS; bit++)
		ends[1].bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	*out = entry_alloc(text, ends, sizeof(ends), p, n);
	return *out ? 0 : -ENOMEM;
}

static int entry_new_hash(struct span text, struct list_entry **out, const char **why)
{
	uint8_t hash[HASH_SIZE];

	*why = "not a SHA-256 of 64 hexadecimal digits";
	if (!hash_parse(text, hash))
		return ERR_SYNTAX;
	*out = entry_alloc(text, hash, sizeof(hash), NULL, 0);
	return *out ? 0 : -ENOMEM;
}

static int entry_new(
	const struct list *l, struct span text, struct list_entry **out, const char **why)
{
	struct regex *re = NULL;
	const char *key = NULL;
	struct arena a;
	int r;

	if (l->type == LIST_ADDRESS)
		return entry_new_address(text, out, why);
	if (l->type == LIST_HASH)
		return entry_new_hash(text, out, why);
	arena_init(&a, 0);
	r = entry_prepare(l, &a, text, &re, &key, why);
	if (r == 0 && (*out = entry_alloc(text, key, strlen(key), NULL, 0)))
		(*out)->re = re;
	else
		regex_free(re);
	arena_fini(&a);
	return r < 0 ? r : *out ? 0 : -ENOMEM;
}

/* "ENTRY : MARK", white space on both sides of the colon, for IPv6 has colons, too. Without one there
 * is no mark. */
static bool mark_split(struct span *entry, struct span *mark)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-";
	size_t at = entry->len;

	while (at >= 3 && !(entry->ptr[at - 2] == ':' && strchr(" \t", entry->ptr[at - 3]) &&
				  strchr(" \t", entry->ptr[at - 1])))
		at--;
	if (at < 3)
		return true;
	*mark = (struct span){ entry->ptr + at, entry->len - at };
	for (entry->len = at - 2; entry->len && strchr(" \t", entry->ptr[entry->len - 1]);)
		entry->len--;
	while (mark->len && strchr(" \t", mark->ptr[0]))
		mark->ptr++, mark->len--;
	if (!entry->len || !mark->len || mark->len > MARK_MAX ||
		strchr(letters + LETTERS, mark->ptr[0]))
		return false;
	for (size_t i = 0; i < mark->len; i++)
		if (!mark->ptr[i] || !strchr(letters, mark->ptr[i]))
			return false;
	return true;
}

/* The text is kept as written, with the mark. */
static int entry_finish(
	struct list_entry *e, struct span text, struct span mark, int64_t expires_ms)
{
	e->expires_ms = expires_ms;
	if (!mark.len)
		return 0;
	free(e->text);
	e->text = strndup(text.ptr, text.len);
	e->mark = strndup(mark.ptr, mark.len);
	if (e->text && e->mark)
		return 0;
	list_entry_free(e);
	return -ENOMEM;
}

int list_entry_new(const struct list *l, struct span text, int64_t expires_ms,
	struct list_entry **out, const char **why)
{
	struct span entry = text, mark = { NULL, 0 };
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
	if (l->map && !mark_split(&entry, &mark)) {
		*why = "a mark is a name behind ' : '";
		return r;
	}
	if ((r = entry_new(l, entry, out, why)) == 0)
		r = entry_finish(*out, text, mark, expires_ms);
	if (r < 0 && r != ERR_SYNTAX)
		*out = NULL;
	return r;
}

void list_entry_free(struct list_entry *e)
{
	if (!e)
		return;
	regex_free(e->re);
	free(e->text);
	free(e->mark);
	free(e->key);
	free(e);
}

/* ---- in and out ---- */

static void place_take(struct list *l, const struct list_place *place)
{
	struct list_place *first = prefix_tree_get(&l->tree, &place->prefix), *p;

	if (first == place) {
		if (first->next)
			(void)prefix_tree_put(&l->tree, &place->prefix, first->next, NULL);
		else
			prefix_tree_take(&l->tree, &place->prefix);
		return;
	}
	for (p = first; p && p->next != place; p = p->next)
		;
	if (p)
		p->next = place->next;
}

static int place_put(struct list *l, struct list_place *place)
{
	place->next = prefix_tree_get(&l->tree, &place->prefix);
	return prefix_tree_put(&l->tree, &place->prefix, place, NULL);
}

static int index_put(struct list *l, struct list_entry *e)
{
	int r = map_put(&l->by_key, e->key, e->key_len, e, NULL);

	for (size_t i = 0; i < e->n_places && r == 0; i++)
		r = place_put(l, &e->places[i]);
	return r;
}

static void index_take(struct list *l, const struct list_entry *e)
{
	if (map_find(&l->by_key, e->key, e->key_len) == e)
		map_take(&l->by_key, e->key, e->key_len);
	for (size_t i = 0; i < e->n_places; i++)
		place_take(l, &e->places[i]);
}

int list_put(struct list *l, struct list_entry *e)
{
	const struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);
	int r;

	if (l->n_entries == l->cap_entries) {
		size_t cap = l->cap_entries ? l->cap_entries * 2 : 64;
		struct list_entry **grown = realloc(l->entries, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->entries = grown;
		l->cap_entries = cap;
	}
	if (old) {
		e->from |= old->from;
		e->feeds |= old->feeds;
		e->hits = __atomic_load_n(&old->hits, __ATOMIC_RELAXED);
		list_remove(l, e);
	}
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
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);

	if (!old || !list_marks_equal(old, e))
		return false;
	/* What the policy or a feed wants for ever does not end because a file names it, too. */
	if (old->expires_ms || !(old->feeds || (old->from & LIST_FROM_POLICY)))
		old->expires_ms = e->expires_ms;
	old->from |= e->from;
	return true;
}

void list_drop(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);

	if (!old)
		return;
	old->from &= ~(uint32_t)LIST_FROM_FILE;
	if (old->feeds)
		old->expires_ms = 0;
	else
		list_remove(l, old);
}

bool list_remove(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);

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

bool list_marks_equal(const struct list_entry *a, const struct list_entry *b)
{
	return strcmp(a->mark ? a->mark : "", b->mark ? b->mark : "") == 0;
}

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

const struct list_entry *list_find_hash(const struct list *l, struct span text, int64_t now_ms)
{
	const struct list_entry *e;
	const char *dot;
	uint8_t hash[HASH_SIZE];

	for (;;) {
		hash_salted(l->salt, text, hash);
		e = list_find(l, (struct span){ (const char *)hash, sizeof(hash) }, now_ms);
		dot = !e && l->suffix && text.len ? memchr(text.ptr, '.', text.len) : NULL;
		if (!dot)
			return e;
		text.len -= (size_t)(dot + 1 - text.ptr);
		text.ptr = dot + 1;
	}
}

const struct list_entry *list_place_live(const struct list_place *place, int64_t now_ms)
{
	while (place && !list_entry_is_live(place->entry, now_ms))
		place = place->next;
	return place ? place->entry : NULL;
}

static bool value_is_live(const void *value, void *arg)
{
	return list_place_live(value, *(const int64_t *)arg) != NULL;
}

const struct list_entry *list_find_address(
	const struct list *l, const struct peer_address *a, int64_t now_ms)
{
	return list_place_live(prefix_tree_find(&l->tree, a, value_is_live, &now_ms), now_ms);
}
