/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/bosh: a session's stanzas on whatever connection they come: the same verdicts, each at
 * its place, and nothing of a stanza is let go before it has one; the table of sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/bosh_lab.h"

static void test_session(void **state)
{
	(void)state;
	TALK(BEGUN
		"in message ann@a.example/x known drop\nin message ann@a.example/x known accept\n"
		"out message ann@a.example/x known drop\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" SPAM " \r\n" HAM "</body>")),
		OUT(ok(BODY ">" SPAM "</body>")));
	assert_int_equal(lab.counts.n[COUNT_BOSH], 10);
	assert_int_equal(lab.counts.n[COUNT_STREAM], 1);
	assert_int_equal(lab.counts.n[COUNT_BOSH_UNKNOWN], 0);
}

/* What one connection told holds on the others; another server's session of that name is not it. */
static void test_connections(void **state)
{
	(void)state;
	TALK(BEGUN "in message ann@a.example/x known drop\nin message accept\n", BEGIN,
		IN_(1, post(BODY "rid='14' sid='S1'>" SPAM "</body>")),
		IN_(2, post(BODY "rid='14' sid='S2'>" HAM "</body>")));
	assert_int_equal(lab.counts.n[COUNT_BOSH_UNKNOWN], 1);
	/* The answer to the bind comes by the connection that was held open. */
	TALK("in iq known accept\nout iq ann@a.example/x known accept\n"
	     "in message ann@a.example/x known accept\n",
		IN(post(BODY "rid='10' to='a.example'/>")), OUT(ok(OPENED)),
		IN(post(BODY "rid='11' sid='S1'>" AUTH "</body>")), OUT(ok(SUCCESS)),
		IN_(1, post(BODY "rid='12' sid='S1'/>")),
		IN(post(BODY "rid='13' sid='S1'>" BIND "</body>")), OUT_(1, ok(BOUND)),
		IN_(1, post(BODY "rid='14' sid='S1'>" HAM "</body>")));
	/* Ended by the server: nobody speaks for it any more. */
	TALK(BEGUN "in message accept\n", BEGIN,
		IN(post(BODY "rid='14' sid='S1' type='terminate'/>")),
		OUT(ok(BODY "type='terminate'/>")),
		IN(post(BODY "rid='15' sid='S1'>" HAM "</body>")));
}

/* A client cannot open a session by itself, nor say who it is. */
static void test_forged(void **state)
{
	(void)state;
	TALK("in message accept\n",
		IN(post(BODY "rid='1' sid='S9' to='a.example'>" HAM "</body>")));
	TALK("in iq accept\nin iq accept\nin message accept\n",
		IN(post(BODY "rid='1' to='a.example'/>")), OUT(ok(OPENED)),
		IN(post(BODY "rid='2' sid='S1'><success xmlns='" NS_SASL "'/>" BIND
			     "<iq xmlns='jabber:client' type='result' id='b'><bind xmlns='" NS_BIND
			     "'><jid>root@a.example/x</jid></bind></iq></body>")),
		OUT(ok(BODY "/>")), IN(post(BODY "rid='3' sid='S1'>" HAM "</body>")));
}

static void test_again(void **state)
{
#define WITH_SUBJECT "<message xmlns='jabber:client'><subject>x</subject><body>tea</body></message>"
	(void)state;
	/* Answered, and sent again: judged, not counted by limits. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept again\n"
		   "in message ann@a.example/x known accept again\n"
		   "in message ann@a.example/x known drop again\n"
		   "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known reject\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT(ok(BODY "/>")), IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT_(1, ok(BODY "/>")),
		IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT SPAM "</body>")),
		OUT_(1, ok(BODY "/>")), IN(post(BODY "rid='15' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT(ok(BODY "/>")), IN(post(BODY "rid='16' sid='S1'>" WITH_SUBJECT "</body>")));
	/* Not answered: whether the server has it is not known. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known reject\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		IN_(2, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")));
	/* Out of order, within the window. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept\n",
		BEGIN, IN_(1, post(BODY "rid='15' sid='S1'>" HAM "</body>")),
		IN(post(BODY "rid='14' sid='S1'>" HAM "</body>")));
	TALK(BEGUN "in broken bosh.rid\n", BEGIN,
		IN(post(BODY "rid='99' sid='S1'>" HAM "</body>")));
}

static void test_chunks(void **state)
{
	const char *body = BODY "rid='1' to='a.example'>" SPAM HAM "</body>";
	static const char head[] = "POST /http-bind HTTP/1.1\r\n" HOST;

	(void)state;
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 1)));
	assert_int_equal(lab.counts.n[COUNT_BOSH_SCATTERED], 2);
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 70)));
	assert_true(lab.counts.n[COUNT_BOSH_SCATTERED] > 0);
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 1000)));
	assert_int_equal(lab.counts.n[COUNT_BOSH_SCATTERED], 0);
	/* Pipelined. */
	TALK("in message drop\nin message accept\nin message drop\nout message drop\n",
		IN(chunked(head, body, 1000)), OUT(ok(OPENED)),
		IN(post(BODY "rid='2' sid='S1'>" SPAM "</body>")),
		OUT(chunked("HTTP/1.1 200 OK\r\n", BODY ">" SPAM "</body>", 7)));
}

