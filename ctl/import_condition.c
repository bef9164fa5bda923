/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of a script as tests of ours, one function a condition, found in a table. In: a line;
 * out: a test in our words, or a note that says why there is none. Those that ask what only the
 * server knows (rosters, groups, roles) stand in a table of their own with the reason. Judges
 * nothing. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/import_condition.h"

enum { CONDITION_MAX = 16384 };

/* ---- kind and type ---- */

/* The next of words separated by spaces, commas and bars; NULL at the end. */
static const char *word_next(struct import *im, const char **at)
{
	size_t n;

	*at += strspn(*at, " \t,|");
	if (!**at)
		return NULL;
	n = strcspn(*at, " \t,|");
	*at += n;
	return import_copy(im, *at - n, n);
}

const char *condition_kind(struct import *im, const char *value)
{
	static const char *const kinds[] = { "message", "presence", "iq" };
	const char *out = NULL, *word;
	unsigned asked = 0, kind;

	while ((word = word_next(im, &value))) {
		for (kind = 0; kind < 3 && strcmp(word, kinds[kind]) != 0; kind++)
			;
		if (kind == 3) {
			import_left(im, im->line, "message, presence or iq",
				"there is no stanza '%.64s'", word);
			return NULL;
		}
		asked |= 1u << kind;
	}
	for (kind = 0; kind < 3; kind++)
		if (asked & 1u << kind)
			out = out ? import_format(im, "%s or %s", out, kinds[kind]) : kinds[kind];
	if (!out)
		import_left(im, im->line, NULL, "it names no kind of stanza");
	return out && strstr(out, " or ") ? import_format(im, "(%s)", out) : out;
}

static const char *word_quote(struct import *im, const char *word)
{
	static const char *const known[] = { "chat", "groupchat", "headline", "normal", "error",
		"get", "set", "result", "subscribe", "subscribed", "unsubscribe", "unsubscribed",
		"probe", "unavailable", "available" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], word) == 0)
			return word;
	return import_quote(im, word);
}

/* A message without a type is normal, presence without one available. */
const char *condition_type(struct import *im, const char *value)
{
	bool normal = false, available = false;
	const char *word, *out;
	unsigned words = 0;
	struct buf list;

	buf_init(&list, 0);
	while ((word = word_next(im, &value))) {
		buf_putf(&list, "%s%s", words++ ? ", " : "", word_quote(im, word));
		normal |= strcmp(word, "normal") == 0;
		available |= strcmp(word, "available") == 0;
	}
	out = words ? buf_string(&list) : NULL;
	if (out)
		out = import_format(im, words > 1 ? "type in { %s }" : "type is %s", out);
	else
		import_left(im, im->line, NULL, "it names no type");
	buf_fini(&list);
	if (!out || !(normal || available))
		return out;
	return import_format(im, "(%s or %s and type not exists)", out,
		!available ? "message"
		: !normal  ? "presence"
			   : "not iq");
}

/* ---- rosters ---- */

const char *condition_roster(struct import *im, const char *value)
{
	(void)value;
	if (im->options->stranger)
		return "not stranger";
	import_left(im, im->line,
		"with --stranger it is 'not stranger': the recipient has written to the sender "
		"before",
		"rosters are the server's; a firewall in front of it does not know them");
	return NULL;
}

/* ---- which condition ---- */

static const struct {
	const char *name;
	const char *(*turn)(struct import *im, const char *value);
	bool value; /* needs one */
} conditions[] = {
	{ "KIND", condition_kind, true },
	{ "TYPE", condition_type, true },
	{ "FROM", condition_from, true },
	{ "TO", condition_to, true },
	{ "FROM_EXACTLY", condition_from_exactly, true },
	{ "TO_EXACTLY", condition_to_exactly, true },
	{ "TO_SELF", condition_to_self, false },
	{ "TO_FULL_JID", condition_to_full, false },
	{ "ENTERING", condition_entering, true },
	{ "LEAVING", condition_leaving, true },
	{ "PAYLOAD", condition_payload, true },
	{ "INSPECT", condition_inspect, true },
	{ "DAY", condition_day, true },
	{ "TIME", condition_time, true },
	{ "LIMIT", condition_limit, true },
	{ "CHECK_LIST", condition_list, true },
	{ "SCAN", condition_scan, true },
	{ "COUNT", condition_count, true },
	{ "FROM_IP", condition_from_ip, true },
	{ "FROM_SUBNET", condition_from_ip, true },
	{ "SUBSCRIBED", condition_roster, false },
	{ "IN_ROSTER", condition_roster, false },
};

