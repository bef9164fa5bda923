/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a stream, judged by a policy that asks for every field: judging must end and a
 * verdict must be whole. The first byte chooses direction, role and login. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/field.h"
#include "rules/rules.h"
#include "xmpp/ns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sets[] =
	"set words { type keyword; flags fold; elements = { casino, \"free crypto\" }; }\n"
	"set parts { type keyword; flags substring; elements = { bonus }; }\n"
	"set exprs { type regex; elements = { /c[a4]rd\\d{4}/, /(a+)+b/f, /(?<=x)y/ }; }\n"
	"set hosts { type domain; flags suffix; elements = { bad.example, evil.example }; }\n"
	"set people { type jid; elements = { mallory@evil.example }; }\n"
	"set nets { type address; elements = { 192.0.2.0/24 }; }\n"
	"limit chatter { rate 3/minute; key from.bare; entries 64; }\n"
	"limit paths { rate 3/minute; key xml \"{*}x@y\"; entries 64; }\n"
	"limit bytes { rate 1k/s; count size; key from.bare; entries 16; }\n"
	"limit files { rate 1M/day; count file.size; entries 16; }\n"
	"limit whom { rate 3/hour; distinct recipient; key from.bare; entries 16; }\n"
	"limit links { rate 3/hour; distinct url.host; entries 16; }\n";

/* What each type of field is asked; "%s" is the field. */
static const char *const questions[] = {
	[FIELD_TEXT] = "%s contains @words or %s contains @parts or %s matches @exprs or %s is "
		       "\"x\" or %s exists",
	[FIELD_WORD] =
		"%s in @words or %s matches @exprs or %s is chat or %s in { a, b } or %s exists",
	[FIELD_DOMAIN] = "%s in @hosts or %s matches @exprs or %s is a.example or %s in { a, b } "
			 "or %s exists",
	[FIELD_JID] =
		"%s in @people or %s in @hosts or %s is a@b or %s matches @exprs or %s exists",
	[FIELD_ADDRESS] =
		"%s in @nets or %s is ::1 or %s in { 10.0.0.0/8 } or %s is 10.1.1.1 or %s exists",
	[FIELD_NUMBER] = "%s > 5 or %s is 7 or %s in { 1, 2 } or %s <= 9 or %s exists",
	[FIELD_TIME] = "%s in 22:00-06:00 or %s is 08:30 or %s < 08:00 or %s > 09:00 or %s exists",
	[FIELD_BOOL] = "%s or %s is true or %s is no or %s or %s",
};

static struct policy *policy;
static struct judge *judge;

static void policy_make(void)
{
	struct source_set sources;
	struct diag_list diags;
	struct buf text;

	buf_init(&text, 0);
	buf_puts(&text, sets);
	buf_puts(&text, "chain c { hook any; rule n { limit bytes exceeded or limit files exceeded or limit "
			"whom exceeded or limit links exceeded count } rule l { limit chatter exceeded or limit paths "
			"exceeded log }\n");
	for (size_t i = 0; i < field_count; i++) {
		const struct field *f = &field_table[i];
		char name[64];

		snprintf(name, sizeof(name), "%s%s", f->name,
			f->param ? " \"{*}x/{urn:y}z@a\"" : "");
		buf_putf(&text, "rule r%zu { ", i);
		if (strcmp(f->name, "kind") == 0 || strcmp(f->name, "direction") == 0 ||
			strcmp(f->name, "chatstate") == 0 || strcmp(f->name, "receipt") == 0 ||
			strcmp(f->name, "service") == 0 || strcmp(f->name, "weekday") == 0 ||
			strcmp(f->name, "peer.country") == 0 || strcmp(f->name, "remote.verified") == 0)
			buf_putf(&text, "%s matches @exprs or %s exists", name, name);
		else
			buf_putf(&text, questions[f->type], name, name, name, name, name);
		buf_puts(&text, " log, mark m }\n");
	}
	buf_puts(&text, "}\n");
	source_init(&sources, false);
	diag_init(&diags);
	if (source_add(&sources, "fuzz.rules", buf_ptr(&text), buf_len(&text)) < 0 ||
		policy_load(&sources, "fuzz.rules", NULL, NULL, &diags, &policy) < 0 ||
		!(judge = judge_new())) {
		diag_print(&diags, stderr, false);
		abort();
	}
	buf_fini(&text);
	diag_fini(&diags);
	source_fini(&sources);
}

static void judge_one(const struct stanza *stanza, struct subject *subject)
{
	struct verdict v;
	struct buf json;

	subject->stanza = stanza;
	assert(judge_stanza(judge, policy, subject, &v) == 0);
	assert(v.kind == VERDICT_ACCEPT && v.n_matches <= VERDICT_MATCHES_MAX && *v.id);
	for (unsigned i = 0; i < v.n_matches; i++)
		assert(v.matches[i].field && v.matches[i].entry && v.matches[i].text &&
			v.matches[i].set);
	buf_init(&json, 0);
	assert(verdict_format_json(&v, &json) == 0 && buf_len(&json) > 0);
	buf_fini(&json);
	subject->session_stanzas++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream *stream = stream_new(&xmpp_limits_default);
	uint8_t choice = size ? data[0] : 0;
	struct subject subject = {
		.service = "c2s",
		.role = choice & 1 ? ROLE_S2S : ROLE_C2S,
		.direction = choice & 2 ? DIRECTION_OUT : DIRECTION_IN,
		.session_jid = choice & 4 ? "romeo@verona.example/orchard" : NULL,
		.session_anonymous = choice & 8,
		.remote_domain = choice & 16 ? "mantua.example" : NULL,
		.remote_verified = choice & 32 ? REMOTE_VERIFIED_DANE : REMOTE_VERIFIED_NONE,
		.remote_first_seen_ms = choice & 64,
	};
	struct stream_event event;
	char header[200];
	int n;

	if (!policy)
		policy_make();
	n = snprintf(header, sizeof(header), "<stream:stream xmlns='%s' xmlns:stream='%s'>",
		choice & 1 ? NS_SERVER : NS_CLIENT, NS_STREAM);
	stream_set_authenticated(stream, true);
	stream_push(stream, header, (size_t)n);
	if (size > 1)
		stream_push(stream, data + 1, size - 1);
	while (stream_next(stream, &event) == 0 && event.kind != STREAM_MORE &&
		event.kind != STREAM_BAD && event.kind != STREAM_CLOSE)
		if (event.kind == STREAM_STANZA || event.kind == STREAM_ELEMENT)
			judge_one(&event.stanza, &subject);
	stream_free(stream);
	return 0;
}
