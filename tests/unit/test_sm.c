/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* XEP-0198 through a proxy that drops and injects: what each side hears, and who owns a ledger. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "ctl/link.h"
#include "proxy/counters.h"
#include "proxy/sm.h"

static int setup(void **state)
{
	(void)state;
	counters_init(NULL);
	assert_int_equal(sm_open(-1), 0);
	return 0;
}

static void start(struct sm *sm, const char *id)
{
	sm_init(sm);
	assert_int_equal(sm_enable(sm), 0);
	assert_int_equal(sm_enabled(sm, "d", id, 300, "u@d/r"), 0);
	assert_true(sm_is_on(sm));
}

static void expect_said(struct sm *sm, enum way way, uint32_t h, uint32_t said)
{
	uint32_t out;

	assert_int_equal(sm_translate(sm, way, h, &out), 0);
	assert_int_equal(out, said);
}

static void nothing_is_counted_before_enable(void **state)
{
	struct sm sm;

	(void)state;
	sm_init(&sm);
	assert_int_equal(sm_forwarded(&sm, WAY_UP), 0);
	assert_int_equal(sm_dropped(&sm, WAY_DOWN), 0);
	expect_said(&sm, WAY_UP, 7, 7);
	sm_fini(&sm, false);
}

/* The client's count begins with <enable/>, before the server has said <enabled/>. */
static void stanzas_between_enable_and_enabled_count(void **state)
{
	struct sm sm;

	(void)state;
	sm_init(&sm);
	assert_int_equal(sm_enable(&sm), 0);
	assert_int_equal(sm_forwarded(&sm, WAY_UP), 0);
	assert_int_equal(sm_dropped(&sm, WAY_UP), 0);
	assert_int_equal(sm_enabled(&sm, "d", NULL, 0, NULL), 0);
	assert_int_equal(sm_forwarded(&sm, WAY_UP), 0);
	expect_said(&sm, WAY_UP, 2, 3);
	sm_fini(&sm, false);
}

static void drops_and_bounces_are_hidden(void **state)
{
	struct sm sm;
	uint32_t out;

	(void)state;
	start(&sm, "hide");
	/* client: kept, dropped with a bounce, kept */
	assert_int_equal(sm_forwarded(&sm, WAY_UP), 0);
	assert_int_equal(sm_dropped(&sm, WAY_UP), 0);
	assert_int_equal(sm_injected(&sm, WAY_DOWN), 0);
	assert_int_equal(sm_forwarded(&sm, WAY_UP), 0);
	assert_int_equal(sm_forwarded(&sm, WAY_DOWN), 0);
	expect_said(&sm, WAY_UP, 1, 2); /* the drop next to it counts as handled */
	expect_said(&sm, WAY_UP, 2, 3);
	expect_said(&sm, WAY_DOWN, 1, 0); /* only our bounce */
	expect_said(&sm, WAY_DOWN, 2, 1);
	assert_int_equal(sm_translate(&sm, WAY_DOWN, 3, &out), ERR_RANGE);
	sm_fini(&sm, false);
}

static void a_lost_session_is_resumed_by_another(void **state)
{
	struct sm first, second;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "res-1");
	sm_forwarded(&first, WAY_UP);
	sm_dropped(&first, WAY_UP);
	sm_forwarded(&first, WAY_UP);
	sm_injected(&first, WAY_DOWN);
	sm_forwarded(&first, WAY_DOWN);
	sm_fini(&first, true);

	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "res-1", 2, &out), 0);
	assert_int_equal(out, 1);
	/* The server has the first only: the second was dropped by us, the third got lost. */
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(out, 2);
	assert_string_equal(jid, "u@d/r");
	/* It is sent again. */
	sm_forwarded(&second, WAY_UP);
	expect_said(&second, WAY_UP, 2, 3);
	sm_fini(&second, false);
}

/* The old connection may still stand when the client resumes on another: its counts are void from
 * then on. */
static void the_old_session_loses_its_ledger(void **state)
{
	struct sm first, second;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "res-2");
	sm_forwarded(&first, WAY_UP);
	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "res-2", 0, &out), 0);
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(sm_forwarded(&first, WAY_UP), 0);
	sm_forwarded(&second, WAY_UP);
	expect_said(&second, WAY_UP, 2, 2);
	sm_fini(&first, false);
	assert_true(sm_is_on(&second));
	expect_said(&second, WAY_UP, 2, 2);
	sm_fini(&second, true);
	sm_init(&first);
	assert_int_equal(sm_resume(&first, "d", "res-2", 0, &out), 0);
	sm_fini(&first, false);
}

