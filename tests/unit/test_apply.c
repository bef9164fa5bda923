/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a stanza under each verdict, without sockets: the queues of both sides and the
 * ledger tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/apply.h"
#include "proxy/counters.h"
#include "door/hub.h"
#include "proxy/keep.h"
#include "proxy/leg.h"
#include "proxy/worker.h"
#include "strict_rig.h"
#include "xmpp/ns.h"
#include "xmpp/text.h"

#define OPEN                                                                                       \
	"<stream:stream xmlns='jabber:client' xmlns:p='urn:p' xmlns:stream='" NS_STREAM            \
	"' version='1.0'>"

struct fixture {
	struct worker worker;
	struct gear gear;
	struct gear_service service;
	struct session s;
	struct stream *in;
	struct stream_event ev;
	struct verdict v;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	counters_init(NULL);
	assert_int_equal(uv_loop_init(&f->worker.loop), 0);
	f->service.conf = (struct service){
		.name = "c2s", .limits = xmpp_limits_default, .buffer_max = 65536
	};
	f->worker.gear = &f->gear;
	f->s.worker = &f->worker;
	f->s.service = &f->service;
	f->s.state = SESSION_ONLINE;
	f->s.authenticated = true;
	f->s.domain = "local.example";
	f->s.jid = "u@local.example/r";
	conn_init(&f->s.client.conn, 262144, &f->s.client, NULL, NULL);
	conn_init(&f->s.server.conn, 262144, &f->s.server, NULL, NULL);
	sm_init(&f->s.sm);
	assert_int_equal(sm_enable(&f->s.sm), 0);
	assert_int_equal(sm_enabled(&f->s.sm, "d", NULL, 0, NULL), 0);
	f->v.rule = f->v.chain = "";
	strcpy(f->v.id, "test-id");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sm_fini(&f->s.sm, false);
	conn_fini(&f->s.client.conn);
	conn_fini(&f->s.server.conn);
	stream_free(f->in);
	uv_loop_close(&f->worker.loop);
	free(f);
	return 0;
}

/* One stanza under the verdict in f->v. */
static void apply(struct fixture *f, struct leg *from, const char *xml)
{
	buf_clear(&f->s.client.conn.out);
	buf_clear(&f->s.server.conn.out);
	stream_free(f->in);
	assert_non_null(f->in = stream_new(&xmpp_limits_default));
	stream_set_authenticated(f->in, true);
	assert_int_equal(stream_push(f->in, OPEN, strlen(OPEN)), 0);
	assert_int_equal(stream_push(f->in, xml, strlen(xml)), 0);
	assert_int_equal(stream_next(f->in, &f->ev), 0);
	assert_int_equal(stream_next(f->in, &f->ev), 0);
	assert_int_equal(f->ev.kind, STREAM_STANZA);
	apply_verdict(&f->s, from, &f->ev.stanza, &f->v);
}

static const char *queued(struct leg *leg)
{
	return buf_len(&leg->conn.out) ? buf_string(&leg->conn.out) : "";
}

/* What each side would hear if the other acknowledged all it has. */
static void expect_ledger(struct fixture *f, enum direction d, uint32_t h, uint32_t said)
{
	uint32_t out;

	assert_int_equal(sm_translate(&f->s.sm, d == DIRECTION_IN ? WAY_UP : WAY_DOWN, h, &out), 0);
	assert_int_equal(out, said);
}

static bool delivered_as(struct fixture *f, const char *xml)
{
	struct delivery d = { .xml = xml, .n_steps = 1 };

	d.steps[0].jid = "u@local.example/r";
	d.steps[0].direction = DIRECTION_IN;
	buf_clear(&f->s.client.conn.out);
	buf_clear(&f->s.server.conn.out);
	return keep_deliver(&f->worker, &d);
}

static void accepted_is_canonical(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_ACCEPT;
	apply(f, &f->s.client, "<message  to='a@b'><body><![CDATA[a<b]]></body></message>");
	assert_string_equal(
		queued(&f->s.server), "<message to=\"a@b\"><body>a&lt;b</body></message>");
	assert_string_equal(queued(&f->s.client), "");
	expect_ledger(f, DIRECTION_IN, 1, 1);
}

