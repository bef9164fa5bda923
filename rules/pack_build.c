/* SPDX-License-Identifier: BSD-2-Clause */
/* Making packed sets. In: prepared entries, a million of them from a file or a feed, without a
 * piece of memory for each. Out: the bytes that rules/pack.c reads. What most entries have in
 * common (where they are from) is written once. The key of the hash table is random, for who writes
 * a feed must not be able to choose collisions. It knows no files and no policy. */
#include "rules/pack_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/siphash.h"
#include "rules/list.h"
#include "rules/part.h"

enum { FIRST_ROWS = 4096, FIRST_TEXT = 1 << 16 };

struct pack_build *pack_build_new(uint32_t key_len)
{
	struct pack_build *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->key_len = key_len;
	while (getrandom(b->hash_key, sizeof(b->hash_key), 0) != sizeof(b->hash_key))
		;
	return b;
}

void pack_build_free(struct pack_build *b)
{
	if (!b)
		return;
	free(b->text);
	free(b->rows);
	free(b->slots);
	free(b);
}

/* ---- the table ---- */

static uint64_t key_hash(const struct pack_build *b, struct span key)
{
	return siphash24(b->hash_key, key.ptr ? key.ptr : "", key.len);
}

static struct span row_key(const struct pack_build *b, const struct pack_row *row)
{
	return (struct span){ b->text + row->key, row->key_len };
}

static void slot_put(uint32_t *slots, uint32_t n_slots, uint64_t hash, uint32_t place)
{
	uint32_t i = pack_slot(hash, n_slots);

	while (slots[i])
		i = i + 1 == n_slots ? 0 : i + 1;
	slots[i] = pack_tag(hash) | (place + 1);
}

/* Where the key is, or the empty slot where it would be. */
static uint32_t slot_find(const struct pack_build *b, uint64_t hash, struct span key)
{
	uint32_t i = pack_slot(hash, b->n_slots), slot;

	for (; (slot = b->slots[i]); i = i + 1 == b->n_slots ? 0 : i + 1)
		if ((slot & 0xff000000u) == pack_tag(hash) &&
			span_equal(row_key(b, &b->rows[(slot & 0xffffff) - 1]), key))
			break;
	return i;
}

/* Rows that are gone have no slot of their own: their key's slot names who came after them. */
static int table_grow(struct pack_build *b)
{
	uint32_t n_slots = b->cap_rows * 2;
	uint32_t *slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n; i++)
		if (!b->rows[i].gone)
			slot_put(slots, n_slots, key_hash(b, row_key(b, &b->rows[i])), i);
	free(b->slots);
	b->slots = slots;
	b->n_slots = n_slots;
	return 0;
}

static int rows_grow(struct pack_build *b)
{
	uint32_t cap = b->cap_rows ? b->cap_rows * 2 : FIRST_ROWS;
	struct pack_row *rows;

	if (b->n < b->cap_rows)
		return 0;
	if (b->n >= PACK_ENTRIES_MAX)
		return ERR_LIMIT;
	if (!(rows = realloc(b->rows, cap * sizeof(*rows))))
		return -ENOMEM;
	b->rows = rows;
	b->cap_rows = cap;
	return table_grow(b);
}

static int text_reserve(struct pack_build *b, size_t more)
{
	size_t cap = b->cap_text ? b->cap_text : FIRST_TEXT;
	char *text;

	if (b->len + more <= b->cap_text)
		return 0;
	while (cap < b->len + more)
		cap += cap / 2;
	if (cap > UINT32_MAX)
		return ERR_LIMIT;
	if (!(text = realloc(b->text, cap)))
		return -ENOMEM;
	b->text = text;
	b->cap_text = cap;
	return 0;
}

/* ---- rows ---- */

static uint32_t text_add(struct pack_build *b, const char *bytes, size_t len)
{
	uint32_t at = (uint32_t)b->len;

	memcpy(b->text + at, bytes, len);
	b->text[at + len] = '\0';
	b->len += len + 1;
	return at;
}

int pack_build_put(struct pack_build *b, const struct list_prepared *entry, int64_t expires_ms,
	uint32_t from, uint32_t feeds)
{
	struct span key = { entry->key, entry->key_len };
	bool same = span_equal(entry->text, key);
	uint64_t hash = key_hash(b, key);
	struct pack_row *row, *old;
	uint32_t slot;
	int r;

	if ((r = rows_grow(b)) < 0 ||
		(r = text_reserve(b, entry->text.len + entry->key_len + 2)) < 0)
		return r;
	slot = slot_find(b, hash, key);
	row = &b->rows[b->n];
	*row = (struct pack_row){ .feeds = feeds,
		.from = (uint8_t)from,
		.marked = entry->mark != NULL,
		.expires_ms = expires_ms };
	row->text = text_add(b, entry->text.ptr, entry->text.len);
	row->key = same ? row->text : text_add(b, key.ptr, key.len);
	row->key_len = (uint32_t)key.len;
	if (b->slots[slot]) {
		old = &b->rows[(b->slots[slot] & 0xffffff) - 1];
		row->from |= old->from;
		row->feeds |= old->feeds;
		old->gone = true;
		b->n_gone++;
	}
	b->slots[slot] = pack_tag(hash) | (b->n + 1);
	b->n++;
	return 0;
}

