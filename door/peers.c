/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the daemon and what a door knows of peers. In: names that are to be kept out, and no
 * longer; since when remote domains are known; the question who uses an address. Out: the tables of
 * barred names and of domains, and an answer out of the registry. It decides nothing. */
#include "door/peers.h"

#include <string.h>

#include "ctl/link.h"
#include "door/barred.h"
#include "door/domains.h"
#include "door/json.h"
#include "door/line.h"
#include "door/registry.h"

static bool using_answer(struct line *line, json_t *msg)
{
	struct peer_address net;
	unsigned len;

	if (address_parse_prefix(span_of(text_of(msg, "address")), &net, &len) < 0)
		return false;
	line_send(line, json_pack("{s:s, s:I, s:o}", "m", "using", "seq", number_of(msg, "seq"),
				"rows", registry_using(&net, len, LINK_OTHERS)));
	return true;
}

bool peers_on_message(struct line *line, const char *name, json_t *msg)
{
	bool sane;

	if (strcmp(name, "bar") == 0)
		sane = barred_take(msg);
	else if (strcmp(name, "unbar") == 0)
		sane = barred_let_go(msg);
	else if (strcmp(name, "seen") == 0)
		sane = domains_hear(msg);
	else if (strcmp(name, "using") == 0)
		sane = using_answer(line, msg);
	else
		return false;
	if (!sane)
		line_nonsense(line, name);
	return true;
}
