/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/announce: texts of TXT records judged as a presence stanza; and what inspect makes of
 * ports and names that were announced. */
#include "tests/unit/judge_rig.h"

#include "nfq-filter/announce.h"
#include "nfq-filter/mdns.h"
#include "tests/unit/dns_made.h"

#define SERVICE "._presence._tcp.local"
#define SECOND  1000000000ull
#define HEADER(from, to)                                                                           \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM       \
	"' from='" from "' to='" to "'>"

static struct rig rig;
static struct counts counts;
static char log_text[4096];
static const struct peer_address desk = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 7 } };
static const struct peer_address laptop = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 8 } };

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	(void)arg;
	snprintf(log_text + strlen(log_text), sizeof(log_text) - strlen(log_text), "%s %s %s %s\n",
		stanza_kind_text(v->subject->stanza->kind), i->service, i->jid ? i->jid : "-",
		v->verdict->kind == VERDICT_ACCEPT ? "accept" : v->verdict->rule);
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	(void)arg;
	(void)i;
	(void)side;
	(void)error;
	strcat(log_text, reason);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	snprintf(log_text + strlen(log_text), sizeof(log_text) - strlen(log_text), "%s %u\n", what,
		side);
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static struct inspector inspector_of(struct mdns *m)
{
	return (struct inspector){ .policy = rig.policy,
		.judge = rig.judge,
		.counts = &counts,
		.mdns = m,
		.hooks = { NULL, on_judged, on_broken, on_noted, on_ended, NULL, NULL },
		.now_ns = SECOND,
		.memory_max = 1 << 20 };
}

static struct packet packet_of(const struct dns_made *d)
{
	return (struct packet){ .src = { desk, 5353 },
		.dst = { { .bytes = { [10] = 0xff, 0xff, 224, 0, 0, 251 } }, 5353 },
		.checksum = CHECKSUM_GOOD,
		.payload = d->bytes,
		.len = d->len };
}

static int judge_datagram(const struct dns_made *d)
{
	struct announcer *a = announcer_new();
	struct inspector of = inspector_of(NULL);
	struct packet p = packet_of(d);
	int r;

	log_text[0] = '\0';
	r = announcer_judge(a, &of, &p, on_judged, NULL);
	announcer_free(a);
	return r;
}

static int judge_texts(const char *texts)
{
	struct dns_made d;

	dns_make(&d, 0x8400);
	dns_txt(&d, "ann@desk" SERVICE, 4500, texts);
	return judge_datagram(&d);
}

static void rig_begin(void)
{
	rig_init(&rig, "chain lan { hook serverless; policy accept;\n"
		       "rule lies { session.announced is \"elsewhere\" drop }\n"
		       "rule name { presence and from.bare is \"eve@x\" drop }\n"
		       "rule nick { nick contains \"boss\" drop }\n"
		       "rule state { status contains \"poker\" drop }\n"
		       "rule mask { text contains \"secret\" replace \"***\" }\n"
		       "rule words { text contains \"casino\" drop } }\n");
}

static void test_texts(void **state)
{
	(void)state;
	rig_begin();
	assert_int_equal(judge_texts("txtvers=1\n1st=Ann\nlast=Lee\nmsg=hi\nstatus=avail\n"), 1);
	assert_string_equal(log_text, "presence serverless ann@desk accept\n");
	assert_int_equal(judge_texts("msg=free CASINO\n"), 0);
	assert_string_equal(log_text, "presence serverless ann@desk words\n");
	assert_int_equal(judge_texts("MSG=come to poker\n"), 0);
	assert_string_equal(log_text, "presence serverless ann@desk state\n");
	assert_int_equal(judge_texts("nick=the boss\n"), 0);
	assert_int_equal(judge_texts("1st=casino\n"), 0);
	assert_int_equal(judge_texts("last=casino\n"), 0);
	assert_int_equal(judge_texts("email=casino@x\n"), 0);
	assert_int_equal(judge_texts("jid=casino@x\n"), 0);
	assert_int_equal(judge_texts("status=casino\n"), 0);
	assert_int_equal(judge_texts("unheard-of=casino\n"), 0);
	assert_int_equal(judge_texts("=casino\n"), 0);
	assert_int_equal(judge_texts("casino\n"), 0);
	assert_int_equal(judge_texts("msg=hi\nmsg=casino\n"), 0);
	/* Machines' own. */
	assert_int_equal(judge_texts("node=casino\nphsh=casino\n"), 1);
	/* A datagram cannot be changed: who wants it changed does not let it through. */
	assert_int_equal(judge_texts("msg=secret\n"), 0);
	/* What XML has no place for, and markup that is none. */
	assert_int_equal(judge_texts("msg=cas\001ino\n"), 0);
	assert_int_equal(judge_texts("msg=\xff\xfe caf\xe9 \xed\xa0\x80\n"), 1);
	assert_int_equal(judge_texts("msg=</status><x>&#0;\"'\n"), 1);
	rig_fini(&rig);
}