static void verbatim_unless_prefixed(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_ACCEPT;
	f->service.conf.forward_verbatim = true;
	apply(f, &f->s.client, "<message  to='a@b'><body>x</body></message>");
	assert_string_equal(queued(&f->s.server), "<message  to='a@b'><body>x</body></message>");
	/* The prefix was declared on the client's own stream header: in the other stream it means
	 * nothing. */
	apply(f, &f->s.client, "<message><p:x/></message>");
	assert_string_equal(queued(&f->s.server), "<message><x xmlns=\"urn:p\"/></message>");
}

static void dropped_is_handled_for_its_sender(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_DROP;
	apply(f, &f->s.client, "<message to='a@b'/>");
	assert_string_equal(queued(&f->s.server), "");
	assert_string_equal(queued(&f->s.client), "");
	expect_ledger(f, DIRECTION_IN, 0, 1);
	assert_int_equal(f->s.dropped, 1);
}

static void rejected_bounces_to_its_sender(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_REJECT;
	f->v.condition = STANZA_ERROR_POLICY_VIOLATION;
	f->v.text = "no";
	apply(f, &f->s.client, "<message to='a@b' id='7' type='chat'><body>x</body></message>");
	assert_string_equal(queued(&f->s.server), "");
	assert_non_null(strstr(queued(&f->s.client), "type=\"error\""));
	assert_non_null(strstr(queued(&f->s.client), "id=\"7\""));
	assert_non_null(strstr(queued(&f->s.client), "from=\"a@b\""));
	assert_non_null(strstr(queued(&f->s.client), "no [test-id]"));
	expect_ledger(f, DIRECTION_IN, 0, 1);  /* handled */
	expect_ledger(f, DIRECTION_OUT, 1, 0); /* the server never sent our answer */
	assert_int_equal(f->s.rejected, 1);
}

/* Half a character would end the stream it stands in. */
static void long_words_are_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char text[1024] = "";

	f->v.kind = VERDICT_REJECT;
	f->v.condition = STANZA_ERROR_POLICY_VIOLATION;
	f->v.text = text;
	for (unsigned i = 0; i < 300; i++)
		strcat(text, i == 0 ? "x" : "\u00e9");
	apply(f, &f->s.client, "<message to='a@b' id='7'><body>x</body></message>");
	assert_int_equal(text_valid(queued(&f->s.client), buf_len(&f->s.client.conn.out), NULL),
		buf_len(&f->s.client.conn.out));
	assert_non_null(strstr(queued(&f->s.client), "\u00e9 [test-id]"));
}

/* RFC 6120 8.3.1, 8.2.3: errors and results are not answered. */
static void errors_are_never_answered(void **state)
{
	static const char *const silent[] = {
		"<message type='error' to='a@b' id='1'/>",
		"<iq type='result' to='a@b' id='1'/>",
		"<iq type='error' to='a@b' id='1'/>",
	};
	struct fixture *f = *state;

	f->v.kind = VERDICT_REJECT;
	f->v.condition = STANZA_ERROR_FORBIDDEN;
	for (unsigned i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		apply(f, &f->s.client, silent[i]);
		assert_string_equal(queued(&f->s.client), "");
		assert_string_equal(queued(&f->s.server), "");
	}
}

/* A room throws out an occupant who sends errors. */
static void rooms_are_not_answered(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_REJECT;
	f->v.condition = STANZA_ERROR_POLICY_VIOLATION;
	apply(f, &f->s.server,
		"<message type='groupchat' from='room@b/n' "
		"to='u@local.example/r'><body>x</body></message>");
	assert_string_equal(queued(&f->s.server), "");
	apply(f, &f->s.server, "<presence from='room@b/n' to='u@local.example/r'/>");
	assert_string_equal(queued(&f->s.server), "");
	apply(f, &f->s.server,
		"<iq type='get' id='q' from='x@b/n' to='u@local.example/r'><q "
		"xmlns='urn:q'/></iq>");
	assert_non_null(strstr(queued(&f->s.server), "type=\"error\""));
	assert_string_equal(queued(&f->s.client), "");
}

static void nothing_is_written_behind_a_close(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_ACCEPT;
	f->s.server.closed_out = true;
	apply(f, &f->s.client, "<message to='a@b'/>");
	assert_string_equal(queued(&f->s.server), "");
	f->v.kind = VERDICT_REJECT;
	f->v.condition = STANZA_ERROR_FORBIDDEN;
	f->s.client.closed_out = true;
	apply(f, &f->s.client, "<iq type='get' id='q' to='a@b'><q xmlns='urn:q'/></iq>");
	assert_string_equal(queued(&f->s.client), "");
}

