/* SPDX-License-Identifier: BSD-2-Clause */
/* What has been found out on a stream between servers: pairs of domains, each direction by itself
 * (XEP-0220). In: prepared names and states from proxy/dialback.c. Out: for each stanza, whether
 * its pair may be said by that side. It never reads an element and never decides what makes a pair
 * valid. Few pairs are the rule, one the most frequent case: a list and the place of the last hit
 * beat any table. */
#include "proxy/pairs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "xmpp/jid.h"

void pairs_init(struct pairs *p, unsigned max)
{
	*p = (struct pairs){ .max = max };
}

void pairs_fini(struct pairs *p)
{
	for (int side = 0; side < SIDES; side++) {
		struct pair_list *list = &p->said_by[side];

		for (unsigned i = 0; i < list->n; i++)
			free(list->all[i]);
		free(list->all);
	}
	*p = (struct pairs){ 0 };
}

int pair_prepare(struct arena *a, const char *text, const char **out)
{
	int r = jid_prep_domain(a, span_of(text), out);

	if (r == 0 && strlen(*out) > PAIR_NAME_MAX)
		return ERR_SYNTAX;
	return r;
}

/* RFC 7622 3.1: the resource begins at the first slash, the local part ends at the first "@" before
 * it. */
struct span pair_domain_of(const char *address)
{
	const char *end = strchrnul(address, '/');
	const char *at = memchr(address, '@', (size_t)(end - address));
	const char *start = at ? at + 1 : address;

	return (struct span){ start, (size_t)(end - start) };
}

static bool pair_is(const struct pair *pair, struct span from, struct span to)
{
	return span_equal(pair->from, from) && span_equal(pair->to, to);
}

static struct pair *list_find(struct pair_list *list, struct span from, struct span to)
{
	if (list->last < list->n && pair_is(list->all[list->last], from, to))
		return list->all[list->last];
	for (unsigned i = 0; i < list->n; i++) {
		if (pair_is(list->all[i], from, to)) {
			list->last = i;
			return list->all[i];
		}
	}
	return NULL;
}

const struct pair *pairs_find(struct pairs *p, enum side side, struct span from, struct span to)
{
	return list_find(&p->said_by[side], from, to);
}

bool pairs_is_valid(struct pairs *p, enum side side, struct span from, struct span to)
{
	const struct pair *pair = list_find(&p->said_by[side], from, to);

	return pair && pair->state == PAIR_VALID;
}

/* One block: the pair and its names behind it. */
static struct pair *pair_new(struct span from, struct span to)
{
	struct pair *pair = malloc(sizeof(*pair) + from.len + to.len + 2);
	char *names = (char *)(pair + 1);

	if (!pair)
		return NULL;
	*pair = (struct pair){
		.from = { names, from.len },
		.to = { names + from.len + 1, to.len },
	};
	memcpy(names, from.ptr, from.len);
	names[from.len] = '\0';
	memcpy(names + from.len + 1, to.ptr, to.len);
	names[from.len + 1 + to.len] = '\0';
	return pair;
}

static bool list_forget_refused(struct pair_list *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		if (list->all[i]->state != PAIR_REFUSED && list->all[i]->state != PAIR_NONE)
			continue;
		free(list->all[i]);
		memmove(list->all + i, list->all + i + 1, (list->n - i - 1) * sizeof(*list->all));
		list->n--;
		return true;
	}
	return false;
}

static int list_grow(struct pair_list *list, unsigned max)
{
	unsigned cap = list->cap ? list->cap * 2 : 1;
	struct pair **all;

	if (list->n < list->cap)
		return 0;
	if (cap > max)
		cap = max;
	all = realloc(list->all, cap * sizeof(*all));
	if (!all)
		return -ENOMEM;
	list->all = all;
	list->cap = cap;
	return 0;
}

static int list_add(
	struct pair_list *list, unsigned max, struct span from, struct span to, struct pair **out)
{
	int r;

	if (list->n >= max && !list_forget_refused(list))
		return ERR_LIMIT;
	if ((r = list_grow(list, max)) < 0)
		return r;
	if (!(*out = pair_new(from, to)))
		return -ENOMEM;
	list->all[list->n++] = *out;
	return 0;
}

int pairs_set(struct pairs *p, enum side side, const char *from, const char *to,
	enum pair_state state, enum pair_how how, const struct pair **out)
{
	struct pair_list *list = &p->said_by[side];
	struct pair *pair = list_find(list, span_of(from), span_of(to));
	int r;

	assert(strlen(from) <= PAIR_NAME_MAX && strlen(to) <= PAIR_NAME_MAX);
	if (!pair && (r = list_add(list, p->max, span_of(from), span_of(to), &pair)) < 0)
		return r;
	pair->state = state;
	pair->how = how;
	if (out)
		*out = pair;
	return 0;
}

bool pairs_speaks_for(const struct pairs *p, enum side side, const char *from)
{
	const struct pair_list *list = &p->said_by[side];

	for (unsigned i = 0; i < list->n; i++)
		if (list->all[i]->state == PAIR_VALID && span_is(list->all[i]->from, from))
			return true;
	return false;
}

unsigned pairs_count(const struct pairs *p, enum side side, enum pair_state state)
{
	const struct pair_list *list = &p->said_by[side];
	unsigned n = 0;

	for (unsigned i = 0; i < list->n; i++)
		n += list->all[i]->state == state;
	return n;
}

const char *pair_state_text(enum pair_state state)
{
	static const char *const words[PAIR_STATES] = { "none", "asked", "valid", "refused" };

	return words[state];
}

const char *pair_how_text(enum pair_how how)
{
	static const char *const words[PAIR_HOWS] = { "none", "dialback", "external" };

	return words[how];
}
