/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream between servers without sockets: elements as text, said by either side, and what
 * proxy/dialback.c makes of them. Our domains are home.example and rooms.home.example;
 * strict.example is one whose policy takes no dialback. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/dialback.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

#define LAB_OPEN                                                                                   \
	"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "                  \
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

#define HOME "home.example"
#define FAR  "far.example"

#define I    SIDE_INITIATOR
#define R    SIDE_RECEIVER
#define PASS DIALBACK_FORWARD
#define EAT  DIALBACK_SWALLOW
#define END  DIALBACK_END

struct lab {
	struct dialback d;
	bool changed_mind; /* the policy takes nobody any more */
};

static inline bool is_local(void *ctx, const char *domain)
{
	(void)ctx;
	return strcmp(domain, HOME) == 0 || strcmp(domain, "rooms." HOME) == 0;
}

static inline bool may(void *ctx, const char *domain)
{
	const struct lab *lab = ctx;

	return !lab->changed_mind && strcmp(domain, "strict.example") != 0;
}

static inline void lab_open(struct lab *lab, enum side local)
{
	const struct dialback_asks asks = { is_local, may, lab };

	lab->changed_mind = false;
	dialback_init(&lab->d, local, &(struct dialback_limits){ 0 }, &asks);
	assert_int_equal(dialback_set_id(&lab->d, "this-stream"), 0);
}

static inline void lab_close(struct lab *lab)
{
	dialback_fini(&lab->d);
}

/* What came out, to be looked at once its arena is gone. */
struct said {
	enum dialback_fate fate;
	struct dialback_out out; /* its pointers into the arena are void, but for pair */
	char *written;           /* what goes on, or the answer; NULL: nothing */
};

static inline struct said say(struct lab *lab, enum side by, const char *text)
{
	struct stream *in = stream_new(&xmpp_limits_default);
	struct stream_event ev;
	struct said said = { 0 };
	const struct xml_element *e;
	struct buf out;

	assert_non_null(in);
	buf_init(&out, 0);
	assert_int_equal(stream_push(in, LAB_OPEN, sizeof(LAB_OPEN) - 1), 0);
	assert_int_equal(stream_push(in, text, strlen(text)), 0);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(ev.kind, STREAM_OPEN);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(ev.kind, STREAM_ELEMENT);
	said.fate = dialback_check(&lab->d, by, &ev.stanza, &said.out);
	e = said.fate == DIALBACK_FORWARD ? ev.stanza.root : said.out.answer;
	if (e) {
		assert_int_equal(write_dialback(&out, e, NS_SERVER), 0);
		said.written = buf_take(&out);
	}
	buf_fini(&out);
	stream_free(in);
	return said;
}

struct step {
	enum side by;
	const char *text;
	enum dialback_fate fate;
	const char *reason;  /* NULL: nothing is odd */
	const char *written; /* a part of what goes on or back; NULL: not looked at; "": nothing */
};

static inline void step(struct lab *lab, const struct step *s)
{
	struct said said = say(lab, s->by, s->text);

	if (said.fate != s->fate ||
		(s->reason != said.out.reason && (!s->reason || !said.out.reason ||
							 strcmp(s->reason, said.out.reason) != 0)))
		fail_msg("%s: fate %d, reason %s", s->text, said.fate,
			said.out.reason ? said.out.reason : "-");
	assert_int_equal(said.out.error != STREAM_ERROR_NONE, said.fate == DIALBACK_END);
	if (said.out.answer)
		assert_int_equal(said.out.answer_to, s->by);
	if (s->written && !*s->written)
		assert_null(said.written);
	else if (s->written && (!said.written || !strstr(said.written, s->written)))
		fail_msg("%s: wrote %s", s->text, said.written ? said.written : "nothing");
	free(said.written);
}
