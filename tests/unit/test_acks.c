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
#include "xmpp/acks_int.h"

enum { SALT = 12345 };

static struct acks_log memory;

static struct acks fresh(void)
{
	struct acks a;

	memset(&memory, 0xaa, sizeof(memory));
	acks_init(&a, &memory, SALT);
	return a;
}

static void test_nothing_happened(void **state)
{
	struct acks a = fresh();
	uint32_t out = 9;

	(void)state;
	assert_int_equal(acks_translate(&a, 0, &out), 0);
	assert_int_equal(out, 0);
	assert_int_equal(acks_translate(&a, 1, &out), ERR_RANGE);
	assert_int_equal(acks_translate(&a, UINT32_MAX, &out), ERR_RANGE);
}

static void test_trailing_drops_count(void **state)
{
	struct acks a = fresh();
	uint32_t out;

	(void)state;
	acks_dropped(&a); /* 1 */
	assert_int_equal(acks_peek(&a, 0, &out), 0);
	assert_int_equal(out, 1);
	acks_forwarded(&a); /* 2 -> 1 */
	acks_dropped(&a);   /* 3 */
	acks_dropped(&a);   /* 4 */
	acks_forwarded(&a); /* 5 -> 2 */
	assert_int_equal(acks_translate(&a, 1, &out), 0);
	assert_int_equal(out, 4);
	assert_int_equal(acks_translate(&a, 2, &out), 0);
	assert_int_equal(out, 5);
	/* the past is gone: an h that goes back is out of range */
	assert_int_equal(acks_translate(&a, 1, &out), ERR_RANGE);
}

static void test_injected_are_not_the_sources(void **state)
{
	struct acks a = fresh();
	uint32_t out;

	(void)state;
	acks_injected(&a);  /* -> 1 */
	acks_forwarded(&a); /* 1 -> 2 */
	acks_injected(&a);  /* -> 3 */
	assert_int_equal(acks_peek(&a, 1, &out), 0);
	assert_int_equal(out, 0);
	assert_int_equal(acks_translate(&a, 3, &out), 0);
	assert_int_equal(out, 1);
	assert_int_equal(acks_source(&a), 1);
	assert_int_equal(acks_destination(&a), 3);
}

/* Nobody acknowledges anything: acks lag where detail was lost, and are never too high. */
static void test_a_full_log_blurs(void **state)
{
	struct acks a = fresh();
	uint32_t out, last = 0;
	bool asked = false;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(i % 2 ? acks_dropped(&a) : acks_forwarded(&a), 0);
		asked |= acks_wants_ack(&a);
	}
	assert_true(asked);
	for (uint32_t h = 0; h <= 5000; h++) {
		assert_int_equal(acks_peek(&a, h, &out), 0);
		assert_true(out >= last && out <= 2 * h);
		last = out;
	}
	assert_int_equal(acks_translate(&a, 5000, &out), 0);
	assert_int_equal(out, 10000);
	assert_int_equal(acks_forwarded(&a), 0);
	assert_int_equal(acks_translate(&a, 5001, &out), 0);
	assert_int_equal(out, 10001);
}

/* Numbers begin anew behind 2^32 - 1. */
static void test_wrap(void **state)
{
	struct acks a = fresh(), b;
	struct acks_head head = { .source = UINT32_MAX - 2, .destination = UINT32_MAX };
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	static struct acks_log other;
	unsigned condition;
	uint32_t out;

	(void)state;
	acks_begin(&a, &memory, SALT, &head);
	acks_forwarded(&a); /* 2^32 - 2 -> 0 */
	acks_dropped(&a);   /* 2^32 - 1 */
	acks_forwarded(&a); /* 0 -> 1 */
	acks_forwarded(&a); /* 1 -> 2 */
	assert_int_equal(acks_translate(&a, 0, &out), 0);
	assert_int_equal(out, UINT32_MAX);
	assert_int_equal(acks_bounced(&a, UINT32_MAX, 4), 0);
	assert_int_equal(acks_lost(&a, 1, lost), 1);
	assert_int_equal(lost[0].source, UINT32_MAX);
	lost[0].source = 0;
	assert_int_equal(acks_resume(&b, &other, SALT, &a, 1, UINT32_MAX - 1, lost, 1), 0);
	assert_int_equal(acks_again(&b, &condition), ACKS_HANDLED);
	acks_dropped(&b);
	assert_int_equal(acks_again(&b, &condition), ACKS_BOUNCE);
	assert_int_equal(condition, 4);
	acks_dropped(&b);
	assert_int_equal(acks_source(&b), 0);
	assert_int_equal(acks_again(&b, &condition), ACKS_AGAIN);
	acks_forwarded(&b);
	assert_int_equal(acks_again(&b, &condition), ACKS_NEW);
	assert_int_equal(acks_translate(&b, 2, &out), 0);
	assert_int_equal(out, 1);
}

/* Every bit of the memory that counts is noticed, and what does not count changes nothing. */
static void test_every_bit(void **state)
{
	struct acks a = fresh(), b;
	uint32_t out;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		acks_forwarded(&a);
		acks_dropped(&a);
		acks_bounced(&a, i, i);
	}
	assert_int_equal(acks_translate(&a, 9, &out), 0);
	for (size_t bit = 0; bit < 8 * sizeof(memory); bit++) {
		((uint8_t *)&memory)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (acks_load(&b, &memory, SALT) == 0) {
			assert_int_equal(acks_source(&b), acks_source(&a));
			assert_int_equal(acks_destination(&b), acks_destination(&a));
			assert_memory_equal(&b.head, &a.head, sizeof(a.head));
			assert_int_equal(b.n, a.n);
		}
		((uint8_t *)&memory)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(acks_load(&b, &memory, SALT), 0);
	assert_int_equal(acks_load(&b, &memory, SALT + (1 << 13)), ERR_SYNTAX);
}

enum { STEPS = 20000, MODEL_MAX = ACKS_RUNS - 2 };

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
	struct acks a = fresh();

	for (unsigned step = 0; step < STEPS; step++) {
		if (n < MODEL_MAX && rand_r(&seed) % 3) {
			uint8_t fate = (uint8_t)(rand_r(&seed) % 5);

			fate = fate > 2 ? 0 : fate;
			fates[n++] = fate;
			assert_int_equal(fate == 0   ? acks_forwarded(&a)
					 : fate == 1 ? acks_dropped(&a)
						     : acks_injected(&a),
				0);
			continue;
		}
		uint32_t sent = acks_destination(&a) - destination, out;
		uint32_t h = destination + (sent ? (uint32_t)rand_r(&seed) % (sent + 1) : 0);
		uint32_t want = model(fates, n, source, destination, h);

		assert_int_equal(acks_peek(&a, h, &out), 0);
		assert_int_equal(out, want);
		assert_int_equal(acks_translate(&a, acks_destination(&a) + 1, &out), ERR_RANGE);
		assert_int_equal(acks_translate(&a, h, &out), 0);
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
		cmocka_unit_test(test_a_full_log_blurs),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
