/* SPDX-License-Identifier: BSD-2-Clause */
/* The half of the field table that looks into the stanza. In comes the view (which does the work
 * once), out goes the index-th value as a borrowed span or a number. What is absent has no value.
 * It never changes a stanza and never judges. */
#include "rules/field_content.h"

#include <string.h>

#include "rules/view.h"
#include "xmpp/carriers.h"
#include "xmpp/ns.h"

#define UNUSED(x) (void)(x)

static bool give_span(struct span s, unsigned index, struct field_value *out)
{
	if (index > 0 || s.len == 0)
		return false;
	out->text = s;
	return true;
}

static bool give_text(const char *text, unsigned index, struct field_value *out)
{
	return give_span(span_of(text), index, out);
}

static bool give_number(uint64_t number, unsigned index, struct field_value *out)
{
	if (index > 0)
		return false;
	out->number = number;
	return true;
}

static bool give_item(const struct view_spans *list, unsigned index, struct field_value *out)
{
	if (index >= list->n)
		return false;
	out->text = list->items[index];
	return true;
}

FIELD_GETTER(kind)
{
	UNUSED(param);
	return v->root && give_text(stanza_kind_text(v->s->stanza->kind), index, out);
}

FIELD_GETTER(type)
{
	UNUSED(param);
	return v->root && give_text(stanza_type(v->s->stanza), index, out);
}

FIELD_GETTER(id)
{
	UNUSED(param);
	return v->root && give_text(element_attr(v->root, "id"), index, out);
}

FIELD_GETTER(lang)
{
	UNUSED(param);
	return v->root && give_text(element_attr_ns(v->root, NS_XML, "lang"), index, out);
}

/* ---- addresses ---- */

/* A malformed address still exists and is shown as written; its parts do not. */
static bool give_address(struct jid_known *a, unsigned index, struct field_value *out)
{
	if (!a->valid)
		return give_span(a->written, index, out);
	out->memo = &a->full_memo;
	return give_span(a->full, index, out);
}

static bool give_bare(struct jid_known *a, unsigned index, struct field_value *out)
{
	out->memo = &a->bare_memo;
	return give_span(a->bare, index, out);
}

static bool give_domain(struct jid_known *a, unsigned index, struct field_value *out)
{
	out->memo = &a->domain_memo;
	return give_span(a->domain, index, out);
}

FIELD_GETTER(from)
{
	UNUSED(param);
	return give_address(view_address(v, VIEW_FROM), index, out);
}

FIELD_GETTER(from_bare)
{
	UNUSED(param);
	return give_bare(view_address(v, VIEW_FROM), index, out);
}

FIELD_GETTER(from_local)
{
	UNUSED(param);
	return give_span(view_address(v, VIEW_FROM)->local, index, out);
}

FIELD_GETTER(from_domain)
{
	UNUSED(param);
	return give_domain(view_address(v, VIEW_FROM), index, out);
}

FIELD_GETTER(from_resource)
{
	UNUSED(param);
	return give_span(view_address(v, VIEW_FROM)->resource, index, out);
}

FIELD_GETTER(to)
{
	UNUSED(param);
	return give_address(view_address(v, VIEW_TO), index, out);
}

FIELD_GETTER(to_bare)
{
	UNUSED(param);
	return give_bare(view_address(v, VIEW_TO), index, out);
}

FIELD_GETTER(to_local)
{
	UNUSED(param);
	return give_span(view_address(v, VIEW_TO)->local, index, out);
}

FIELD_GETTER(to_domain)
{
	UNUSED(param);
	return give_domain(view_address(v, VIEW_TO), index, out);
}

FIELD_GETTER(to_resource)
{
	UNUSED(param);
	return give_span(view_address(v, VIEW_TO)->resource, index, out);
}

/* ---- texts ---- */

FIELD_GETTER(body)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_BODY), index, out);
}

FIELD_GETTER(subject)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_SUBJECT), index, out);
}

FIELD_GETTER(status)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_STATUS), index, out);
}

FIELD_GETTER(nick)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_NICK), index, out);
}

FIELD_GETTER(thread)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_THREAD), index, out);
}

FIELD_GETTER(text)
{
	UNUSED(param);
	return give_span(view_text(v, VIEW_ALL), index, out);
}

static const struct url *url_at(struct subject_view *v, unsigned index)
{
	unsigned n;
	struct url **urls = view_urls(v, &n);

	return index < n ? urls[index] : NULL;
}

FIELD_GETTER(url)
{
	const struct url *u = url_at(v, index);

	UNUSED(param);
	out->address = u;
	return u && give_text(u->text, 0, out);
}

/* A URL without that part keeps its place with an empty value, or the ones behind it would not be
 * reached. */
FIELD_GETTER(url_host)
{
	const struct url *u = url_at(v, index);

	UNUSED(param);
	if (u)
		out->text = span_of(u->host ? u->host : "");
	return u != NULL;
}

FIELD_GETTER(url_scheme)
{
	const struct url *u = url_at(v, index);

	UNUSED(param);
	if (u)
		out->text = span_of(u->scheme);
	return u != NULL;
}

/* ---- structure ---- */

FIELD_GETTER(payload)
{
	UNUSED(param);
	return give_item(view_payload(v), index, out);
}

