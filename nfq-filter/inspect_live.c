/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect.c: what only matters where packets wait for us.
 * In: a connection as far as it was read. Out: how much of it may go on, and what a service does
 * not let through unread. It reads nothing further and releases nothing: that is gate.c's. */
#include "nfq-filter/inspect_live.h"

#include <string.h>
#include "nfq-filter/bosh.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/inspect_int.h"
#include "xmpp/ns.h"

/* Live, a service lets through what it can read, and TLS where it may be. */
const char *live_unwelcome(const struct inspection *i, enum inspect_speaks speaks)
{
	/* What somebody announced may be another's port: only what the policy names is held to it.
	 */
	if (!i->of->live || !i->conf || detect_service(i->of->policy, i->server.port) != i->conf)
		return NULL;
	if (speaks == SPEAKS_TLS)
		return i->conf->tls == TLS_NONE ? "tls.forbidden" : NULL;
	return speaks == SPEAKS_HTTP ? bosh_unwelcome(i) : "stream.other";
}

/* Live, with "tls required": in the clear only what leads to TLS, and what ends a stream. */
bool live_must_encrypt(const struct inspection *i, const struct xml_element *e)
{
	return i->of->live && i->conf && i->conf->tls == TLS_REQUIRED &&
	       strcmp(e->ns, NS_TLS) != 0 && strcmp(e->ns, NS_STREAM) != 0;
}

bool live_is_stray(const struct inspection *i, const struct xml_element *e)
{
	return i->of->live &&
	       (strcmp(e->name, "message") == 0 || strcmp(e->name, "presence") == 0 ||
		       strcmp(e->name, "iq") == 0);
}

bool live_is_white(struct span bytes)
{
	for (size_t n = 0; n < bytes.len; n++)
		if (!strchr(" \t\r\n", bytes.ptr[n]) || !bytes.ptr[n])
			return false;
	return true;
}

/* STARTTLS counts once both say TLS. Until then a client has one message to say. */
bool live_switches(struct inspection *i, enum flow_side side, struct span bytes, uint64_t position)
{
	struct inspect_half *h = &i->half[side];

	if (!i->of->live || side != FLOW_CLIENT || i->half[FLOW_SERVER].stage == STAGE_OPAQUE)
		return true;
	hello_watch_push(&h->hello, bytes, position);
	if (h->hello.state != HELLO_NONE)
		return true;
	inspection_refuse(i, side, STREAM_ERROR_POLICY_VIOLATION, "tls.hello");
	return false;
}

static uint64_t opaque_decided(const struct inspection *i, enum flow_side side)
{
	const struct inspect_half *h = &i->half[side];

	if (!i->starttls || side != FLOW_CLIENT || inspection_is_opaque(i))
		return UINT64_MAX;
	return h->hello.state == HELLO_WHOLE ? h->hello.end : h->position;
}

bool inspection_waits_for_tls(const struct inspection *i, enum flow_side side)
{
	return i->half[side].stage == STAGE_OPAQUE &&
	       opaque_decided(i, side) < i->half[side].position;
}

uint64_t inspection_decided(const struct inspection *i, enum flow_side side)
{
	const struct inspect_half *h = &i->half[side];

	if (h->stage == STAGE_OPAQUE)
		return opaque_decided(i, side);
	if (h->stage == STAGE_HTTP)
		return bosh_decided(i->bosh, side);
	return h->in ? h->position - stream_rest(h->in).len : h->position;
}

/* The machine has taken everything that is whole, unless it waits for the other side: then a stream
 * header may stand there, or the beginning of one. */
bool inspection_is_unfinished(const struct inspection *i, enum flow_side side)
{
	const struct inspect_half *h = &i->half[side];
	struct span rest = h->in ? stream_rest(h->in) : (struct span){ NULL, 0 };
	size_t tags = 0, allowed = 1;
	bool maybe;

	if (h->stage == STAGE_HTTP)
		return bosh_is_unfinished(i->bosh, side);
	if (inspection_waits_for_tls(i, side))
		return false;
	if (rest.len == 0 || h->stage != STAGE_XML || (!h->waits && !h->after_proceed))
		return true;
	for (size_t n = 0; n < rest.len; n++) {
		tags += rest.ptr[n] == '<';
		allowed += rest.ptr[n] == '<' && n + 1 < rest.len && rest.ptr[n + 1] == '?';
	}
	return (detect_is_header(rest, &maybe) || maybe) && tags <= allowed;
}

bool inspection_is_opaque(const struct inspection *i)
{
	return i->half[FLOW_CLIENT].stage == STAGE_OPAQUE &&
	       i->half[FLOW_SERVER].stage == STAGE_OPAQUE;
}
