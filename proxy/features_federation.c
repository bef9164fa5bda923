/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits features between servers. In: the receiver's parsed <stream:features/>. Out: the same tree
 * with nothing left but what this proxy keeps true: EXTERNAL where the receiver was shown a
 * certificate minted for who was verified (it would speak of ours else), dialback, bidi where the
 * policy takes it, stream management, capabilities, and limits no higher than our own. All else
 * goes, unlike towards clients (proxy/features.c): between domains nothing may be agreed upon that
 * nobody here has heard of. It decides nothing about a pair. */
#include "proxy/features_federation.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "proxy/dialback_element.h"
#include "proxy/features.h"
#include "xmpp/ns.h"

#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"
#define NS_CAPS             "http://jabber.org/protocol/caps"

struct edit {
	struct arena *a;
	const struct federation_features_context *ctx;
	struct federation_features_result *out;
};

/* 1: it stays, 0: it goes; -ENOMEM. */
typedef int keep_fn(struct edit *ed, struct xml_element *e);

/* Servers log in to servers by EXTERNAL only (RFC 6120 13.8.2), and an empty list is none. */
static int keep_mechanisms(struct edit *ed, struct xml_element *list)
{
	struct xml_element *one = element_first(list), *next;
	bool kept = false;

	for (; one; one = next) {
		const char *name = element_text(one, ed->a);

		next = element_next(one, NULL, NULL);
		if (!name)
			return -ENOMEM;
		if (ed->ctx->external && !kept && element_is(one, NS_SASL, "mechanism") &&
			strcasecmp(name, "EXTERNAL") == 0) {
			kept = true;
			continue;
		}
		element_remove(one);
		ed->out->stripped++;
	}
	ed->out->external |= kept;
	return kept;
}

/* What is in it but not known there goes. */
static void keep_only(struct edit *ed, struct xml_element *e, const char *ns, const char *name)
{
	struct xml_element *one = element_first(e), *next;

	for (; one; one = next) {
		next = element_next(one, NULL, NULL);
		if (element_is(one, ns, name))
			continue;
		element_remove(one);
		ed->out->stripped++;
	}
}

static int keep_dialback(struct edit *ed, struct xml_element *e)
{
	keep_only(ed, e, NS_DIALBACK_FEATURE, "errors");
	ed->out->errors = element_first(e) != NULL;
	return 1;
}

static int keep_bidi(struct edit *ed, struct xml_element *e)
{
	if (!ed->ctx->bidi)
		return 0;
	keep_only(ed, e, NS_LIMITS, "limits");
	ed->out->bidi = true;
	return 1;
}

static int keep_as_it_is(struct edit *ed, struct xml_element *e)
{
	(void)ed;
	(void)e;
	return 1;
}

static const struct {
	const char *ns, *name;
	keep_fn *keep;
} known[] = {
	{ NS_SASL, "mechanisms", keep_mechanisms },
	{ NS_DIALBACK_FEATURE, "dialback", keep_dialback },
	{ NS_BIDI_FEATURE, "bidi", keep_bidi },
	{ NS_SM, "sm", keep_as_it_is },
	{ NS_SM2, "sm", keep_as_it_is },
	{ NS_LIMITS, "limits", keep_as_it_is },
	{ NS_CAPS, "c", keep_as_it_is },
};

static int keep(struct edit *ed, struct xml_element *e)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (element_is(e, known[i].ns, known[i].name))
			return known[i].keep(ed, e);
	return 0;
}

int federation_features_edit(struct arena *a, struct xml_element *features,
	const struct federation_features_context *ctx, struct federation_features_result *out)
{
	struct edit ed = { a, ctx, out };
	struct xml_element *one = element_first(features), *next;
	int kept;

	*out = (struct federation_features_result){ 0 };
	for (; one; one = next) {
		next = element_next(one, NULL, NULL);
		if ((kept = keep(&ed, one)) < 0)
			return kept;
		if (kept)
			continue;
		element_remove(one);
		out->stripped++;
	}
	return features_lower_limits(a, features, ctx->max_bytes, ctx->idle_seconds);
}
