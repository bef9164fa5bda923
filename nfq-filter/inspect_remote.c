/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect_peer.c: which remote server speaks, or is spoken to?
 * In: <db:result/> of both sides, headers, stanzas. Out: the remote domain of a stanza, and whether
 * dialback found its pair valid. As in the proxy, a domain is verified only if it was asked for on
 * this stream by who opened it, and the other side said so; that of one domain is no word about
 * another. Bounded; what is too much stays unverified. It acts on nothing. */
#include "nfq-filter/inspect_remote.h"

#include <stdlib.h>
#include <string.h>
#include "door/domains.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

/* NULL: no domain. */
static const char *domain_of(struct arena *a, const char *text)
{
	struct jid jid;

	return text && *text && jid_parse(a, span_of(text), &jid) == 0 ? jid.domain : NULL;
}

static int remote_find(const struct inspection *i, const char *domain)
{
	for (unsigned n = 0; domain && n < i->n_remotes; n++)
		if (strcmp(i->remotes[n].domain, domain) == 0)
			return (int)n;
	return -1;
}

/* What the header says of the remote one. */
static const char *claimed(const struct inspection *i)
{
	const struct inspect_half *opener = &i->half[FLOW_CLIENT];

	return i->outward ? opener->header.to : opener->header.from;
}

static void remote_asked(struct inspection *i, const char *domain)
{
	char *copy;

	if (!domain || remote_find(i, domain) >= 0 || i->n_remotes == INSPECT_REMOTES_MAX ||
		!(copy = strdup(domain)))
		return;
	i->remotes[i->n_remotes++] = (struct inspect_remote){ .domain = copy };
}

/* The one of the header stands first, so that the stream goes by its name if that was verified. */
static void remote_valid(struct inspection *i, struct arena *a, const char *domain)
{
	const char *header = domain_of(a, claimed(i));
	int n = remote_find(i, domain);
	struct inspect_remote found;

	if (n < 0)
		return;
	found = i->remotes[n];
	found.valid = true;
	i->remotes[n] = found;
	domains_note(found.domain);
	if (n > 0 && header && strcmp(header, found.domain) == 0) {
		i->remotes[n] = i->remotes[0];
		i->remotes[0] = found;
	}
}

void remote_dialback(struct inspection *i, enum flow_side side, const struct stanza *st)
{
	const struct xml_element *e = st->root;
	const char *type = element_attr(e, "type");
	/* Who opened it asks in its own name; the answer turns the addresses round (XEP-0220 2.1).
	 */
	bool theirs = (side == FLOW_CLIENT) != i->outward;
	const char *domain;

	if (i->role != ROLE_S2S || !element_is(e, NS_DIALBACK, "result"))
		return;
	domain = domain_of(st->arena, element_attr(e, theirs ? "from" : "to"));
	if (side == FLOW_CLIENT && !type)
		remote_asked(i, domain);
	else if (side == FLOW_SERVER && type && strcmp(type, "valid") == 0)
		remote_valid(i, st->arena, domain);
}

void remote_subject(const struct inspection *i, const struct stanza *st, struct subject *s)
{
	const char *written = NULL;
	int n;

	if (i->role != ROLE_S2S)
		return;
	if (st)
		written = element_attr(st->root, s->direction == DIRECTION_IN ? "from" : "to");
	s->remote_domain = domain_of(st ? st->arena : NULL, written);
	if (!s->remote_domain)
		s->remote_domain = i->n_remotes ? i->remotes[0].domain : claimed(i);
	n = remote_find(i, s->remote_domain);
	if (n < 0 || !i->remotes[n].valid)
		return;
	s->remote_verified = REMOTE_VERIFIED_DIALBACK;
	s->remote_first_seen_ms = domains_first_seen(s->remote_domain);
}

const char *remote_domain(const struct inspection *i)
{
	if (!i->authenticated)
		return NULL;
	for (unsigned n = 0; n < i->n_remotes; n++)
		if (i->remotes[n].valid)
			return i->remotes[n].domain;
	/* SASL EXTERNAL: its server has verified what the header says. */
	return i->external ? claimed(i) : NULL;
}

void remote_fini(struct inspection *i)
{
	for (unsigned n = 0; n < i->n_remotes; n++)
		free(i->remotes[n].domain);
	i->n_remotes = 0;
}
