/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/inspect_remote: which domain a remote server is verified as, in clear text: only one
 * that was asked for on that stream and answered by the other side, each for itself, whichever side
 * opened it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "door/domains.h"
#include "nfq-filter/inspect.h"
#include "nfq-filter/inspect_peer.h"
#include "tests/unit/policy_of.h"
#include "xmpp/ns.h"

#define HEADER(more)                                                                               \
	"<?xml version='1.0'?><stream:stream xmlns='" NS_SERVER "' xmlns:db='" NS_DIALBACK         \
	"' xmlns:stream='" NS_STREAM "' " more ">"
#define ASK(from, to)         "<db:result from='" from "' to='" to "'>0123</db:result>"
#define ANSWER(from, to, how) "<db:result from='" from "' to='" to "' type='" how "'/>"
#define WORD(from, to)        "<message from='" from "' to='" to "'><body>x</body></message>"
#define OURS                  "a.example"

struct lab {
	struct inspector inspector;
	struct counts counts;
	struct flow flow;
	struct inspection *i;
	uint64_t at[FLOW_SIDES];
	char log[4096];
};

static struct policy *policy;

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	const struct subject *s = v->subject;
	const char *peer = peer_domain(i);
	struct lab *l = arg;

	if (s->stanza->kind != STANZA_MESSAGE)
		return;
	sprintf(l->log + strlen(l->log), "%s %s %s%s | %s\n",
		s->direction == DIRECTION_IN ? "in" : "out",
		s->remote_domain ? s->remote_domain : "-", remote_verified_text(s->remote_verified),
		s->remote_first_seen_ms ? " seen" : "", peer ? peer : "-");
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	struct lab *l = arg;

	(void)i;
	(void)side;
	(void)error;
	sprintf(l->log + strlen(l->log), "broken %s\n", reason);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	(void)what;
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static void lab_begin(struct lab *l, bool outward)
{
	memset(l, 0, sizeof(*l));
	domains_clear();
	l->inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &l->counts,
		.hooks = { l, on_judged, on_broken, on_noted, on_ended, NULL, NULL },
		.memory_max = 64 << 20 };
	l->flow.server.port = 5269;
	assert_non_null(l->i = inspection_new(&l->inspector, &l->flow));
	l->i->outward = outward;
}

static void say(struct lab *l, enum flow_side side, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(inspection_push(l->i, side, (struct span){ text, len }, l->at[side]), 0);
	l->at[side] += len;
}

static void lab_end(struct lab *l, const char *expected)
{
	inspection_end(l->i, FLOW_CLIENT);
	inspection_end(l->i, FLOW_SERVER);
	inspection_free(l->i);
	judge_free(l->inspector.judge);
	assert_string_equal(l->log, expected);
	domains_clear();
}

static void opened(struct lab *l)
{
	lab_begin(l, false);
	say(l, FLOW_CLIENT, HEADER("from='b.example' to='" OURS "' version='1.0'"));
	say(l, FLOW_SERVER, HEADER("from='" OURS "' to='b.example' id='1' version='1.0'"));
}

static void test_inward(void **state)
{
	struct lab l;

	(void)state;
	opened(&l);
	say(&l, FLOW_CLIENT, ASK("B.example", OURS));
	say(&l, FLOW_SERVER, ANSWER(OURS, "b.example", "valid"));
	say(&l, FLOW_CLIENT,
		WORD("x@B.EXAMPLE/y", "u@" OURS)
			WORD("x@c.example", "u@" OURS) "<message to='u@a.example'/>");
	lab_end(&l, "in b.example dialback seen | b.example\nin c.example none | b.example\nin "
		    "b.example dialback seen | b.example\n");
}

/* Its header names somebody else, who was never verified. */
static void test_other_header(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l, false);
	say(&l, FLOW_CLIENT, HEADER("from='victim.example' to='" OURS "' version='1.0'"));
	say(&l, FLOW_SERVER, HEADER("from='" OURS "' id='1' version='1.0'"));
	say(&l, FLOW_CLIENT, ASK("evil.example", OURS));
	say(&l, FLOW_SERVER, ANSWER(OURS, "evil.example", "valid"));
	say(&l, FLOW_CLIENT, WORD("x@victim.example", "u@" OURS) WORD("x@evil.example", "u@" OURS));
	lab_end(&l, "in victim.example none | evil.example\nin evil.example dialback seen | "
		    "evil.example\n");
}