/* The whole of XEP-0198 5 with losses: what arrived is not sent on twice, what was paid for is not
 * charged again, an error that got lost is written again, one that arrived is not. */
static void what_comes_again_is_known(void **state)
{
	struct sm first, second;
	unsigned condition;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "again");
	sm_forwarded(&first, WAY_UP);  /* 1 arrives */
	sm_bounced(&first, WAY_UP, 3); /* 2, its error arrives */
	sm_forwarded(&first, WAY_UP);  /* 3 is lost */
	sm_dropped(&first, WAY_UP);    /* 4 */
	sm_bounced(&first, WAY_UP, 5); /* 5, its error is lost */
	sm_fini(&first, true);

	sm_init(&second);
	assert_int_equal(sm_resume(&second, "D", "again", 1, &out), 0);
	assert_int_equal(out, 0);
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(out, 2);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_AGAIN);
	sm_forwarded(&second, WAY_UP);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_HANDLED);
	sm_dropped(&second, WAY_UP);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_BOUNCE);
	assert_int_equal(condition, 5);
	sm_bounced(&second, WAY_UP, condition);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_NEW);
	expect_said(&second, WAY_UP, 2, 5);
	expect_said(&second, WAY_DOWN, 2, 0);
	sm_fini(&second, false);
}

/* An error lost behind an ack that was lost, too: the client is told less than was acknowledged,
 * and what it sends again goes no further. */
static void a_lost_error_comes_though_its_stanza_was_acknowledged(void **state)
{
	struct sm first, second;
	unsigned condition;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "lost");
	sm_bounced(&first, WAY_UP, 7); /* 1 */
	sm_forwarded(&first, WAY_UP);  /* 2 arrives */
	expect_said(&first, WAY_UP, 1, 2);
	sm_fini(&first, true);
	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "lost", 0, &out), 0);
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(out, 0);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_BOUNCE);
	sm_bounced(&second, WAY_UP, condition);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_HANDLED);
	sm_dropped(&second, WAY_UP);
	assert_int_equal(sm_again(&second, WAY_UP, &condition), ACKS_NEW);
	sm_forwarded(&second, WAY_UP);
	expect_said(&second, WAY_UP, 2, 3);
	sm_fini(&second, false);
}

/* The server hears that its stanza is handled when it has our error for it, not before. */
static void an_ack_waits_for_our_error(void **state)
{
	struct sm first, second;
	unsigned condition;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "wait");
	sm_bounced(&first, WAY_DOWN, 3); /* 1 */
	sm_forwarded(&first, WAY_DOWN);  /* 2 arrives */
	assert_false(sm_wants_ack(&first, WAY_UP));
	expect_said(&first, WAY_DOWN, 1, 0);
	assert_true(sm_wants_ack(&first, WAY_UP));
	assert_false(sm_wants_ack(&first, WAY_UP));
	assert_false(sm_release(&first, &out));
	expect_said(&first, WAY_UP, 1, 0); /* it has the error */
	assert_true(sm_release(&first, &out));
	assert_int_equal(out, 2);
	assert_false(sm_release(&first, &out));
	/* The next error gets lost, and so does the ack behind it. */
	sm_bounced(&first, WAY_DOWN, 5); /* 3 */
	sm_forwarded(&first, WAY_DOWN);  /* 4 arrives */
	expect_said(&first, WAY_DOWN, 2, 2);
	sm_fini(&first, true);

	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "wait", 2, &out), 0);
	assert_int_equal(out, 2);
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(sm_again(&second, WAY_DOWN, &condition), ACKS_BOUNCE);
	assert_int_equal(condition, 5);
	sm_bounced(&second, WAY_DOWN, condition);
	assert_int_equal(sm_again(&second, WAY_DOWN, &condition), ACKS_HANDLED);
	sm_dropped(&second, WAY_DOWN);
	assert_int_equal(sm_again(&second, WAY_DOWN, &condition), ACKS_NEW);
	expect_said(&second, WAY_DOWN, 2, 2);
	expect_said(&second, WAY_UP, 2, 0);
	assert_true(sm_release(&second, &out));
	assert_int_equal(out, 4);
	sm_fini(&second, false);
}

/* What the client has was acknowledged to us, but killed before we said so; two resumptions in a
 * row, the first of which nobody heard of; only a part comes again before the third. */