static void close_ends_the_session(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_CLOSE;
	f->v.stream_error = STREAM_ERROR_POLICY_VIOLATION;
	apply(f, &f->s.client, "<message to='a@b'/>");
	assert_int_equal(f->s.state, SESSION_DRAIN);
	assert_false(f->s.resumable);
	assert_string_equal(queued(&f->s.server), "");
}

/* A stanza that a profile changed or refused: the ledger says of it what was done. */
static void only_what_a_profile_names_goes_on(void **state)
{
	struct fixture *f = *state;
	struct strict *p = strict_of(NULL, "profile t { message chat { attribute to jid required; element body { text; } } }");

	f->v.kind = VERDICT_ACCEPT;
	f->service.conf.strict[DIRECTION_IN] = p;
	f->service.conf.forward_verbatim = true;
	apply(f, &f->s.client, "<message to='a@b' type='chat' x='1'><body>x</body><p:x/></message>");
	assert_string_equal(queued(&f->s.server), "<message type=\"chat\" to=\"a@b\"><body>x</body></message>");
	expect_ledger(f, DIRECTION_IN, 1, 1);
	apply(f, &f->s.client, "<message to='a@b' id='7'><body>x</body></message>");
	assert_string_equal(queued(&f->s.server), "");
	assert_non_null(strstr(queued(&f->s.client), "policy-violation"));
	assert_non_null(strstr(queued(&f->s.client), "the profile forbids it (type)"));
	expect_ledger(f, DIRECTION_IN, 1, 2);
	assert_int_equal(f->s.rejected, 1);
	/* The other direction has none. */
	apply(f, &f->s.server, "<message from='a@b' x='1'/>");
	assert_string_equal(queued(&f->s.client), "<message from='a@b' x='1'/>");
	/* Nor does the quarantine widen what crosses. */
	f->worker.sessions = &f->s;
	f->s.client.session = f->s.server.session = &f->s;
	f->s.running = true;
	f->s.client.conn.fd = f->s.server.conn.fd = 0;
	assert_true(delivered_as(f, "<message to='a@b' type='chat'><body>x</body><p xmlns='urn:p'/></message>"));
	assert_string_equal(queued(&f->s.server), "<message type=\"chat\" to=\"a@b\"><body>x</body></message>");
	assert_false(delivered_as(f, "<message to='a@b'/>"));
	assert_string_equal(queued(&f->s.server), "");
	f->s.client.conn.fd = f->s.server.conn.fd = -1;
	f->worker.sessions = NULL;
	strict_unref(p);
}

static void redirected_goes_to_another_and_says_for_whom(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_REDIRECT;
	f->v.redirect = "abuse@local.example";
	f->v.rule = "r";
	f->service.conf.forward_verbatim = true;
	apply(f, &f->s.client,
		"<message to='a@b/c' type='chat'><body>x</body>"
		"<redirected xmlns='urn:xmppwall:redirected:0' to='forged@b'/></message>");
	assert_string_equal(queued(&f->s.server),
		"<message to=\"abuse@local.example\" type=\"chat\"><body>x</body>"
		"<redirected xmlns=\"urn:xmppwall:redirected:0\" to=\"a@b/c\" rule=\"r\" "
		"id=\"test-id\"/></message>");
	expect_ledger(f, DIRECTION_IN, 1, 1);
	apply(f, &f->s.client, "<message to='room@b' type='groupchat'><body>x</body></message>");
	assert_non_null(strstr(queued(&f->s.server), "type=\"normal\""));
	apply(f, &f->s.client, "<message><body>x</body></message>");
	assert_non_null(strstr(queued(&f->s.server), "<message to=\"abuse@local.example\">"));
}

