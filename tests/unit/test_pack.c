/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Packed sets: they answer as sets of single entries do, through any edits; bytes that are no pack,
 * or one that was tampered with, are refused or at least never lead outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "rules/list.h"
#include "rules/list_hits.h"
#include "rules/pack.h"
#include "rules/pack_build.h"
#include "rules/part.h"
#include "tests/unit/pack_holds.h"

enum { NOW = 1000000, MANY = 3000 };

static void fill(struct list *l, const char *text, int64_t expires, uint32_t from)
{
	const char *why;
	struct arena a;

	arena_init(&a, 0);
	if (list_fill(l, &a, span_of(text), expires, from, &why) < 0)
		fail_msg("%s: %s", text, why);
	arena_fini(&a);
}

static struct list *begin(enum list_type type, bool packed)
{
	struct list *l = list_new("s", type);

	assert_non_null(l);
	if (packed)
		assert_int_equal(list_fill_begin(l, SIZE_MAX), 0);
	return l;
}

static void end(struct list *l, bool packed)
{
	assert_int_equal(list_fill_end(l, NULL), 0);
	assert_true(packed == (l->pack != NULL));
}

static const char *find(const struct list *l, const char *key)
{
	struct list_item item;

	return list_find(l, span_of(key), NOW, &item) ? item.text : "";
}

/* ---- filling ---- */

static void test_fill(void **state)
{
	struct list *l = begin(LIST_DOMAIN, true);
	struct list_item item;
	size_t at = 0;

	(void)state;
	fill(l, "A.example", 0, LIST_FROM_POLICY);
	fill(l, "b.example", 0, LIST_FROM_FILE);
	fill(l, "a.EXAMPLE", NOW + 5, LIST_FROM_FILE); /* the same key: replaced */
	fill(l, "c.example", NOW - 5, LIST_FROM_FILE);
	end(l, true);
	assert_int_equal(l->n_live, 3);
	assert_string_equal(find(l, "a.example"), "a.EXAMPLE");
	assert_string_equal(find(l, "b.example"), "b.example");
	assert_string_equal(find(l, "c.example"), ""); /* it has ended */
	assert_string_equal(find(l, "d.example"), "");
	assert_string_equal(find(l, ""), "");
	assert_true(list_each(l, &at, &item));
	assert_string_equal(item.text, "b.example");
	assert_true(list_each(l, &at, &item));
	assert_string_equal(item.text, "a.EXAMPLE");
	assert_string_equal(item.key, "a.example");
	assert_int_equal(item.from, LIST_FROM_POLICY | LIST_FROM_FILE);
	assert_int_equal(item.expires_ms, NOW + 5);
	assert_true(list_each(l, &at, &item));
	assert_false(list_each(l, &at, &item));
	assert_true(list_has_ended(l, NOW));
	list_expire(l, NOW);
	assert_int_equal(l->n_live, 2);
	assert_false(list_has_ended(l, NOW));
	list_free(l);
}

static void test_empty(void **state)
{
	struct list *l = begin(LIST_JID, true);
	struct list_item item;
	size_t at = 0;

	(void)state;
	end(l, true);
	assert_string_equal(find(l, "a@b"), "");
	assert_false(list_each(l, &at, &item));
	list_free(l);
}

static void test_marks_and_hashes(void **state)
{
	static const char digest[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	struct list *l = list_new("m", LIST_JID);
	struct list_item item;
	uint8_t key[32];

	(void)state;
	l->map = true;
	assert_int_equal(list_fill_begin(l, SIZE_MAX), 0);
	fill(l, "ann@a.example : staff", 0, LIST_FROM_FILE);
	end(l, true);
	assert_true(list_find_jid(l, span_of("ann@a.example/desk"), NOW, &item));
	assert_string_equal(item.mark, "staff");
	list_free(l);
	l = begin(LIST_HASH, true);
	fill(l, digest, 0, LIST_FROM_FILE);
	end(l, true);
	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)(i % 16 * 0x11);
	assert_true(list_find(l, (struct span){ (char *)key, 32 }, NOW, &item));
	assert_string_equal(item.text, digest);
	assert_false(list_find(l, (struct span){ (char *)key, 31 }, NOW, &item));
	list_free(l);
}

/* ---- edits: what a set of single entries does ---- */

static struct list_entry *entry(const struct list *l, const char *text, int64_t expires)
{
	struct list_entry *e;
	const char *why;

	assert_int_equal(list_entry_new(l, span_of(text), expires, &e, &why), 0);
	e->from = LIST_FROM_FILE;
	return e;
}