static void resumed_again_before_it_was_heard(void **state)
{
	struct sm at[4];
	unsigned condition;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&at[0], "chain");
	sm_forwarded(&at[0], WAY_UP);  /* 1 arrives */
	sm_forwarded(&at[0], WAY_UP);  /* 2 is lost */
	sm_dropped(&at[0], WAY_UP);    /* 3 */
	sm_bounced(&at[0], WAY_UP, 9); /* 4, its error is lost */
	sm_forwarded(&at[0], WAY_UP);  /* 5 is lost */
	expect_said(&at[0], WAY_UP, 1, 1);
	sm_fini(&at[0], true);
	for (unsigned i = 1; i <= 2; i++) {
		sm_init(&at[i]);
		assert_int_equal(sm_resume(&at[i], "d", "chain", 0, &out), 0);
		assert_int_equal(sm_resumed(&at[i], 1, &out, jid, sizeof(jid)), 0);
		assert_int_equal(out, 1);
		if (i == 2) {
			assert_int_equal(sm_again(&at[i], WAY_UP, &condition), ACKS_AGAIN);
			sm_forwarded(&at[i], WAY_UP); /* 2 arrives */
		}
		sm_fini(&at[i], true);
	}
	sm_init(&at[3]);
	assert_int_equal(sm_resume(&at[3], "d", "chain", 0, &out), 0);
	assert_int_equal(sm_resumed(&at[3], 2, &out, jid, sizeof(jid)), 0);
	/* 3 was not sent again yet: its sender will, and the past knows it still. */
	assert_int_equal(out, 2);
	assert_int_equal(sm_again(&at[3], WAY_UP, &condition), ACKS_HANDLED);
	sm_dropped(&at[3], WAY_UP);
	assert_int_equal(sm_again(&at[3], WAY_UP, &condition), ACKS_BOUNCE);
	assert_int_equal(condition, 9);
	sm_bounced(&at[3], WAY_UP, condition);
	assert_int_equal(sm_again(&at[3], WAY_UP, &condition), ACKS_AGAIN);
	sm_forwarded(&at[3], WAY_UP);
	assert_int_equal(sm_again(&at[3], WAY_UP, &condition), ACKS_NEW);
	expect_said(&at[3], WAY_UP, 3, 5);
	sm_fini(&at[3], false);
}

/* A server answers the older of two connections last. */
static void an_answer_that_comes_late_changes_nothing(void **state)
{
	struct sm first, old, now;
	char jid[64];
	uint32_t out;

	(void)state;
	start(&first, "late");
	sm_fini(&first, true);
	sm_init(&old);
	sm_init(&now);
	assert_int_equal(sm_resume(&old, "d", "late", 0, &out), 0);
	assert_int_equal(sm_resume(&now, "d", "late", 0, &out), 0);
	assert_int_equal(sm_resumed(&now, 0, &out, jid, sizeof(jid)), 0);
	sm_forwarded(&now, WAY_DOWN);
	assert_int_equal(sm_resumed(&old, 0, &out, jid, sizeof(jid)), -ESTALE);
	sm_fini(&old, false);
	assert_false(sm_is_lost(&now));
	sm_fini(&now, true);
	sm_init(&now);
	assert_int_equal(sm_resume(&now, "d", "late", 1, &out), 0);
	assert_int_equal(out, 1);
	sm_fini(&now, false);
}

/* Somebody else's <resume/> changes nothing, whatever the server says to it. */
static void a_stranger_does_no_harm(void **state)
{
	struct sm owner, stranger;
	uint32_t out;

	(void)state;
	start(&owner, "mine");
	sm_forwarded(&owner, WAY_UP);
	sm_init(&stranger);
	assert_int_equal(sm_resume(&stranger, "other.example", "mine", 0, &out), ERR_NOTFOUND);
	assert_int_equal(sm_resume(&stranger, "d", "mine", 9, &out), ERR_RANGE);
	assert_int_equal(sm_resume(&stranger, "d", "mine", 0, &out), 0);
	assert_int_equal(sm_resume_failed(&stranger, true, 1, &out), 0);
	assert_int_equal(sm_resume(&stranger, "d", "mine", 0, &out), 0);
	sm_fini(&stranger, true);
	assert_false(sm_is_lost(&owner));
	sm_forwarded(&owner, WAY_UP);
	expect_said(&owner, WAY_UP, 2, 2);
	sm_fini(&owner, false);
}

