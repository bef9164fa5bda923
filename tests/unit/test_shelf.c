/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots that outlive their processes: found again, taken away, evicted, expired, damaged. A process
 * is a second mapping of the same memory here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/shelf_int.h"

enum { SLOT = SHELF_HEAD + 64, SLOTS = 128, KEEP_MS = 60000 };

static metric used, evicted, full, adopted, damaged;
static const struct shelf_metrics metrics = { &used, &evicted, &full, &adopted, &damaged };
static int memory = -1;

static struct shelf *process(void)
{
	struct shelf *s;

	assert_int_equal(shelf_open(dup(memory), 1, SLOT, &metrics, &s), 0);
	return s;
}

static int setup(void **state)
{
	bool kept;

	(void)state;
	clock_freeze(1000000000000u, 0);
	used = evicted = full = adopted = damaged = 0;
	return shelf_create(NULL, 1, SLOT, SLOTS, &memory, &kept);
}

static int teardown(void **state)
{
	(void)state;
	close(memory);
	clock_thaw();
	return 0;
}

static struct shelf_ref put(struct shelf *s, const char *name, uint64_t group)
{
	struct shelf_ref ref;
	uint64_t key[2];

	shelf_hash(s, name, strlen(name), key);
	assert_int_equal(shelf_claim(s, key, group, KEEP_MS, &ref), 0);
	snprintf(shelf_body(s, ref), 64, "%s", name);
	shelf_publish(s, ref);
	return ref;
}

static int look(struct shelf *s, const char *name, struct shelf_ref *ref)
{
	uint64_t key[2];
	int r;

	shelf_hash(s, name, strlen(name), key);
	if ((r = shelf_find(s, key, ref)) == 0)
		assert_string_equal(shelf_body(s, *ref), name);
	return r;
}

static void one_process_finds_what_another_has_left(void **state)
{
	struct shelf *one = process(), *other = process();
	struct shelf_ref ref, found;

	(void)state;
	ref = put(one, "a", 1);
	assert_int_equal(look(other, "a", &found), 0);
	assert_true(shelf_holds(one, ref));
	assert_false(shelf_holds(other, found));
	assert_true(shelf_is_foreign(other, found));
	assert_int_equal(look(other, "b", &found), ERR_NOTFOUND);
	shelf_park(one, ref);
	assert_int_equal(look(other, "a", &found), 0);
	shelf_oust(other, found);
	assert_int_equal(look(one, "a", &found), ERR_NOTFOUND);
	shelf_close(one);
	shelf_close(other);
}

static void who_is_ousted_notices(void **state)
{
	struct shelf *one = process(), *other = process();
	struct shelf_ref ref = put(one, "a", 1), found;

	(void)state;
	assert_int_equal(look(other, "a", &found), 0);
	shelf_oust(other, found);
	assert_false(shelf_holds(one, ref));
	shelf_park(one, ref); /* it is not parked, but gone */
	assert_false(shelf_has(other, ref));
	assert_int_equal(shelf_used(one), 0);
	shelf_close(one);
	shelf_close(other);
}

static void the_newest_counts(void **state)
{
	struct shelf *s = process();
	struct shelf_ref first = put(s, "a", 1), second = put(s, "a", 1), found;

	(void)state;
	assert_int_equal(look(s, "a", &found), 0);
	assert_int_equal(found.index, second.index);
	shelf_drop(s, second);
	assert_int_equal(look(s, "a", &found), 0);
	assert_int_equal(found.index, first.index);
	shelf_close(s);
}

static void what_is_not_fetched_expires(void **state)
{
	struct shelf *s = process();
	struct shelf_ref ref = put(s, "a", 1), found;

	(void)state;
	put(s, "held", 1);
	shelf_park(s, ref);
	clock_advance((KEEP_MS - 1) * UINT64_C(1000000));
	shelf_sweep(s, clock_mono_ms());
	assert_int_equal(look(s, "a", &found), 0);
	clock_advance(2000000);
	shelf_sweep(s, clock_mono_ms());
	assert_int_equal(look(s, "a", &found), ERR_NOTFOUND);
	assert_int_equal(look(s, "held", &found), 0);
	assert_int_equal(metric_get(&used), 1);
	shelf_close(s);
}

/* Killed: it says nothing any more, and what it was about to write is void. */
static void what_the_dead_held_is_parked(void **state)
{
	struct shelf *dead = process(), *other = process();
	struct shelf_ref ref, found;
	uint64_t key[2] = { 5, 6 };

	(void)state;
	put(dead, "a", 1);
	put(other, "b", 1);
	assert_int_equal(shelf_claim(dead, key, 1, KEEP_MS, &ref), 0);
	clock_advance((SHELF_DEAD_MS - 1) * UINT64_C(1000000));
	shelf_sweep(other, clock_mono_ms());
	assert_int_equal(metric_get(&adopted), 0);
	shelf_beat(other, clock_mono_ms());
	clock_advance(2000000);
	shelf_sweep(other, clock_mono_ms());
	assert_int_equal(metric_get(&adopted), 1);
	assert_int_equal(look(other, "a", &found), 0);
	assert_int_equal(look(other, "b", &found), 0);
	assert_int_equal(shelf_used(other), 2);
	clock_advance((KEEP_MS + 1) * UINT64_C(1000000));
	shelf_sweep(other, clock_mono_ms());
	assert_int_equal(look(other, "a", &found), ERR_NOTFOUND);
	assert_int_equal(look(other, "b", &found), 0);
	shelf_close(dead);
	shelf_close(other);
}

