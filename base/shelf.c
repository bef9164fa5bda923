/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots that outlive their processes: between whoever made the memory (shelf_file.c) and whoever
 * keeps things in it. In: keys, and what becomes of the thing: claimed, published, parked, taken
 * away, dropped. Out: a slot's bytes, which one process writes at a time. A slot's state is one
 * word with its generation in it, changed by compare-and-swap only: a process killed at any point
 * leaves a state that a sweep can go on from, and one that lost its slot finds out before its next
 * write. A key may be in SHELF_WAYS slots only, so nothing here is longer than that but the sweep.
 * It never trusts a word it reads, and never waits for anybody. */
#include "base/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/shelf_int.h"
#include "base/siphash.h"

enum slot_state {
	SLOT_FREE,
	SLOT_CLAIMED, /* being written, not found */
	SLOT_HELD,
	SLOT_OUSTED, /* its holder is to drop it */
	SLOT_PARKED,
};

/* ---- words ---- */

/* 32 bits of generation, 16 of the holder's epoch, 4 of state, 12 of check. Fresh memory: free. */
static uint64_t state_word(uint32_t generation, uint64_t epoch, enum slot_state state)
{
	uint64_t content = (uint64_t)generation << 20 | (epoch & 0xffff) << 4 | state;

	return content << 12 | (content * UINT64_C(0x4164d8399f767c45)) >> 52;
}

static uint32_t word_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static uint64_t word_epoch(uint64_t word)
{
	return word >> 16 & 0xffff;
}

static bool word_is_sound(uint64_t word)
{
	return (word >> 12) * UINT64_C(0x4164d8399f767c45) >> 52 == (word & 0xfff) &&
	       (word >> 12 & 15) <= SLOT_PARKED;
}

static enum slot_state word_state(uint64_t word)
{
	return word >> 12 & 15;
}

static uint64_t slot_word(const struct shelf *s, uint32_t index)
{
	return atomic_load_explicit(&s->states[index], memory_order_acquire);
}

static bool slot_change(struct shelf *s, uint32_t index, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&s->states[index], &from, to);
}

static struct shelf_slot *slot_at(const struct shelf *s, uint32_t index)
{
	return (struct shelf_slot *)(s->slots + index * s->slot_bytes);
}

static uint64_t slot_check(
	const struct shelf *s, const struct shelf_slot *slot, uint32_t generation)
{
	uint64_t content[6] = { slot->key[0], slot->key[1], slot->group, slot->order, slot->keep_ms,
		generation };

	return siphash24(s->page->salt, content, sizeof(content));
}

/* ---- opening ---- */

/* One that is later than our now is another processor's. */
static bool beat_is_recent(uint64_t beat_ms, uint64_t now_ms)
{
	return beat_ms && (beat_ms > now_ms || now_ms - beat_ms < SHELF_DEAD_MS);
}

/* A place among the living, of one who is not any more. The beat is what is taken: whoever looks
 * before the epoch is there sees a place in use. */
static unsigned life_take(struct shelf *s, uint64_t now_ms)
{
	for (unsigned i = 0; i < SHELF_LIVES; i++) {
		uint64_t beat_ms = atomic_load(&s->page->lives[i].beat_ms);

		if (beat_is_recent(beat_ms, now_ms) ||
			!atomic_compare_exchange_strong(
				&s->page->lives[i].beat_ms, &beat_ms, now_ms))
			continue;
		atomic_store(&s->page->lives[i].epoch, s->epoch);
		return i;
	}
	return SHELF_LIVES;
}

/* One who was silent for long, since its machine had stopped it, may have lost its place. */
static bool life_is_ours(const struct shelf *s)
{
	return s->life < SHELF_LIVES && atomic_load(&s->page->lives[s->life].epoch) == s->epoch;
}

