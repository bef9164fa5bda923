/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* Any bytes as a server's features, and as a first SASL message: what may not be offered is gone
 * from every list, an edit of the edited changes nothing, and whatever is no list of ours stays.
 * The first byte chooses the arrangement. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/features.h"
#include "proxy/sasl_name.h"
#include "rules/login.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OURS = 5000 };

static const char header[] = "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>";

static struct stream *stream_begin(void)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;

	if (!s)
		abort();
	stream_set_authenticated(s, true);
	stream_push(s, header, sizeof header - 1);
	assert(stream_next(s, &e) == 0 && e.kind == STREAM_OPEN);
	return s;
}

static void look_at_list(struct arena *a, const struct xml_element *list, bool endpoint)
{
	const struct xml_element *one = list ? element_child(list, NULL, "mechanism") : NULL;

	for (; one; one = element_next(one, NULL, "mechanism"))
		assert(!features_is_stripped(element_text(one, a), endpoint));
}

static void look_at_limits(struct arena *a, const struct xml_element *features)
{
	const struct xml_element *limits = element_child(features, NS_LIMITS, "limits");
	const struct xml_element *max =
		limits ? element_child(limits, NS_LIMITS, "max-bytes") : NULL;

	assert(max && strtoull(element_text(max, a), NULL, 10) <= OURS);
}

static void look(struct arena *a, const struct xml_element *features,
	const struct features_context *ctx, const struct features_result *result)
{
	const struct xml_element *sasl2 = element_child(features, NS_SASL2, "authentication");
	const struct xml_element *in = sasl2 ? element_child(sasl2, NULL, "inline") : NULL;
	const struct xml_element *cb = element_child(features, NS_SASL_CB, "sasl-channel-binding");

	assert(!result->endpoint || (ctx->secure && ctx->same_leaf));
	look_at_list(a, element_child(features, NS_SASL, "mechanisms"), result->endpoint);
	look_at_list(a, sasl2, result->endpoint);
	look_at_list(a, in ? element_child(in, NS_FAST, "fast") : NULL, result->endpoint);
	assert(!cb || result->endpoint || !element_child(cb, NULL, "channel-binding"));
	assert(!element_child(features, NS_COMPRESS_FEATURE, "compression"));
	assert(!element_child(features, NS_TLS, "starttls") == !ctx->offer_starttls);
	look_at_limits(a, features);
}

/* As text; the stream's own event memory is left alone. */
static void edit(const struct stanza *st, const struct features_context *ctx, struct buf *out)
{
	struct features_result result;

	assert(features_edit(st->arena, st->root, ctx, &result) == 0);
	look(st->arena, st->root, ctx, &result);
	assert(write_element(out, st->root, NS_CLIENT) == 0);
}

static void edit_again(const struct buf *first, const struct features_context *ctx)
{
	struct stream *s = stream_begin();
	struct stream_event e;
	struct buf second;

	buf_init(&second, 64 << 20);
	stream_push(s, buf_ptr(first), buf_len(first));
	assert(stream_next(s, &e) == 0);
	if (e.kind == STREAM_ELEMENT) { /* escapes may lift it over a ceiling */
		edit(&e.stanza, ctx, &second);
		assert(buf_len(first) == buf_len(&second) &&
			memcmp(buf_ptr(first), buf_ptr(&second), buf_len(first)) == 0);
	} else {
		assert(e.kind == STREAM_BAD && strncmp(e.reason, "limit.", 6) == 0);
	}
	buf_fini(&second);
	stream_free(s);
}

static void fuzz_features(const uint8_t *data, size_t size, const struct features_context *ctx)
{
	struct stream *s = stream_begin();
	struct stream_event e;
	struct buf out;

	stream_push(s, data, size);
	while (stream_next(s, &e) == 0 && e.kind != STREAM_MORE && e.kind != STREAM_BAD &&
		e.kind != STREAM_CLOSE) {
		if (e.kind != STREAM_ELEMENT)
			continue;
		buf_init(&out, 64 << 20);
		assert(*login_failure_word(e.stanza.root));
		edit(&e.stanza, ctx, &out);
		edit_again(&out, ctx);
		buf_fini(&out);
	}
	stream_free(s);
}

static void fuzz_name(const uint8_t *data, size_t size)
{
	static const char *const mechanisms[] = { "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS",
		"HT-SHA-256-NONE" };
	struct span text = { (const char *)data, size };
	struct sasl_name name;

	for (unsigned i = 0; i < 4; i++) {
		sasl_name_read(mechanisms[i], text, &name);
		assert(strlen(name.name) <= SASL_NAME_MAX);
		assert(i < 3 || !*name.name);
		assert(!name.flag || strchr("nyp", name.flag));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct features_context ctx = { .max_bytes = OURS };

	if (size < 2)
		return 0;
	ctx.secure = data[0] & 1;
	ctx.same_leaf = data[0] & 2;
	ctx.offer_starttls = data[0] & 4;
	ctx.idle_seconds = data[0] & 8 ? 30 : 0;
	fuzz_features(data + 1, size - 1, &ctx);
	fuzz_name(data + 1, size - 1);
	return 0;
}
