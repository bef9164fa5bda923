/* SPDX-License-Identifier: BSD-2-Clause */
/* The trail of list changes, whoever made them: an operator's command (ctl/command_list.c), an
 * editor (ctl/watch.c), a feed (ctl/feeds.c). In: what changed. Out: rows of the ledger's history
 * and events. It changes no list. */
#include "ctl/list_tell.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans.h"
#include "ctl/daemon.h"
#include "ctl/ledger.h"

enum { HISTORY_EACH_MAX = 1000 };

void list_tell_history(
	struct daemon *d, const char *who, const char *what, const char *list, const json_t *texts,
	size_t n)
{
	size_t i;
	struct ledger_edit one = { clock_wall_ms(), who, what, list, "" };
	struct ledger_edit *edits = n <= HISTORY_EACH_MAX ? calloc(n + 1, sizeof *edits) : NULL;
	char many[64];
	json_t *text;
	int r;

	if (n == 0) {
		free(edits);
		return;
	}
	json_array_foreach(texts, i, text) if (edits)
	{
		edits[i] = one;
		edits[i].entry = json_string_value(text);
	}
	snprintf(many, sizeof many, "%zu entries", n);
	one.entry = many;
	r = ledger_history_add(bans_ledger(d->bans), edits ? edits : &one, edits ? n : 1);
	if (r < 0)
		log_error("event=list-history list=%s error=\"%s\"", list, err_text(r));
	free(edits);
}

void list_tell_event(struct daemon *d, const char *list, const char *action, const char *why)
{
	char stamp[40];
	json_t *event;

	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	event = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s}}", "timestamp", stamp, "event_type", "list",
		"app_proto", "xmpp", "xmppwall", "list", list, "action", action, "why", why);
	if (event)
		daemon_event(d, event);
	json_decref(event);
}
