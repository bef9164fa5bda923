/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* Both sides of a session from the login on, without sockets: lines that begin with C are what the
 * client says, S the server. Nobody is logged in whom the server did not let in, payloads of SASL
 * arrive as they were sent, and the table holds whatever comes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/leg.h"
#include "proxy/login.h"
#include "proxy/relay_sasl.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "tests/unit/gear_of.h"
#include "xmpp/ns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char header[] =
	"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' to='x.example' "
	"from='x.example' id='1' version='1.0'>";
static const char text[] =
	"service c2s { listen tcp { 5222 }; mode proxy; intercept none; tls none;\n"
	" upstream 127.0.0.1:9 plain; }\n"
	"chain logins { hook login; rule many { login.failures.account > 30 close } }\n"
	"chain inbound { hook c2s; rule no { message body contains \"no\" reject } }\n";

static struct worker worker;

static void worker_make(void)
{
	struct source_set sources;

	counters_init(NULL);
	log_set_level(LOG_LEVEL_ERROR);
	source_init(&sources, false);
	worker.gear = gear_of(&sources, text);
	worker.judge = judge_new();
	assert(worker.judge && uv_loop_init(&worker.loop) == 0);
}

static void session_make(struct session *s)
{
	struct stream_event e;

	*s = (struct session){ .worker = &worker,
		.service = gear_find(worker.gear, "c2s"),
		.serial = 1,
		.state = SESSION_LOGIN,
		.domain = strdup("x.example") };
	sm_init(&s->sm);
	leg_init(&s->client, s);
	leg_init(&s->server, s);
	assert(s->client.in && s->server.in && s->domain);
	for (struct leg *leg = &s->client; leg; leg = leg == &s->client ? &s->server : NULL) {
		stream_push(leg->in, header, sizeof(header) - 1);
		assert(stream_next(leg->in, &e) == 0 && e.kind == STREAM_OPEN);
		leg->opened = true;
	}
}

static void session_unmake(struct session *s)
{
	sm_fini(&s->sm, false);
	session_forget_jid(s);
	login_forget(s);
	buf_fini(&s->client.conn.out);
	buf_fini(&s->server.conn.out);
	buf_fini(&s->client.conn.prefix);
	buf_fini(&s->server.conn.prefix);
	stream_free(s->client.in);
	stream_free(s->server.in);
	free(s->account);
	free(s->domain);
	free(s->from);
	free(s->lang);
}

static bool is_over(const struct session *s)
{
	return s->state == SESSION_DRAIN || s->state == SESSION_CLOSED;
}

/* As leg.c has it, sockets apart. */
static bool is_heard(const struct session *s, const struct leg *leg)
{
	if (is_over(s) || leg->closed_in)
		return false;
	if (leg == &s->server)
		return session_table_hears_server(s->state);
	return session_table_hears_client(s->state) && !s->sasl_wait && !session_awaits_jid(s);
}

/* What was sent stands at the end of what the other side gets, escaped alike. */
static void check_payload(struct session *s, struct leg *from, const struct xml_element *e)
{
	struct leg *to = session_other(s, from);
	struct arena *a;
	struct stream *again;
	struct stream_event ev;
	const char *sent;

	if (strcmp(e->ns, NS_SASL) != 0 || is_over(s) || buf_len(&to->conn.out) == 0)
		return;
	again = stream_new(&xmpp_limits_default);
	stream_set_authenticated(again, true);
	stream_push(again, header, sizeof(header) - 1);
	assert(again && stream_next(again, &ev) == 0);
	stream_push(again, buf_ptr(&to->conn.out), buf_len(&to->conn.out));
	assert(stream_next(again, &ev) == 0);
	if (ev.kind == STREAM_ELEMENT && strcmp(ev.stanza.root->name, e->name) == 0) {
		a = ev.stanza.arena;
		sent = element_text(e, a);
		assert(sent && strcmp(sent, element_text(ev.stanza.root, a)) == 0);
	}
	stream_free(again);
}

static bool step(struct session *s, struct leg *leg)
{
	bool was = s->authenticated, success;
	struct stream_event e;

	if (!is_heard(s, leg))
		return false;
	assert(stream_next(leg->in, &e) == 0);
	if (e.kind == STREAM_MORE)
		return false;
	success = e.kind == STREAM_ELEMENT && leg == &s->server &&
		  strcmp(e.stanza.root->name, "success") == 0;
	buf_clear(&s->client.conn.out);
	buf_clear(&s->server.conn.out);
	leg_tell(s, leg, &e);
	assert(was || !s->authenticated || (success && s->mechanism[0]));
	assert(s->authenticated || !s->jid || success);
	assert(!s->login.failure);
	if (e.kind == STREAM_ELEMENT && !success)
		check_payload(s, leg, e.stanza.root);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct session s;

	if (!worker.judge)
		worker_make();
	session_make(&s);
	while (data < end && !is_over(&s)) {
		const uint8_t *line = memchr(data, '\n', (size_t)(end - data));
		struct leg *leg = *data == 'S' ? &s.server : &s.client;

		line = line ? line : end;
		if (line - data > 1)
			stream_push(leg->in, data + 1, (size_t)(line - data) - 1);
		while (step(&s, &s.client) || step(&s, &s.server))
			;
		data = line < end ? line + 1 : end;
	}
	session_unmake(&s);
	return 0;
}
