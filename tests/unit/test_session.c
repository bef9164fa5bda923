/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* One whole session on a loop of its own, a fake client and a fake server at its ends, in clear
 * text: headers, login, stanzas, closes and losses, whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "base/clock.h"
#include "proxy/counters.h"
#include "door/registry.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "tests/unit/gear_of.h"
#include "xmpp/ns.h"

enum { DEADLINE_MS = 10000 };

#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM       \
	"' to='x.example' version='1.0'>"
#define SERVER_HEADER                                                                              \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM       \
	"' from='x.example' id='i1' version='1.0'>"                                                \
	"<stream:features><bind xmlns='" NS_BIND "'/></stream:features>"
#define AUTH "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AAA=</auth>"

struct fixture {
	struct worker worker;
	struct gear *gear;
	int listener, client, server;
	char heard_client[65536], heard_server[65536];
	bool end_client, end_server;
	size_t step; /* bytes a write, 0: whole */
};

static void gear_make(struct fixture *f, uint16_t port)
{
	struct source_set sources;
	char text[1024];

	snprintf(text, sizeof(text),
		"service c2s { listen tcp { 5222 }; mode proxy; intercept none; tls none;\n"
		"  upstream 127.0.0.1:%u plain; timeouts { login 2s; stanza 1s; close 1s; } }\n"
		"chain inbound { hook c2s; policy accept;\n"
		"  rule no { message body contains \"forbidden\" reject policy-violation }\n"
		"  rule quiet { message body contains \"secret\" drop }\n"
		"  rule out { message body contains \"getout\" close policy-violation } }\n",
		port);
	source_init(&sources, false);
	f->gear = gear_of(&sources, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	counters_init(NULL);
	f->client = f->server = -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&in, &len), 0);
	gear_make(f, ntohs(in.sin_port));
	assert_int_equal(uv_loop_init(&f->worker.loop), 0);
	assert_int_equal(uv_idle_init(&f->worker.loop, &f->worker.again), 0);
	f->worker.again.data = &f->worker;
	f->worker.gear = f->gear;
	assert_non_null(f->worker.judge = judge_new());
	*state = f;
	return 0;
}

/* Takes what has come; false at the end. */
static bool hear(int fd, char *text)
{
	size_t at = strlen(text);
	ssize_t n = recv(fd, text + at, 65535 - at, MSG_DONTWAIT);

	if (n > 0)
		text[at + (size_t)n] = '\0';
	return n != 0 && (n > 0 || errno == EAGAIN);
}

static void turn(struct fixture *f)
{
	uv_run(&f->worker.loop, UV_RUN_NOWAIT);
	if (f->client >= 0 && !f->end_client)
		f->end_client = !hear(f->client, f->heard_client);
	if (f->server < 0)
		f->server = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	if (f->server >= 0 && !f->end_server)
		f->end_server = !hear(f->server, f->heard_server);
}

/* Turns the loop until the text was heard, and forgets all that was. */
static void wait_heard(struct fixture *f, char *heard, const char *text)
{
	uint64_t end = clock_mono_ms() + DEADLINE_MS;

	while (!strstr(heard, text)) {
		turn(f);
		if (clock_mono_ms() > end)
			fail_msg("waited for %s, heard %s", text, heard);
	}
}

static void wait_end(struct fixture *f, const bool *ended)
{
	uint64_t end = clock_mono_ms() + DEADLINE_MS;

	while (!*ended) {
		turn(f);
		assert_true(clock_mono_ms() < end);
	}
}

static void client_hears(struct fixture *f, const char *text)
{
	wait_heard(f, f->heard_client, text);
}

static void server_hears(struct fixture *f, const char *text)
{
	wait_heard(f, f->heard_server, text);
}

static void say(struct fixture *f, int fd, const char *text)
{
	size_t len = strlen(text), step = f->step ? f->step : len;

	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(send(fd, text + at, n, MSG_NOSIGNAL), n);
		if (f->step)
			turn(f);
	}
}

static void forget(struct fixture *f)
{
	f->heard_client[0] = f->heard_server[0] = '\0';
}

