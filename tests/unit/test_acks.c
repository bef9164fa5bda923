/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream management's ledger beside a plain model that keeps every entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "base/err.h"
#include "xmpp/acks.h"

static void test_nothing_happened(void **state)
{
	struct acks *a = acks_new(10);
	uint32_t out = 9;

	(void)state;
	assert_int_equal(acks_translate(a, 0, &out), 0);
	assert_int_equal(out, 0);
	assert_int_equal(acks_translate(a, 1, &out), ERR_RANGE);
	assert_int_equal(acks_translate(a, UINT32_MAX, &out), ERR_RANGE);
	acks_free(a);
	acks_free(NULL);
}

static void test_trailing_drops_count(void **state)
{
	struct acks *a = acks_new(100);
	uint32_t out;

	(void)state;
	acks_dropped(a); /* 1 */
	assert_int_equal(acks_peek(a, 0, &out), 0);
	assert_int_equal(out, 1);
	acks_forwarded(a); /* 2 -> 1 */
	acks_dropped(a);   /* 3 */
	acks_dropped(a);   /* 4 */
	acks_forwarded(a); /* 5 -> 2 */
	assert_int_equal(acks_translate(a, 1, &out), 0);
	assert_int_equal(out, 4);
	assert_int_equal(acks_translate(a, 2, &out), 0);
	assert_int_equal(out, 5);
	/* the past is gone: an h that goes back is out of range */
	assert_int_equal(acks_translate(a, 1, &out), ERR_RANGE);
	acks_free(a);
}

static void test_injected_are_not_the_sources(void **state)
{
	struct acks *a = acks_new(100);
	uint32_t out;

	(void)state;
	acks_injected(a);  /* -> 1 */
	acks_forwarded(a); /* 1 -> 2 */
	acks_injected(a);  /* -> 3 */
	assert_int_equal(acks_peek(a, 1, &out), 0);
	assert_int_equal(out, 0);
	assert_int_equal(acks_translate(a, 3, &out), 0);
	assert_int_equal(out, 1);
	assert_int_equal(acks_source(a), 1);
	assert_int_equal(acks_destination(a), 3);
	acks_free(a);
}

static void test_ceiling(void **state)
{
	struct acks *a = acks_new(2);
	uint32_t out;

	(void)state;
	assert_int_equal(acks_forwarded(a), 0);
	assert_int_equal(acks_dropped(a), 0);
	assert_int_equal(acks_forwarded(a), ERR_LIMIT);
	assert_int_equal(acks_source(a), 2);
	assert_int_equal(acks_translate(a, 1, &out), 0);
	assert_int_equal(out, 2);
	assert_int_equal(acks_forwarded(a), 0);
	acks_free(a);
}

static void test_resume_cuts(void **state)
{
	struct acks *a = acks_new(100);
	uint32_t out;

	(void)state;
	acks_forwarded(a);
	acks_forwarded(a);
	acks_dropped(a);
	acks_forwarded(a); /* source 4, destination 3 */
	acks_resume(a, 1); /* the destination has one */
	assert_int_equal(acks_source(a), 1);
	assert_int_equal(acks_destination(a), 1);
	acks_forwarded(a); /* sent again */
	assert_int_equal(acks_translate(a, 2, &out), 0);
	assert_int_equal(out, 2);
	acks_free(a);
}

enum { STEPS = 20000, MODEL_MAX = 4096 };

/* f(H) by its definition: the largest source number before the first entry whose destination number
 * is above H. */
static uint32_t model(
	const uint8_t *fates, unsigned n, uint32_t source, uint32_t destination, uint32_t h)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t next = destination + (fates[i] != 1);

		if (fates[i] != 1 && (int32_t)(next - h) > 0)
			break;
		destination = next;
		source += fates[i] != 2;
	}
	return source;
}

static void run_against_model(unsigned seed)
{
	static uint8_t fates[MODEL_MAX];
	unsigned n = 0;
	uint32_t source = 0, destination = 0;
	struct acks *a = acks_new(MODEL_MAX);

	for (unsigned step = 0; step < STEPS; step++) {
		if (n < MODEL_MAX && rand_r(&seed) % 3) {
			uint8_t fate = (uint8_t)(rand_r(&seed) % 5);

			fate = fate > 2 ? 0 : fate;
			fates[n++] = fate;
			assert_int_equal(fate == 0   ? acks_forwarded(a)
					 : fate == 1 ? acks_dropped(a)
						     : acks_injected(a),
				0);
			continue;
		}
		uint32_t sent = acks_destination(a) - destination, out;
		uint32_t h = destination + (sent ? (uint32_t)rand_r(&seed) % (sent + 1) : 0);
		uint32_t want = model(fates, n, source, destination, h);

		assert_int_equal(acks_peek(a, h, &out), 0);
		assert_int_equal(out, want);
		assert_int_equal(acks_translate(a, acks_destination(a) + 1, &out), ERR_RANGE);
		assert_int_equal(acks_translate(a, h, &out), 0);
		assert_int_equal(out, want);
		/* the model forgets what was acknowledged */
		unsigned cut = 0;
		while (cut < n && source != want) {
			source += fates[cut] != 2;
			destination += fates[cut++] != 1;
		}
		while (cut < n && fates[cut] != 0 &&
			(fates[cut] == 1 || (int32_t)(destination + 1 - h) <= 0)) {
			source += fates[cut] != 2;
			destination += fates[cut++] != 1;
		}
		memmove(fates, fates + cut, n -= cut);
		destination = h;
	}
	acks_free(a);
}

static void test_against_a_model(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++)
		run_against_model(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_happened),
		cmocka_unit_test(test_trailing_drops_count),
		cmocka_unit_test(test_injected_are_not_the_sources),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_resume_cuts),
		cmocka_unit_test(test_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
