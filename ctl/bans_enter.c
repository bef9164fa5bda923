/* SPDX-License-Identifier: BSD-2-Clause */
/* A ban is entered here, whoever ordered it. In: a prefix with its end and reason. Out, in this
 * order: the ledger (what it has answered survives kill -9), the kernel's block set, the sessions
 * that stand, an event. It decides nothing. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "ctl/kernel.h"
#include "rules/address.h"

void bans_text_cut(const char *value, char *text, size_t size)
{
	size_t n = span_cut(span_of(value), size - 1);

	memcpy(text, value, n);
	text[n] = '\0';
}

void bans_event(struct bans *b, const char *type, const struct ledger_ban *ban, const char *who)
{
	char stamp[40], address[INET6_ADDRSTRLEN], prefix[PREFIX_TEXT_SIZE];
	json_t *event;

	if (strcmp(type, "spared") != 0)
		bans_newest_hear(b, strcmp(type, "ban") == 0, ban);
	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	address_format(&ban->address, address, sizeof address);
	prefix_show(&ban->address, ban->prefix_len, prefix);
	event = json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i,s:s}}",
		"timestamp", stamp, "event_type", type, "src_ip", address, "proto", "TCP",
		"app_proto", "xmpp", "xmppwall", "address", prefix, "since",
		(json_int_t)bans_wall(b, ban->since_ms), "until",
		(json_int_t)bans_wall(b, ban->until_ms), "why", ban->why, "rule", ban->rule, "id",
		ban->id, "count", (int)ban->count, "strikes", (int)ban->strikes, "who", who);
	if (event)
		b->spec.on_event(b->spec.arg, event);
	json_decref(event);
}

int bans_enter(struct bans *b, struct ledger_ban *ban, enum ledger_how how, const char *who)
{
	char prefix[PREFIX_TEXT_SIZE];
	int64_t now = bans_now(b);
	struct nft_element element;
	int r = ledger_ban_add(b->ledger, ban, how);

	b->error = r;
	if (r < 0) {
		log_error("event=ban-ledger error=\"%s\"", err_text(r));
		return r;
	}
	element = (struct nft_element){ ban->address, ban->prefix_len,
		ban->until_ms ? (uint64_t)(ban->until_ms > now ? ban->until_ms - now : 1) : 0 };
	if (b->kernel)
		kernel_block(b->kernel, &element);
	prefix_format(&ban->address, ban->prefix_len, prefix);
	b->spec.on_kill(b->spec.arg, prefix, NULL, "banned");
	bans_event(b, "ban", ban, who);
	log_info("event=ban address=%s until_ms=%lld count=%u rule=%s id=%s", prefix,
		(long long)bans_wall(b, ban->until_ms), ban->count, *ban->rule ? ban->rule : "-",
		*ban->id ? ban->id : "-");
	bans_wake(b);
	return 0;
}
