/* SPDX-License-Identifier: BSD-2-Clause */
/* A small door for tests: a policy from text, stanzas from text, verdicts out. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "rules/rules.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

struct rig {
	struct source_set sources;
	struct metrics *metrics;
	struct policy *policy;
	struct judge *judge;
	struct stream *stream;
	struct subject subject;
	struct verdict verdict;
};

static inline void rig_stream(struct rig *r)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>";
	struct stream_event event;

	stream_free(r->stream);
	r->stream = stream_new(&xmpp_limits_default);
	assert_non_null(r->stream);
	assert_int_equal(stream_push(r->stream, header, sizeof(header) - 1), 0);
	assert_int_equal(stream_next(r->stream, &event), 0);
	assert_int_equal(event.kind, STREAM_OPEN);
	stream_set_authenticated(r->stream, true);
}

/* Loads text as the policy; what was loaded before stays in force for limits, as a reload does. */
static inline int rig_try(struct rig *r, const char *text, struct diag_list *diags)
{
	struct policy *loaded = NULL;
	int e;

	assert_int_equal(source_add(&r->sources, "test.rules", text, strlen(text)), 0);
	e = policy_load(&r->sources, "test.rules", r->policy, r->metrics, diags, &loaded);
	if (e == 0) {
		policy_unref(r->policy);
		r->policy = loaded;
	} else {
		assert_null(loaded);
	}
	return e;
}

static inline void rig_load(struct rig *r, const char *text)
{
	struct diag_list diags;

	diag_init(&diags);
	if (rig_try(r, text, &diags) < 0) {
		diag_print(&diags, stderr, false);
		fail_msg("this policy should load");
	}
	diag_fini(&diags);
}

static inline void rig_init(struct rig *r, const char *text)
{
	int fd;

	memset(r, 0, sizeof(*r));
	source_init(&r->sources, false);
	assert_int_equal(metrics_new(&r->metrics, &fd), 0);
	assert_non_null(r->judge = judge_new());
	rig_stream(r);
	r->subject = (struct subject){
		.service = "c2s",
		.role = ROLE_C2S,
		.direction = DIRECTION_IN,
		.session_jid = "romeo@montague.example/orchard",
		.session_domain = "montague.example",
		.session_authenticated = true,
	};
	if (text)
		rig_load(r, text);
}

static inline void rig_fini(struct rig *r)
{
	policy_unref(r->policy);
	judge_free(r->judge);
	stream_free(r->stream);
	metrics_free(r->metrics);
	source_fini(&r->sources);
}

/* The verdict on one stanza; its strings live until the next. */
static inline const struct verdict *rig_judge(struct rig *r, const char *xml)
{
	struct stream_event event;

	assert_int_equal(stream_push(r->stream, xml, strlen(xml)), 0);
	assert_int_equal(stream_next(r->stream, &event), 0);
	if (event.kind != STREAM_STANZA && event.kind != STREAM_ELEMENT)
		fail_msg("not a stanza: %s", xml);
	r->subject.stanza = &event.stanza;
	assert_int_equal(judge_stanza(r->judge, r->policy, &r->subject, &r->verdict), 0);
	r->subject.stanza = NULL;
	return &r->verdict;
}

/* ... of a chat message with that body (XML text). */
static inline const struct verdict *rig_say(struct rig *r, const char *body)
{
	static char xml[1 << 20];

	snprintf(xml, sizeof(xml),
		"<message type='chat' to='juliet@capulet.example/balcony'><body>%s</body>"
		"</message>",
		body);
	return rig_judge(r, xml);
}

/* The rule that decided ("" for none). */
static inline const char *rig_rule(struct rig *r, const char *body)
{
	return rig_say(r, body)->rule;
}

static inline void rig_peer(struct rig *r, const char *address)
{
	assert_int_equal(address_parse(span_of(address), &r->subject.peer), 0);
}

static inline uint64_t rig_metric(struct rig *r, const char *name)
{
	return metric_get(metrics_find(r->metrics, name));
}

/* A policy of one rule: its condition. Does it hold for the stanza? */
static inline bool rig_holds(struct rig *r, const char *before, const char *cond, const char *xml)
{
	char text[8192];

	snprintf(text, sizeof(text),
		"%s chain test { hook any; policy accept; rule hit { %s drop } }", before, cond);
	rig_load(r, text);
	return rig_judge(r, xml)->kind == VERDICT_DROP;
}