static void a_tarpit_stops_the_client_alone(void **state)
{
	struct fixture *f = *state;
	uint64_t now = uv_now(&f->worker.loop);

	f->s.client.session = f->s.server.session = &f->s;
	f->s.client.conn.fd = f->s.server.conn.fd = 0;
	f->v.kind = VERDICT_ACCEPT;
	assert_true(leg_hears(&f->s, &f->s.client));
	f->v.tarpit_ms = 5000;
	apply(f, &f->s.client, "<message to='a@b'/>");
	/* What was judged goes on; what comes next waits. */
	assert_string_equal(queued(&f->s.server), "<message to=\"a@b\"/>");
	assert_false(leg_hears(&f->s, &f->s.client));
	assert_true(leg_hears(&f->s, &f->s.server));
	/* A shorter one does not set it free, and being silent is not its fault. */
	f->v.tarpit_ms = 10;
	apply(f, &f->s.server, "<message from='a@b'/>");
	f->service.conf.idle_ms = 1000;
	f->s.client.partial_ms = now;
	f->service.conf.stanza_ms = 1000;
	buf_clear(&f->s.client.conn.out);
	buf_clear(&f->s.server.conn.out);
	assert_false(leg_is_late(&f->s, &f->s.client, now + 4999));
	assert_false(leg_resume(&f->s.client, now + 4999));
	assert_true(leg_resume(&f->s.client, now + 5000));
	assert_true(leg_hears(&f->s, &f->s.client));
	assert_false(leg_is_late(&f->s, &f->s.client, now + 5500));
	f->s.client.conn.fd = f->s.server.conn.fd = -1;
}

/* ---- quarantine ---- */

static json_t *kept;

static void on_message(void *arg, json_t *message)
{
	(void)arg;
	if (strcmp(json_string_value(json_object_get(message, "m")), "quarantine") == 0)
		kept = json_incref(json_object_get(message, "stanza"));
}

static const char *kept_text(const char *key)
{
	return json_string_value(json_object_get(kept, key));
}

static void kept_is_told_to_the_daemon(void **state)
{
	static const struct hub_handler handler = { .on_event = on_message };
	struct fixture *f = *state;

	assert_int_equal(
		hub_new(&f->worker.loop, &handler, NULL, counters.event_lost, &f->worker.hub), 0);
	f->v.kind = VERDICT_QUARANTINE;
	f->v.rule = "r";
	apply(f, &f->s.client, "<message to='A@b'><body>x &amp; y</body></message>");
	/* As if it had been dropped. */
	assert_string_equal(queued(&f->s.server), "");
	assert_string_equal(queued(&f->s.client), "");
	expect_ledger(f, DIRECTION_IN, 0, 1);
	uv_run(&f->worker.loop, UV_RUN_NOWAIT);
	assert_non_null(kept);
	assert_string_equal(kept_text("id"), "test-id");
	assert_string_equal(kept_text("jid"), "u@local.example/r");
	assert_string_equal(kept_text("from"), "u@local.example/r");
	assert_string_equal(kept_text("to"), "a@b");
	assert_string_equal(kept_text("direction"), "in");
	assert_non_null(strstr(kept_text("xml"), "<body>x &amp; y</body>"));
	assert_non_null(strstr(kept_text("xml"), "from=\"u@local.example/r\""));
	assert_non_null(strstr(kept_text("xml"), "<delay xmlns=\"urn:xmpp:delay\" stamp=\"2"));
	assert_non_null(strstr(kept_text("xml"), "Z\"/></message>"));
	json_decref(kept);
	kept = NULL;
	/* With a text its sender hears of it. */
	f->v.text = "later";
	apply(f, &f->s.client, "<message id='9'><body>x</body></message>");
	assert_non_null(strstr(queued(&f->s.client), "policy-violation"));
	assert_non_null(strstr(queued(&f->s.client), "later [test-id]"));
	uv_run(&f->worker.loop, UV_RUN_NOWAIT);
	assert_string_equal(kept_text("to"), "u@local.example");
	json_decref(kept);
	kept = NULL;
	hub_free(f->worker.hub);
	f->worker.hub = NULL;
	uv_run(&f->worker.loop, UV_RUN_NOWAIT);
}

