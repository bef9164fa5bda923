/* link: ctl door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/seen and door/domains: a remote domain is known from the moment a door verified it, all doors
 * hear since when, over a restart, and whatever the clock was set to meanwhile; a child's word is
 * bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "ctl/ledger_domains.h"
#include "ctl/link.h"
#include "ctl/seen.h"
#include "door/domains.h"
#include "rules/sights.h"

static int64_t book_ms = 1000000, wall_ahead_ms = 1700000000000;

struct rig {
	char folder[64], path[96];
	struct ledger *ledger;
	struct seen *seen;
	unsigned told;
};

static int64_t now(void *arg)
{
	(void)arg;
	return book_ms;
}

static int64_t wall(void *arg, int64_t book)
{
	(void)arg;
	return book + wall_ahead_ms;
}

/* As the daemon would, over the line. */
static void on_tell(void *arg, json_t *message)
{
	struct rig *g = arg;

	g->told++;
	assert_true(domains_hear(message));
}

static bool say(void *arg, json_t *message)
{
	on_tell(arg, message);
	json_decref(message);
	return true;
}

static void rig_open(struct rig *g)
{
	assert_int_equal(ledger_open(g->path, &g->ledger, NULL), 0);
	assert_int_equal(
		seen_open(&(struct seen_spec){ g->ledger, now, wall, on_tell, g }, &g->seen), 0);
}

static void rig_close(struct rig *g)
{
	seen_close(g->seen);
	ledger_close(g->ledger);
}

static void rig_init(struct rig *g)
{
	*g = (struct rig){ .folder = "/tmp/test_seen.XXXXXX" };
	assert_non_null(mkdtemp(g->folder));
	snprintf(g->path, sizeof(g->path), "%s/ledger", g->folder);
	domains_clear();
	clock_freeze(1000000000, book_ms + wall_ahead_ms);
	rig_open(g);
}

static void rig_fini(struct rig *g)
{
	char name[128];

	rig_close(g);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", g->path,
			(const char *[]){ "", "-wal", "-shm" }[i]);
		unlink(name);
	}
	rmdir(g->folder);
	domains_clear();
	clock_thaw();
}

static void pass(int64_t ms)
{
	book_ms += ms;
	clock_advance((uint64_t)ms * 1000000);
}

/* What the door has to tell, into the daemon. How many names. */
static unsigned tell(struct rig *g)
{
	unsigned n = 0;
	json_t *msg;

	while ((msg = domains_tell())) {
		n += (unsigned)json_array_size(json_object_get(msg, "names"));
		assert_int_equal(seen_hear(g->seen, msg), 0);
		json_decref(msg);
	}
	return n;
}

static int hear(struct rig *g, const char *text)
{
	json_t *msg = json_loads(text, 0, NULL);
	int r = seen_hear(g->seen, msg);

	assert_non_null(msg);
	json_decref(msg);
	return r;
}

static void test_first_sight(void **state)
{
	struct rig g;
	uint64_t first;

	(void)state;
	rig_init(&g);
	assert_int_equal(domains_first_seen("a.example"), 0);
	domains_note("a.example");
	first = (uint64_t)clock_wall_ms();
	assert_int_equal(domains_first_seen("a.example"), first);
	assert_int_equal(domains_meet("a.example"), first);
	assert_int_equal(domains_first_seen("b.example"), 0);
	assert_int_equal(tell(&g), 1);
	assert_int_equal(tell(&g), 0);
	assert_int_equal(g.told, 1);
	assert_int_equal(domains_first_seen("a.example"), first);
	/* Once an hour is enough. */
	pass(DOMAINS_AGAIN_MS - 1);
	domains_note("a.example");
	assert_int_equal(tell(&g), 0);
	pass(1);
	assert_int_equal(domains_meet("a.example"), first);
	assert_int_equal(tell(&g), 1);
	assert_int_equal(seen_count(g.seen), 1);
	rig_fini(&g);
}

/* A child that starts hears of all; those that are there hear of what is new. */
static void test_another_child(void **state)
{
	struct rig g;
	uint64_t first;

	(void)state;
	rig_init(&g);
	assert_int_equal(hear(&g, "{\"names\":[\"a.example\",\"b\u00fccher.example\"]}"), 0);
	first = (uint64_t)clock_wall_ms();
	assert_int_equal(domains_first_seen("b\u00fccher.example"), first);
	domains_clear();
	pass(5000);
	assert_int_equal(domains_first_seen("a.example"), 0);
	seen_tell(g.seen, say, &g);
	assert_int_equal(domains_first_seen("a.example"), first);
	/* It thought it was the first. */
	domains_clear();
	domains_note("a.example");
	assert_int_equal(domains_first_seen("a.example"), first + 5000);
	assert_int_equal(tell(&g), 1);
	assert_int_equal(domains_first_seen("a.example"), first);
	rig_fini(&g);
}