static int shelf_map(struct shelf *s, int fd, uint32_t version)
{
	const struct shelf_page *page;
	struct stat st;
	size_t first;
	uint32_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*page))
		return ERR_PROTO;
	s->bytes = (size_t)st.st_size;
	s->page = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->page == MAP_FAILED) {
		s->page = NULL;
		return -errno;
	}
	page = s->page;
	n = *(const volatile uint32_t *)&page->slots; /* once: others may write there */
	if (page->magic != SHELF_MAGIC || page->version != version ||
		page->slot_bytes != s->slot_bytes || n == 0 || n % SHELF_WAYS ||
		shelf_file_bytes(s->slot_bytes, n, &first) != s->bytes)
		return ERR_PROTO;
	s->n = n;
	s->states = (_Atomic uint64_t *)(s->page + 1);
	s->slots = (unsigned char *)s->page + first;
	return 0;
}

int shelf_open(int fd, uint32_t version, size_t slot_bytes, const struct shelf_metrics *metrics,
	struct shelf **out)
{
	struct shelf *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s) {
		s->slot_bytes = slot_bytes;
		s->metrics = *metrics;
		r = shelf_map(s, fd, version);
	}
	close(fd);
	if (r < 0) {
		shelf_close(s);
		return r;
	}
	do
		s->epoch = (atomic_fetch_add(&s->page->epochs, 1) + 1) & 0xffff;
	while (s->epoch == 0);
	s->life = life_take(s, clock_mono_ms());
	*out = s;
	return 0;
}

void shelf_close(struct shelf *s)
{
	if (!s)
		return;
	if (s->page && s->epoch && life_is_ours(s))
		atomic_store(&s->page->lives[s->life].beat_ms, 0);
	if (s->page)
		munmap(s->page, s->bytes);
	free(s);
}

size_t shelf_slots(const struct shelf *s)
{
	return s->n;
}

void shelf_hash(const struct shelf *s, const void *data, size_t len, uint64_t key[2])
{
	uint8_t other[16];

	for (unsigned i = 0; i < sizeof(other); i++)
		other[i] = s->page->salt[i] ^ 0x5a;
	key[0] = siphash24(s->page->salt, data, len);
	key[1] = siphash24(other, data, len);
}

/* ---- looking ---- */

static uint32_t ways_first(const struct shelf *s, const uint64_t key[2])
{
	return (uint32_t)(key[0] % (s->n / SHELF_WAYS)) * SHELF_WAYS;
}

static bool word_is_there(uint64_t word)
{
	return word_is_sound(word) &&
	       (word_state(word) == SLOT_HELD || word_state(word) == SLOT_PARKED);
}

int shelf_find(struct shelf *s, const uint64_t key[2], struct shelf_ref *out)
{
	uint32_t first = ways_first(s, key);
	uint64_t newest = 0;

	*out = (struct shelf_ref){ 0 };
	for (uint32_t i = first; i < first + SHELF_WAYS; i++) {
		uint64_t word = slot_word(s, i);
		const struct shelf_slot *slot = slot_at(s, i);

		if (!word_is_there(word) || slot->key[0] != key[0] || slot->key[1] != key[1])
			continue;
		if (slot->check != slot_check(s, slot, word_generation(word))) {
			shelf_damaged(s, (struct shelf_ref){ i, word_generation(word) });
			continue;
		}
		if (slot->order < newest)
			continue;
		newest = slot->order;
		*out = (struct shelf_ref){ i, word_generation(word) };
	}
	return out->generation ? 0 : ERR_NOTFOUND;
}

bool shelf_holds(const struct shelf *s, struct shelf_ref ref)
{
	return ref.generation &&
	       slot_word(s, ref.index) == state_word(ref.generation, s->epoch, SLOT_HELD);
}

uint64_t shelf_keep_ms(const struct shelf *s, struct shelf_ref ref)
{
	return slot_at(s, ref.index)->keep_ms;
}

bool shelf_is_foreign(const struct shelf *s, struct shelf_ref ref)
{
	return word_epoch(slot_word(s, ref.index)) != s->epoch;
}

bool shelf_has(const struct shelf *s, struct shelf_ref ref)
{
	uint64_t word = slot_word(s, ref.index);

	return word_is_there(word) && word_generation(word) == ref.generation;
}

