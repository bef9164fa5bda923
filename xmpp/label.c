/* SPDX-License-Identifier: BSD-2-Clause */
/* Security labels read out of a stanza's tree (XEP-0258). In comes a stanza, out go its labels:
 * marking, policy, classification, bytes, and what is odd about each. Labels are looked for
 * everywhere, in forwarded copies and pubsub items too, because each reader takes another place for
 * the one that counts; but one that stands deep inside covers only what it stands in. It compares
 * with nothing and releases nothing: rules/clearance.c does. */
#include "xmpp/label.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

#define NS_ESS "urn:xmpp:sec-label:ess:0"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct span label_trim(struct span text)
{
	while (text.len && is_space(text.ptr[0]))
		text.ptr++, text.len--;
	while (text.len && is_space(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

static bool is_label(const struct xml_element *e)
{
	return string_equal(e->name, "securitylabel") && string_equal(e->ns, NS_LABEL);
}

static bool has_text(const struct xml_element *e)
{
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (!n->element && label_trim((struct span){ n->text, n->len }).len)
			return true;
	return false;
}

/* Direct text, trimmed; an empty span with ptr NULL when out of memory. */
static struct span text_of(struct arena *a, const struct xml_element *e)
{
	const char *text = element_text(e, a);

	return text ? label_trim(span_of(text)) : (struct span){ NULL, 0 };
}

/* ---- what a label holds ---- */

static int ess_read(struct arena *a, struct label_part *p, const char **odd)
{
	uint8_t bytes[ESS_BYTES_MAX];
	struct span text = text_of(a, p->content);
	struct ess_label ess;
	size_t len;
	char *copy;

	if (!text.ptr)
		return -ENOMEM;
	if (element_first(p->content) || !ess_decode(text, bytes, sizeof(bytes), &len) ||
		!ess_parse(bytes, len, &ess)) {
		*odd = "its ESS label is not one";
		return 0;
	}
	if (!(copy = arena_alloc(a, text.len + 1)) ||
		!(p->policy.ptr = arena_strdup(a, ess.policy)))
		return -ENOMEM;
	p->policy.len = strlen(p->policy.ptr);
	p->bytes.ptr = copy;
	for (size_t i = 0; i < text.len; i++)
		if (!is_space(text.ptr[i]))
			copy[p->bytes.len++] = text.ptr[i];
	p->has_class = ess.has_class;
	p->class = ess.class;
	p->categories = ess.categories;
	return 0;
}

static int part_read(struct arena *a, const struct xml_element *holder, struct label_part **out,
	const char **odd)
{
	struct label_part *p = arena_zalloc(a, sizeof(*p));
	struct span text = text_of(a, holder);

	if (!p || !text.ptr)
		return -ENOMEM;
	*out = p;
	p->content = element_first(holder);
	if (!p->content) {
		p->kind = text.len ? LABEL_TEXT : LABEL_EMPTY;
		p->bytes = text;
		return 0;
	}
	if (text.len || element_next(p->content, NULL, NULL))
		*odd = "a label holds more than one thing";
	if (element_is(p->content, NS_ESS, "esssecuritylabel")) {
		p->kind = LABEL_ESS;
		return ess_read(a, p, odd);
	}
	p->kind = LABEL_XML;
	p->policy = span_of(p->content->ns);
	return 0;
}

static int marking_read(struct arena *a, struct label *l, const struct xml_element *e)
{
	const char *color;

	if (l->fgcolor)
		l->odd = "it has two display markings";
	if (element_first(e))
		l->odd = "its display marking is not plain text";
	if (!(l->display = text_of(a, e)).ptr)
		return -ENOMEM;
	l->fgcolor = (color = element_attr(e, "fgcolor")) ? color : "";
	l->bgcolor = (color = element_attr(e, "bgcolor")) ? color : "";
	return 0;
}

static int child_read(struct arena *a, struct label *l, const struct xml_element *e,
	unsigned *labels, struct label_part ***equivalents)
{
	struct label_part *p;
	int r;

	if (element_is(e, NS_LABEL, "displaymarking"))
		return marking_read(a, l, e);
	if (element_is(e, NS_LABEL, "label")) {
		if (++*labels > 1) {
			l->odd = "it has two labels";
			return 0;
		}
		if ((r = part_read(a, e, &p, &l->odd)) < 0)
			return r;
		p->next = l->parts;
		l->parts = p;
		if (*equivalents == &l->parts)
			*equivalents = &p->next;
		return 0;
	}
	if (element_is(e, NS_LABEL, "equivalentlabel")) {
		if ((r = part_read(a, e, &p, &l->odd)) < 0)
			return r;
		**equivalents = p;
		*equivalents = &p->next;
		return 0;
	}
	l->odd = "it holds something that is no part of a label";
	return 0;
}

static int one_read(struct arena *a, const struct xml_element *e, struct label *l)
{
	struct label_part **equivalents = &l->parts;
	unsigned n = 0, labels = 0;
	int r = 0;

	l->element = e;
	l->display = (struct span){ "", 0 };
	for (const struct xml_node *c = e->children; c && r == 0; c = c->next) {
		if (!c->element)
			continue;
		if (++n > LABEL_PARTS_MAX) {
			l->odd = "it has too many parts";
			break;
		}
		r = child_read(a, l, c->element, &labels, &equivalents);
	}
	if (labels == 0)
		l->odd = "it has no label";
	if (has_text(e))
		l->odd = "it has text of its own";
	if (!l->fgcolor)
		l->fgcolor = l->bgcolor = "";
	return r;
}

/* ---- where they stand ---- */

static int collect(
	struct arena *a, const struct xml_element *e, struct labels *out, struct label ***tail)
{
	struct label *l;
	int r = 0;

	if (is_label(e)) {
		if (++out->n > LABELS_MAX) {
			out->odd = "too many labels";
			return 0;
		}
		if (!(l = arena_zalloc(a, sizeof(*l))))
			return -ENOMEM;
		**tail = l;
		*tail = &l->next;
		if ((r = one_read(a, e, l)) < 0)
			return r;
		if (l->odd)
			out->odd = l->odd;
	}
	for (const struct xml_node *n = e->children; n && r == 0 && out->n <= LABELS_MAX;
		n = n->next)
		if (n->element)
			r = collect(a, n->element, out, tail);
	return r;
}

static bool is_stanza(const struct xml_element *e)
{
	return !e->parent || (string_equal(e->parent->ns, NS_FORWARD) &&
				     string_equal(e->parent->name, "forwarded"));
}

static bool is_item(const struct xml_element *e)
{
	return string_equal(e->name, "item") &&
	       (string_equal(e->ns, NS_PUBSUB_EVENT) || string_equal(e->ns, NS_PUBSUB));
}

/* What only says of something else where it comes from or belongs. */
static bool is_wrapper(const struct xml_element *e)
{
	static const struct {
		const char *ns, *name;
	} wrappers[] = {
		{ NS_CARBONS, "sent" },
		{ NS_CARBONS, "received" },
		{ NS_FORWARD, "forwarded" },
		{ NS_MAM, "result" },
		{ NS_PUBSUB_EVENT, "event" },
		{ NS_PUBSUB_EVENT, "items" },
		{ NS_PUBSUB, "pubsub" },
		{ NS_PUBSUB, "publish" },
		{ NS_PUBSUB, "items" },
	};

	if (is_stanza(e))
		return true;
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
		if (element_is(e, wrappers[i].ns, wrappers[i].name))
			return true;
	return false;
}

/* Says when or by whom, and nothing in words. */
static bool is_remark(const struct xml_element *e)
{
	return !e->children && (string_equal(e->ns, NS_DELAY) || string_equal(e->ns, NS_SID) ||
				       string_equal(e->ns, "urn:xmpp:hints"));
}

static bool is_covered(const struct xml_element *e)
{
	bool carries = false;

	/* Elsewhere nobody takes it for the label of what is around it (XEP-0258 5, XEP-0314 4). */
	for (const struct xml_node *n = e->children; n && (is_stanza(e) || is_item(e)); n = n->next)
		if (n->element && is_label(n->element))
			return true;
	if (!is_wrapper(e) || has_text(e))
		return false;
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (!n->element || is_remark(n->element))
			continue;
		if (!is_covered(n->element))
			return false;
		carries = true;
	}
	return carries;
}

int label_read(struct arena *a, const struct stanza *s, struct labels *out)
{
	struct label **tail = &out->first;
	int r;

	*out = (struct labels){ NULL, 0, NULL, false };
	if ((r = collect(a, s->root, out, &tail)) < 0)
		return r;
	out->covered = out->n > 0 && is_covered(s->root);
	return 0;
}

int label_part_bytes(struct arena *a, const struct label_part *p, struct span *out)
{
	struct buf text;
	const char *copy = NULL;
	int r;

	*out = p->bytes;
	if (p->kind != LABEL_XML)
		return 0;
	buf_init(&text, 0);
	if ((r = write_element(&text, p->content, "")) == 0) {
		copy = arena_strndup(a, buf_ptr(&text), buf_len(&text));
		*out = (struct span){ copy, copy ? buf_len(&text) : 0 };
		r = copy ? 0 : -ENOMEM;
	}
	buf_fini(&text);
	return r;
}