static void test_names(void **state)
{
	struct dns_made d;
	char name[64];

	(void)state;
	rig_begin();
	dns_make(&d, 0x8400);
	dns_txt(&d, "Eve@X" SERVICE, 4500, "msg=hi\n");
	assert_int_equal(judge_datagram(&d), 0);
	/* The name is shown, too; once, and not if it only goes. */
	dns_make(&d, 0x8400);
	dns_ptr(&d, "_presence._tcp.local", 4500, "casino@x" SERVICE);
	assert_int_equal(judge_datagram(&d), 0);
	dns_make(&d, 0x8400);
	dns_ptr(&d, "_presence._tcp.local", 4500, "bob@x" SERVICE);
	dns_srv(&d, "BOB@x" SERVICE, DNS_IN, 120, 5298, "x.local");
	assert_int_equal(judge_datagram(&d), 1);
	assert_string_equal(log_text, "presence serverless bob@x accept\n");
	dns_make(&d, 0x8400);
	dns_ptr(&d, "_presence._tcp.local", 0, "casino@x" SERVICE);
	assert_int_equal(judge_datagram(&d), 1);
	/* In a question nothing is announced. */
	dns_make(&d, 0);
	dns_ptr(&d, "_presence._tcp.local", 4500, "casino@x" SERVICE);
	assert_int_equal(judge_datagram(&d), 1);
	dns_make(&d, 0x8400);
	for (unsigned i = 0; i <= ANNOUNCE_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "u%u@x" SERVICE, i);
		dns_ptr(&d, "_presence._tcp.local", 4500, name);
	}
	assert_int_equal(judge_datagram(&d), 0);
	rig_fini(&rig);
}

/* ---- streams to what was announced ---- */

struct talk {
	struct flow flow;
	struct inspection *i;
	uint64_t at[FLOW_SIDES];
};

static void say(struct talk *t, enum flow_side side, const char *text)
{
	struct span s = { text, strlen(text) };

	assert_int_equal(inspection_push(t->i, side, s, t->at[side]), 0);
	t->at[side] += s.len;
}

static struct talk talk_begin(struct inspector *of, uint16_t port)
{
	struct talk t = { .flow = { .client = { laptop, 40000 }, .server = { desk, port } } };

	log_text[0] = '\0';
	t.i = inspection_new(of, &t.flow);
	return t;
}

static struct mdns *desk_announced(void)
{
	struct mdns *m = mdns_new();
	struct dns_made d;
	struct packet p;

	dns_make(&d, 0x8400);
	dns_srv(&d, "ann@desk" SERVICE, DNS_IN_FLUSH, 120, 40123, "desk.local");
	p = packet_of(&d);
	assert_true(mdns_learn(m, &p, SECOND, &counts));
	return m;
}

static void test_streams(void **state)
{
	struct mdns *m;
	struct inspector of;
	struct talk t;

	(void)state;
	rig_begin();
	m = desk_announced();
	of = inspector_of(m);
	/* Nobody names himself, in whatever namespace: the port is known. */
	t = talk_begin(&of, 40123);
	assert_true(t.i->announced);
	say(&t, FLOW_CLIENT, "<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "'>");
	say(&t, FLOW_CLIENT, "<message xmlns='jabber:client'><body>casino</body></message>");
	inspection_free(t.i);
	assert_string_equal(log_text, "message serverless - words\n");
	/* Pidgin says no version; both sides are judged, each by the name it gives itself. */
	t = talk_begin(&of, 40123);
	say(&t, FLOW_CLIENT, HEADER("bob@laptop", "ann@desk"));
	say(&t, FLOW_SERVER, HEADER("ann@desk", "bob@laptop"));
	say(&t, FLOW_SERVER, "<message><body>casino</body></message>");
	say(&t, FLOW_CLIENT, "<message from='ann@desk'><body>hi</body></message>");
	inspection_free(t.i);
	assert_string_equal(log_text,
		"message serverless bob@laptop words\nmessage serverless bob@laptop accept\n");
	/* The name of somebody who is known elsewhere. */
	counts.n[COUNT_SERVERLESS_FROM] = 0;
	t = talk_begin(&of, 40123);
	say(&t, FLOW_CLIENT, HEADER("ANN@desk", "x@y"));
	say(&t, FLOW_CLIENT, "<message/>");
	inspection_free(t.i);
	assert_string_equal(log_text, "serverless.from 0\nmessage serverless ANN@desk lies\n");
	assert_int_equal(counts.n[COUNT_SERVERLESS_FROM], 1);
	/* What is no stream there is broken, elsewhere somebody else's. */
	t = talk_begin(&of, 40123);
	say(&t, FLOW_CLIENT, "<?xml version='1.0'?><html>");
	inspection_free(t.i);
	assert_string_not_equal(log_text, "");
	t = talk_begin(&of, 40124);
	assert_false(t.i->announced);
	say(&t, FLOW_CLIENT, "<?xml version='1.0'?><html>");
	inspection_free(t.i);
	assert_string_equal(log_text, "");
	mdns_free(m);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