/* A child is killed and the next one maps the same memory; one bit of it may have turned. */
static void another_process_takes_it_up(void **state)
{
	struct sm first, second;
	char jid[64];
	uint32_t out;
	bool kept;
	int fd;

	(void)state;
	assert_int_equal(
		shelf_create(NULL, LINK_SM_VERSION, LINK_SM_SLOT, SM_OWN_SLOTS, &fd, &kept), 0);
	assert_int_equal(sm_open(dup(fd)), 0);
	start(&first, "child");
	sm_forwarded(&first, WAY_UP);
	sm_dropped(&first, WAY_UP);
	sm_forwarded(&first, WAY_DOWN);
	assert_int_equal(sm_open(dup(fd)), 0); /* nothing was said to the first one */
	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "child", 1, &out), 0);
	assert_int_equal(sm_resumed(&second, 1, &out, jid, sizeof(jid)), 0);
	assert_int_equal(out, 2);
	assert_string_equal(jid, "u@d/r");
	sm_fini(&second, true);
	close(fd);
	assert_int_equal(sm_open(-1), 0);
}

static void floods_of_enable_evict_their_own(void **state)
{
	struct sm sm, other;
	char id[32];
	uint32_t out;

	(void)state;
	assert_int_equal(sm_open(-1), 0);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "quiet-%u", i);
		sm_init(&other);
		assert_int_equal(sm_enable(&other), 0);
		assert_int_equal(sm_enabled(&other, "d", id, 0, "quiet@d/r"), 0);
		sm_fini(&other, true);
	}
	for (unsigned i = 0; i < 20 * SM_OWN_SLOTS; i++) {
		snprintf(id, sizeof(id), "flood-%u", i);
		start(&sm, id);
		sm_fini(&sm, true);
	}
	assert_true(sm_records() <= SM_OWN_SLOTS);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "quiet-%u", i);
		sm_init(&sm);
		assert_int_equal(sm_resume(&sm, "d", id, 0, &out), 0);
		sm_fini(&sm, false);
	}
	assert_int_equal(sm_open(-1), 0);
}

static void what_is_not_here_cannot_be_resumed(void **state)
{
	struct sm sm;
	uint32_t out;

	(void)state;
	sm_init(&sm);
	assert_int_equal(sm_resume(&sm, "d", "never", 0, &out), ERR_NOTFOUND);
	sm_fini(&sm, false);
	start(&sm, "closed");
	sm_fini(&sm, false); /* closed in order: not resumable */
	sm_init(&sm);
	assert_int_equal(sm_resume(&sm, "d", "closed", 0, &out), ERR_NOTFOUND);
	sm_fini(&sm, false);
}

static void an_h_never_sent_is_refused(void **state)
{
	struct sm first, second;
	uint32_t out;

	(void)state;
	start(&first, "liar");
	sm_fini(&first, true);
	sm_init(&second);
	assert_int_equal(sm_resume(&second, "d", "liar", 5, &out), ERR_RANGE);
	sm_fini(&second, false);
}

static void records_expire(void **state)
{
	struct sm sm;
	uint32_t out;
	size_t before = sm_records();

	(void)state;
	start(&sm, "old");
	sm_fini(&sm, true);
	assert_int_equal(sm_records(), before + 1);
	sm_expire(clock_mono_ms() + SM_KEEP_MS - 1000);
	assert_int_equal(sm_records(), before + 1);
	sm_expire(clock_mono_ms() + 2 * SM_KEEP_MS);
	sm_init(&sm);
	assert_int_equal(sm_resume(&sm, "d", "old", 0, &out), ERR_NOTFOUND);
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
		cmocka_unit_test(what_comes_again_is_known),
		cmocka_unit_test(a_lost_error_comes_though_its_stanza_was_acknowledged),
		cmocka_unit_test(an_ack_waits_for_our_error),
		cmocka_unit_test(resumed_again_before_it_was_heard),
		cmocka_unit_test(an_answer_that_comes_late_changes_nothing),
		cmocka_unit_test(a_stranger_does_no_harm),
		cmocka_unit_test(another_process_takes_it_up),
		cmocka_unit_test(floods_of_enable_evict_their_own),
		cmocka_unit_test(what_is_not_here_cannot_be_resumed),
		cmocka_unit_test(an_h_never_sent_is_refused),
		cmocka_unit_test(records_expire),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