static void begin(struct fixture *f)
{
	struct endpoint peer = { .port = 1 }, dest = { .port = 5222 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(address_parse(span_of("192.0.2.1"), &peer.address), 0);
	assert_int_equal(address_parse(span_of("127.0.0.1"), &dest.address), 0);
	assert_int_equal(registry_enter("c2s", &peer.address, 10, 0), REGISTRY_OK);
	f->client = pair[0];
	assert_int_equal(
		session_new(&f->worker, f->gear->services[0], pair[1], &peer, &dest, 5222), 0);
}

static void log_in(struct fixture *f)
{
	begin(f);
	say(f, f->client, HEADER);
	server_hears(f, "version=\"1.0\">");
	say(f, f->server, SERVER_HEADER);
	client_hears(f, "</stream:features>");
	assert_non_null(strstr(f->heard_client, "id=\"i1\"")); /* digests may be bound to it */
	forget(f);
	say(f, f->client, AUTH);
	server_hears(f, "</auth>");
	say(f, f->server, "<success xmlns='" NS_SASL "'/>");
	client_hears(f, "<success");
	forget(f);
	say(f, f->client, HEADER);
	server_hears(f, "version=\"1.0\">");
	say(f, f->server, SERVER_HEADER);
	client_hears(f, "</stream:features>");
	say(f, f->client, "<iq type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>");
	server_hears(f, "</iq>");
	say(f, f->server,
		"<iq type='result' id='b'><bind xmlns='" NS_BIND
		"'><jid>u@x.example/r</jid></bind></iq>");
	client_hears(f, "</iq>");
	assert_string_equal(f->worker.sessions->jid, "u@x.example/r");
	forget(f);
}

/* The session goes when both ends have gone. */
static void wait_gone(struct fixture *f)
{
	uint64_t end = clock_mono_ms() + DEADLINE_MS;

	while (f->worker.sessions) {
		turn(f);
		if (clock_mono_ms() > end)
			fail_msg("the session stays in %s",
				session_state_text(f->worker.sessions->state));
	}
}

static void hang_up(struct fixture *f)
{
	if (f->client >= 0)
		close(f->client);
	if (f->server >= 0)
		close(f->server);
	f->client = f->server = -1;
	wait_gone(f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hang_up(f);
	close(f->listener);
	uv_close((uv_handle_t *)&f->worker.again, NULL);
	uv_run(&f->worker.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->worker.loop), 0);
	judge_free(f->worker.judge);
	gear_unref(f->gear);
	free(f);
	return 0;
}

/* ---- cases ---- */

static void stanzas_meet_their_verdicts(struct fixture *f)
{
	log_in(f);
	say(f, f->client, "<message to='a@b' id='1'><body>forbidden</body></message>");
	client_hears(f, "</message>");
	assert_non_null(strstr(f->heard_client, "policy-violation"));
	say(f, f->client,
		"<message to='a@b'><body>secret</body></message>"
		"<message to='a@b'><body>h\xe2\x82\xac &amp; <![CDATA[<]]></body></message>");
	server_hears(f, "</message>");
	assert_string_equal(f->heard_server,
		"<message to=\"a@b\"><body>h\xe2\x82\xac &amp; &lt;</body></message>");
	say(f, f->server,
		"<message from='a@b'><body>secret</body></message><presence from='a@b'/>");
	client_hears(f, "<presence from=\"a@b\"/>");
	assert_null(strstr(f->heard_client, "secret"));
	assert_int_equal(f->worker.sessions->dropped, 2);
	assert_int_equal(f->worker.sessions->rejected, 1);
}

static void at_once(void **state)
{
	stanzas_meet_their_verdicts(*state);
}

static void byte_by_byte(void **state)
{
	struct fixture *f = *state;

	f->step = 1;
	stanzas_meet_their_verdicts(f);
}

static void in_sevens(void **state)
{
	struct fixture *f = *state;

	f->step = 7;
	stanzas_meet_their_verdicts(f);
}

/* XEP-0305: header, auth, new header and bind in one piece. */
static void everything_ahead_of_time(void **state)
{
	struct fixture *f = *state;

	begin(f);
	say(f, f->client,
		HEADER AUTH HEADER "<iq type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>");
	server_hears(f, "version=\"1.0\">");
	say(f, f->server, SERVER_HEADER);
	server_hears(f, "</auth>");
	assert_null(strstr(f->heard_server, "<iq"));
	forget(f);
	say(f, f->server, "<success xmlns='" NS_SASL "'/>");
	server_hears(f, "version=\"1.0\">");
	say(f, f->server, SERVER_HEADER);
	server_hears(f, "</iq>");
}

static void half_closes_go_in_order(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	say(f, f->client, "</stream:stream>");
	server_hears(f, "</stream:stream>");
	say(f, f->server, "<message from='a@b'><body>late</body></message></stream:stream>");
	client_hears(f, "</stream:stream>");
	assert_non_null(strstr(f->heard_client, "late"));
	wait_end(f, &f->end_client);
	wait_end(f, &f->end_server);
}

/* XEP-0198: what is lost must stay resumable; nobody may hear a close. */
static void a_loss_is_not_a_close(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	close(f->client);
	f->client = -1;
	wait_end(f, &f->end_server);
	assert_null(strstr(f->heard_server, "stream:stream"));
}

static void close_verdict_ends_both(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	say(f, f->client, "<message to='a@b'><body>getout</body></message><message to='a@b'/>");
	client_hears(f, "<policy-violation");
	client_hears(f, "</stream:stream>");
	server_hears(f, "</stream:stream>");
	assert_null(strstr(f->heard_server, "<message"));
}

/* RFC 6120 4.9.1.1: a header first, whatever was wrong. */
static void errors_come_after_a_header(void **state)
{
	static const struct {
		const char *said, *error;
	} cases[] = {
		{ "<!DOCTYPE x><x/>", "<restricted-xml" },
		{ "\xef\xbb\xbf<x/>", "<unsupported-encoding" },
		{ "<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM
		  "' to='x' version='1.0'>",
			"<invalid-namespace" },
		{ "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM
		  "' version='1.0'>",
			"<host-unknown" },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(f);
		say(f, f->client, cases[i].said);
		client_hears(f, "</stream:stream>");
		assert_non_null(strstr(f->heard_client, "<stream:stream "));
		assert_true(strstr(f->heard_client, "<stream:stream ") <
			    strstr(f->heard_client, cases[i].error));
		hang_up(f);
		forget(f);
		f->end_client = false;
	}
}

static void an_unreachable_server_is_said(void **state)
{
	struct fixture *f = *state;

	close(f->listener);
	f->listener = -1;
	begin(f);
	say(f, f->client, HEADER);
	client_hears(f, "</stream:stream>");
	assert_non_null(strstr(f->heard_client, "<remote-connection-failed"));
}

static void a_bad_server_harms_nobody(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	say(f, f->server, "<message from='a@b'><body>x<!-- y --></body></message>");
	client_hears(f, "</stream:stream>");
	assert_null(strstr(f->heard_client, "<body>"));
	server_hears(f, "<restricted-xml");
}

/* A name the server gives to go to would lead around us. */
static void see_other_host_becomes_reset(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	say(f, f->server,
		"<stream:error><see-other-host xmlns='" NS_STREAMS
		"'>evil.example</see-other-host></stream:error></stream:stream>");
	client_hears(f, "</stream:stream>");
	assert_non_null(strstr(f->heard_client, "<reset"));
	assert_null(strstr(f->heard_client, "evil"));
}

static void time_runs_out(void **state)
{
	struct fixture *f = *state;
	uint64_t now;

	log_in(f);
	say(f, f->client, "<message><body>never en");
	while (f->worker.sessions->client.partial_ms == 0)
		turn(f);
	now = uv_now(&f->worker.loop);
	session_tick(f->worker.sessions, now + 500);
	assert_int_equal(f->worker.sessions->state, SESSION_ONLINE);
	session_tick(f->worker.sessions, now + 1500);
	client_hears(f, "<connection-timeout");
	server_hears(f, "</stream:stream>");
}

/* Nobody reads: what is kept stays bounded, and all of it arrives in the end. */
static void a_slow_client_slows_its_server(void **state)
{
	static const char one[] =
		"<message from='a@b'><body>0123456789012345678901234567890123456789"
		"</body></message>";
	struct fixture *f = *state;
	size_t sent = 0, got = 0, stuck = 0;
	char sink[65536];
	ssize_t n;

	log_in(f);
	while (stuck < 200) {
		n = send(f->server, one, sizeof(one) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0 && n < (ssize_t)sizeof(one) - 1) {
			sent += (size_t)n; /* the rest later */
			break;
		}
		sent += n > 0 ? (size_t)n : 0;
		stuck = n > 0 ? 0 : stuck + 1;
		uv_run(&f->worker.loop, UV_RUN_NOWAIT);
		assert_true(buf_len(&f->worker.sessions->client.conn.out) < 1048576);
	}
	for (stuck = 0; stuck < 2000;) {
		uv_run(&f->worker.loop, UV_RUN_NOWAIT);
		n = recv(f->client, sink, sizeof(sink), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		stuck = n > 0 ? 0 : stuck + 1;
	}
	/* Quotes have the same length: whole messages come out as long as they went in. */
	assert_int_equal(got, sent / (sizeof(one) - 1) * (sizeof(one) - 1));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(at_once),
		CASE(byte_by_byte),
		CASE(in_sevens),
		CASE(everything_ahead_of_time),
		CASE(half_closes_go_in_order),
		CASE(a_loss_is_not_a_close),
		CASE(close_verdict_ends_both),
		CASE(errors_come_after_a_header),
		CASE(an_unreachable_server_is_said),
		CASE(a_bad_server_harms_nobody),
		CASE(see_other_host_becomes_reset),
		CASE(time_runs_out),
		CASE(a_slow_client_slows_its_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
