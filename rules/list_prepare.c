/* SPDX-License-Identifier: BSD-2-Clause */
/* An entry from its text to what is compared or searched for: folded words, prepared JIDs and
 * domains, compiled expressions, networks, digests. In: a line's text and the set it is for. Out: a
 * key in the caller's arena (a million of a file need no more than one at a time), or an entry with
 * memory of its own for those that are few or edited. It puts nothing into a set. */
#include "rules/list.h"

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

static int prepare_hash(struct arena *a, struct span text, const char **key, const char **why)
{
	uint8_t *hash = arena_alloc(a, HASH_SIZE);

	*why = "not a SHA-256 of 64 hexadecimal digits";
	*key = (const char *)hash;
	return !hash ? -ENOMEM : hash_parse(text, hash) ? 0 : ERR_SYNTAX;
}

/* Sets of type address have no single key: entry_new_address. */
static int key_prepare(const struct list *l, struct arena *a, struct span text, struct regex **re,
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
	case LIST_HASH:
		return prepare_hash(a, text, key, why);
	case LIST_ADDRESS:
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

static size_t key_length(const struct list *l, const char *key)
{
	return l->type == LIST_HASH ? HASH_SIZE : strlen(key);
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
	arena_init(&a, 0);
	r = key_prepare(l, &a, text, &re, &key, why);
	if (r == 0 && (*out = entry_alloc(text, key, key_length(l, key), NULL, 0)))
		(*out)->re = re;
	else
		regex_free(re);
	arena_fini(&a);
	return r < 0 ? r : *out ? 0 : -ENOMEM;
}

/* "ENTRY : MARK", white space on both sides of the colon, for IPv6 has colons, too. Without one
 * there is no mark. */
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

/* What every entry must be; what is left of it without its mark. */
static bool text_is_fit(const struct list *l, struct span text, struct span *entry,
	struct span *mark, const char **why)
{
	*entry = text;
	*mark = (struct span){ NULL, 0 };
	*why = "empty";
	if (text.len == 0)
		return false;
	*why = "longer than 1024 bytes";
	if (text.len > LIST_ENTRY_MAX)
		return false;
	*why = "not valid UTF-8 without control characters";
	if (text_valid(text.ptr, text.len, NULL) != text.len || memchr(text.ptr, '\n', text.len) ||
		memchr(text.ptr, '\r', text.len))
		return false;
	*why = "a mark is a name behind ' : '";
	return !l->map || mark_split(entry, mark);
}

int list_prepare(const struct list *l, struct arena *a, struct span text, struct list_prepared *out,
	const char **why)
{
	struct span entry, mark;
	const char *key;
	int r;

	if (!text_is_fit(l, text, &entry, &mark, why))
		return ERR_SYNTAX;
	if ((r = key_prepare(l, a, entry, NULL, &key, why)) < 0)
		return r;
	*out = (struct list_prepared){ text, mark.ptr, key, key_length(l, key) };
	return 0;
}

/* What stands for it in the hash; see condition.c for what it is compared with. */
static int plain_prepare(const struct list *l, struct arena *a, struct span plain,
	const char **text, const char **why)
{
	struct jid jid;
	int r;

	/* A digest that lost a letter would pass for a host's name. */
	*why = "not a SHA-256 of 64 hexadecimal digits";
	if (!plain.len || (!memchr(plain.ptr, '.', plain.len) && !memchr(plain.ptr, '@', plain.len)))
		return ERR_SYNTAX;
	switch (l->of) {
	case LIST_JID:
		if ((r = jid_parse(a, plain, &jid)) == 0 && !(*text = jid_bare(a, &jid)))
			r = -ENOMEM;
		*why = "neither a SHA-256 of 64 hexadecimal digits nor a JID";
		return r;
	case LIST_DOMAIN:
		*why = "neither a SHA-256 of 64 hexadecimal digits nor a domain name";
		return jid_prep_domain(a, plain, text);
	default:
		return ERR_SYNTAX;
	}
}

int list_hash_plain(
	const struct list *l, struct arena *a, struct span plain, const char **hex, const char **why)
{
	uint8_t hash[HASH_SIZE];
	const char *text;
	char *out;
	int r = plain_prepare(l, a, plain, &text, why);

	if (r < 0)
		return r;
	if (!(out = arena_alloc(a, HASH_HEX + 1)))
		return -ENOMEM;
	hash_salted(l->salt, span_of(text), hash);
	for (size_t i = 0; i < HASH_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	*hex = out;
	return 0;
}

int list_entry_new(const struct list *l, struct span text, int64_t expires_ms,
	struct list_entry **out, const char **why)
{
	struct span entry, mark;
	int r;

	if (!text_is_fit(l, text, &entry, &mark, why))
		return ERR_SYNTAX;
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
