/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes what is known about a verdict beside its event: behind "explain". In: the daemon's answer.
 * Out: lines with the values looked at, the text around a match, the rule, who put the entry in,
 * the session. Text of peers is escaped. */
#include "ctl/show_explain.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/show.h"

enum { EXPLAIN_VALUE_WIDTH = 200 };

static void label(FILE *out, const char *text)
{
	fprintf(out, "%-12s", text);
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(show_get(object, key));
}

static void show_fields(FILE *out, const json_t *event)
{
	const json_t *field;
	size_t i;

	json_array_foreach(show_get(event, "xmpp.fields"), i, field)
	{
		label(out, i == 0 ? "looked at" : "");
		fprintf(out, "%s: ", show_text(field, "field"));
		if (json_object_get(field, "value"))
			fprintf(out, "\"%s\"\n",
				show_safe(show_text(field, "value"), EXPLAIN_VALUE_WIDTH));
		else
			fprintf(out, "%" JSON_INTEGER_FORMAT " bytes (not logged)\n",
				number(field, "bytes"));
	}
}

/* Only where a rule said "log body". */
static void show_context(FILE *out, const json_t *event)
{
	const json_t *match;
	size_t i;

	json_array_foreach(show_get(event, "xmpp.matches"), i, match)
	{
		if (!json_object_get(match, "before"))
			continue;
		label(out, "in");
		fprintf(out,
			"\"%s[%s]%s\", %s bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
			"\n",
			show_safe(show_text(match, "before"), 0),
			show_safe(show_text(match, "text"), 0),
			show_safe(show_text(match, "after"), 0), show_text(match, "field"),
			number(match, "start"), number(match, "end"));
	}
}

static void show_rule(FILE *out, const json_t *answer)
{
	const json_t *rule = json_object_get(answer, "rule");

	label(out, "rule text");
	if (!rule)
		fprintf(out, "no such rule in the policy in force\n");
	else
		fprintf(out, "%s\n%-12s%" JSON_INTEGER_FORMAT " since the daemon was started\n",
			show_safe(show_text(rule, "text"), 0), "hits", number(rule, "hits"));
	if (!json_is_true(show_get(answer, "ruleset.same")))
		fprintf(out, "%-12s%s is in force now: the rule may have been another\n", "",
			show_text(answer, "ruleset.in_force"));
}

static void show_edit(FILE *out, const json_t *edit)
{
	time_t seconds = (time_t)(number(edit, "time") / 1000);
	char when[32];
	struct tm tm;

	strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
	label(out, "");
	fprintf(out, "%s: %s by %s\n", when, show_text(edit, "what"),
		show_safe(show_text(edit, "who"), 80));
}

static void show_entries(FILE *out, const json_t *answer)
{
	const json_t *entry, *edit;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "entries"), i, entry)
	{
		label(out, "entry");
		fprintf(out, "%s of @%s", show_safe(show_text(entry, "entry"), EXPLAIN_VALUE_WIDTH),
			show_text(entry, "set"));
		if (json_object_get(entry, "file"))
			fprintf(out, " in %s", show_safe(show_text(entry, "file"), 0));
		else
			fprintf(out, " (not in its file: of the policy, a feed, or gone)");
		if (*show_text(entry, "comment"))
			fprintf(out, "  # %s", show_safe(show_text(entry, "comment"), 0));
		fputc('\n', out);
		json_array_foreach(json_object_get(entry, "history"), k, edit) show_edit(out, edit);
	}
}

static void show_session(FILE *out, const json_t *answer)
{
	const json_t *row = json_object_get(answer, "session");
	char age[32];

	if (!row && !show_get(answer, "event.xmpp.session"))
		return;
	label(out, "its state");
	if (!row) {
		fprintf(out, "session %" JSON_INTEGER_FORMAT ", gone\n",
			number(answer, "event.xmpp.session"));
		return;
	}
	clock_format_duration((uint64_t)number(row, "age_ms"), age, sizeof age);
	fprintf(out,
		"session %" JSON_INTEGER_FORMAT ", open for %s, %s, %s, %" JSON_INTEGER_FORMAT
		" stanzas in, %" JSON_INTEGER_FORMAT " out, %" JSON_INTEGER_FORMAT
		" dropped, %" JSON_INTEGER_FORMAT " rejected\n",
		number(row, "id"), age, show_text(row, "state"), show_text(row, "tls"),
		number(row, "in"), number(row, "out"), number(row, "dropped"),
		number(row, "rejected"));
}

void show_reasons(FILE *out, const json_t *answer)
{
	const json_t *event = json_object_get(answer, "event");

	show_fields(out, event);
	show_context(out, event);
	if (*show_text(event, "xmpp.rule"))
		show_rule(out, answer);
	show_entries(out, answer);
	show_session(out, answer);
}
