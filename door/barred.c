/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is kept out by name: between the parsers and the rules of either door. In: names that the
 * daemon bars and lets go, on the main thread; who speaks, on any. Out: a verdict where a name is in
 * the table: the session of a barred account ends, what a barred account or domain sends elsewhere is
 * rejected. Names are compared as servers prepare them. While nobody is barred, asking costs one
 * load. What rules have barred never hits a session's own domain: a domain that is served here is
 * nobody's peer. It decides who is barred as little as when that ends: the daemon does. */
#include "door/barred.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "door/json.h"
#include "rules/verdict.h"
#include "xmpp/jid.h"

enum { NAME_MAX_BYTES = 2100, RULE_SIZE = 64, KIND_JID = 0, KIND_DOMAIN = 1 };

struct bar {
	metric *hits;
	bool by_hand;
	char rule[RULE_SIZE];
};

static const char by_hand[] = "operator";

atomic_size_t barred_names;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct map names; /* kind, then the name -> struct bar */
static struct metrics *page;
static _Thread_local char rule_text[RULE_SIZE];

void barred_init(struct metrics *m)
{
	page = m;
}

/* ---- the table ---- */

struct name_key {
	char bytes[NAME_MAX_BYTES + 1];
	size_t len;
};

static bool key_make(struct name_key *key, int kind, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= NAME_MAX_BYTES)
		return false;
	key->bytes[0] = (char)kind;
	memcpy(key->bytes + 1, name, len);
	key->len = len + 1;
	return true;
}

/* [kind, name, rule] */
static bool tuple_read(json_t *tuple, struct name_key *key, const char **rule)
{
	json_t *kind = json_array_get(tuple, 0);
	const char *name = json_string_value(json_array_get(tuple, 1));
	json_int_t n = json_integer_value(kind);

	*rule = json_string_value(json_array_get(tuple, 2));
	return json_is_integer(kind) && (n == KIND_JID || n == KIND_DOMAIN) && name &&
	       key_make(key, (int)n, name);
}

static struct bar *bar_new(const char *rule)
{
	struct bar *bar = calloc(1, sizeof(*bar));
	char name[METRIC_NAME_MAX];

	if (!bar)
		return NULL;
	memcpy(bar->rule, rule, span_cut(span_of(rule), RULE_SIZE - 1));
	bar->by_hand = strcmp(rule, by_hand) == 0;
	snprintf(name, sizeof(name), "rule.punish/%s.hits", bar->rule);
	bar->hits = metrics_find(page, name);
	return bar;
}

static bool put(json_t *tuple)
{
	struct name_key key;
	struct bar *bar;
	const char *rule;
	void *old = NULL;

	if (!tuple_read(tuple, &key, &rule) || !rule)
		return false;
	/* Without memory for it a name is not barred here; it is in the ledger, for the next child.
	 */
	if (!(bar = bar_new(rule)))
		return true;
	if (map_put(&names, key.bytes, key.len, bar, &old) < 0)
		old = bar;
	free(old);
	return true;
}

bool barred_take(json_t *msg)
{
	json_t *add = json_object_get(msg, "add"), *tuple;
	bool fine = json_is_array(add);
	size_t i;

	pthread_rwlock_wrlock(&lock);
	if (fine && json_is_true(json_object_get(msg, "anew"))) {
		map_fini(&names, free);
		map_init(&names);
	}
	json_array_foreach(add, i, tuple) fine = put(tuple) && fine;
	atomic_store(&barred_names, names.count);
	pthread_rwlock_unlock(&lock);
	return fine;
}

bool barred_let_go(json_t *msg)
{
	json_t *del = json_object_get(msg, "del"), *tuple;
	bool fine = json_is_array(del);
	struct name_key key;
	const char *rule;
	size_t i;

	pthread_rwlock_wrlock(&lock);
	json_array_foreach(del, i, tuple)
	{
		fine = tuple_read(tuple, &key, &rule) && fine;
		if (fine)
			free(map_take(&names, key.bytes, key.len));
	}
	atomic_store(&barred_names, names.count);
	pthread_rwlock_unlock(&lock);
	return fine;
}

/* Copies what counts: the entry may go with the lock. */
static bool find(int kind, const char *name, struct bar *out)
{
	const struct bar *bar = NULL;
	struct name_key key;

	if (!key_make(&key, kind, name))
		return false;
	pthread_rwlock_rdlock(&lock);
	if ((bar = map_find(&names, key.bytes, key.len)))
		*out = *bar;
	pthread_rwlock_unlock(&lock);
	return bar != NULL;
}

/* ---- who speaks ---- */

/* own: the domain that is served here. */
static bool find_jid(struct arena *a, const char *text, const char *own, struct bar *out)
{
	const char *served = "";
	struct jid jid;

	if (!text || !*text || jid_parse(a, span_of(text), &jid) < 0)
		return false;
	if (*jid.local) {
		const char *bare = jid_bare(a, &jid);

		if (bare && find(KIND_JID, bare, out))
			return true;
	}
	if (!find(KIND_DOMAIN, jid.domain, out))
		return false;
	if (out->by_hand || !own || jid_prep_domain(a, span_of(own), &served) < 0)
		return true;
	return strcmp(served, jid.domain) != 0;
}

static void verdict_make(struct verdict *v, enum verdict_kind kind, const struct bar *bar)
{
	memcpy(rule_text, bar->rule, sizeof(rule_text));
	memset(v, 0, offsetof(struct verdict, marks));
	v->kind = kind;
	v->condition = STANZA_ERROR_POLICY_VIOLATION;
	v->stream_error = STREAM_ERROR_POLICY_VIOLATION;
	v->chain = "punish";
	v->rule = rule_text;
	v->log = true;
	verdict_make_id(v->id);
	metric_add(bar->hits, 1);
}

/* A component's stream is opened to its own name, one that our own server dialled to the remote one's; others to a domain that is served here. */
static const char *own_domain(const struct subject *s)
{
	bool theirs = s->role == ROLE_COMPONENT ||
		      (s->remote_domain && s->session_domain && strcmp(s->remote_domain, s->session_domain) == 0);

	return theirs ? NULL : s->session_domain;
}

bool barred_judge(const struct subject *s, struct verdict *out)
{
	const char *from = s->stanza ? element_attr(s->stanza->root, "from") : NULL;
	enum verdict_kind kind = VERDICT_CLOSE;
	struct arena scratch;
	struct bar bar;
	bool found;

	arena_init(&scratch, 0);
	found = find_jid(&scratch, s->session_jid, own_domain(s), &bar);
	if (!found) {
		kind = VERDICT_REJECT;
		found = find_jid(&scratch, from, own_domain(s), &bar);
	}
	arena_fini(&scratch);
	if (found)
		verdict_make(out, kind, &bar);
	return found;
}

bool barred_login(const char *account, struct verdict *out)
{
	struct arena scratch;
	struct bar bar;
	bool found;

	arena_init(&scratch, 0);
	found = account && find_jid(&scratch, account, strchr(account, '@') + 1, &bar);
	arena_fini(&scratch);
	if (found)
		verdict_make(out, VERDICT_CLOSE, &bar);
	return found;
}
