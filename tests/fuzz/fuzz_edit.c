/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* Any bytes as a stream under a policy that masks: what is left is good XML that says the rest of
 * what it said, and nothing that the rules find again. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/amend.h"
#include "rules/rules.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"
#include "tests/unit/policy_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
	/* Parts of words: where a part is masked, a whole word may stand beside it that did not
	 * before. */
	"set words { type keyword; flags fold, substring; elements = { casino, \"free crypto\" }; "
	"}\n"
	"set parts { type keyword; flags fold, substring; elements = { bonus, ffi }; }\n"
	"set hosts { type domain; flags suffix; elements = { bad.example }; }\n"
	"chain c { hook any;\n"
	" rule a { text contains @words replace }\n"
	" rule b { body contains @parts or subject contains @parts or text contains @parts "
	"replace \"#\" }\n"
	" rule c { text matches /\\d{4}/ replace \"================\" }\n"
	" rule d { url.host in @hosts replace \"[link]\" }\n"
	"}\n";

static struct policy *policy;
static struct judge *judge;

static void policy_make(void)
{
	policy = policy_of_text(text, NULL);
	if (!(judge = judge_new()))
		abort();
}

static const struct subject from_client = { .service = "c2s", .role = ROLE_C2S };

static struct stream *stream_begin(const struct xmpp_limits *limits)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>";
	struct stream *stream = stream_new(limits);
	struct stream_event event;

	stream_set_authenticated(stream, true);
	stream_push(stream, header, strlen(header));
	assert(stream_next(stream, &event) == 0 && event.kind == STREAM_OPEN);
	return stream;
}

/* What was masked in the middle of a host may leave another host. */
static bool is_again(const struct verdict *v)
{
	for (size_t i = 0; i < v->n_masks; i++)
		if (strcmp(v->masks[i].with, "[link]") != 0)
			return true;
	return false;
}

static void judge_again(const struct buf *xml)
{
	struct xmpp_limits limits = xmpp_limits_default;
	struct subject subject = from_client;
	struct stream_event event;
	struct stream *stream;
	struct verdict v;

	limits.stanza_bytes *= 8;
	stream = stream_begin(&limits);
	assert(stream_push(stream, buf_ptr(xml), buf_len(xml)) == 0);
	assert(stream_next(stream, &event) == 0);
	assert(event.kind == STREAM_STANZA || event.kind == STREAM_ELEMENT);
	subject.stanza = &event.stanza;
	assert(judge_stanza(judge, policy, &subject, &v) == 0);
	assert(!is_again(&v));
	assert(stream_next(stream, &event) == 0 && event.kind == STREAM_MORE);
	assert(!stream_is_partial(stream));
	stream_free(stream);
}

static void edit_one(const struct stanza *stanza)
{
	struct subject subject = from_client;
	struct verdict v;
	struct buf xml;

	subject.stanza = stanza;
	assert(judge_stanza(judge, policy, &subject, &v) == 0);
	for (size_t i = 0; i < v.n_masks; i++)
		assert(v.masks[i].text.len > 0 && v.masks[i].with);
	if (!v.n_masks)
		return;
	assert(amend_stanza(stanza, &v) == 0);
	buf_init(&xml, 64 << 20);
	assert(write_element(&xml, stanza->root, NS_CLIENT) == 0);
	judge_again(&xml);
	buf_fini(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_event event;
	struct stream *stream;

	if (!policy)
		policy_make();
	stream = stream_begin(&xmpp_limits_default);
	if (size)
		stream_push(stream, data, size);
	while (stream_next(stream, &event) == 0 && event.kind != STREAM_MORE &&
		event.kind != STREAM_BAD && event.kind != STREAM_CLOSE)
		if (event.kind == STREAM_STANZA)
			edit_one(&event.stanza);
	stream_free(stream);
	return 0;
}