void *shelf_body(struct shelf *s, struct shelf_ref ref)
{
	return (unsigned char *)slot_at(s, ref.index) + SHELF_HEAD;
}

uint64_t shelf_salt(const struct shelf *s, struct shelf_ref ref)
{
	uint64_t content[2] = { ref.index, ref.generation };

	return siphash24(s->page->salt, content, sizeof(content));
}

/* ---- claiming ---- */

/* How many of the parked ones there are of this one's group. */
static unsigned ways_of_group(const struct shelf *s, uint32_t first, uint64_t group)
{
	unsigned n = 0;

	for (uint32_t i = first; i < first + SHELF_WAYS; i++)
		n += word_state(slot_word(s, i)) == SLOT_PARKED && slot_at(s, i)->group == group;
	return n;
}

/* Whom to evict: one who fills the shelf with his own first, then the one parked longest. */
static bool ways_find_coldest(const struct shelf *s, uint32_t first, uint32_t *out)
{
	uint64_t oldest = UINT64_MAX;
	unsigned most = 0;

	for (uint32_t i = first; i < first + SHELF_WAYS; i++) {
		const struct shelf_slot *slot = slot_at(s, i);
		uint64_t parked_ms = atomic_load_explicit(&slot->parked_ms, memory_order_relaxed);
		unsigned n;

		if (word_state(slot_word(s, i)) != SLOT_PARKED)
			continue;
		n = ways_of_group(s, first, slot->group);
		if (n < most || (n == most && parked_ms >= oldest))
			continue;
		most = n;
		oldest = parked_ms;
		*out = i;
	}
	return most > 0;
}

static bool slot_claim(struct shelf *s, uint32_t index, uint64_t word, struct shelf_ref *out)
{
	uint32_t generation = word_generation(word) + 1;

	if (generation == 0)
		generation = 1;
	*out = (struct shelf_ref){ index, generation };
	return slot_change(s, index, word, state_word(generation, s->epoch, SLOT_CLAIMED));
}

static int ways_claim(struct shelf *s, uint32_t first, struct shelf_ref *out)
{
	uint32_t coldest = 0;

	for (uint32_t i = first; i < first + SHELF_WAYS; i++) {
		uint64_t word = slot_word(s, i);

		if (!word_is_sound(word))
			metric_add(s->metrics.damaged, 1);
		else if (word_state(word) != SLOT_FREE)
			continue;
		if (slot_claim(s, i, word, out))
			return 0;
	}
	while (ways_find_coldest(s, first, &coldest)) {
		uint64_t word = slot_word(s, coldest);

		if (word_state(word) == SLOT_PARKED && slot_claim(s, coldest, word, out)) {
			metric_add(s->metrics.evicted, 1);
			return 0;
		}
	}
	metric_add(s->metrics.full, 1);
	return ERR_LIMIT;
}

int shelf_claim(struct shelf *s, const uint64_t key[2], uint64_t group, uint64_t keep_ms,
	struct shelf_ref *out)
{
	struct shelf_slot *slot;
	int r = ways_claim(s, ways_first(s, key), out);

	if (r < 0) {
		*out = (struct shelf_ref){ 0 };
		return r;
	}
	slot = slot_at(s, out->index);
	slot->key[0] = key[0];
	slot->key[1] = key[1];
	slot->group = group;
	slot->order = atomic_fetch_add(&s->page->orders, 1) + 1;
	slot->keep_ms = keep_ms;
	slot->check = slot_check(s, slot, out->generation);
	return 0;
}

/* From one state of ours to another; false when it is not ours any more. */
static bool slot_leave(
	struct shelf *s, struct shelf_ref ref, enum slot_state from, enum slot_state to)
{
	return ref.generation &&
	       slot_change(s, ref.index, state_word(ref.generation, s->epoch, from),
		       state_word(ref.generation, s->epoch, to));
}

void shelf_publish(struct shelf *s, struct shelf_ref ref)
{
	slot_leave(s, ref, SLOT_CLAIMED, SLOT_HELD);
}