struct pack_row *pack_build_find(const struct pack_build *b, struct span key)
{
	uint32_t slot = b->n_slots ? b->slots[slot_find(b, key_hash(b, key), key)] : 0;

	return slot ? &b->rows[(slot & 0xffffff) - 1] : NULL;
}

static const char *mark_of(const char *text)
{
	const char *at = text + strlen(text);

	while (at > text && at[-1] != ' ' && at[-1] != '\t')
		at--;
	return at;
}

void pack_build_get(
	const struct pack_build *b, const struct pack_row *row, struct list_prepared *out)
{
	const char *text = b->text + row->text;

	*out = (struct list_prepared){
		.text = span_of(text),
		.mark = row->marked ? mark_of(text) : NULL,
		.key = b->text + row->key,
		.key_len = row->key_len,
	};
}

/* ---- writing ---- */

/* What most say: Boyer and Moore's vote. */
static struct pack_info common_info(const struct pack_build *b)
{
	struct pack_info common = { 0 };
	size_t lead = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct pack_row *row = &b->rows[i];

		if (row->gone)
			continue;
		if (lead == 0) {
			common.from = row->from;
			common.feeds = row->feeds;
		}
		if (row->from == common.from && row->feeds == common.feeds)
			lead++;
		else
			lead--;
	}
	return common;
}

static bool row_has_info(const struct pack_row *row, const struct pack_info *common)
{
	return row->expires_ms || row->from != common->from || row->feeds != common->feeds;
}

static size_t row_size(
	const struct pack_build *b, const struct pack_row *row, const struct pack_info *common)
{
	size_t size = 1 + strlen(b->text + row->text) + 1;

	if (row_has_info(row, common))
		size += sizeof(struct pack_info);
	if (row->key != row->text)
		size += row->key_len + 1;
	return size;
}

static char *row_write(const struct pack_build *b, const struct pack_row *row,
	const struct pack_info *common, char *at)
{
	struct pack_info info = { row->from, row->feeds, row->expires_ms };
	bool own_key = row->key != row->text, own_info = row_has_info(row, common);

	*at++ = (char)((own_info ? PACK_HAS_INFO : 0) | (own_key ? PACK_HAS_KEY : 0) |
		       (row->marked ? PACK_HAS_MARK : 0));
	if (own_info) {
		memcpy(at, &info, sizeof(info));
		at += sizeof(info);
	}
	at = stpcpy(at, b->text + row->text) + 1;
	if (own_key) {
		memcpy(at, b->text + row->key, row->key_len);
		at[row->key_len] = '\0';
		at += row->key_len + 1;
	}
	return at;
}

static void pack_write(const struct pack_build *b, const struct pack_head *head,
	const struct pack_info *common, uint8_t *bytes)
{
	uint32_t *entries = (uint32_t *)(bytes + sizeof(*head)), *slots = entries + head->n, n = 0;
	char *text = (char *)(slots + head->n_slots), *at = text;

	memcpy(bytes, head, sizeof(*head));
	for (uint32_t i = 0; i < b->n; i++) {
		const struct pack_row *row = &b->rows[i];

		if (row->gone)
			continue;
		entries[n] = (uint32_t)(at - text);
		slot_put(slots, head->n_slots, key_hash(b, row_key(b, row)), n++);
		at = row_write(b, row, common, at);
	}
}

int pack_build_finish(
	const struct pack_build *b, uint32_t shape, const uint8_t key[], struct part **out)
{
	struct pack_info common = common_info(b);
	struct pack_head head = { .version = PACK_VERSION,
		.shape = shape,
		.n = b->n - b->n_gone,
		.n_slots = pack_slots_for(b->n - b->n_gone),
		.key_len = b->key_len,
		.from = common.from,
		.feeds = common.feeds };
	struct part *part;
	int r;

	memcpy(head.hash_key, b->hash_key, sizeof(head.hash_key));
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->rows[i].gone)
			continue;
		head.text_len += row_size(b, &b->rows[i], &common);
		head.n_expiring += b->rows[i].expires_ms != 0;
	}
	if (head.text_len > UINT32_MAX)
		return ERR_LIMIT;
	r = part_new(PART_SET, key,
		sizeof(head) + ((size_t)head.n + head.n_slots) * sizeof(uint32_t) + head.text_len,
		&part);
	if (r < 0)
		return r;
	pack_write(b, &head, &common, part->bytes);
	if ((r = part_seal(part)) < 0)
		part_unref(part);
	else
		*out = part;
	return r;
}