/* Stopped for so long that another one has its place among the living: it lives all the same. */
static void who_was_stopped_lives_on(void **state)
{
	struct shelf *stopped = process(), *other, *third;
	struct shelf_ref ref, late;

	(void)state;
	clock_advance((SHELF_DEAD_MS + 1) * UINT64_C(1000000));
	other = process();
	shelf_beat(stopped, clock_mono_ms());
	ref = put(stopped, "a", 1);
	late = put(other, "b", 1);
	for (unsigned i = 0; i < 2 * SHELF_DEAD_MS / SHELF_BEAT_MS; i++) {
		clock_advance(SHELF_BEAT_MS * UINT64_C(1000000));
		shelf_beat(stopped, clock_mono_ms());
		shelf_beat(other, clock_mono_ms());
	}
	third = process();
	shelf_sweep(third, clock_mono_ms());
	assert_int_equal(metric_get(&adopted), 0);
	assert_true(shelf_holds(stopped, ref));
	assert_true(shelf_holds(other, late));
	/* Its end is not the other's. */
	shelf_close(stopped);
	shelf_sweep(third, clock_mono_ms());
	assert_int_equal(metric_get(&adopted), 1);
	assert_true(shelf_holds(other, late));
	shelf_close(other);
	shelf_close(third);
}

static void the_coldest_of_the_greediest_goes(void **state)
{
	struct shelf *s = process();
	struct shelf_ref found;
	char name[32];
	unsigned kept = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "modest-%u", i);
		shelf_park(s, put(s, name, i));
		clock_advance(1000000);
	}
	for (unsigned i = 0; i < 10 * SLOTS; i++) {
		snprintf(name, sizeof(name), "greedy-%u", i);
		shelf_park(s, put(s, name, 1000));
		clock_advance(1000000);
	}
	assert_int_equal(shelf_used(s), SLOTS);
	assert_int_equal(metric_get(&evicted), 9 * SLOTS + 10);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "modest-%u", i);
		kept += look(s, name, &found) == 0;
	}
	assert_int_equal(kept, 10);
	shelf_close(s);
}

static void what_is_held_is_not_evicted(void **state)
{
	struct shelf *s = process();
	struct shelf_ref ref;
	uint64_t key[2] = { 0, 0 };

	(void)state;
	for (unsigned i = 0; i < SHELF_WAYS; i++) {
		assert_int_equal(shelf_claim(s, key, 1, KEEP_MS, &ref), 0);
		shelf_publish(s, ref);
	}
	assert_int_equal(shelf_claim(s, key, 1, KEEP_MS, &ref), ERR_LIMIT);
	assert_int_equal(metric_get(&full), 1);
	shelf_close(s);
}

/* Whatever bit turns: a key is found as it was, or not at all. */
static void damage_is_not_believed(void **state)
{
	struct shelf *s = process();
	struct shelf_ref ref = put(s, "a", 1), found;
	struct shelf_slot *slot = (struct shelf_slot *)((char *)shelf_body(s, ref) - SHELF_HEAD);

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		_Atomic uint64_t *word = &s->states[ref.index];
		uint64_t before = *word;

		*word ^= UINT64_C(1) << bit;
		assert_false(shelf_holds(s, ref));
		assert_int_equal(look(s, "a", &found), ERR_NOTFOUND);
		shelf_sweep(s, clock_mono_ms());
		*word = before;
	}
	for (unsigned bit = 0; bit < 8 * offsetof(struct shelf_slot, parked_ms); bit++) {
		uint64_t before = s->states[ref.index];

		((uint8_t *)slot)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(look(s, "a", &found), ERR_NOTFOUND);
		((uint8_t *)slot)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		s->states[ref.index] = before;
	}
	assert_int_equal(look(s, "a", &found), 0);
	assert_true(metric_get(&damaged) > 0);
	shelf_close(s);
}

static void a_file_is_taken_over_when_it_fits(void **state)
{
	char folder[] = "/tmp/shelf-XXXXXX", path[64];
	struct shelf_ref found;
	struct shelf *s;
	bool kept;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.shelf", folder);
	assert_int_equal(shelf_create(path, 1, SLOT, SLOTS, &fd, &kept), 0);
	assert_false(kept);
	assert_int_equal(shelf_open(fd, 1, SLOT, &metrics, &s), 0);
	put(s, "a", 1);
	shelf_close(s);
	assert_int_equal(shelf_create(path, 1, SLOT, SLOTS, &fd, &kept), 0);
	assert_true(kept);
	assert_int_equal(shelf_open(fd, 1, SLOT, &metrics, &s), 0);
	assert_int_equal(look(s, "a", &found), 0);
	shelf_close(s);
	assert_int_equal(shelf_create(path, 2, SLOT, SLOTS, &fd, &kept), 0); /* newer */
	assert_false(kept);
	assert_int_equal(shelf_open(fd, 1, SLOT, &metrics, &s), ERR_PROTO);
	assert_int_equal(shelf_create(path, 2, SLOT, 8 * SLOTS, &fd, &kept), 0); /* too small */
	assert_false(kept);
	close(fd);
	assert_int_equal(truncate(path, 5000), 0);
	assert_int_equal(shelf_create(path, 2, SLOT, 8 * SLOTS, &fd, &kept), 0);
	assert_false(kept);
	close(fd);
	/* What others can write to is not ours. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(shelf_create(path, 2, SLOT, 8 * SLOTS, &fd, &kept), 0);
	assert_false(kept);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(shelf_create(path, 2, SLOT, SLOTS, &fd, &kept), 0);
	assert_false(kept);
	close(fd);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_process_finds_what_another_has_left, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_ousted_notices, setup, teardown),
		cmocka_unit_test_setup_teardown(the_newest_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_fetched_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_dead_held_is_parked, setup, teardown),
		cmocka_unit_test_setup_teardown(who_was_stopped_lives_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_coldest_of_the_greediest_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_held_is_not_evicted, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_taken_over_when_it_fits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