static void test_restart(void **state)
{
	struct rig g;
	uint64_t first;

	(void)state;
	rig_init(&g);
	domains_note("a.example");
	assert_int_equal(tell(&g), 1);
	first = domains_first_seen("a.example");
	pass(3 * DOMAINS_AGAIN_MS);
	domains_note("a.example");
	assert_int_equal(tell(&g), 1);
	rig_close(&g);
	domains_clear();
	rig_open(&g);
	assert_int_equal(seen_count(g.seen), 1);
	seen_tell(g.seen, say, &g);
	assert_int_equal(domains_first_seen("a.example"), first);
	/* The wall clock was set a year ahead: it is as long ago as before. */
	wall_ahead_ms += 365LL * 86400000;
	domains_clear();
	seen_tell(g.seen, say, &g);
	assert_int_equal(domains_first_seen("a.example"), first + 365ull * 86400000);
	wall_ahead_ms -= 365LL * 86400000;
	rig_fini(&g);
}

static void test_nonsense(void **state)
{
	static const char *const wrong[] = { "{}", "{\"names\":{}}", "{\"names\":\"a.example\"}",
		"{\"names\":[1]}", "{\"names\":[\"a.example\",null]}" };
	static const char *const rows[] = { "{}", "{\"rows\":[[\"a\"]]}",
		"{\"rows\":[[\"a\",\"1\"]]}", "{\"rows\":[[\"\",1]]}", "{\"rows\":[[1,1]]}",
		"{\"rows\":[[\"a\",0]]}", "{\"rows\":[[\"a\",-1]]}", "{\"rows\":[\"a\"]}" };
	json_t *many = json_array(), *msg;
	struct rig g;

	(void)state;
	rig_init(&g);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(hear(&g, wrong[i]), ERR_PROTO);
	for (unsigned i = 0; i <= LINK_DOMAINS; i++)
		json_array_append_new(many, json_sprintf("d%u.example", i));
	msg = json_pack("{s:s,s:o}", "m", "domains", "names", many);
	assert_int_equal(seen_hear(g.seen, msg), ERR_PROTO);
	json_decref(msg);
	/* What no door would have prepared so is passed over. */
	assert_int_equal(hear(&g, "{\"names\":[\"\",\"A.example\",\"a@b\",\"a "
				  "b\",\"a.example.\",\"c.example\"]}"),
		0);
	assert_int_equal(seen_count(g.seen), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		msg = json_loads(rows[i], 0, NULL);
		assert_false(domains_hear(msg));
		json_decref(msg);
	}
	rig_fini(&g);
}

/* A child that tells on and on; and a door that has too much to tell. */
static void test_floods(void **state)
{
	char name[64];
	unsigned n;
	struct rig g;

	(void)state;
	rig_init(&g);
	for (unsigned i = 0; i < 100 * LINK_DOMAINS; i++) {
		snprintf(name, sizeof(name), "{\"names\":[\"d%u.example\"]}", i);
		assert_int_equal(hear(&g, name), 0);
	}
	assert_int_equal(seen_count(g.seen), 8192);
	pass(1000);
	assert_int_equal(hear(&g, "{\"names\":[\"later.example\"]}"), 0);
	assert_int_equal(seen_count(g.seen), 8193);
	domains_clear();
	for (unsigned i = 0; i < 3 * DOMAINS_TOLD_MAX; i++) {
		snprintf(name, sizeof(name), "e%u.example", i);
		domains_note(name);
	}
	assert_int_equal(tell(&g), DOMAINS_TOLD_MAX);
	for (n = 0; n < 3; n++) {
		pass(1000);
		assert_int_equal(tell(&g), n < 2 ? DOMAINS_TOLD_MAX : 0);
	}
	rig_fini(&g);
}

/* The ceiling, in the ledger, too. */
static bool count_row(void *arg, const struct ledger_domain *row)
{
	(void)row;
	return ++*(size_t *)arg > 0;
}

static void test_ceiling(void **state)
{
	json_t *names = json_array(), *msg = json_pack("{s:s,s:o}", "m", "domains", "names", names);
	size_t rows = 0;
	struct rig g;

	(void)state;
	rig_init(&g);
	for (unsigned i = 0; i < SIGHTS_MAX + 10 * LINK_DOMAINS; i++) {
		json_array_append_new(names, json_sprintf("d%u.example", i));
		if (json_array_size(names) < LINK_DOMAINS)
			continue;
		if (i / LINK_DOMAINS % 32 == 0)
			pass(1000);
		assert_int_equal(seen_hear(g.seen, msg), 0);
		json_array_clear(names);
	}
	json_decref(msg);
	assert_int_equal(seen_count(g.seen), SIGHTS_MAX);
	assert_int_equal(ledger_domains_each(g.ledger, SIGHTS_MAX * 2, count_row, &rows), 0);
	assert_int_equal(rows, SIGHTS_MAX);
	assert_int_equal(domains_first_seen("d0.example"), 0);
	domains_clear();
	seen_tell(g.seen, say, &g);
	assert_int_equal(domains_first_seen("d0.example"), 0);
	assert_true(domains_first_seen("d100000.example") > 0);
	rig_fini(&g);
}

static void *worker(void *arg)
{
	char name[64];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "d%u.example",
			(i * 7 + (unsigned)(uintptr_t)arg) % 500);
		if (domains_meet(name) == 0 || domains_first_seen(name) == 0)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	void *failed;
	json_t *msg;
	unsigned n = 0;

	(void)state;
	domains_clear();
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	while ((msg = domains_tell())) {
		n += (unsigned)json_array_size(json_object_get(msg, "names"));
		json_decref(msg);
	}
	assert_int_equal(n, 500);
	domains_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_sight),
		cmocka_unit_test(test_another_child),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
