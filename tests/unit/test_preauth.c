/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has to go when too many streams have not logged in: the oldest of the address that has most,
 * never somebody who logs in meanwhile; and a random walk beside a model that counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/preauth.h"

static struct peer_address at(unsigned host)
{
	struct peer_address a;
	char text[64];

	snprintf(text, sizeof(text), "192.0.2.%u", host);
	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static struct session *name(uintptr_t n)
{
	return (struct session *)n;
}

static struct preauth *enter(const char *service, unsigned host, unsigned max, unsigned per_address,
	uintptr_t who, struct preauth **pushed)
{
	struct peer_address a = at(host);

	return preauth_enter(service, &a, max, per_address, name(who), NULL, pushed);
}

static void oldest_of_the_address_that_has_most(void **state)
{
	struct preauth *p[8], *pushed;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		p[i] = enter("a", 1, 5, 0, 10 + i, &pushed);
		assert_null(pushed);
	}
	p[3] = enter("a", 2, 5, 0, 20, &pushed);
	p[4] = enter("a", 2, 5, 0, 21, &pushed);
	assert_null(pushed);
	assert_int_equal(preauth_count("a"), 5);
	/* One of a third address comes: the oldest of the first goes, not the newcomer. */
	p[5] = enter("a", 3, 5, 0, 30, &pushed);
	assert_ptr_equal(pushed, p[0]);
	assert_string_equal(pushed->why, "preauth.full");
	assert_ptr_equal(pushed->session, name(10));
	preauth_release(pushed);
	preauth_leave(p[0]);
	assert_int_equal(preauth_count("a"), 5);
	/* Two and two: who has had as many for longest. */
	p[6] = enter("a", 3, 5, 0, 31, &pushed);
	assert_ptr_equal(pushed, p[3]);
	preauth_release(pushed);
	preauth_leave(p[3]);
	/* Who logged in is in nobody's way. */
	preauth_leave(p[1]);
	p[7] = enter("a", 4, 5, 0, 40, &pushed);
	assert_null(pushed);
	for (unsigned i = 2; i < 8; i++)
		if (i != 3)
			preauth_leave(p[i]);
	assert_int_equal(preauth_count("a"), 0);
}

static void an_address_pushes_itself(void **state)
{
	struct peer_address six, same;
	struct preauth *p[4], *pushed;

	(void)state;
	p[0] = enter("b", 1, 0, 2, 1, &pushed);
	p[1] = enter("b", 1, 0, 2, 2, &pushed);
	p[2] = enter("b", 2, 0, 2, 3, &pushed);
	assert_null(pushed);
	p[3] = enter("b", 1, 0, 2, 4, &pushed);
	assert_ptr_equal(pushed, p[0]);
	assert_string_equal(pushed->why, "preauth.address");
	preauth_release(pushed);
	for (unsigned i = 0; i < 4; i++)
		preauth_leave(p[i]);
	/* A /64 is one. */
	assert_int_equal(address_parse(span_of("2001:db8::1"), &six), 0);
	assert_int_equal(address_parse(span_of("2001:db8::ffff:1"), &same), 0);
	p[0] = preauth_enter("b", &six, 0, 1, name(1), NULL, &pushed);
	assert_null(pushed);
	p[1] = preauth_enter("b", &same, 0, 1, name(2), NULL, &pushed);
	assert_ptr_equal(pushed, p[0]);
	preauth_release(pushed);
	preauth_leave(p[0]);
	preauth_leave(p[1]);
	assert_int_equal(preauth_count("b"), 0);
}

/* Logged in, or gone, before its end was ordered: the order finds nobody. */
static void the_order_comes_late(void **state)
{
	struct preauth *one, *two, *pushed;

	(void)state;
	one = enter("c", 1, 1, 0, 1, &pushed);
	two = enter("c", 2, 1, 0, 2, &pushed);
	assert_ptr_equal(pushed, one);
	preauth_leave(one);
	assert_null(pushed->session);
	preauth_release(pushed);
	assert_int_equal(preauth_count("c"), 1);
	preauth_leave(two);
	preauth_leave(NULL);
	assert_int_equal(preauth_count("nowhere"), 0);
}

enum { HOSTS = 12, ROOM = 40, STEPS = 40000 };

static void a_walk_beside_a_model(void **state)
{
	struct {
		struct preauth *p;
		unsigned host;
	} live[ROOM + 1];
	unsigned n = 0, of[HOSTS] = { 0 };

	(void)state;
	srand(205);
	for (unsigned step = 1; step <= STEPS; step++) {
		unsigned host = (unsigned)rand() % HOSTS, at_most = 0, k = 0;
		struct preauth *pushed;

		if (n > 0 && rand() % 3 == 0) {
			k = (unsigned)rand() % n;
			preauth_leave(live[k].p);
			of[live[k].host]--;
			live[k] = live[--n];
			continue;
		}
		for (unsigned h = 0; h < HOSTS; h++)
			at_most = of[h] > at_most ? of[h] : at_most;
		live[n].p = enter("d", host, ROOM, 9, step, &pushed);
		live[n].host = host;
		if (of[host] >= 9)
			assert_non_null(pushed);
		assert_true((pushed != NULL) == (of[host] >= 9 || n >= ROOM));
		n++;
		of[host]++;
		if (!pushed)
			continue;
		while (live[k].p != pushed)
			k++;
		assert_true(k < n - 1);
		if (strcmp(pushed->why, "preauth.address") == 0)
			assert_int_equal(live[k].host, host);
		else
			assert_int_equal(of[live[k].host] - (live[k].host == host), at_most);
		for (unsigned i = 0; i < n; i++) /* numbers are ages */
			if (live[i].host == live[k].host)
				assert_true(pushed->session <= live[i].p->session);
		preauth_release(pushed);
		preauth_leave(pushed);
		of[live[k].host]--;
		live[k] = live[--n];
		assert_int_equal(preauth_count("d"), n);
	}
	while (n > 0)
		preauth_leave(live[--n].p);
	assert_int_equal(preauth_count("d"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_of_the_address_that_has_most),
		cmocka_unit_test(an_address_pushes_itself),
		cmocka_unit_test(the_order_comes_late),
		cmocka_unit_test(a_walk_beside_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
