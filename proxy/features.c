/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits the server's features on their way to the client: what cannot work through a proxy that
 * ends TLS, or would let traffic escape judgement, is taken out. In: the parsed <stream:features/>.
 * Out: the same tree, smaller: no compression (XEP-0138: unjudgeable, and a bomb), no STARTTLS
 * inside TLS, no mechanism bound to a TLS channel that ends at us (tls-unique, tls-exporter), no
 * EXTERNAL (it would speak of our certificate), no login by iq (XEP-0078: behind our back). When
 * both legs show the same leaf, tls-server-end-point is true through us and stays (RFC 5929 4). It
 * never touches SASL payloads: hashes over them would break (XEP-0474). */
#include "proxy/features.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "xmpp/ns.h"

#define NS_STARTTLS_FEATURE NS_TLS
#define NS_INSTANT          "https://xmpp.org/extensions/isr/"

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n >= m && strcasecmp(text + n - m, tail) == 0;
}

/* Names are upper case (RFC 4422 3.1), but a server may be lenient. */
bool features_is_stripped(const char *mechanism, bool endpoint)
{
	if (strcasecmp(mechanism, "EXTERNAL") == 0)
		return true;
	if (ends_with(mechanism, "-PLUS"))
		return !endpoint;
	if (strncasecmp(mechanism, "HT-", 3) != 0)
		return false;
	return ends_with(mechanism, "-EXPR") || ends_with(mechanism, "-UNIQ") ||
	       (ends_with(mechanism, "-ENDP") && !endpoint);
}

/* Removes child elements {any}name of e for which gone says yes. */
struct strip {
	struct arena *a;
	bool endpoint;
	struct features_result *out;
};

static int strip_mechanisms(struct strip *st, struct xml_element *list)
{
	struct xml_element *one = element_child(list, NULL, "mechanism"), *next;

	for (; one; one = next) {
		const char *name = element_text(one, st->a);

		next = element_next(one, NULL, "mechanism");
		if (!name)
			return -ENOMEM;
		if (!features_is_stripped(name, st->endpoint))
			continue;
		st->out->plus |= ends_with(name, "-PLUS");
		element_remove(one);
		st->out->stripped++;
	}
	return 0;
}

/* Mechanisms stand in SASL's list, in SASL2's, and in <fast/> among SASL2's inline features. */
static int strip_everywhere(struct strip *st, struct xml_element *features)
{
	struct xml_element *sasl = element_child(features, NS_SASL, "mechanisms");
	struct xml_element *sasl2 = element_child(features, NS_SASL2, "authentication");
	struct xml_element *in = sasl2 ? element_child(sasl2, NULL, "inline") : NULL;
	struct xml_element *fast = in ? element_child(in, NS_FAST, "fast") : NULL;
	int r = 0;

	if (sasl)
		r = strip_mechanisms(st, sasl);
	if (r == 0 && sasl2)
		r = strip_mechanisms(st, sasl2);
	if (r == 0 && fast)
		r = strip_mechanisms(st, fast);
	return r;
}

static bool offers_endpoint(const struct xml_element *features)
{
	const struct xml_element *list =
		element_child(features, NS_SASL_CB, "sasl-channel-binding");
	const struct xml_element *one = list ? element_child(list, NULL, "channel-binding") : NULL;

	for (; one; one = element_next(one, NULL, "channel-binding")) {
		const char *type = element_attr(one, "type");

		if (type && strcmp(type, "tls-server-end-point") == 0)
			return true;
	}
	return false;
}

/* XEP-0440: a list without -PLUS mechanisms (or the other way round) makes clients abort, so they
 * go together. */
static void strip_bindings(struct strip *st, struct xml_element *features)
{
	struct xml_element *list = element_child(features, NS_SASL_CB, "sasl-channel-binding");
	struct xml_element *one = list ? element_child(list, NULL, "channel-binding") : NULL, *next;

	for (; one; one = next) {
		const char *type = element_attr(one, "type");

		next = element_next(one, NULL, "channel-binding");
		if (st->endpoint && type && strcmp(type, "tls-server-end-point") == 0)
			continue;
		element_remove(one);
		st->out->stripped++;
	}
	if (list && !element_first(list))
		element_remove(list);
}

static void strip_element(
	struct strip *st, struct xml_element *features, const char *ns, const char *name)
{
	struct xml_element *e;

	while ((e = element_child(features, ns, name))) {
		element_remove(e);
		st->out->stripped++;
	}
}

/* XEP-0478: one of the numbers, ours (0: we have none) where it is the lower one or the only one.
 */
static int lower_limit(struct arena *a, struct xml_element *limits, const char *name, uint64_t ours)
{
	struct xml_element *old = element_child(limits, NS_LIMITS, name), *new;
	const char *text = old ? element_text(old, a) : NULL;
	char number[24];
	int len, r;

	if (old && !text)
		return -ENOMEM;
	if (ours == 0 || (text && *text >= '0' && *text <= '9' && strtoull(text, NULL, 10) <= ours))
		return 0;
	len = snprintf(number, sizeof(number), "%llu", (unsigned long long)ours);
	if (!(new = element_new(a, NS_LIMITS, name)))
		return -ENOMEM;
	if ((r = element_add_text(a, new, number, (size_t)len)) < 0)
		return r;
	while ((old = element_child(limits, NS_LIMITS, name)))
		element_remove(old);
	return element_add(a, limits, new);
}

int features_lower_limits(
	struct arena *a, struct xml_element *features, size_t max_bytes, uint64_t idle_seconds)
{
	struct xml_element *limits = element_child(features, NS_LIMITS, "limits");
	int r;

	if (!limits) {
		if (!(limits = element_new(a, NS_LIMITS, "limits")))
			return -ENOMEM;
		if ((r = element_add(a, features, limits)) < 0)
			return r;
	}
	if ((r = lower_limit(a, limits, "max-bytes", max_bytes)) < 0)
		return r;
	return lower_limit(a, limits, "idle-seconds", idle_seconds);
}

/* Instant resumption (XEP-0397) counts stanzas where the ledger does not look, and names a place to
 * go to; nobody offers it yet. */
static void strip_instant(struct strip *st, struct xml_element *e)
{
	struct xml_element *one = element_first(e), *next;

	for (; one; one = next) {
		next = element_next(one, NULL, NULL);
		if (strncmp(one->ns, NS_INSTANT, strlen(NS_INSTANT)) != 0)
			continue;
		element_remove(one);
		st->out->stripped++;
	}
}

int features_add_starttls(struct arena *a, struct xml_element *features)
{
	struct xml_element *starttls = element_new(a, NS_STARTTLS_FEATURE, "starttls");

	return starttls ? element_add(a, features, starttls) : -ENOMEM;
}

int features_edit(struct arena *a, struct xml_element *features, const struct features_context *ctx,
	struct features_result *out)
{
	struct strip st = { .a = a, .out = out };
	int r;

	*out = (struct features_result){ 0 };
	st.endpoint = out->endpoint = ctx->secure && ctx->same_leaf && offers_endpoint(features);
	strip_element(&st, features, NS_COMPRESS_FEATURE, "compression");
	strip_element(&st, features, NS_STARTTLS_FEATURE, "starttls");
	strip_element(&st, features, NS_IQ_AUTH_FEATURE, "auth");
	if ((r = strip_everywhere(&st, features)) < 0)
		return r;
	strip_bindings(&st, features);
	strip_instant(&st, features);
	if ((r = features_lower_limits(a, features, ctx->max_bytes, ctx->idle_seconds)) < 0)
		return r;
	return ctx->offer_starttls ? features_add_starttls(a, features) : 0;
}