static void edit(struct list *l, unsigned kind, const char *text, int64_t expires)
{
	struct list_entry *e = entry(l, text, expires);

	if (kind == 0) {
		list_drop(l, e);
	} else if (kind == 1) {
		list_remove(l, e);
	} else if (!list_renew(l, e)) {
		assert_int_equal(list_put(l, e), 0);
		return;
	}
	list_entry_free(e);
}

static void compare(const struct list *a, const struct list *b, const char *key)
{
	struct list_item x, y;
	bool in = list_find(a, span_of(key), NOW, &x);

	assert_true(in == list_find(b, span_of(key), NOW, &y));
	if (!in)
		return;
	assert_string_equal(x.text, y.text);
	assert_int_equal(x.expires_ms, y.expires_ms);
	assert_int_equal(x.from, y.from);
	assert_int_equal(x.feeds, y.feeds);
}

static size_t count(const struct list *l)
{
	struct list_item item;
	size_t n = 0;

	for (size_t at = 0; list_each(l, &at, &item);)
		n++;
	return n;
}

static void test_edits_agree(void **state)
{
	struct list *packed = begin(LIST_JID, true), *single = begin(LIST_JID, false);
	char text[64];

	(void)state;
	srandom(7);
	for (int i = 0; i < MANY; i++) {
		int64_t expires = i % 11 ? 0 : NOW + (i % 2 ? 10 : -10);
		uint32_t from = i % 5 ? LIST_FROM_FILE : LIST_FROM_POLICY;

		snprintf(text, sizeof(text), "u%ld@h.example", random() % MANY);
		fill(packed, text, expires, from);
		fill(single, text, expires, from);
	}
	end(packed, true);
	end(single, false);
	assert_int_equal(packed->n_live, single->n_live);
	for (int i = 0; i < MANY; i++) {
		unsigned kind = (unsigned)random() % 4;
		int64_t expires = i % 3 ? 0 : NOW + 5;

		snprintf(text, sizeof(text), "U%ld@H.example", random() % (2 * MANY));
		edit(packed, kind, text, expires);
		edit(single, kind, text, expires);
		assert_int_equal(packed->n_live, single->n_live);
	}
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(text, sizeof(text), "u%d@h.example", i);
		compare(packed, single, text);
	}
	assert_int_equal(count(packed), packed->n_live);
	list_expire(packed, NOW);
	list_expire(single, NOW);
	assert_int_equal(packed->n_live, single->n_live);
	list_sweep(packed, packed->edits);
	assert_int_equal(list_removed(packed), 0);
	assert_int_equal(count(packed), packed->n_live);
	list_free(packed);
	list_free(single);
}

static void test_feeds_keep(void **state)
{
	struct list *l = begin(LIST_DOMAIN, true);
	struct list_item item;

	(void)state;
	fill(l, "fed.example", NOW + 50, LIST_FROM_FILE);
	pack_build_find(l->building, span_of("fed.example"))->feeds = 2;
	end(l, true);
	edit(l, 0, "fed.example", 0);
	assert_true(list_find(l, span_of("fed.example"), NOW, &item));
	assert_int_equal(item.from, 0);
	assert_int_equal(item.feeds, 2);
	assert_int_equal(item.expires_ms, 0);
	assert_int_equal(l->n_live, 1);
	edit(l, 2, "fed.example", 0);
	assert_true(list_find(l, span_of("fed.example"), NOW, &item));
	assert_int_equal(item.from, LIST_FROM_FILE);
	list_free(l);
}

static void test_hits(void **state)
{
	struct list *l = begin(LIST_DOMAIN, true), *next = begin(LIST_DOMAIN, false);
	struct list_item item;

	(void)state;
	fill(l, "a.example", 0, LIST_FROM_FILE);
	fill(l, "b.example", 0, LIST_FROM_FILE);
	fill(next, "b.example", 0, LIST_FROM_FILE);
	end(l, true);
	assert_true(list_find(l, span_of("b.example"), NOW, &item));
	list_hit(l, item.entry, item.at);
	list_hit(l, item.entry, item.at);
	list_hits_inherit(next, l);
	assert_true(list_find(next, span_of("b.example"), NOW, &item));
	assert_int_equal(item.entry->hits, 2);
	edit(l, 2, "b.example", NOW + 9); /* an entry of its own now */
	assert_true(list_find(l, span_of("b.example"), NOW, &item));
	assert_int_equal(item.entry->hits, 2);
	list_free(l);
	list_free(next);
}

/* ---- hostile bytes ---- */

static struct list *sample(void)
{
	struct list *l = begin(LIST_KEYWORD, true);
	char text[64];

