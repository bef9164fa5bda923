/* SPDX-License-Identifier: BSD-2-Clause */
/* What a sender hears when its stanza was refused: a stanza error (RFC 6120 8.3). Comes in: the
 * refused stanza and a condition. Goes out: the answer's bytes, or nothing where an answer would be
 * wrong: errors are never answered, results neither, and an iq without id cannot be. Decides
 * nothing else, and repeats no payload of the stanza. */
#include <errno.h>
#include <string.h>

#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* RFC 6120 8.3.3: each condition with the type that SHOULD go with it. */
static const struct {
	const char *name, *type;
} conditions[STANZA_ERROR_COUNT] = {
	[STANZA_ERROR_BAD_REQUEST] = { "bad-request", "modify" },
	[STANZA_ERROR_CONFLICT] = { "conflict", "cancel" },
	[STANZA_ERROR_FEATURE_NOT_IMPLEMENTED] = { "feature-not-implemented", "cancel" },
	[STANZA_ERROR_FORBIDDEN] = { "forbidden", "auth" },
	[STANZA_ERROR_GONE] = { "gone", "cancel" },
	[STANZA_ERROR_INTERNAL_SERVER_ERROR] = { "internal-server-error", "cancel" },
	[STANZA_ERROR_ITEM_NOT_FOUND] = { "item-not-found", "cancel" },
	[STANZA_ERROR_JID_MALFORMED] = { "jid-malformed", "modify" },
	[STANZA_ERROR_NOT_ACCEPTABLE] = { "not-acceptable", "modify" },
	[STANZA_ERROR_NOT_ALLOWED] = { "not-allowed", "cancel" },
	[STANZA_ERROR_NOT_AUTHORIZED] = { "not-authorized", "auth" },
	[STANZA_ERROR_POLICY_VIOLATION] = { "policy-violation", "modify" },
	[STANZA_ERROR_RECIPIENT_UNAVAILABLE] = { "recipient-unavailable", "wait" },
	[STANZA_ERROR_REDIRECT] = { "redirect", "modify" },
	[STANZA_ERROR_REGISTRATION_REQUIRED] = { "registration-required", "auth" },
	[STANZA_ERROR_REMOTE_SERVER_NOT_FOUND] = { "remote-server-not-found", "cancel" },
	[STANZA_ERROR_REMOTE_SERVER_TIMEOUT] = { "remote-server-timeout", "wait" },
	[STANZA_ERROR_RESOURCE_CONSTRAINT] = { "resource-constraint", "wait" },
	[STANZA_ERROR_SERVICE_UNAVAILABLE] = { "service-unavailable", "cancel" },
	[STANZA_ERROR_SUBSCRIPTION_REQUIRED] = { "subscription-required", "auth" },
	[STANZA_ERROR_UNDEFINED_CONDITION] = { "undefined-condition", "cancel" },
	[STANZA_ERROR_UNEXPECTED_REQUEST] = { "unexpected-request", "wait" },
};

const char *stanza_error_text(enum stanza_error condition)
{
	return condition < STANZA_ERROR_COUNT ? conditions[condition].name : "undefined-condition";
}

enum stanza_error stanza_error_find(struct span name)
{
	unsigned i = 0;

	while (i < STANZA_ERROR_COUNT && !span_is(name, conditions[i].name))
		i++;
	return (enum stanza_error)i;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

bool bounce_allowed(const struct stanza *s)
{
	static const char *const silent[] = { "error", "unavailable", "probe", "subscribed",
		"unsubscribe", "unsubscribed", NULL };
	static const char *const requests[] = { "get", "set", NULL };
	const char *type = stanza_type(s);

	/* Between servers there is no one to answer without an address. */
	if (strcmp(s->root->ns, NS_SERVER) == 0 && !element_attr(s->root, "from"))
		return false;
	switch (s->kind) {
	case STANZA_MESSAGE:
		return strcmp(type, "error") != 0;
	case STANZA_PRESENCE:
		return !is_one_of(type, silent);
	case STANZA_IQ:
		return is_one_of(type, requests) && element_attr(s->root, "id");
	case STANZA_STREAM:
		break;
	}
	return false;
}

static int add_text(struct arena *a, struct xml_element *error, const char *text)
{
	struct xml_element *said = element_new(a, NS_STANZAS, "text");
	int r;

	if (!said)
		return -ENOMEM;
	if ((r = element_add_text(a, said, text, strlen(text))) < 0)
		return r;
	return element_add(a, error, said);
}

static int add_error(struct arena *a, struct xml_element *answer, enum stanza_error condition,
	const char *text, const char *detail)
{
	struct xml_element *error = element_new(a, answer->ns, "error");
	struct xml_element *what = element_new(a, NS_STANZAS, stanza_error_text(condition));
	struct xml_element *more = detail ? element_new(a, NS_ERRORS, detail) : NULL;
	int r;

	if (!error || !what || (detail && !more))
		return -ENOMEM;
	if ((r = element_set_attr(a, error, "type", conditions[condition].type)) < 0 ||
		(r = element_add(a, answer, error)) < 0 ||
		(r = element_add(a, error, what)) < 0 ||
		(text && (r = add_text(a, error, text)) < 0))
		return r;
	return more ? element_add(a, error, more) : 0;
}

static int set_if(struct arena *a, struct xml_element *e, const char *name, const char *value)
{
	return value && value[0] ? element_set_attr(a, e, name, value) : 0;
}

/* A room's refusal is told from a contact's by this child (XEP-0045 7.2). */
static int add_muc(struct arena *a, struct xml_element *answer, const struct stanza *s)
{
	struct xml_element *x;

	if (s->kind != STANZA_PRESENCE || !element_child(s->root, NS_MUC, "x"))
		return 0;
	return (x = element_new(a, NS_MUC, "x")) ? element_add(a, answer, x) : -ENOMEM;
}

int bounce_write(struct buf *out, const struct stanza *s, enum stanza_error condition,
	const char *text, const char *detail, const char *fallback_from, const char *content_ns,
	bool *sent)
{
	const char *to = element_attr(s->root, "to");
	struct arena *a = s->arena;
	int r;

	*sent = false;
	if (condition >= STANZA_ERROR_COUNT || !bounce_allowed(s))
		return 0;
	struct xml_element *answer = element_new(a, s->root->ns, s->root->name);
	if (!answer)
		return -ENOMEM;
	if ((r = element_set_attr(a, answer, "type", "error")) < 0 ||
		(r = set_if(a, answer, "id", element_attr(s->root, "id"))) < 0 ||
		(r = set_if(a, answer, "from", to ? to : fallback_from)) < 0 ||
		(r = set_if(a, answer, "to", element_attr(s->root, "from"))) < 0 ||
		(r = add_muc(a, answer, s)) < 0 ||
		(r = add_error(a, answer, condition, text, detail)) < 0 ||
		(r = write_element(out, answer, content_ns)) < 0)
		return r;
	*sent = true;
	return 0;
}
