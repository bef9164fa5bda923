/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect.c: who is the peer, and what do rules see of him?
 * In: a connection as far as it was read. Out: the subject of a judgement; whether a stream has a
 * server at all (XEP-0174), and whether its opener's name was announced for his address. It reads
 * no bytes and judges nothing. */
#include "nfq-filter/inspect_peer.h"

#include <stdlib.h>
#include <string.h>
#include "nfq-filter/detect.h"
#include "nfq-filter/inspect_remote.h"
#include "xmpp/ns.h"

/* XEP-0174: on a port of its own choice, where both name themselves. */
bool peer_is_serverless(const struct inspection *i, const struct stream_header *header)
{
	return i->role == ROLE_SERVERLESS ||
	       (*header->from && *header->to && strcmp(header->content_ns, NS_CLIENT) == 0 &&
		       !detect_is_served(i->of->policy, i->server.port));
}

/* Nobody logs in, and a name is as good as what was announced under it. */
void peer_opened(struct inspection *i, enum flow_side side)
{
	const struct endpoint *ends[] = { &i->client, &i->server };
	struct inspect_half *h = &i->half[side];

	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (i->half[s].in)
			stream_set_authenticated(i->half[s].in, true);
	if (side == FLOW_CLIENT) {
		free(i->jid);
		i->jid = h->header.from ? strdup(h->header.from) : NULL;
	}
	if (!h->header.from || !i->of->mdns)
		return;
	h->known = mdns_who(i->of->mdns, h->header.from, &ends[side]->address, i->of->now_ns);
	if (h->known != MDNS_ELSEWHERE)
		return;
	counts_add(i->of->counts, COUNT_SERVERLESS_FROM, 1);
	i->of->hooks.noted(i->of->hooks.arg, i, side, "serverless.from");
}

/* A serverless peer's name: its own word, else whom the other took it for. */
static const char *name_of(const struct inspection *i, enum flow_side side)
{
	const char *own = i->half[side].header.from;

	return own ? own : i->half[!side].header.to;
}

struct subject peer_subject(
	const struct inspection *i, enum flow_side side, const struct stanza *st)
{
	static const char *const announced[] = {
		[MDNS_UNKNOWN] = NULL, [MDNS_HERE] = "here", [MDNS_ELSEWHERE] = "elsewhere"
	};
	const char *domain = i->half[FLOW_CLIENT].header.to;
	bool serverless = i->role == ROLE_SERVERLESS;
	enum flow_side far = serverless && i->between ? side
			     : i->outward             ? FLOW_SERVER
						      : FLOW_CLIENT;
	struct subject subject;
	const struct endpoint *peer = far == FLOW_SERVER ? &i->server : &i->client;

	subject = (struct subject){
		.stanza = st,
		.service = i->service,
		.role = i->role,
		.direction = inspection_direction(i, side),
		.peer = peer->address,
		.peer_port = peer->port,
		.sasl_mechanism = i->mechanism,
		.session_jid = serverless ? name_of(i, far) : i->jid,
		.session_domain = domain,
		.session_anonymous = i->anonymous,
		.session_authenticated = i->authenticated || (i->midstream && !serverless),
		.session_age_ms = (i->of->now_ns - i->first_ns) / 1000000u,
		.session_stanzas = i->half[side].stanzas,
		.session_announced = announced[i->half[far].known],
		.session_listed = i->registered != NULL,
		.session_logins = i->logins,
		.company = i->role == ROLE_C2S ? i->of->company : NULL,
	};
	remote_subject(i, st, &subject);
	return subject;
}

const char *peer_domain(const struct inspection *i)
{
	if (i->role == ROLE_S2S)
		return remote_domain(i);
	/* XEP-0114: a component's header names itself. */
	return i->role == ROLE_COMPONENT && i->authenticated ? i->half[FLOW_CLIENT].header.to : NULL;
}
