/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields that limits on abuse look at: whom a stanza really goes to, what came back, and who
 * else is there at the moment. In comes the view, out goes one value; what nobody knows is "no
 * value". Who is there is asked of the door when a rule asks, not before. It counts nothing itself.
 */
#include "rules/field_traffic.h"

#include <string.h>

#include "rules/view.h"
#include "xmpp/ns.h"

#define UNUSED(x) (void)(x)

static bool give_number(uint64_t number, unsigned index, struct field_value *out)
{
	out->number = number;
	return index == 0;
}

/* RFC 6120 8.3.2: one defined condition, beside it perhaps a text and an application's own. */
FIELD_GETTER(error)
{
	const struct xml_element *error;

	UNUSED(param);
	if (index > 0 || !v->root || v->s->stanza->kind == STANZA_STREAM ||
		strcmp(stanza_type(v->s->stanza), "error") != 0 ||
		!(error = element_child(v->root, v->root->ns, "error")))
		return false;
	for (const struct xml_node *n = error->children; n; n = n->next)
		if (n->element && strcmp(n->element->ns, NS_STANZAS) == 0 &&
			strcmp(n->element->name, "text") != 0) {
			out->text = span_of(n->element->name);
			return true;
		}
	return false;
}

/* ---- recipients ---- */

FIELD_GETTER(recipients)
{
	unsigned n = view_recipients(v)->n;

	UNUSED(param);
	return v->root && give_number(n ? n : 1, index, out);
}

/* "to" is always among them: a block that nobody would act upon is no disguise. */
FIELD_GETTER(recipient)
{
	struct jid_known *to = view_address(v, VIEW_TO), *known = to;
	int r;

	UNUSED(param);
	if (to->written.len == 0 || index-- > 0) {
		const struct view_spans *all = view_recipients(v);

		if (to->written.len == 0)
			index++;
		if (index >= all->n)
			return false;
		if (!all->items[index].len)
			return true; /* no JID but a URI */
		if ((r = jid_cache_find(v->cache, v->arena, all->items[index], &known)) < 0) {
			v->error = r;
			return false;
		}
	}
	out->text = known->valid ? known->full : known->written;
	out->memo = known->valid ? &known->full_memo : NULL;
	return true;
}

/* ---- who is there ---- */

FIELD_GETTER(session_logins)
{
	UNUSED(param);
	return v->s->session_logins > 0 && give_number(v->s->session_logins, index, out);
}

static struct subject_company company_of(const struct subject_view *v)
{
	struct subject_company company = { 0 };

	if (v->s->company)
		v->s->company(v->s, &company);
	return company;
}

FIELD_GETTER(account_sessions)
{
	uint64_t n = company_of(v).account_sessions;

	UNUSED(param);
	return n > 0 && give_number(n, index, out);
}

FIELD_GETTER(peer_sessions)
{
	UNUSED(param);
	return v->s->company && give_number(company_of(v).peer_sessions, index, out);
}

FIELD_GETTER(peer_accounts)
{
	UNUSED(param);
	return v->s->company && give_number(company_of(v).peer_accounts, index, out);
}
