/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of one stanza: xmpp/stanza.c and the matcher allocate while judging, apply.c resets when
 * the verdict is carried out.
 * In: sizes. Out: aligned memory that lives until the next reset. The ceiling is what keeps a
 * peer's stanza from costing more than its share: above it allocations fail, nothing else happens.
 * It never frees single pieces. Under AddressSanitizer memory handed back is poisoned, so that a
 * pointer kept past its stanza is caught by the tests. */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>
#include "base/spare.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define arena_poison(p, n)   __asan_poison_memory_region((p), (n))
#define arena_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define arena_poison(p, n)   ((void)(p), (void)(n))
#define arena_unpoison(p, n) ((void)(p), (void)(n))
#endif

enum { ARENA_ALIGN = 16, ARENA_FIRST = 4096, ARENA_KEEP = 65536 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	_Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

static void arena_block_free(struct arena_block *block)
{
	arena_unpoison(block->data, block->size);
	spare_give(block, sizeof(*block) + block->size);
}

void arena_shrink(struct arena *a)
{
	struct arena_block *block = a->blocks, *next;

	for (; block; block = next) {
		next = block->next;
		arena_block_free(block);
	}
	a->blocks = NULL;
	a->next = a->end = NULL;
	a->used = 0;
}

void arena_fini(struct arena *a)
{
	arena_shrink(a);
}

/* Makes block the only and current one. */
static void arena_rewind_to(struct arena *a, struct arena_block *block)
{
	block->next = NULL;
	a->blocks = block;
	a->next = block->data;
	a->end = block->data + block->size;
	arena_poison(block->data, block->size);
}

void arena_reset(struct arena *a)
{
	struct arena_block *block = a->blocks, *next, *kept = NULL;

	if (block && !block->next && block->size <= ARENA_KEEP) {
		a->used = 0;
		arena_rewind_to(a, block);
		return;
	}
	for (; block; block = next) {
		next = block->next;
		/* A block made for one giant stanza is not worth keeping for the next small one. */
		if (block->size > ARENA_KEEP || (kept && kept->size >= block->size)) {
			arena_block_free(block);
			continue;
		}
		if (kept)
			arena_block_free(kept);
		kept = block;
	}
	a->blocks = NULL;
	a->next = a->end = NULL;
	a->used = 0;
	if (kept)
		arena_rewind_to(a, kept);
}

static int arena_add_block(struct arena *a, size_t len)
{
	size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST;
	struct arena_block *block;

	if (size > ARENA_KEEP)
		size = ARENA_KEEP;
	if (size < len)
		size = len;
	size += sizeof(*block);
	if (!(block = spare_take(&size)))
		return -1;
	size -= sizeof(*block);
	block->next = a->blocks;
	block->size = size;
	a->blocks = block;
	a->next = block->data;
	a->end = block->data + size;
	arena_poison(block->data, size);
	return 0;
}

void *arena_alloc(struct arena *a, size_t len)
{
	size_t size;
	char *p;

	if (len > SIZE_MAX / 4)
		return NULL;
	size = (len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (size == 0)
		size = ARENA_ALIGN;
	if (a->max && (a->used > a->max || size > a->max - a->used))
		return NULL;
	if ((size_t)(a->end - a->next) < size && arena_add_block(a, size) < 0)
		return NULL;
	p = a->next;
	a->next += size;
	a->used += size;
	arena_unpoison(p, len);
	return p;
}

void *arena_zalloc(struct arena *a, size_t len)
{
	void *p = arena_alloc(a, len);

	if (p)
		memset(p, 0, len);
	return p;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
	char *copy;

	if (len > SIZE_MAX / 4 || !(copy = arena_alloc(a, len + 1)))
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return arena_strndup(a, text, strlen(text));
}
