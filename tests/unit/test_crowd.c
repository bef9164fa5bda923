/* link: door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* door/crowd.c: sums by address, the busiest first, bounded, from several threads' sheets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/span.h"
#include "door/crowd.h"

struct one {
	int id;
	struct peer_address address;
	struct crowd_member member;
};

static struct one one_of(int id, const char *address, const char *jid, double rate)
{
	struct one one = { .id = id };

	assert_int_equal(address_parse(span_of(address), &one.address), 0);
	one.member = (struct crowd_member){ .jid = jid, .online = jid != NULL, .in = 10, .out = 1, .age_ms = 1000u * (unsigned)id,
		.rate = rate };
	return one;
}

static void add(struct crowd *sheet, struct one *one)
{
	one->member.session = one;
	one->member.address = &one->address;
	crowd_add(sheet, &one->member);
}

static json_t *row(void *arg, const void *session)
{
	(void)arg;
	return json_pack("{s:i}", "id", ((const struct one *)session)->id);
}

static struct crowd *crowd_of(const char *peers_by, const char *sessions_by, int n, const char *match)
{
	json_t *ask = json_pack("{s:i,s:i,s:s,s:s,s:s}", "peers", n, "sessions", n, "peers_by", peers_by, "sessions_by",
		sessions_by, "match", match);
	struct crowd *c = crowd_new(ask);

	json_decref(ask);
	assert_non_null(c);
	return c;
}

/* "3 1 2" of the rows of one kind, by what member says. */
static void assert_rows(json_t *rows, const char *kind, const char *key, const char *wanted)
{
	char text[512] = "";
	json_t *each;
	size_t i;

	json_array_foreach(rows, i, each)
	{
		json_t *value = json_object_get(json_object_get(each, kind), key);
		size_t len = strlen(text);

		if (json_is_string(value))
			snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "", json_string_value(value));
		else if (value)
			snprintf(text + len, sizeof text - len, "%s%d", len ? " " : "", (int)json_number_value(value));
	}
	assert_string_equal(text, wanted);
}

static void sums_and_order(void **state)
{
	struct one all[] = { one_of(1, "192.0.2.1", "a@x/1", 5), one_of(2, "192.0.2.2", "b@x/1", 50),
		one_of(3, "192.0.2.1", "a@x/2", 7), one_of(4, "192.0.2.3", NULL, 0),
		one_of(5, "2001:db8::1", "c@x/1", 1), one_of(6, "2001:db8::2:3", "c@x/2", 2) };
	struct crowd *c = crowd_of("rate", "rate", 10, ""), *sheets[2] = { crowd_sheet(c), crowd_sheet(c) };
	json_t *rows;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		add(sheets[i % 2], &all[i]);
	crowd_merge(c, sheets[0], row, NULL);
	crowd_merge(c, sheets[1], row, NULL);
	rows = crowd_rows(c);
	assert_rows(rows, "all", "sessions", "6");
	assert_rows(rows, "all", "online", "5");
	assert_rows(rows, "all", "peers", "4");
	assert_rows(rows, "peer", "address", "192.0.2.2 192.0.2.1 2001:db8::/64 192.0.2.3");
	assert_rows(rows, "peer", "sessions", "1 2 2 1");
	assert_rows(rows, "peer", "in", "10 20 20 10");
	assert_rows(rows, "peer", "online", "1 2 2 0");
	assert_rows(rows, "peer", "age_ms", "2000 3000 6000 4000");
	assert_rows(rows, "peer", "jid", "b@x/1 a@x/2 c@x/2 ");
	json_decref(rows);
	crowd_unref(c);
}

static void bounded(void **state)
{
	static struct one all[5000];
	struct crowd *c = crowd_of("sessions", "age", 3, ""), *sheet = crowd_sheet(c);
	char address[32];
	json_t *rows;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		/* 7919 is prime to 5000: no order; the tenth addresses have two sessions */
		int k = i * 7919 % 5000;

		snprintf(address, sizeof address, "10.0.%d.%d", k % 4500 / 250, k % 250);
		all[i] = one_of(k, address, "x@y/z", k);
		add(sheet, &all[i]);
	}
	crowd_merge(c, sheet, row, NULL);
	rows = crowd_rows(c);
	assert_int_equal(json_array_size(rows), 7);
	assert_rows(rows, "session", "id", "4999 4998 4997");
	assert_rows(rows, "peer", "sessions", "2 2 2");
	json_decref(rows);
	crowd_unref(c);
}

static void matching(void **state)
{
	struct one all[] = { one_of(1, "192.0.2.1", "Romeo@x/1", 5), one_of(2, "192.0.2.2", "b@x/1", 50),
		one_of(3, "192.0.2.1", "a@x/2", 7) };
	struct crowd *c = crowd_of("waiting", "in", 10, "rOMEO"), *sheet = crowd_sheet(c);
	json_t *rows;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		add(sheet, &all[i]);
	crowd_merge(c, sheet, row, NULL);
	rows = crowd_rows(c);
	assert_rows(rows, "session", "id", "1");
	assert_rows(rows, "peer", "sessions", "2");
	assert_rows(rows, "all", "sessions", "3");
	json_decref(rows);
	crowd_unref(c);
}

/* Numbers and names that make no sense mean nothing, or the default. */
static void nonsense(void **state)
{
	json_t *ask = json_pack("{s:i,s:s,s:I,s:s}", "peers", -5, "sessions", "many", "match", (json_int_t)3, "peers_by", "beauty");
	struct crowd *c = crowd_new(ask), *sheet = crowd_sheet(c);
	struct one one = one_of(1, "192.0.2.1", "a@x/1", 5);
	char jid[2000];
	json_t *rows;

	(void)state;
	memset(jid, 0xc3, sizeof jid);
	for (size_t i = 1; i < sizeof jid; i += 2)
		jid[i] = (char)0xa4;
	jid[sizeof jid - 1] = '\0';
	one.member.jid = jid + 1 - 1;
	add(sheet, &one);
	crowd_merge(c, sheet, row, NULL);
	rows = crowd_rows(c);
	assert_int_equal(json_array_size(rows), 1);
	json_decref(rows);
	crowd_unref(c);
	json_decref(ask);
	/* a long JID is cut at a whole character: JSON takes it */
	c = crowd_of("in", "out", 1, "");
	sheet = crowd_sheet(c);
	add(sheet, &one);
	crowd_merge(c, sheet, row, NULL);
	rows = crowd_rows(c);
	assert_rows(rows, "peer", "sessions", "1");
	json_decref(rows);
	crowd_unref(c);
}

static void pace(void **state)
{
	struct pace p = { 0 };

	(void)state;
	assert_true(pace_look(&p, 1000, 1200, 50) == 0);   /* too soon to say */
	assert_true(pace_look(&p, 1000, 3000, 100) == 50); /* since it began */
	assert_true(pace_look(&p, 1000, 3400, 900) == 50); /* looked at a moment ago */
	assert_true(pace_look(&p, 1000, 4000, 300) == 200);
	assert_true(pace_look(&p, 1000, 5000, 300) == 0);
	assert_true(pace_look(&p, 1000, 6000, 10) == 0); /* it was set back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_order),
		cmocka_unit_test(bounded),
		cmocka_unit_test(matching),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
