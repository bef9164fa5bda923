/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* XEP-0198 through a proxy that drops and injects: what each side hears, and who owns a ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "proxy/counters.h"
#include "proxy/sm.h"

static int setup(void **state)
{
	(void)state;
	counters_init(NULL);
	return 0;
}

static void start(struct sm *sm, uint64_t serial, const char *id)
{
	sm_init(sm, serial);
	assert_int_equal(sm_enable(sm), 0);
	assert_int_equal(sm_enabled(sm, id, 300, "u@d/r"), 0);
	assert_true(sm_is_on(sm));
}

static void expect_said(struct sm *sm, enum direction direction, uint32_t h, uint32_t said)
{
	uint32_t out;

	assert_int_equal(sm_translate(sm, direction, h, &out), 0);
	assert_int_equal(out, said);
}

static void nothing_is_counted_before_enable(void **state)
{
	struct sm sm;

	(void)state;
	sm_init(&sm, 1);
	assert_int_equal(sm_forwarded(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_dropped(&sm, DIRECTION_OUT), 0);
	expect_said(&sm, DIRECTION_IN, 7, 7);
	sm_fini(&sm, false);
}

/* The client's count begins with <enable/>, before the server has said <enabled/>. */
static void stanzas_between_enable_and_enabled_count(void **state)
{
	struct sm sm;

	(void)state;
	sm_init(&sm, 2);
	assert_int_equal(sm_enable(&sm), 0);
	assert_int_equal(sm_forwarded(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_dropped(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_enabled(&sm, NULL, 0, NULL), 0);
	assert_int_equal(sm_forwarded(&sm, DIRECTION_IN), 0);
	expect_said(&sm, DIRECTION_IN, 2, 3);
	sm_fini(&sm, false);
}

static void drops_and_bounces_are_hidden(void **state)
{
	struct sm sm;
	uint32_t out;

	(void)state;
	start(&sm, 3, "hide");
	/* client: kept, dropped with a bounce, kept */
	assert_int_equal(sm_forwarded(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_dropped(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_injected(&sm, DIRECTION_OUT), 0);
	assert_int_equal(sm_forwarded(&sm, DIRECTION_IN), 0);
	assert_int_equal(sm_forwarded(&sm, DIRECTION_OUT), 0);
	expect_said(&sm, DIRECTION_IN, 1, 2); /* the drop next to it counts as handled */
	expect_said(&sm, DIRECTION_IN, 2, 3);
	expect_said(&sm, DIRECTION_OUT, 1, 0); /* only our bounce */
	expect_said(&sm, DIRECTION_OUT, 2, 1);
	assert_int_equal(sm_translate(&sm, DIRECTION_OUT, 3, &out), ERR_RANGE);
	sm_fini(&sm, false);
}

static void a_lost_session_is_resumed_by_another(void **state)
{
	struct sm first, second;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, 10, "res-1");
	sm_forwarded(&first, DIRECTION_IN);
	sm_dropped(&first, DIRECTION_IN);
	sm_forwarded(&first, DIRECTION_IN);
	sm_injected(&first, DIRECTION_OUT);
	sm_forwarded(&first, DIRECTION_OUT);
	sm_fini(&first, true);

	sm_init(&second, 11);
	assert_int_equal(sm_resume(&second, "res-1", 2, &out), 0);
	assert_int_equal(out, 1);
	/* The server has the first only: the second was dropped by us, the third got lost. */
	assert_int_equal(sm_resumed(&second, 1, &out), 0);
	assert_int_equal(out, 2);
	sm_jid(&second, jid, sizeof(jid));
	assert_string_equal(jid, "u@d/r");
	/* It is sent again. */
	sm_forwarded(&second, DIRECTION_IN);
	expect_said(&second, DIRECTION_IN, 2, 3);
	sm_fini(&second, false);
}

/* The old connection may still stand when the client resumes on another: its counts are void from
 * then on. */
static void the_old_session_loses_its_ledger(void **state)
{
	struct sm first, second;
	uint32_t out;

	(void)state;
	start(&first, 20, "res-2");
	sm_forwarded(&first, DIRECTION_IN);
	sm_init(&second, 21);
	assert_int_equal(sm_resume(&second, "res-2", 0, &out), 0);
	assert_int_equal(sm_resumed(&second, 1, &out), 0);
	assert_int_equal(sm_forwarded(&first, DIRECTION_IN), 0);
	sm_forwarded(&second, DIRECTION_IN);
	expect_said(&second, DIRECTION_IN, 2, 2);
	sm_fini(&first, false);
	assert_true(sm_is_on(&second));
	expect_said(&second, DIRECTION_IN, 2, 2);
	sm_fini(&second, true);
	sm_init(&first, 22);
	assert_int_equal(sm_resume(&first, "res-2", 0, &out), 0);
	sm_fini(&first, false);
}

static void what_is_not_here_cannot_be_resumed(void **state)
{
	struct sm sm;
	uint32_t out;

	(void)state;
	sm_init(&sm, 30);
	assert_int_equal(sm_resume(&sm, "never", 0, &out), ERR_NOTFOUND);
	sm_fini(&sm, false);
	start(&sm, 31, "closed");
	sm_fini(&sm, false); /* closed in order: not resumable */
	sm_init(&sm, 32);
	assert_int_equal(sm_resume(&sm, "closed", 0, &out), ERR_NOTFOUND);
	sm_fini(&sm, false);
}

static void an_h_never_sent_is_refused(void **state)
{
	struct sm first, second;
	uint32_t out;

	(void)state;
	start(&first, 40, "liar");
	sm_fini(&first, true);
	sm_init(&second, 41);
	assert_int_equal(sm_resume(&second, "liar", 5, &out), ERR_RANGE);
	sm_fini(&second, false);
}

static void records_expire(void **state)
{
	struct sm sm;
	uint32_t out;
	size_t before = sm_records();

	(void)state;
	start(&sm, 50, "old");
	sm_fini(&sm, true);
	assert_int_equal(sm_records(), before + 1);
	sm_expire(clock_mono_ms() + SM_KEEP_MS - 1000);
	assert_int_equal(sm_records(), before + 1);
	sm_expire(clock_mono_ms() + 2 * SM_KEEP_MS);
	sm_init(&sm, 51);
	assert_int_equal(sm_resume(&sm, "old", 0, &out), ERR_NOTFOUND);
	sm_fini(&sm, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_counted_before_enable),
		cmocka_unit_test(stanzas_between_enable_and_enabled_count),
		cmocka_unit_test(drops_and_bounces_are_hidden),
		cmocka_unit_test(a_lost_session_is_resumed_by_another),
		cmocka_unit_test(the_old_session_loses_its_ledger),
		cmocka_unit_test(what_is_not_here_cannot_be_resumed),
		cmocka_unit_test(an_h_never_sent_is_refused),
		cmocka_unit_test(records_expire),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