static const struct {
	const char *name, *why;
} unknowable[] = {
	{ "IN_ROSTER_GROUP", "roster groups" },
	{ "PENDING_SUBSCRIPTION_FROM_SENDER", "pending subscriptions" },
	{ "FROM_GROUP", "groups of accounts" },
	{ "TO_GROUP", "groups of accounts" },
	{ "CROSSING_GROUPS", "groups of accounts" },
	{ "FROM_ADMIN_OF", "administrators" },
	{ "TO_ADMIN_OF", "administrators" },
	{ "FROM_ADMIN", "administrators" },
	{ "TO_ADMIN", "administrators" },
	{ "MAY", "permissions" },
	{ "FROM_ROLE", "roles" },
	{ "TO_ROLE", "roles" },
	{ "ORIGIN_MARKED", "marks of sessions and accounts (ours belong to a stanza)" },
	{ "USER_MARKED", "marks of sessions and accounts (ours belong to a stanza)" },
	{ "SENT_DIRECTED_PRESENCE_TO_SENDER", "directed presence" },
	{ "FROM_COUNTRY", "countries" },
	{ "FROM_FULL_JID", "who is online" },
};

/* The words up to ':', '=', '.' or '?', without NOT, joined by '_'. */
static void condition_name(const char *text, char *name, size_t size, bool *negated)
{
	size_t n = 0, end = strcspn(text, ":=.?");

	*negated = false;
	for (size_t i = 0; i < end;) {
		size_t word;

		if (text[i] == ' ' || text[i] == '\t') {
			i++;
			continue;
		}
		for (word = i; word < end && text[word] != ' ' && text[word] != '\t'; word++)
			;
		if (!*negated && word - i == 3 && strncmp(text + i, "NOT", 3) == 0)
			*negated = true;
		else if (n + (word - i) + 2 < size)
			n += (size_t)snprintf(name + n, size - n, "%s%.*s", n ? "_" : "",
				(int)(word - i), text + i);
		i = word;
	}
	name[n] = '\0';
}

static const char *condition_turn(struct import *im, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		if (strcmp(conditions[i].name, name) != 0)
			continue;
		if (!conditions[i].value || *value)
			return conditions[i].turn(im, value);
		import_left(im, im->line, NULL, "it needs a value behind ':'");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(unknowable) / sizeof(*unknowable); i++)
		if (strcmp(unknowable[i].name, name) == 0) {
			import_left(im, im->line, NULL, "%s are not known here", unknowable[i].why);
			return NULL;
		}
	import_left(
		im, im->line, NULL, "there is no condition '%.64s'", *name ? name : im->line->text);
	return NULL;
}

const char *import_condition(struct import *im, const struct fw_line *line)
{
	const char *value, *test;
	char name[80] = "";
	bool negated;

	im->line = line;
	if (line->bad) {
		import_left(im, line, NULL, "this line is no text");
		return NULL;
	}
	condition_name(line->text, name, sizeof(name), &negated);
	if (strlen(line->text) > CONDITION_MAX) {
		import_left(im, line, NULL, "this condition is too long");
		return NULL;
	}
	value = strchr(line->text, ':');
	value = value ? value + 1 + (value[1] == ' ') : "";
	/* IN ROSTER: no is how old scripts say NOT. */
	if (strcmp(name, "IN_ROSTER") == 0 && *value && strncasecmp(value, "yes", 3) != 0 &&
		strncasecmp(value, "true", 4) != 0)
		negated = !negated;
	test = condition_turn(im, name, value);
	if (!test || !negated)
		return test;
	/* What begins with 'not' is a single test. */
	return strncmp(test, "not ", 4) == 0 ? test + 4 : import_format(im, "not %s", test);
}