static void what_cannot_be_kept_is_not_lost_in_silence(void **state)
{
	static const struct hub_handler handler = { .on_event = on_message };
	static char large[KEEP_XML_MAX + 200];
	struct fixture *f = *state;

	f->v.kind = VERDICT_QUARANTINE;
	f->v.rule = "r";
	/* Nobody takes it. */
	apply(f, &f->s.client, "<message to='a@b' id='1'><body>x</body></message>");
	assert_non_null(strstr(queued(&f->s.client), "resource-constraint"));
	assert_int_equal(
		hub_new(&f->worker.loop, &handler, NULL, counters.event_lost, &f->worker.hub), 0);
	snprintf(large, sizeof(large), "<message to='a@b' id='1'><body>%0*d</body></message>",
		KEEP_XML_MAX, 7);
	apply(f, &f->s.client, large);
	assert_non_null(strstr(queued(&f->s.client), "resource-constraint"));
	for (unsigned i = 0; i < HUB_KEEPS_MAX; i++) {
		apply(f, &f->s.client, "<message to='a@b' id='1'><body>x</body></message>");
		assert_string_equal(queued(&f->s.client), "");
	}
	apply(f, &f->s.client, "<message to='a@b' id='1'><body>x</body></message>");
	assert_non_null(strstr(queued(&f->s.client), "resource-constraint"));
	hub_free(f->worker.hub);
	f->worker.hub = NULL;
	uv_run(&f->worker.loop, UV_RUN_NOWAIT);
}

static bool delivered(struct fixture *f, const char *jid, enum direction direction)
{
	struct delivery d = { .xml = "<message/>", .n_steps = 1 };

	d.steps[0].jid = jid;
	d.steps[0].direction = direction;
	buf_clear(&f->s.client.conn.out);
	buf_clear(&f->s.server.conn.out);
	return keep_deliver(&f->worker, &d);
}

static void released_goes_into_a_session_that_fits(void **state)
{
	struct fixture *f = *state;

	f->worker.sessions = &f->s;
	f->s.client.session = f->s.server.session = &f->s;
	f->s.running = true; /* nothing leaves: there are no sockets */
	assert_false(delivered(f, "u@local.example/r", DIRECTION_IN));
	f->s.client.conn.fd = f->s.server.conn.fd = 0;
	assert_true(delivered(f, "u@local.example/r", DIRECTION_IN));
	assert_string_equal(queued(&f->s.server), "<message/>");
	assert_string_equal(queued(&f->s.client), "");
	expect_ledger(f, DIRECTION_IN, 1, 0); /* the client never sent it */
	assert_true(delivered(f, "u@local.example", DIRECTION_OUT));
	assert_string_equal(queued(&f->s.client), "<message/>");
	expect_ledger(f, DIRECTION_OUT, 1, 0);
	assert_false(delivered(f, "u@local.example/rr", DIRECTION_IN));
	assert_false(delivered(f, "u@local.exampl", DIRECTION_OUT));
	assert_false(delivered(f, "x@local.example", DIRECTION_OUT));
	f->s.client.closed_out = true;
	assert_false(delivered(f, "u@local.example/r", DIRECTION_OUT));
	f->s.client.closed_out = false;
	f->s.state = SESSION_CLOSING;
	assert_false(delivered(f, "u@local.example/r", DIRECTION_OUT));
	f->s.client.conn.fd = f->s.server.conn.fd = -1;
	f->worker.sessions = NULL;
}

static void without_a_verdict_it_fails_closed(void **state)
{
	struct fixture *f = *state;

	f->v.kind = VERDICT_ACCEPT;
	apply(f, &f->s.client, "<message to='a@b'/>");
	buf_clear(&f->s.server.conn.out);
	f->service.conf.fail_open = true;
	apply_failure(&f->s, &f->s.client, &f->ev.stanza, -12);
	assert_string_equal(queued(&f->s.server), "<message to=\"a@b\"/>");
	buf_clear(&f->s.server.conn.out);
	f->service.conf.fail_open = false;
	apply_failure(&f->s, &f->s.client, &f->ev.stanza, -12);
	assert_string_equal(queued(&f->s.server), "");
	assert_int_equal(f->s.state, SESSION_DRAIN);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(accepted_is_canonical),
		CASE(verbatim_unless_prefixed),
		CASE(dropped_is_handled_for_its_sender),
		CASE(rejected_bounces_to_its_sender),
		CASE(long_words_are_cut_between_characters),
		CASE(errors_are_never_answered),
		CASE(rooms_are_not_answered),
		CASE(nothing_is_written_behind_a_close),
		CASE(close_ends_the_session),
		CASE(only_what_a_profile_names_goes_on),
		CASE(redirected_goes_to_another_and_says_for_whom),
		CASE(a_tarpit_stops_the_client_alone),
		CASE(kept_is_told_to_the_daemon),
		CASE(what_cannot_be_kept_is_not_lost_in_silence),
		CASE(released_goes_into_a_session_that_fits),
		CASE(without_a_verdict_it_fails_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
