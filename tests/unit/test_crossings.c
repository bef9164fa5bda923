/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/audit: each stanza under a verdict is one line, handed over before its bytes are there to
 * be sent; without a line there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/spool.h"
#include "proxy/apply.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "proxy/leg.h"
#include "proxy/worker.h"
#include "rules/verdict.h"
#include "xmpp/ns.h"

#define OPEN "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>"

enum { RING = 16 << 20 };

struct fixture {
	struct worker worker;
	struct gear gear;
	struct gear_service service;
	struct session s;
	struct stream *in;
	struct stream_event ev;
	struct verdict v;
};

static char path[64];
static struct spool_reader reader;

static void ring_begin(size_t bytes)
{
	int fd;

	snprintf(path, sizeof path, "/tmp/crossings-test-%d", (int)getpid());
	assert_int_equal(spool_create(path, bytes, &fd), 0);
	spool_close(&reader);
	assert_int_equal(spool_open(open(path, O_RDWR | O_CLOEXEC), &reader), 0);
	assert_int_equal(audit_use(fd), 0);
	unlink(path);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	counters_init(NULL);
	reader.fd = -1;
	assert_int_equal(uv_loop_init(&f->worker.loop), 0);
	f->service.conf = (struct service){
		.name = "c2s", .limits = xmpp_limits_default, .buffer_max = 65536, .audit = true
	};
	f->worker.gear = &f->gear;
	f->s.worker = &f->worker;
	f->s.service = &f->service;
	f->s.audited = true;
	f->s.serial = 7;
	f->s.state = SESSION_ONLINE;
	f->s.authenticated = true;
	f->s.domain = "local.example";
	f->s.jid = "u@local.example/r";
	conn_init(&f->s.client.conn, 262144, &f->s.client, NULL, NULL);
	conn_init(&f->s.server.conn, 262144, &f->s.server, NULL, NULL);
	sm_init(&f->s.sm);
	f->v.rule = "r";
	f->v.chain = "c";
	strcpy(f->v.id, "test-id");
	*state = f;
	ring_begin(RING);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	spool_close(&reader);
	sm_fini(&f->s.sm, false);
	conn_fini(&f->s.client.conn);
	conn_fini(&f->s.server.conn);
	stream_free(f->in);
	uv_loop_close(&f->worker.loop);
	free(f);
	return 0;
}

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

/* The one line there is. */
static json_t *line(void)
{
	char bytes[SPOOL_RECORD_MAX];
	size_t len;
	json_t *said;

	assert_int_equal(spool_take(&reader, bytes, &len), 1);
	said = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(said);
	assert_int_equal(spool_take(&reader, bytes, &len), 0);
	return said;
}

static void expect(const json_t *said, const char *key, const char *value)
{
	const char *have = json_string_value(json_object_get(said, key));

	if (!value)
		assert_null(have);
	else
		assert_string_equal(have ? have : "(nothing)", value);
}

static void crossing(void **state)
{
	struct fixture *f = *state;
	json_t *said;

	f->v.kind = VERDICT_ACCEPT;
	apply(f, &f->s.client, "<message from='liar@x' to='a@b' type='chat' id='1'/>");
	said = line();
	expect(said, "event", "crossing");
	expect(said, "from", "u@local.example/r"); /* what it says of itself is no evidence */
	expect(said, "to", "a@b");
	expect(said, "kind", "message");
	expect(said, "id", "1");
	expect(said, "direction", "in");
	expect(said, "verdict", "accept");
	expect(said, "verdict_id", "test-id");
	expect(said, "rule", "r");
	assert_non_null(json_object_get(said, "out")); /* other quotes */
	json_decref(said);
	/* Spelled as it goes on: one digest is that of both. */
	apply(f, &f->s.client, "<message to=\"a@b\" id=\"2\"/>");
	said = line();
	assert_null(json_object_get(said, "out"));
	/* SHA-256 of these bytes, by sha256sum. */
	expect(said, "digest", "0fcd11e01e36f5aee1f76cb3df01c0780f6923d35bc9379cb6c8a0e4cca3871e");
	json_decref(said);
}

static void refusals(void **state)
{
	static const enum verdict_kind kinds[] = { VERDICT_DROP, VERDICT_REJECT, VERDICT_CLOSE };
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		json_t *said;

		f->v.kind = kinds[i];
		f->v.condition = STANZA_ERROR_POLICY_VIOLATION;
		f->v.stream_error = STREAM_ERROR_POLICY_VIOLATION;
		apply(f, &f->s.client, "<message to='a@b' id='1'><body>x</body></message>");
		said = line();
		expect(said, "event", "refusal");
		expect(said, "verdict", verdict_kind_text(kinds[i]));
		expect(said, "condition", i ? "policy-violation" : NULL);
		expect(said, "out", NULL);
		json_decref(said);
	}
}

static void without_a_line_nothing_leaves(void **state)
{
	struct fixture *f = *state;

	assert_false(audit_is_jammed(&f->s));
	assert_int_equal(spool_stop(&reader, true), 0);
	assert_true(audit_is_jammed(&f->s));
	assert_false(leg_hears(&f->s, &f->s.client));
	assert_false(audit_is_freed(&f->s, 1));
	/* Should one be under way all the same. */
	f->v.kind = VERDICT_ACCEPT;
	apply(f, &f->s.client, "<message to='a@b' id='1'><body>secret</body></message>");
	assert_null(memmem(
		buf_ptr(&f->s.server.conn.out), buf_len(&f->s.server.conn.out), "secret", 6));
	assert_int_not_equal(f->s.state, SESSION_ONLINE);
	f->s.state = SESSION_ONLINE;
	assert_int_equal(spool_stop(&reader, false), 0);
	assert_true(audit_is_freed(&f->s, 1));
	assert_false(audit_is_freed(&f->s, 1));
}

/* No ring is full before the last thread has room for its line. */
static void a_small_ring_is_full(void **state)
{
	struct fixture *f = *state;

	ring_begin(1 << 20);
	assert_true(audit_is_jammed(&f->s));
	f->s.audited = false;
	assert_false(audit_is_jammed(&f->s));
	ring_begin(RING);
}

static void bounded(void **state)
{
	struct fixture *f = *state;
	char *xml = calloc(1, 200000), *at = xml;
	json_t *said;

	at += sprintf(at, "<message to='a@b' id='");
	memset(at, '\\', 4000);
	at += 4000;
	at += sprintf(at, "'>");
	for (int i = 0; i < 20; i++)
		at += sprintf(at,
			"<securitylabel "
			"xmlns='urn:xmpp:sec-label:0'><displaymarking>%0300d</"
			"displaymarking><label/></securitylabel>",
			i);
	sprintf(at, "</message>");
	f->v.kind = VERDICT_DROP;
	apply(f, &f->s.client, xml);
	said = line();
	assert_int_equal(strlen(json_string_value(json_object_get(said, "id"))), 256);
	assert_int_equal(json_array_size(json_object_get(said, "label")), 8);
	json_decref(said);
	free(xml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(crossing, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_line_nothing_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(a_small_ring_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
