/* SPDX-License-Identifier: BSD-2-Clause */
/* Actions of a script as actions of ours. Beside import_rule.c, which gathers them into rules. In:
 * a line; out: an order or a final word for the rule being made, or a note that says why there is
 * none. Sends nothing anywhere. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ctl/import_rule.h"
#include "xmpp/bounce.h"
#include "xmpp/jid.h"

static void order_add(struct turned *t, const char *text)
{
	buf_putf(&t->orders, "%s%s", buf_len(&t->orders) ? ", " : "", text);
}

static void act_final(struct turned *t, const char *final, bool stops)
{
	t->final = final;
	t->stops |= stops;
	t->over = true;
}

static void act_bounce(struct import *im, struct turned *t, const char *value)
{
	const char *condition = "service-unavailable", *text = strstr(value, " (");
	enum stanza_error error;
	size_t n = strcspn(value, " \t:");

	if (n)
		condition = import_copy(im, value, n);
	for (error = 0; error < STANZA_ERROR_COUNT; error++)
		if (strcmp(stanza_error_text(error), condition) == 0)
			break;
	if (error == STANZA_ERROR_COUNT) {
		import_differs(im, im->line, NULL,
			"there is no stanza error '%.64s' (RFC 6120 8.3.3); policy-violation "
			"stands for it",
			condition);
		condition = "policy-violation";
	}
	if (!text || value[strlen(value) - 1] != ')' || strlen(text) < 4)
		act_final(t, import_format(im, "reject %s", condition), true);
	else
		act_final(t,
			import_format(im, "reject %s %s", condition,
				import_quote(im, import_copy(im, text + 2, strlen(text) - 3))),
			true);
}

static void act_strip(struct import *im, struct turned *t, const char *value)
{
	size_t n = strcspn(value, " ");
	const char *name = import_copy(im, value, n), *ns = value[n] ? value + n + 1 : NULL;

	if (!n || strpbrk(name, "{}:/@") || (!ns && *name == '*') ||
		(ns && (strpbrk(ns, "{}") || !*ns))) {
		import_left(im, im->line, NULL, "'%.64s' names no elements to strip", value);
		return;
	}
	order_add(t, import_format(im, "strip %s",
			     import_quote(im, ns ? import_format(im, "{%s}%s", ns, name) : name)));
	t->stops = true;
}

static void act_jump(struct import *im, struct turned *t, const char *value)
{
	const struct fw_chain *to = map_find(&im->chain_map, value, strlen(value));

	if (!to || to->hooked) {
		import_left(im, im->line, "only ::user/... chains can",
			"chain '%.64s' cannot be jumped to", value);
		t->lost_passing = true;
		return;
	}
	t->final = import_format(im, "jump %s", to->out);
	t->stops = true;
	import_flush_rule(im, t);
}

static void act_redirect(struct import *im, struct turned *t, const char *value)
{
	struct arena arena;
	struct jid jid;
	int r;

	if (im->chain->where != FW_PREROUTE) {
		import_left(im, im->line, NULL,
			"only what clients send (::preroute) can be sent elsewhere");
		t->lost_passing = true;
		return;
	}
	arena_init(&arena, 0);
	r = jid_parse(&arena, span_of(value), &jid);
	arena_fini(&arena);
	if (r < 0) {
		im->error = r == -ENOMEM ? r : im->error;
		import_left(im, im->line, NULL, "'%.64s' is not an address", value);
		t->lost_passing = true;
		return;
	}
	import_differs(
		im, im->line, NULL, "only messages are sent elsewhere; other stanzas are rejected");
	act_final(t, import_format(im, "redirect %s", import_quote(im, value)), true);
}

static void act_mark(struct import *im, struct turned *t, const char *value)
{
	size_t n = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	if (!n || n > 60 || value[n] || isdigit((unsigned char)*value)) {
		import_left(im, im->line, NULL, "'%.64s' is no name of a mark", value);
		return;
	}
	import_differs(im, im->line, NULL,
		"the mark is this stanza's ('marked is %s' asks for it), not the session's", value);
	order_add(t, import_format(im, "mark %s", value));
}

/* "JID [reason] [text]" */
static void act_report(struct import *im, struct turned *t, const char *value)
{
	const char *at = value + strspn(value, " "), *reason = "abuse";

	at += strcspn(at, " ");
	at += strspn(at, " ");
	if (strncmp(at, "spam", 4) == 0 || strncmp(at, "urn:xmpp:reporting:spam", 23) == 0)
		reason = "spam";
	at += strcspn(at, " ");
	at += strspn(at, " ");
	import_differs(im, im->line, "a block 'reporter' names who gets them as messages",
		"the report becomes an event; nothing is sent to '%.64s' yet", value);
	order_add(t, *at ? import_format(im, "report %s %s", reason, import_quote(im, at))
			 : import_format(im, "report %s", reason));
}

static const struct {
	const char *name, *why;
	bool passing; /* it led stanzas elsewhere */
} unknown_actions[] = {
	{ "COPY", "stanzas are not copied to others", false },
	{ "FORWARD", "stanzas are not forwarded to others", false },
	{ "REPLY", "a firewall answers with errors only: BOUNCE", false },
	{ "INJECT", "nothing is put into stanzas", false },
	{ "EVENT", "it is a matter of the server's modules", false },
	{ "JUMP_EVENT", "it is a matter of the server's modules", true },
	{ "RULEDEP", "it is a matter of the server's code", false },
	{ "TAG_TRACE", "xmppwallctl trace shows what rules do", false },
	{ "UNMARK_ORIGIN", "marks go into events and are not taken back", false },
	{ "UNMARK_USER", "marks go into events and are not taken back", false },
	{ "ADD_TO", "rules do not fill lists; xmppwallctl list add does", false },
	{ "UNSUBSCRIBE_SENDER", "rosters are the server's", false },
};

static void act_unknown(struct import *im, struct turned *t, const char *name)
{
	for (size_t i = 0; i < sizeof(unknown_actions) / sizeof(*unknown_actions); i++)
		if (strcmp(unknown_actions[i].name, name) == 0) {
			import_left(im, im->line, NULL, "%s", unknown_actions[i].why);
			t->lost_passing |= unknown_actions[i].passing;
			return;
		}
	import_left(im, im->line, NULL, "there is no action '%s'", name);
	t->lost_passing = true;
}

void import_act(struct import *im, struct turned *t, const struct fw_line *line)
{
	const char *value;
	char name[32];

	im->line = line;
	value = import_action(line, name, sizeof(name));
	if (line->bad)
		act_unknown(im, t, "?");
	else if (strcmp(name, "PASS") == 0 || strcmp(name, "DEFAULT") == 0)
		act_final(t, "accept", false);
	else if (strcmp(name, "RETURN") == 0)
		act_final(t, "return", false);
	else if (strcmp(name, "DROP") == 0)
		act_final(t, "drop", true);
	else if (strcmp(name, "BOUNCE") == 0)
		act_bounce(im, t, value);
	else if (strcmp(name, "REDIRECT") == 0)
		act_redirect(im, t, value);
	else if (strcmp(name, "STRIP") == 0)
		act_strip(im, t, value);
	else if (strcmp(name, "LOG") == 0)
		order_add(t, "log");
	else if (strcmp(name, "JUMP_CHAIN") == 0)
		act_jump(im, t, value);
	else if (strcmp(name, "MARK_ORIGIN") == 0 || strcmp(name, "MARK_USER") == 0)
		act_mark(im, t, value);
	else if (strcmp(name, "REPORT_TO") == 0)
		act_report(im, t, value);
	else
		act_unknown(im, t, name);
}
