/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading packed sets. In: bytes of a sealed part of memory, made by this program or found in its
 * cache; they are an input like any other and looked through once before the first lookup. Out:
 * entries by key or by place, as pointers into the bytes. It never writes and never locks: who
 * edits a set keeps that beside it (rules/list.c). */
#include "rules/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/siphash.h"
#include "rules/list.h"
#include "rules/part.h"

uint32_t pack_slots_for(uint32_t n)
{
	return n + n / 2 + 1;
}

/* ---- an entry ---- */

struct blob {
	uint8_t flags;
	const char *info, *text, *key;
};

static struct blob blob_at(const struct pack *p, uint32_t at)
{
	const char *bytes = p->text + p->entries[at];
	struct blob b = { (uint8_t)*bytes, NULL, bytes + 1, NULL };

	if (b.flags & PACK_HAS_INFO) {
		b.info = b.text;
		b.text += sizeof(struct pack_info);
	}
	b.key = b.flags & PACK_HAS_KEY ? b.text + strlen(b.text) + 1 : b.text;
	return b;
}

int64_t pack_expires(const struct pack *p, uint32_t at)
{
	struct blob b = blob_at(p, at);
	struct pack_info info = { 0 };

	if (b.info)
		memcpy(&info, b.info, sizeof(info));
	return info.expires_ms;
}

/* A mark is the last word of the text. */
static const char *mark_of(const char *text)
{
	const char *at = text + strlen(text);

	while (at > text && at[-1] != ' ' && at[-1] != '\t')
		at--;
	return at;
}

void pack_get(const struct pack *p, uint32_t at, struct list_item *out)
{
	struct blob b = blob_at(p, at);
	struct pack_info info = { p->head.from, p->head.feeds, 0 };

	if (b.info)
		memcpy(&info, b.info, sizeof(info));
	*out = (struct list_item){
		.text = b.text,
		.mark = b.flags & PACK_HAS_MARK ? mark_of(b.text) : NULL,
		.key = b.key,
		.key_len = p->head.key_len ? p->head.key_len : strlen(b.key),
		.expires_ms = info.expires_ms,
		.feeds = info.feeds,
		.from = info.from,
		.at = at,
	};
}

static bool key_is(const struct pack *p, uint32_t at, struct span key)
{
	struct blob b = blob_at(p, at);

	if (p->head.key_len)
		return key.len == p->head.key_len && memcmp(b.key, key.ptr, key.len) == 0;
	return (!key.len || strncmp(b.key, key.ptr, key.len) == 0) && strlen(b.key) == key.len;
}

uint32_t pack_find(const struct pack *p, struct span key)
{
	uint64_t hash = siphash24(p->head.hash_key, key.ptr ? key.ptr : "", key.len);
	uint32_t tag = pack_tag(hash), slot;

	for (uint32_t i = pack_slot(hash, p->head.n_slots); (slot = p->slots[i]);
		i = i + 1 == p->head.n_slots ? 0 : i + 1)
		if ((slot & 0xff000000u) == tag && key_is(p, (slot & 0xffffff) - 1, key))
			return (slot & 0xffffff) - 1;
	return PACK_NONE;
}

/* ---- opening ---- */

static bool head_fits(const struct pack_head *h, size_t len)
{
	uint64_t need;

	if (h->version != PACK_VERSION || h->n > PACK_ENTRIES_MAX ||
		h->n_slots != pack_slots_for(h->n) || h->n_expiring > h->n ||
		(h->key_len != 0 && h->key_len != 32) || h->text_len > UINT32_MAX)
		return false;
	need = sizeof(*h) + ((uint64_t)h->n + h->n_slots) * sizeof(uint32_t) + h->text_len;
	return need == len && (h->n == 0 || h->text_len > 0);
}

/* The last byte of all is a NUL, so a text that begins inside ends inside. */
static bool entry_fits(const struct pack *p, uint32_t at)
{
	size_t left = p->head.text_len, fixed = 1, text;
	struct blob b;

	if (p->entries[at] >= left)
		return false;
	left -= p->entries[at];
	b.flags = (uint8_t)p->text[p->entries[at]];
	if (b.flags & ~PACK_FLAGS || (p->head.key_len && !(b.flags & PACK_HAS_KEY)))
		return false;
	if (b.flags & PACK_HAS_INFO)
		fixed += sizeof(struct pack_info);
	if (fixed >= left)
		return false;
	text = strlen(p->text + p->entries[at] + fixed);
	if (text > LIST_ENTRY_MAX)
		return false;
	fixed += text + 1;
	return !(b.flags & PACK_HAS_KEY) || left - fixed > p->head.key_len;
}

static bool entries_fit(const struct pack *p)
{
	if (p->head.text_len && p->text[p->head.text_len - 1] != '\0')
		return false;
	for (uint32_t i = 0; i < p->head.n; i++)
		if (!entry_fits(p, i))
			return false;
	return true;
}

/* As many as there are entries, so some stay empty and every search ends. */
static bool slots_fit(const struct pack *p)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < p->head.n_slots; i++) {
		uint32_t place = p->slots[i] & 0xffffff;

		if (p->slots[i] == 0)
			continue;
		if (place == 0 || place > p->head.n)
			return false;
		used++;
	}
	return used == p->head.n;
}

int pack_open(struct part *part, uint32_t shape, struct pack **out)
{
	struct pack *p;

	if (part->kind != PART_SET || part->len < sizeof(struct pack_head))
		return ERR_PROTO;
	if (!(p = calloc(1, sizeof(*p))))
		return -ENOMEM;
	memcpy(&p->head, part->bytes, sizeof(p->head));
	if (p->head.shape != shape || !head_fits(&p->head, part->len)) {
		free(p);
		return ERR_PROTO;
	}
	p->entries = (const uint32_t *)(part->bytes + sizeof(p->head));
	p->slots = p->entries + p->head.n;
	p->text = (const char *)(p->slots + p->head.n_slots);
	if (!entries_fit(p) || !slots_fit(p)) {
		free(p);
		return ERR_PROTO;
	}
	p->part = part_ref(part);
	*out = p;
	return 0;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	part_unref(p->part);
	free(p);
}
