/* SPDX-License-Identifier: BSD-2-Clause */
/* Words between servers that are no stanzas, before relay_federation.c looks at them. In: a parsed
 * element of a namespace that servers share. Out: the same with the attributes, the text and the
 * one condition its schema knows, or nothing. No rule judges such a word, no profile remakes it and
 * no line of the audit trail tells of it: what it could carry beside its meaning would cross
 * unseen, before the login as behind it. It never decides whether the word may be said now. */
#include "proxy/nonza_federation.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

enum { CONDITION_MAX = 40, ATTR_MAX = 256 };

static const struct word {
	const char *ns, *name;
	int side;             /* of enum side; SIDES: either */
	const char *attrs;    /* between blanks */
	const char *child_ns; /* of the condition in it; NULL: none */
	bool text;
} words[] = {
	{ NS_SM, "enable", SIDE_INITIATOR, " resume max ", NULL, false },
	{ NS_SM, "enabled", SIDE_RECEIVER, " id resume max ", NULL, false },
	{ NS_SM, "r", SIDES, "", NULL, false },
	{ NS_SM, "a", SIDES, " h ", NULL, false },
	{ NS_SM, "resume", SIDE_INITIATOR, " previd h ", NULL, false },
	{ NS_SM, "resumed", SIDE_RECEIVER, " previd h ", NULL, false },
	{ NS_SM, "failed", SIDE_RECEIVER, " h ", NS_STANZAS, false },
	{ NS_SASL, "auth", SIDE_INITIATOR, " mechanism ", NULL, true },
	{ NS_SASL, "response", SIDE_INITIATOR, "", NULL, true },
	{ NS_SASL, "abort", SIDE_INITIATOR, "", NULL, false },
	{ NS_SASL, "challenge", SIDE_RECEIVER, "", NULL, false },
	{ NS_SASL, "success", SIDE_RECEIVER, "", NULL, false },
	{ NS_SASL, "failure", SIDE_RECEIVER, "", NS_SASL, false },
	{ NS_STREAM, "error", SIDES, "", NS_STREAMS, false },
};

static bool ns_is(const struct word *w, const char *ns)
{
	return strcmp(w->ns, ns) == 0 || (strcmp(w->ns, NS_SM) == 0 && strcmp(ns, NS_SM2) == 0);
}

/* NULL: it is none of them; *known: its namespace is. */
static const struct word *word_find(const struct xml_element *e, enum side said_by, bool *known)
{
	*known = false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct word *w = &words[i];

		if (!ns_is(w, e->ns))
			continue;
		*known = true;
		if (strcmp(w->name, e->name) == 0 && (w->side == SIDES || w->side == (int)said_by))
			return w;
	}
	return NULL;
}

static bool attr_stays(const struct word *w, const struct xml_attr *attr)
{
	const char *at = attr->ns[0] || !*attr->name ? NULL : strstr(w->attrs, attr->name);

	/* Every name in the list stands between blanks, and none is the end of another. */
	return at && at[-1] == ' ' && at[strlen(attr->name)] == ' ' &&
	       strlen(attr->value) <= ATTR_MAX;
}

static void trim_attrs(const struct word *w, struct xml_element *e)
{
	for (struct xml_attr **at = &e->attrs; *at;) {
		if (attr_stays(w, *at))
			at = &(*at)->next;
		else
			*at = (*at)->next;
	}
}

/* SASL names dozens; the other two are lists. */
static bool is_condition(const char *ns, const char *name)
{
	if (strcmp(ns, NS_STREAMS) == 0)
		return stream_error_find(span_of(name)) != STREAM_ERROR_NONE;
	if (strcmp(ns, NS_STANZAS) == 0)
		return stanza_error_find(span_of(name)) < STANZA_ERROR_COUNT;
	return strcmp(name, "text") != 0 && strlen(name) <= CONDITION_MAX &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

/* Its name, of the sender's own tree or static. */
static const char *condition_of(const struct word *w, const struct xml_element *e)
{
	const struct xml_element *one = w->child_ns ? element_first(e) : NULL;

	for (; one; one = element_next(one, NULL, NULL))
		if (strcmp(one->ns, w->child_ns) == 0 && is_condition(w->child_ns, one->name))
			return one->name;
	return w->child_ns && strcmp(w->child_ns, NS_SASL) == 0 ? "not-authorized"
	       : w->child_ns                                    ? "undefined-condition"
								: NULL;
}

static void trim_children(const struct word *w, struct xml_element *e)
{
	struct xml_element *child;

	while ((child = element_first(e)))
		element_remove(child);
	if (!w->text)
		e->children = e->last = NULL;
}

int federation_nonza_trim(struct arena *a, struct xml_element *e, enum side said_by)
{
	bool known;
	const struct word *w = word_find(e, said_by, &known);
	const char *condition;
	struct xml_element *made;

	if (!w)
		return known ? ERR_REFUSED : ERR_SYNTAX;
	condition = condition_of(w, e);
	trim_attrs(w, e);
	trim_children(w, e);
	if (!condition)
		return 0;
	made = element_new(a, w->child_ns, condition);
	return made ? element_add(a, e, made) : -ENOMEM;
}