	l->fold = true;
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), i % 3 ? "word %d" : "WORD %d", i);
		fill(l, text, i % 7 ? 0 : NOW + i, i % 5 ? LIST_FROM_FILE : LIST_FROM_POLICY);
	}
	end(l, true);
	return l;
}

/* Whatever it says, nothing that is asked of it leads outside. */
static bool opens(const uint8_t *bytes, size_t len, uint32_t shape)
{
	struct part *part = part_of(bytes, len);
	struct pack *p;
	int r = pack_open(part, shape, &p);

	part_unref(part);
	assert_true(r == 0 || r == ERR_PROTO);
	if (r < 0)
		return false;
	assert_true(pack_holds(p));
	pack_free(p);
	return true;
}

static void test_hostile(void **state)
{
	struct list *l = sample();
	size_t len = l->pack->part->len;
	uint32_t shape = list_shape(l);
	uint8_t *bytes = malloc(len + 1);

	(void)state;
	memcpy(bytes, l->pack->part->bytes, len);
	bytes[len] = 0;
	assert_true(opens(bytes, len, shape));
	assert_false(opens(bytes, len, shape ^ 1)); /* for another type of set */
	assert_false(opens(bytes, len + 1, shape));
	for (size_t cut = 0; cut < len; cut++)
		assert_false(opens(bytes, cut, shape));
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			(void)opens(bytes, len, shape);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	free(bytes);
	list_free(l);
}

static void patch(const struct list *l, size_t at, uint32_t value, const char *what)
{
	size_t len = l->pack->part->len;
	uint8_t *bytes = malloc(len);

	memcpy(bytes, l->pack->part->bytes, len);
	memcpy(bytes + at, &value, sizeof(value));
	if (opens(bytes, len, list_shape(l)))
		fail_msg("accepted: %s", what);
	free(bytes);
}

static void test_hostile_numbers(void **state)
{
	struct list *l = sample();
	size_t entries = sizeof(struct pack_head), slots = entries + 40 * sizeof(uint32_t);

	(void)state;
	patch(l, offsetof(struct pack_head, version), PACK_VERSION + 1, "another version");
	patch(l, offsetof(struct pack_head, n), UINT32_MAX, "too many entries");
	patch(l, offsetof(struct pack_head, n), 39, "fewer entries");
	patch(l, offsetof(struct pack_head, n_slots), 0, "no slots");
	patch(l, offsetof(struct pack_head, n_slots), UINT32_MAX, "too many slots");
	patch(l, offsetof(struct pack_head, n_expiring), 41, "more ends than entries");
	patch(l, offsetof(struct pack_head, key_len), 5, "keys of an odd length");
	patch(l, offsetof(struct pack_head, key_len), 32, "keys that are not there");
	patch(l, offsetof(struct pack_head, text_len) + 4, 1, "more text than there is");
	patch(l, offsetof(struct pack_head, text_len), UINT32_MAX, "more text than there is");
	patch(l, entries, UINT32_MAX, "an entry outside");
	patch(l, entries, (uint32_t)l->pack->head.text_len, "an entry behind the end");
	patch(l, entries, (uint32_t)l->pack->head.text_len - 1, "an entry at the end");
	for (uint32_t i = 0; i < l->pack->head.n_slots; i++) {
		patch(l, slots + i * sizeof(uint32_t), 41, "a slot outside");
		patch(l, slots + i * sizeof(uint32_t), l->pack->slots[i] ? 0 : 1, "a wrong count");
	}
	list_free(l);
}

/* ---- descriptors ---- */

static void test_parts(void **state)
{
	static const uint8_t key[PART_KEY] = { 1 };
	struct part *part, *other = NULL;
	struct part_set set = { 0 };

	(void)state;
	assert_int_equal(part_new(PART_SET, key, 100, &part), 0);
	memset(part->bytes, 7, 100);
	assert_int_equal(part_open(part->fd, &other), ERR_PROTO); /* not sealed yet */
	assert_int_equal(part_seal(part), 0);
	assert_int_equal(part_open(part->fd, &other), 0);
	assert_int_equal(other->len, 100);
	assert_int_equal(other->bytes[99], 7);
	assert_memory_equal(other->key, key, PART_KEY);
	assert_int_equal(part_set_add(&set, part), 0);
	assert_int_equal(part_set_add(&set, part), 0);
	assert_int_equal(set.n, 1);
	assert_ptr_equal(part_set_find(&set, PART_SET, key), part);
	assert_null(part_set_find(&set, PART_PATTERNS, key));
	part_set_fini(&set);
	part_unref(part);
	part_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_marks_and_hashes),
		cmocka_unit_test(test_edits_agree),
		cmocka_unit_test(test_feeds_keep),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_numbers),
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
