/* link: ctl door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/known and door/known: who logged in is told once, kept for the policy's time, over a restart,
 * and no more than the ceiling; a child's word is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/err.h"
#include "ctl/known.h"
#include "ctl/ledger_known.h"
#include "ctl/link.h"
#include "ctl/nft.h"
#include "door/known.h"
#include "door/registry.h"
#include "policy_of.h"

static int64_t now_ms = 1000000;

static int64_t now(void *arg)
{
	(void)arg;
	return now_ms;
}

struct rig {
	char folder[64], path[96];
	struct ledger *ledger;
	struct known *known;
	struct policy *hour, *none;
};

static void rig_open(struct rig *g)
{
	const struct known_spec spec = { NULL, now, NULL };
	struct known_spec with = spec;

	assert_int_equal(ledger_open(g->path, &g->ledger, NULL), 0);
	with.ledger = g->ledger;
	assert_int_equal(known_open(&with, &g->known), 0);
	known_configure(g->known, g->hour);
}

static void rig_init(struct rig *g)
{
	strcpy(g->folder, "/tmp/test_known.XXXXXX");
	assert_non_null(mkdtemp(g->folder));
	snprintf(g->path, sizeof(g->path), "%s/ledger", g->folder);
	g->hour = policy_of_text("defend { connections a { from authenticated 1h; } }", NULL);
	g->none = policy_of_text("defend { connections { concurrent 5; } }", NULL);
	rig_open(g);
}

static void rig_close(struct rig *g)
{
	known_close(g->known);
	ledger_close(g->ledger);
}

static void rig_fini(struct rig *g)
{
	char name[128];

	rig_close(g);
	policy_unref(g->hour);
	policy_unref(g->none);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", g->path,
			(const char *[]){ "", "-wal", "-shm" }[i]);
		unlink(name);
	}
	rmdir(g->folder);
}

static struct peer_address address_of(const char *text)
{
	struct peer_address a;

	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static int hear(struct rig *g, const char *addresses)
{
	json_t *list = json_loads(addresses, JSON_DECODE_ANY, NULL);
	json_t *msg = json_pack("{s:s,s:o}", "m", "known", "addresses", list);
	int r = known_hear(g->known, msg);

	json_decref(msg);
	return r;
}

static bool has(struct rig *g, const char *text)
{
	struct peer_address a = address_of(text);

	return known_has(g->known, &a);
}

static void test_known_for_a_time(void **state)
{
	struct nft_element *all;
	struct rig g;
	size_t n;

	(void)state;
	rig_init(&g);
	assert_int_equal(hear(&g, "[\"192.0.2.1\",\"2001:db8::1\"]"), 0);
	assert_true(has(&g, "192.0.2.1"));
	assert_true(has(&g, "2001:db8::2")); /* its /64 */
	assert_false(has(&g, "192.0.2.2"));
	now_ms += 1800000;
	assert_int_equal(hear(&g, "[\"192.0.2.1\",\"192.0.2.1\"]"), 0);
	assert_int_equal(known_elements(g.known, &all, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(all[0].prefix_len, 64);
	assert_int_equal(all[0].left_ms, 1800000);
	assert_int_equal(all[1].prefix_len, 128);
	assert_int_equal(all[1].left_ms, 3600000);
	free(all);
	now_ms += 1800000;
	assert_false(has(&g, "2001:db8::1"));
	assert_int_equal(known_elements(g.known, &all, &n), 0);
	assert_int_equal(n, 1);
	free(all);
	rig_fini(&g);
}

static void test_outlives_a_restart(void **state)
{
	struct rig g;

	(void)state;
	rig_init(&g);
	assert_int_equal(hear(&g, "[\"192.0.2.1\"]"), 0);
	now_ms += 3000000;
	assert_int_equal(hear(&g, "[\"192.0.2.2\"]"), 0);
	rig_close(&g);
	now_ms += 700000;
	rig_open(&g);
	assert_false(has(&g, "192.0.2.1"));
	assert_true(has(&g, "192.0.2.2"));
	/* A policy that does not ask; and one that asks again. */
	known_configure(g.known, g.none);
	assert_false(has(&g, "192.0.2.2"));
	assert_int_equal(hear(&g, "[\"192.0.2.3\"]"), 0);
	assert_int_equal(known_count(g.known), 0);
	known_configure(g.known, g.hour);
	assert_true(has(&g, "192.0.2.2"));
	rig_fini(&g);
}

static void test_word_is_bounded(void **state)
{
	struct rig g;
	json_t *msg, *list = json_array();
	char text[64];

	(void)state;
	rig_init(&g);
	assert_int_equal(hear(&g, "{}"), ERR_PROTO);
	assert_int_equal(hear(&g, "[1]"), ERR_PROTO);
	assert_int_equal(hear(&g, "[\"192.0.2.1/24\"]"), ERR_PROTO);
	assert_int_equal(hear(&g, "[\"192.0.2.1\\u0000x\"]"), ERR_PROTO);
	assert_int_equal(
		hear(&g, "[\"127.0.0.1\",\"::1\",\"::\",\"0.0.0.0\",\"224.0.0.1\",\"ff02::1\"]"),
		0);
	assert_int_equal(known_count(g.known), 0);
	for (unsigned i = 0; i <= LINK_KNOWN; i++)
		json_array_append_new(list, json_string("192.0.2.1"));
	msg = json_pack("{s:o}", "addresses", list);
	assert_int_equal(known_hear(g.known, msg), ERR_PROTO);
	json_decref(msg);
	now_ms += 1000;
	/* The ceiling: the one heard of least lately gives way. */
	for (unsigned i = 0; i < KNOWN_MAX + 100; i += 500) {
		list = json_array();
		for (unsigned k = i; k < i + 500; k++) {
			snprintf(text, sizeof(text), "10.%u.%u.%u", k >> 16, k >> 8 & 255, k & 255);
			json_array_append_new(list, json_string(text));
		}
		msg = json_pack("{s:o}", "addresses", list);
		assert_int_equal(known_hear(g.known, msg), 0);
		json_decref(msg);
		now_ms += 100;
	}
	assert_int_equal(known_count(g.known), KNOWN_MAX);
	assert_false(has(&g, "10.0.0.1"));
	assert_true(has(&g, "10.1.134.160"));
	rig_fini(&g);
}

static unsigned told(struct known_teller *t, const struct policy *p, uint64_t at)
{
	unsigned n = 0;
	json_t *msg;

	while ((msg = known_tell(t, p, at))) {
		n += (unsigned)json_array_size(json_object_get(msg, "addresses"));
		json_decref(msg);
	}
	return n;
}

static void test_told_by_a_door(void **state)
{
	struct policy *hour =
		policy_of_text("defend { connections a { from authenticated 1h; } }", NULL);
	struct policy *none = policy_of_text("defend { entries 2048; }", NULL);
	struct peer_address a = address_of("192.0.2.1"), b = address_of("2001:db8::1");
	struct known_teller t = { 0 };
	uint64_t at = 1000000000;

	(void)state;
	assert_int_equal(registry_enter("c2s", &a, 10, 0), REGISTRY_OK);
	assert_int_equal(registry_enter("c2s", &b, 10, 0), REGISTRY_OK);
	assert_int_equal(told(&t, hour, at), 0);
	assert_int_equal(registry_login(&a, "a@x"), 0);
	assert_int_equal(told(&t, none, at), 0);
	assert_int_equal(told(&t, hour, at), 1);
	assert_int_equal(registry_login(&a, "b@x"), 0);
	assert_int_equal(told(&t, hour, at), 0); /* it is known */
	assert_int_equal(registry_login(&b, "a@x"), 0);
	assert_int_equal(told(&t, hour, at + 1000), 1);
	/* Standing sessions are told again, an eighth of the time later. */
	assert_int_equal(told(&t, hour, at + 3600000), 2);
	registry_logout(&b, "a@x");
	assert_int_equal(told(&t, hour, at + 2 * 3600000), 1);
	registry_leave("c2s", &b);
	registry_leave("c2s", &a);
	assert_int_equal(told(&t, hour, at + 3 * 3600000), 0);
	policy_unref(hour);
	policy_unref(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_for_a_time),
		cmocka_unit_test(test_outlives_a_restart),
		cmocka_unit_test(test_word_is_bounded),
		cmocka_unit_test(test_told_by_a_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
