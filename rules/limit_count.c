/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza counted by a limit: its key, what it counts, and whether that is too much. In: the
 * judgement and the limit. Out: yes or no, and the sketch knows of it. A stanza that lacks a part
 * of the key, or what is to be counted, counts nowhere. That it is counted once a stanza is
 * condition.c's care; rates are rules/limit.c's. */
#include "rules/limit_count.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "rules/jid_cache.h"

/* Addresses of one IPv6 customer are one key: a /64 is what a single host is given. */
static uint64_t key_hash(const struct limit_key *key, const struct field_value *value)
{
	const struct peer_address *a = value->address;

	if (key->field->type == FIELD_ADDRESS && a)
		return map_hash(a->bytes, address_is_v4(a) ? 16 : 8);
	if (key->field->type == FIELD_NUMBER || key->field->type == FIELD_BOOL)
		return map_hash(&value->number, sizeof(value->number));
	return value->memo ? jid_hash(value->memo, value->text)
			   : map_hash(value->text.ptr, value->text.len);
}

static bool key_has(const struct limit_key *key, const struct field_value *value)
{
	return value->text.len || key->field->type == FIELD_NUMBER ||
	       key->field->type == FIELD_BOOL;
}

static bool key_get(struct judge *j, const struct limit_key *key, struct field_value *value)
{
	return key->field->get(&j->view, key->param, 0, value) && key_has(key, value);
}

/* False when the stanza lacks a part of the key: then there is nobody to count. */
static bool limit_hash(struct judge *j, const struct limit *limit, uint64_t *out)
{
	uint64_t hashes[LIMIT_KEYS_MAX];

	for (unsigned i = 0; i < limit->n_keys; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!key_get(j, &limit->keys[i], &value))
			return false;
		hashes[i] = key_hash(&limit->keys[i], &value);
	}
	*out = limit->n_keys == 0   ? 1
	       : limit->n_keys == 1 ? hashes[0]
				    : map_hash(hashes, limit->n_keys * sizeof(*hashes));
	return true;
}

struct span limit_text(struct judge *j, const struct limit *limit)
{
	struct span all = { "", 0 };

	for (unsigned i = 0; i < limit->n_keys; i++) {
		struct field_value value = { .text = { "", 0 } };
		char *text;

		if (!key_get(j, &limit->keys[i], &value) || !value.text.len)
			continue;
		if (!all.len) {
			all = value.text;
			continue;
		}
		if (!(text = arena_alloc(&j->arena, all.len + 2 + value.text.len)))
			return all;
		memcpy(text, all.ptr, all.len);
		memcpy(text + all.len, ", ", 2);
		memcpy(text + all.len + 2, value.text.ptr, value.text.len);
		all = (struct span){ text, all.len + 2 + value.text.len };
	}
	return all;
}

/* What the key's value counts as. */
static struct span key_text(struct judge *j, const struct limit_key *key)
{
	struct field_value value = { .text = { "", 0 } };
	char shown[INET6_ADDRSTRLEN + 8];
	struct peer_address net;
	char *text;

	if (!key_get(j, key, &value))
		return value.text;
	if (key->field->type == FIELD_ADDRESS && value.address && !address_is_v4(value.address)) {
		net = *(const struct peer_address *)value.address;
		memset(net.bytes + 8, 0, 8);
		address_format(&net, shown, sizeof(shown) - 4);
		strcat(shown, "/64");
	} else if (!value.text.len) {
		snprintf(shown, sizeof(shown), "%lld", (long long)value.number);
	} else {
		return value.text;
	}
	text = arena_strdup(&j->arena, shown);
	return text ? span_of(text) : value.text;
}

static void limit_tell(struct judge *j, const struct limit *limit, uint64_t events)
{
	struct buf all;

	if (!j->watched || strcmp(j->watched, limit->name) != 0)
		return;
	buf_init(&all, 0);
	for (unsigned i = 0; i < limit->n_keys; i++)
		if ((i > 0 && buf_puts(&all, ", ") < 0) ||
			buf_put_span(&all, key_text(j, &limit->keys[i])) < 0)
			break;
	j->watch(j->watch_arg, buf_span(&all), events);
	buf_fini(&all);
}

void judge_watch_limit(struct judge *j, const char *name,
	void (*seen)(void *arg, struct span key, uint64_t events), void *arg)
{
	j->watched = name;
	j->watch = seen;
	j->watch_arg = arg;
}

static void limit_observe(struct judge *j, const struct limit *limit, uint64_t key, uint64_t events)
{
	uint64_t one = limit->bytes ? 1 : SKETCH_ONE;

	if (!j->trial && events > 0)
		sketch_add_part(limit->sketch, key, judge_now_ns(j),
			events > UINT64_MAX / one ? UINT64_MAX : events * one);
}

/* What the field says, all its values together. */
static uint64_t limit_amount(struct judge *j, const struct limit_key *count)
{
	struct field_value value = { .text = { "", 0 } };
	uint64_t sum = 0;

	for (unsigned i = 0;
		i < LIMIT_VALUES_MAX && count->field->get(&j->view, count->param, i, &value); i++) {
		if (__builtin_add_overflow(sum, value.number, &sum))
			return UINT64_MAX;
		if (!count->field->many)
			break;
	}
	return sum;
}

static bool limit_count_amount(
	struct judge *j, const struct limit *limit, struct limit_table *table, uint64_t key)
{
	uint64_t events = limit_amount(j, &limit->count);

	if (events == 0)
		return false;
	limit_tell(j, limit, events);
	limit_observe(j, limit, key, events);
	return limit_table_count(table, key, judge_now_ns(j), limit_rate_cost(&limit->rate, events),
		limit->rate.tolerance_ns, limit->evicted);
}

static bool limit_count_distinct(
	struct judge *j, const struct limit *limit, struct limit_table *table, uint64_t key)
{
	const struct limit_key *distinct = &limit->distinct;
	uint64_t values[LIMIT_VALUES_MAX];
	unsigned n = 0, fresh = 0;
	bool exceeded;

	for (unsigned i = 0; i < LIMIT_VALUES_MAX; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!distinct->field->get(&j->view, distinct->param, i, &value))
			break;
		if (key_has(distinct, &value))
			values[n++] = key_hash(distinct, &value);
		if (!distinct->field->many)
			break;
	}
	exceeded = limit_table_count_values(
		table, key, values, n, judge_now_ns(j), &limit->rate, limit->evicted, &fresh);
	if (fresh > 0)
		limit_tell(j, limit, fresh);
	limit_observe(j, limit, key, fresh);
	return exceeded;
}

static bool limit_count_plain(
	struct judge *j, const struct limit *limit, struct limit_table *table, uint64_t key)
{
	if (j->watched)
		limit_tell(j, limit, 1);
	if (!j->trial)
		sketch_add(limit->sketch, key, judge_now_ns(j));
	return limit_table_count(table, key, judge_now_ns(j), limit->rate.period_ns,
		limit->rate.tolerance_ns, limit->evicted);
}

bool limit_is_exceeded(struct judge *j, const struct limit *limit, unsigned index)
{
	struct limit_table *table = j->trial ? j->trial->limits[index] : limit->table;
	uint64_t key;
	bool exceeded;

	if (j->view.s->resent || !limit_hash(j, limit, &key))
		return false;
	exceeded = limit->plain         ? limit_count_plain(j, limit, table, key)
		   : limit->count.field ? limit_count_amount(j, limit, table, key)
					: limit_count_distinct(j, limit, table, key);
	if (exceeded && !j->trial)
		metric_add(limit->exceeded, 1);
	return exceeded;
}