/* Offline: joined in the middle, and with bytes missing. */
static void test_middle(void **state)
{
	(void)state;
	talk(TURNS(OUT(ok(BODY ">" SPAM "</body>")),
		     IN(post(BODY "rid='5' sid='S1'>" HAM "</body>")), OUT(ok(BODY "/>"))),
		5280, false, true, "out message drop\nin message accept\n");
}

static void test_gap(void **state)
{
	const char *one = post(BODY "rid='5' sid='S1'>" SPAM "</body>");

	(void)state;
	lab_begin(false);
	say(conn_open(0, 5280, false), &(struct turn){ 0, FLOW_CLIENT, one, 0, false }, ROOM);
	inspection_gap(lab.conns[0].i, FLOW_CLIENT);
	say(&lab.conns[0], &(struct turn){ 0, FLOW_CLIENT, "</body></message></body>", 0, false },
		ROOM);
	say(&lab.conns[0], &(struct turn){ 0, FLOW_CLIENT, one, 0, true }, ROOM);
	assert_string_equal(lab.log, "in message drop\nin message drop\n");
	lab_end();
}

/* ---- the table ---- */

static void test_table(void **state)
{
	struct bosh_table *t = bosh_table_new(2);
	struct endpoint a = { .port = 1 }, b = { .port = 2 };
	struct bosh_session s = { .domain = "a.example" }, got, other;
	enum bosh_rid fate;

	(void)state;
	assert_int_equal(bosh_table_add(t, &a, "x", &s, 100, 1), 0);
	assert_int_equal(bosh_table_find(t, &b, "x", 0, 1, &got, &fate), 0);
	assert_int_equal(bosh_table_find(t, &a, "x", 101, 1, &got, &fate), 1);
	assert_string_equal(got.domain, "a.example");
	assert_int_equal(fate, BOSH_RID_FIRST);
	bosh_table_answered(t, &a, "x", 102);
	bosh_session_fini(&got);
	static const struct {
		uint64_t rid;
		enum bosh_rid fate;
	} rids[] = { { 102, BOSH_RID_AGAIN }, { 101, BOSH_RID_FIRST }, { 100, BOSH_RID_AGAIN },
		{ 103, BOSH_RID_FIRST }, { 165, BOSH_RID_FIRST }, { 166, BOSH_RID_FAR },
		{ 1, BOSH_RID_AGAIN } };
	for (size_t i = 0; i < sizeof(rids) / sizeof(rids[0]); i++) {
		assert_int_equal(bosh_table_find(t, &a, "x", rids[i].rid, 1, &got, &fate), 1);
		assert_int_equal(fate, rids[i].fate);
		bosh_session_fini(&got);
	}
	/* Two learn at once, each something else. */
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 1, &got, &fate), 1);
	other = got;
	other.jid = "ann@a.example/x";
	other.stanzas[0]++;
	assert_int_equal(bosh_table_learn(t, &a, "x", &got, &other), 0);
	other = got;
	other.authenticated = true;
	other.stanzas[0]++;
	assert_int_equal(bosh_table_learn(t, &a, "x", &got, &other), 0);
	bosh_session_fini(&got);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 1, &got, &fate), 1);
	assert_string_equal(got.jid, "ann@a.example/x");
	assert_true(got.authenticated && got.stanzas[0] == 2);
	bosh_session_fini(&got);
	bosh_table_end(t, "bob@a.example");
	assert_int_equal(bosh_table_find(t, &a, "x", 103, 1, &got, &fate), 1);
	assert_int_equal(fate, BOSH_RID_FIRST);
	bosh_session_fini(&got);
	bosh_table_end(t, "ann@a.example");
	assert_int_equal(bosh_table_find(t, &a, "x", 103, 1, &got, &fate), 1);
	assert_int_equal(fate, BOSH_RID_ENDED);
	bosh_session_fini(&got);
	/* Who was not heard of gives way; nobody stays for ever. */
	assert_int_equal(bosh_table_add(t, &a, "y", &s, 1, 2), 0);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 3, &got, &fate), 1);
	bosh_session_fini(&got);
	assert_int_equal(bosh_table_add(t, &a, "z", &s, 1, 4), 1);
	assert_int_equal(bosh_table_find(t, &a, "y", 0, 5, &got, &fate), 0);
	assert_int_equal(bosh_table_count(t), 2);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, UINT64_C(3600000000000), &got, &fate), 0);
	assert_int_equal(bosh_table_count(t), 0);
	bosh_table_remove(t, &a, "x");
	bosh_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_session),
		TEST(test_connections),
		TEST(test_forged),
		TEST(test_again),
		TEST(test_chunks),
		TEST(test_middle),
		TEST(test_gap),
		TEST(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