static void test_two_domains(void **state)
{
	struct lab l;

	(void)state;
	opened(&l);
	say(&l, FLOW_CLIENT, ASK("c.example", OURS) ASK("b.example", OURS) ASK("d.example", OURS));
	say(&l, FLOW_SERVER, ANSWER(OURS, "c.example", "valid"));
	say(&l, FLOW_CLIENT, WORD("x@c.example", "u@" OURS) WORD("x@b.example", "u@" OURS));
	say(&l, FLOW_SERVER,
		ANSWER(OURS, "b.example", "valid") ANSWER(OURS, "d.example", "invalid"));
	say(&l, FLOW_CLIENT, WORD("x@b.example", "u@" OURS) WORD("x@d.example", "u@" OURS));
	lab_end(&l, "in c.example dialback seen | c.example\nin b.example none | c.example\n"
		    "in b.example dialback seen | b.example\nin d.example none | b.example\n");
}

/* Nobody asked; the peer answers itself; it asks with an answer. */
static void test_unsolicited(void **state)
{
	struct lab l;

	(void)state;
	opened(&l);
	say(&l, FLOW_SERVER, ANSWER(OURS, "b.example", "valid"));
	say(&l, FLOW_CLIENT, ANSWER("b.example", OURS, "valid") WORD("x@b.example", "u@" OURS));
	lab_end(&l, "in b.example none | -\n");
}

static void test_outward(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l, true);
	say(&l, FLOW_CLIENT, HEADER("from='" OURS "' to='b.example' version='1.0'"));
	say(&l, FLOW_SERVER, HEADER("from='b.example' id='1' version='1.0'"));
	say(&l, FLOW_CLIENT, ASK(OURS, "b.example"));
	say(&l, FLOW_SERVER,
		ANSWER("evil.example", OURS, "valid") ANSWER("b.example", OURS, "valid"));
	say(&l, FLOW_CLIENT, WORD("u@" OURS, "x@b.example") WORD("u@" OURS, "x@evil.example"));
	lab_end(&l, "out b.example dialback seen | b.example\nout evil.example none | b.example\n");
}

/* More than are kept stay unverified, and nothing else breaks. */
static void test_many(void **state)
{
	char ask[512], answer[512], word[512], expected[256];
	struct lab l;

	(void)state;
	opened(&l);
	for (unsigned n = 0; n <= INSPECT_REMOTES_MAX; n++) {
		snprintf(ask, sizeof(ask),
			"<db:result from='d%u.example' to='" OURS "'>0</db:result>", n);
		snprintf(answer, sizeof(answer),
			"<db:result from='" OURS "' to='d%u.example' type='valid'/>", n);
		say(&l, FLOW_CLIENT, ask);
		say(&l, FLOW_SERVER, answer);
	}
	snprintf(word, sizeof(word),
		"<message from='x@d%u.example'/><message from='x@d%u.example'/>",
		INSPECT_REMOTES_MAX - 1, INSPECT_REMOTES_MAX);
	say(&l, FLOW_CLIENT, word);
	snprintf(expected, sizeof(expected),
		"in d%u.example dialback seen | d0.example\nin d%u.example none | d0.example\n",
		INSPECT_REMOTES_MAX - 1, INSPECT_REMOTES_MAX);
	lab_end(&l, expected);
}

/* SASL EXTERNAL: the server's word for the header. */
static void test_external(void **state)
{
	struct lab l;

	(void)state;
	opened(&l);
	say(&l, FLOW_CLIENT, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>");
	say(&l, FLOW_SERVER, "<success xmlns='" NS_SASL "'/>");
	say(&l, FLOW_CLIENT,
		HEADER("from='b.example' to='" OURS "' version='1.0'")
			WORD("x@b.example", "u@" OURS));
	lab_end(&l, "in b.example none | b.example\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inward),
		cmocka_unit_test(test_other_header),
		cmocka_unit_test(test_two_domains),
		cmocka_unit_test(test_unsolicited),
		cmocka_unit_test(test_outward),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_external),
	};
	int r;

	policy = policy_of_text("service s2s { role s2s; mode inspect; listen tcp 5269; }\n"
				"chain all { hook any; policy accept; }\n",
		NULL);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	policy_unref(policy);
	return r;
}
