/* SPDX-License-Identifier: BSD-2-Clause */
/* What "top" tells of the row one asks about. In: the row, and the daemon's answers to a few questions.
 * Out: lines: of a rule its text and what it did last, of a ban the verdict behind it, of a peer its sessions,
 * of all of them the last events that have to do with them. Every key of the row is shown, so that what a
 * younger daemon tells is not lost. It asks nobody by itself. */
#include "ctl/top_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "ctl/show_bans.h"
#include "ctl/show_explain.h"
#include "ctl/top_table.h"

enum { EVENTS_LOOKED = 2000, EVENTS_SHOWN = 12, SESSIONS_SHOWN = 50 };

/* ---- questions ---- */

static void add_question(json_t *all, const char *cmd, json_t *args)
{
	json_array_append_new(all, json_pack("{s:s,s:o}", "cmd", cmd, "args", args));
}

/* "2001:db8::/64" -> "2001:db8:", which its sessions' addresses have in them. */
static void prefix_part(const char *address, char *part, size_t size)
{
	const char *v6 = strstr(address, "::/64");

	snprintf(part, size, "%.*s", (int)(v6 ? v6 - address + 1 : (long)strcspn(address, "/")), address);
}

json_t *top_explain_questions(enum top_panel panel, const json_t *row)
{
	json_t *all = json_array();
	char part[80];

	if (panel == TOP_RULES)
		add_question(all, "rules", json_object());
	if (panel == TOP_BANS)
		add_question(all, "bans",
			json_pack("{s:b,s:s}", "why", 1, "who", show_text(row, "address")));
	if (panel == TOP_BANS && *show_text(row, "id"))
		add_question(all, "explain", json_pack("{s:s}", "id", show_text(row, "id")));
	if (panel == TOP_PEERS) {
		prefix_part(show_text(row, "address"), part, sizeof part);
		add_question(all, "top",
			json_pack("{s:i,s:i,s:i,s:i,s:i,s:s}", "sessions", SESSIONS_SHOWN, "peers", 0,
				"rules", 0, "limits", 0, "bans", 0, "match", part));
	}
	add_question(all, "events", json_pack("{s:i}", "last", EVENTS_LOOKED));
	return all;
}

/* ---- lines ---- */

static void put_row(FILE *out, const json_t *row)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)row, key, value)
	{
		char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		char number[48];

		if (strlen(key) > 3 && strcmp(key + strlen(key) - 3, "_ms") == 0)
			show_age(json_integer_value(value), number, sizeof number);
		else if (strcmp(key, "until") == 0)
			show_left(json_integer_value(value), number, sizeof number);
		else
			snprintf(number, sizeof number, "%s", text ? text : "");
		fprintf(out, "%-12s %s\n", show_safe(key, 40),
			json_is_string(value)             ? show_safe(json_string_value(value), 0)
			: text && strlen(text) >= sizeof number ? show_safe(text, 0)
								: number);
		free(text);
	}
}

static void put_rule(FILE *out, const json_t *row, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "rules"), i, one)
		if (strcmp(show_text(one, "chain"), show_text(row, "chain")) == 0 &&
			strcmp(show_text(one, "name"), show_text(row, "name")) == 0) {
			fprintf(out, "\n%s\n", show_safe(show_text(one, "text"), 0));
			return;
		}
}

/* All that "bans --why" knows, and the verdict that led there, as long as it is remembered. */
static void put_ban(FILE *out, const json_t *row, const json_t *answer, const json_t *verdict)
{
	json_t *why = json_array_get(json_object_get(answer, "bans"), 0);

	if (!why)
		why = json_array_get(json_object_get(answer, "barred"), 0);
	if (why) {
		json_object_set(why, "address", json_object_get(row, "address"));
		show_ban_why(out, why);
	} else {
		put_row(out, row);
	}
	if (!json_is_object(verdict))
		return;
	fputc('\n', out);
	show_explain(out, json_object_get(verdict, "event"), false);
	show_reasons(out, verdict);
}

static void put_sessions(FILE *out, const json_t *answer)
{
	static const struct show_column columns[] = {
		{ "ADDRESS", "address", SHOW_TEXT }, { "JID", "jid", SHOW_TEXT },
		{ "STATE", "state", SHOW_TEXT }, { "AGE", "age_ms", SHOW_AGE },
		{ "IN", "in", SHOW_NUMBER }, { "OUT", "out", SHOW_NUMBER },
		{ "DROPPED", "dropped", SHOW_NUMBER }, { "REJECTED", "rejected", SHOW_NUMBER },
	};

	fputc('\n', out);
	show_table(out, columns, sizeof columns / sizeof *columns, json_object_get(answer, "sessions"),
		"no session is left");
}

/* Has this event to do with the row? */
static bool is_about(enum top_panel panel, const json_t *row, const json_t *event)
{
	char name[320];
	const json_t *match;
	size_t i;

	if (panel == TOP_RULES) {
		top_row_name(panel, row, name, sizeof name);
		return strcmp(show_text(event, "alert.signature"), name) == 0;
	}
	if (panel == TOP_LIMITS) {
		json_array_foreach(show_get(event, "xmpp.matches"), i, match)
			if (strcmp(show_text(match, "field"), "limit") == 0 &&
				strcmp(show_text(match, "entry"), show_text(row, "name")) == 0)
				return true;
		return false;
	}
	if (panel == TOP_SESSIONS && *show_text(row, "jid") &&
		strcmp(show_text(event, "xmpp.jid"), show_text(row, "jid")) == 0)
		return true;
	if (strcmp(show_text(event, "xmppwall.address"), show_text(row, "address")) == 0)
		return true;
	prefix_part(show_text(row, "address"), name, 80);
	return strchr(name, ':') && name[strlen(name) - 1] == ':'
		       ? strncmp(show_text(event, "src_ip"), name, strlen(name)) == 0
		       : strcmp(show_text(event, "src_ip"), name) == 0;
}

static void put_events(FILE *out, enum top_panel panel, const json_t *row, const json_t *answer)
{
	const json_t *events = json_object_get(answer, "events");
	size_t n = 0;

	for (size_t i = json_array_size(events); i-- > 0 && n < EVENTS_SHOWN;) {
		const json_t *event = json_array_get(events, i);

		if (!is_about(panel, row, event))
			continue;
		if (n++ == 0)
			fprintf(out, "\nlast events, the newest first\n");
		show_event(out, event, false);
	}
	if (n == 0)
		fprintf(out, "\nno event of late has to do with it\n");
}

static json_t *lines_of(char *text)
{
	json_t *lines = json_array();
	char *rest = text, *line;

	while (rest && (line = strsep(&rest, "\n")))
		if (*line || rest)
			json_array_append_new(lines, json_string(line));
	return lines;
}

json_t *top_explain_lines(enum top_panel panel, const json_t *row, const json_t *answers)
{
	size_t n = json_array_size(answers), len = 0;
	const json_t *first = json_array_get(answers, 0);
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	json_t *lines;

	if (!out)
		return json_array();
	if (panel != TOP_BANS)
		put_row(out, row);
	if (panel == TOP_RULES)
		put_rule(out, row, first);
	else if (panel == TOP_PEERS)
		put_sessions(out, first);
	else if (panel == TOP_BANS)
		put_ban(out, row, first, n > 2 ? json_array_get(answers, 1) : NULL);
	put_events(out, panel, row, json_array_get(answers, n ? n - 1 : 0));
	fclose(out);
	lines = lines_of(text);
	free(text);
	return lines;
}
