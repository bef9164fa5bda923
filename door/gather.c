/* SPDX-License-Identifier: BSD-2-Clause */
/* On a door's main thread, between its workers and the daemon. In: what several threads answer to
 * one question; whom an order names. Out: one answer in parts. It touches no session. */
#include "door/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "ctl/link.h"
#include "door/crowd.h"
#include "door/json.h"
#include "rules/address.h"
#include "xmpp/jid.h"

/* JIDs are long where somebody wants them long: a message stays well below LINK_LINE_FROM_WORKER.
 */
enum { ROWS_A_MESSAGE = 200, BYTES_A_MESSAGE = LINK_LINE_FROM_WORKER / 2 };

struct gather {
	struct gather *next;
	json_int_t seq;
	unsigned missing; /* threads that have not answered */
	json_t *rows;
	struct crowd *crowd; /* NULL: rows are gathered as they come */
};

int gather_begin(struct gather **all, json_int_t seq, unsigned asked, struct crowd *crowd)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g || !(g->rows = json_array())) {
		free(g);
		crowd_unref(crowd);
		return -ENOMEM;
	}
	g->seq = seq;
	g->missing = asked;
	g->crowd = crowd;
	g->next = *all;
	*all = g;
	return 0;
}

void gather_take(struct gather **all, json_int_t seq, json_t *rows)
{
	for (struct gather *g = *all; g; g = g->next) {
		if (g->seq != seq || g->missing == 0)
			continue;
		if (rows)
			json_array_extend(g->rows, rows);
		g->missing--;
		return;
	}
}

static void gather_send(const struct gather *g, struct line *to)
{
	size_t n = json_array_size(g->rows), at = 0;

	do {
		json_t *part = json_array();
		size_t bytes = 0;

		for (size_t end = at + ROWS_A_MESSAGE; at < n && at < end; at++) {
			json_t *row = json_array_get(g->rows, at);

			bytes += json_dumpb(row, NULL, 0, JSON_COMPACT);
			if (bytes > BYTES_A_MESSAGE && json_array_size(part) > 0)
				break;
			json_array_append(part, row);
		}
		line_send(to, json_pack("{s:s, s:I, s:o, s:b}", "m", "sessions", "seq", g->seq,
				      "rows", part, "more", at < n));
	} while (at < n);
}

static void gather_one_free(struct gather *g)
{
	crowd_unref(g->crowd);
	json_decref(g->rows);
	free(g);
}

void gather_finish(struct gather **all, struct line *to)
{
	struct gather **at = all;

	while (*at) {
		struct gather *g = *at;

		if (g->missing > 0) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		if (g->crowd) {
			json_decref(g->rows);
			g->rows = crowd_rows(g->crowd);
		}
		gather_send(g, to);
		gather_one_free(g);
	}
}

void gather_free(struct gather **all)
{
	struct gather *g;

	while ((g = *all)) {
		*all = g->next;
		gather_one_free(g);
	}
}

/* ---- whose sessions are to end ---- */

bool gather_named(json_t *msg, struct named_peer *out)
{
	const char *jid = text_of(msg, "jid"), *domain = text_of(msg, "domain");
	const char *address = text_of(msg, "address");
	const char *friends = json_string_value(json_object_get(msg, "strangers"));
	json_int_t session = number_of(msg, "session");

	*out = (struct named_peer){ .by = friends       ? NAMED_STRANGERS
					  : *jid        ? NAMED_JID
					  : *domain     ? NAMED_DOMAIN
					  : session > 0 ? NAMED_SESSION
							: NAMED_NETWORK,
		.name = friends ? friends
			: *jid  ? jid
				: domain,
		.session = (uint64_t)session };
	if (out->by == NAMED_NETWORK &&
		address_parse_prefix(span_of(address), &out->net, &out->len) < 0)
		return false;
	log_info("kill%s jid=%s domain=%s session=%lld address=%s reason=%s",
		friends ? " strangers" : "", log_quote(span_of(jid)), log_quote(span_of(domain)),
		(long long)session, log_quote(span_of(address)),
		log_quote(span_of(text_of(msg, "reason"))));
	return true;
}

static bool is_of_domain(const char *domain, const char *jid, const char *peer)
{
	const char *at = jid ? strchr(jid, '@') : NULL;
	size_t len = strlen(domain);

	if (peer && strcmp(peer, domain) == 0)
		return true;
	jid = at ? at + 1 : jid;
	return jid && strncmp(jid, domain, len) == 0 && (!jid[len] || jid[len] == '/');
}

/* The host's way to itself stays open (ctl/firewall.c). */
static bool address_is_loopback(const struct peer_address *a)
{
	static const struct peer_address v6 = { .bytes = { [15] = 1 } };

	return memcmp(a, &v6, sizeof v6) == 0 || (address_is_v4(a) && a->bytes[12] == 127);
}

bool gather_is_named(const struct named_peer *who, const struct named_session *s)
{
	switch (who->by) {
	case NAMED_JID:
		return jid_is_named(who->name, s->jid);
	case NAMED_DOMAIN:
		return is_of_domain(who->name, s->jid, s->domain);
	case NAMED_STRANGERS:
		return !address_is_loopback(s->peer) &&
		       !policy_addresses_overlap(s->policy, who->name, s->peer, ADDRESS_BITS);
	case NAMED_SESSION:
		return s->number == who->session;
	case NAMED_NETWORK:
		break;
	}
	return address_in(&who->net, who->len, s->peer);
}
