/* SPDX-License-Identifier: BSD-2-Clause */
/* db:result and db:verify before and behind the law of proxy/dialback.c. In: an element of a stream
 * between servers. Out: its parts with prepared names; the same element with nothing in it but what
 * XEP-0220's schema knows; an answer of ours. Texts stay as they were written, for keys hang on
 * them (XEP-0185). It never judges. */
#include "proxy/dialback_element.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "proxy/pairs.h"
#include "xmpp/ns.h"

static enum dialback_kind kind_of(const struct xml_element *e)
{
	if (element_is(e, NS_DIALBACK, "result"))
		return DIALBACK_RESULT;
	return element_is(e, NS_DIALBACK, "verify") ? DIALBACK_VERIFY : DIALBACK_OTHER;
}

static enum dialback_type type_of(const struct xml_element *e)
{
	static const char *const words[] = {
		[DIALBACK_VALID] = "valid",
		[DIALBACK_INVALID] = "invalid",
		[DIALBACK_ERROR] = "error",
	};
	const char *type = element_attr(e, "type");

	if (!type)
		return DIALBACK_REQUEST;
	for (int i = DIALBACK_VALID; i < DIALBACK_UNKNOWN; i++)
		if (strcmp(type, words[i]) == 0)
			return (enum dialback_type)i;
	return DIALBACK_UNKNOWN;
}

static int read_domain(
	struct arena *a, const struct xml_element *e, const char *name, const char **out)
{
	const char *text = element_attr(e, name);
	int r = text ? pair_prepare(a, text, out) : ERR_SYNTAX;

	if (r != ERR_SYNTAX)
		return r;
	*out = NULL;
	return 0;
}

/* Direct text only: what elements inside hold is no key. */
static size_t key_length(const struct xml_element *e)
{
	size_t len = 0;

	for (const struct xml_node *n = e->children; n; n = n->next)
		for (size_t i = 0; !n->element && i < n->len; i++)
			len += !strchr(" \t\r\n", n->text[i]);
	return len;
}

int dialback_read(struct arena *a, const struct xml_element *e, struct dialback_element *out)
{
	const char *id = element_attr(e, "id");
	int r;

	*out = (struct dialback_element){
		.kind = kind_of(e),
		.type = type_of(e),
		.id = id ? id : "",
		.key = key_length(e),
	};
	out->oversize = out->key > DIALBACK_KEY_MAX || strlen(out->id) > DIALBACK_ID_MAX;
	if ((r = read_domain(a, e, "from", &out->from)) < 0)
		return r;
	return read_domain(a, e, "to", &out->to);
}

/* ---- cutting back ---- */

static bool attribute_is_known(const struct xml_attr *attr)
{
	static const char *const known[] = { "from", "to", "id", "type" };

	for (size_t i = 0; attr->ns[0] == '\0' && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(attr->name, known[i]) == 0)
			return true;
	return false;
}

static unsigned trim_attributes(struct xml_element *e)
{
	unsigned stripped = 0;

	for (struct xml_attr **at = &e->attrs; *at;) {
		if (attribute_is_known(*at)) {
			at = &(*at)->next;
			continue;
		}
		*at = (*at)->next;
		stripped++;
	}
	return stripped;
}

/* The condition, made anew: an error says no more than that. */
static struct xml_element *error_new(struct arena *a, const char *type, const char *condition)
{
	struct xml_element *error = element_new(a, NS_SERVER, "error");
	struct xml_element *inner = element_new(a, NS_STANZAS, condition);

	if (!error || !inner || element_set_attr(a, error, "type", type) < 0 ||
		element_add(a, error, inner) < 0)
		return NULL;
	return error;
}

/* Its own condition if it has one we know, in whatever namespace its <error/> stands. */
static struct xml_element *error_copy(struct arena *a, const struct xml_element *e)
{
	const struct xml_element *old = element_child(e, NULL, "error");
	const struct xml_element *inner = old ? element_child(old, NS_STANZAS, NULL) : NULL;
	enum stanza_error condition =
		inner ? stanza_error_find(span_of(inner->name)) : STANZA_ERROR_COUNT;

	return error_new(a, "cancel", stanza_error_text(condition));
}

int dialback_trim(struct arena *a, struct xml_element *e, const struct dialback_element *is,
	unsigned *stripped)
{
	struct xml_element *child, *next, *error = NULL;

	*stripped = trim_attributes(e);
	if (is->type == DIALBACK_ERROR && !(error = error_copy(a, e)))
		return -ENOMEM;
	for (child = element_first(e); child; child = next) {
		next = element_next(child, NULL, NULL);
		*stripped += !error || strcmp(child->name, "error") != 0;
		element_remove(child);
	}
	return error ? element_add(a, e, error) : 0;
}

unsigned dialback_trim_bidi(struct xml_element *e)
{
	unsigned stripped = 0;

	for (; e->attrs; e->attrs = e->attrs->next)
		stripped++;
	e->last = NULL;
	for (struct xml_node **at = &e->children; *at;) {
		struct xml_node *n = *at;

		if (n->element && element_is(n->element, NS_LIMITS, "limits")) {
			e->last = n;
			at = &n->next;
			continue;
		}
		*at = n->next;
		stripped++;
	}
	return stripped;
}

/* ---- answers ---- */

int dialback_make_error(struct arena *a, struct xml_element *answer, enum stanza_error condition)
{
	struct xml_element *error = error_new(a, "cancel", stanza_error_text(condition));

	if (!error)
		return -ENOMEM;
	answer->children = answer->last = NULL;
	if (element_set_attr(a, answer, "type", "error") < 0)
		return -ENOMEM;
	trim_attributes(answer);
	return element_add(a, answer, error);
}

static int set_if(struct arena *a, struct xml_element *e, const char *name, const char *value)
{
	return value ? element_set_attr(a, e, name, value) : 0;
}

struct xml_element *dialback_answer(
	struct arena *a, const struct xml_element *request, enum stanza_error condition)
{
	struct xml_element *answer = element_new(a, NS_DIALBACK, request->name);
	struct xml_element *error = error_new(a, "cancel", stanza_error_text(condition));

	if (!answer || !error || set_if(a, answer, "from", element_attr(request, "to")) < 0 ||
		set_if(a, answer, "to", element_attr(request, "from")) < 0 ||
		set_if(a, answer, "id", element_attr(request, "id")) < 0 ||
		element_set_attr(a, answer, "type", "error") < 0 ||
		element_add(a, answer, error) < 0)
		return NULL;
	return answer;
}