void shelf_park(struct shelf *s, struct shelf_ref ref)
{
	if (!shelf_holds(s, ref)) {
		shelf_drop(s, ref);
		return;
	}
	atomic_store_explicit(
		&slot_at(s, ref.index)->parked_ms, clock_mono_ms(), memory_order_relaxed);
	if (!slot_leave(s, ref, SLOT_HELD, SLOT_PARKED))
		shelf_drop(s, ref);
}

void shelf_drop(struct shelf *s, struct shelf_ref ref)
{
	if (!slot_leave(s, ref, SLOT_HELD, SLOT_FREE) &&
		!slot_leave(s, ref, SLOT_OUSTED, SLOT_FREE))
		slot_leave(s, ref, SLOT_CLAIMED, SLOT_FREE);
}

void shelf_oust(struct shelf *s, struct shelf_ref ref)
{
	for (;;) {
		uint64_t word = slot_word(s, ref.index);
		enum slot_state to = word_state(word) == SLOT_HELD ? SLOT_OUSTED : SLOT_FREE;

		if (!word_is_there(word) || word_generation(word) != ref.generation ||
			slot_change(s, ref.index, word,
				state_word(ref.generation, word_epoch(word), to)))
			return;
	}
}

void shelf_damaged(struct shelf *s, struct shelf_ref ref)
{
	metric_add(s->metrics.damaged, 1);
	shelf_oust(s, ref);
}

/* ---- time ---- */

void shelf_beat(struct shelf *s, uint64_t now_ms)
{
	if (!life_is_ours(s))
		s->life = life_take(s, now_ms);
	else
		atomic_store(&s->page->lives[s->life].beat_ms, now_ms);
}

static bool epoch_lives(const struct shelf *s, uint64_t epoch, uint64_t now_ms)
{
	if (epoch == s->epoch)
		return true;
	for (unsigned i = 0; i < SHELF_LIVES; i++) {
		if (atomic_load(&s->page->lives[i].epoch) == epoch &&
			beat_is_recent(atomic_load(&s->page->lives[i].beat_ms), now_ms))
			return true;
	}
	return false;
}

static void sweep_parked(struct shelf *s, uint32_t i, uint64_t word, uint64_t now_ms)
{
	const struct shelf_slot *slot = slot_at(s, i);
	uint64_t parked_ms = atomic_load_explicit(&slot->parked_ms, memory_order_relaxed);
	bool sound = slot->check == slot_check(s, slot, word_generation(word));

	if (sound && parked_ms <= now_ms && now_ms - parked_ms < slot->keep_ms)
		return;
	if (slot_change(
		    s, i, word, state_word(word_generation(word), word_epoch(word), SLOT_FREE)) &&
		!sound)
		metric_add(s->metrics.damaged, 1);
}

static void sweep_orphan(struct shelf *s, uint32_t i, uint64_t word, uint64_t now_ms)
{
	bool held = word_state(word) == SLOT_HELD;

	if (held)
		atomic_store_explicit(&slot_at(s, i)->parked_ms, now_ms, memory_order_relaxed);
	if (slot_change(s, i, word,
		    state_word(word_generation(word), word_epoch(word),
			    held ? SLOT_PARKED : SLOT_FREE)) &&
		held)
		metric_add(s->metrics.adopted, 1);
}

void shelf_sweep(struct shelf *s, uint64_t now_ms)
{
	uint64_t known = s->epoch; /* the one asked for last lives */

	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t word = slot_word(s, i);

		if (word == 0 || !word_is_sound(word) || word_state(word) == SLOT_FREE)
			continue;
		if (word_state(word) == SLOT_PARKED) {
			sweep_parked(s, i, word, now_ms);
			continue;
		}
		if (word_epoch(word) == known)
			continue;
		if (epoch_lives(s, word_epoch(word), now_ms))
			known = word_epoch(word);
		else
			sweep_orphan(s, i, word, now_ms);
	}
	metric_set(s->metrics.used, shelf_used(s));
}

size_t shelf_used(struct shelf *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += word_is_there(slot_word(s, i));
	return n;
}