FIELD_GETTER(payload_ns)
{
	UNUSED(param);
	return give_item(view_payload_ns(v), index, out);
}

static const struct view_file *file_at(struct subject_view *v, unsigned index)
{
	unsigned n;
	const struct view_file *files = view_files(v, &n);

	return index < n ? &files[index] : NULL;
}

FIELD_GETTER(file_name)
{
	const struct view_file *f = file_at(v, index);

	UNUSED(param);
	if (f)
		out->text = span_of(f->name);
	return f != NULL;
}

/* What is not a number counts as beyond any size: no rule on size is passed by nonsense. */
FIELD_GETTER(file_size)
{
	const struct view_file *f = file_at(v, index);

	UNUSED(param);
	if (!f)
		return false;
	out->number = 0;
	for (const char *p = f->size; *p; p++) {
		if (*p < '0' || *p > '9' || out->number > UINT64_MAX / 10 - 1) {
			out->number = UINT64_MAX;
			break;
		}
		out->number = out->number * 10 + (uint64_t)(*p - '0');
	}
	return true;
}

FIELD_GETTER(file_type)
{
	const struct view_file *f = file_at(v, index);

	UNUSED(param);
	if (f)
		out->text = span_of(f->type);
	return f != NULL;
}

FIELD_GETTER(ibb_text)
{
	UNUSED(param);
	return give_item(view_ibb(v), index, out);
}

FIELD_GETTER(encrypted)
{
	UNUSED(param);
	return give_number(view_encrypted(v)->n > 0, index, out);
}

FIELD_GETTER(encrypted_kind)
{
	UNUSED(param);
	return give_item(view_encrypted(v), index, out);
}

static bool visit_forwarded(void *arg, const struct xml_element *message, unsigned level)
{
	(void)message;
	*(bool *)arg = level > 0;
	return level == 0;
}

FIELD_GETTER(forwarded)
{
	bool forwarded = false;

	UNUSED(param);
	if (v->root)
		carriers_each_message(v->s->stanza, visit_forwarded, &forwarded);
	return give_number(forwarded, index, out);
}

FIELD_GETTER(chatstate)
{
	UNUSED(param);
	return give_span(view_child_name(v, NS_CHATSTATES), index, out);
}

FIELD_GETTER(receipt)
{
	UNUSED(param);
	return give_span(view_child_name(v, NS_RECEIPTS), index, out);
}

FIELD_GETTER(label)
{
	static const char path[] = "{" NS_LABEL "}securitylabel/{" NS_LABEL "}displaymarking";

	UNUSED(param);
	return give_item(view_path_everywhere(v, path), index, out);
}

FIELD_GETTER(label_value)
{
	static const char path[] = "{" NS_LABEL "}securitylabel/{" NS_LABEL "}label/{*}*";

	UNUSED(param);
	return give_item(view_path_everywhere(v, path), index, out);
}

FIELD_GETTER(corrects)
{
	static const char path[] = "{urn:xmpp:message-correct:0}replace@id";

	UNUSED(param);
	return give_item(view_path_everywhere(v, path), index, out);
}

/* Of version 1, then of version 0 (XEP-0424), which names it in a wrapper of XEP-0422. */
FIELD_GETTER(retracts)
{
	static const char now[] = "{urn:xmpp:message-retract:1}retract@id",
			  before[] = "{urn:xmpp:fasten:0}apply-to@id",
			  retract[] = "{urn:xmpp:fasten:0}apply-to/"
				      "{urn:xmpp:message-retract:0}retract";
	const struct view_spans *ids = view_path_everywhere(v, now);

	UNUSED(param);
	if (index < ids->n)
		return give_item(ids, index, out);
	return view_path_everywhere(v, retract)->n > 0 &&
	       give_item(view_path_everywhere(v, before), index - ids->n, out);
}

FIELD_GETTER(replies)
{
	static const char path[] = "{urn:xmpp:reply:0}reply@id";

	UNUSED(param);
	return give_item(view_path_everywhere(v, path), index, out);
}

FIELD_GETTER(reaction)
{
	static const char path[] = "{urn:xmpp:reactions:0}reactions/{urn:xmpp:reactions:0}reaction";

	UNUSED(param);
	return give_item(view_path_everywhere(v, path), index, out);
}

FIELD_GETTER(size)
{
	UNUSED(param);
	return v->root && give_number(v->s->stanza->raw.len, index, out);
}

FIELD_GETTER(depth)
{
	UNUSED(param);
	return v->root && give_number(v->s->stanza->depth, index, out);
}

FIELD_GETTER(elements)
{
	UNUSED(param);
	return v->root && give_number(v->s->stanza->elements, index, out);
}

/* Nobody is a stranger to himself, nor where the sender cannot be told. */
FIELD_GETTER(stranger)
{
	unsigned bit, known;
	uint64_t key;

	UNUSED(param);
	if (!v->root || !v->pairs || !view_pair(v, &key, &bit))
		return give_number(0, index, out);
	known = pair_table_find(v->pairs, key);
	if (span_equal(view_address(v, VIEW_FROM)->bare, view_address(v, VIEW_TO)->bare))
		return give_number(0, index, out);
	return give_number(!(known & (bit ^ (PAIR_FORTH | PAIR_BACK))), index, out);
}

FIELD_GETTER(xml)
{
	return give_item(view_path(v, param), index, out);
}
