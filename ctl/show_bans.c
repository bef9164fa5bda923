/* SPDX-License-Identifier: BSD-2-Clause */
/* Why somebody is kept out, for a person. In: a row of "bans" asked with "why". Out: lines: the
 * reason, who ordered it, the rule, the rung of the ladder, the verdicts that led there, since when
 * and until when. It asks nobody. */
#include "ctl/show_bans.h"

#include <stdint.h>

#include "base/clock.h"
#include "ctl/show.h"

static void why_line(FILE *out, const char *label, const char *text)
{
	if (*text)
		fprintf(out, "  %-10s%s\n", label, show_safe(text, 0));
}

/* "5 strikes within 10m; ban 1h; escalate x2 to 7d; forgive 1d" */
static void why_ladder(FILE *out, const json_t *row)
{
	const json_t *ladder = json_object_get(row, "ladder");
	char within[32], time[32];
	json_int_t n;

	if (!ladder) {
		if (*show_text(row, "punish"))
			fprintf(out, "  %-10s%s (no longer in the policy)\n", "ladder",
				show_safe(show_text(row, "punish"), 64));
		return;
	}
	clock_format_duration((uint64_t)json_integer_value(json_object_get(ladder, "within_ms")),
		within, sizeof within);
	clock_format_duration(
		(uint64_t)json_integer_value(json_object_get(ladder, "ban_ms")), time, sizeof time);
	fprintf(out, "  %-10spunish %s, of %s: %" JSON_INTEGER_FORMAT " strikes within %s",
		"ladder", show_safe(show_text(ladder, "name"), 64), show_text(ladder, "of"),
		json_integer_value(json_object_get(ladder, "strikes")), within);
	if ((n = json_integer_value(json_object_get(ladder, "from"))) > 0)
		fprintf(out, " from %" JSON_INTEGER_FORMAT " addresses", n);
	fprintf(out, "; ban %s", time);
	if ((n = json_integer_value(json_object_get(ladder, "escalate"))) > 1) {
		clock_format_duration(
			(uint64_t)json_integer_value(json_object_get(ladder, "escalate_max_ms")),
			time, sizeof time);
		fprintf(out, "; escalate x%" JSON_INTEGER_FORMAT " to %s", n, time);
	}
	if ((n = json_integer_value(json_object_get(ladder, "forgive_ms"))) > 0) {
		clock_format_duration((uint64_t)n, time, sizeof time);
		fprintf(out, "; forgive %s", time);
	}
	fputc('\n', out);
}

static void why_evidence(FILE *out, const json_t *row)
{
	json_t *verdict;
	char stamp[40];
	size_t i;

	json_array_foreach(json_object_get(row, "evidence"), i, verdict)
	{
		clock_format_wall(
			json_integer_value(json_object_get(verdict, "time")), stamp, sizeof stamp);
		stamp[19] = '\0';
		fprintf(out, "  %-10s%s  %s", i == 0 ? "evidence" : "", stamp,
			show_safe(show_text(verdict, "rule"), 80));
		if (*show_text(verdict, "jid"))
			fprintf(out, "  %s", show_safe(show_text(verdict, "jid"), 80));
		fprintf(out, "  (explain %s)\n", show_safe(show_text(verdict, "id"), 40));
	}
}

void show_ban_why(FILE *out, const json_t *row)
{
	const json_t *next = json_object_get(row, "next_ms");
	char since[40], until[40], left[32], time[32];
	json_int_t end = json_integer_value(json_object_get(row, "until"));

	clock_format_wall(json_integer_value(json_object_get(row, "since")), since, sizeof since);
	clock_format_wall(end, until, sizeof until);
	since[19] = until[19] = '\0';
	show_left(end, left, sizeof left);
	fprintf(out, "%s\n", show_safe(show_text(row, "address"), 0));
	why_line(out, "why", show_text(row, "why"));
	why_line(out, "who", show_text(row, "who"));
	why_line(out, "rule", show_text(row, "rule"));
	why_line(out, "", show_text(row, "rule_text"));
	why_ladder(out, row);
	why_evidence(out, row);
	fprintf(out, "  %-10s%s\n", "since", since);
	if (end)
		fprintf(out, "  %-10s%s, %s left\n", "until", until, left);
	else
		fprintf(out, "  %-10sfor ever\n", "until");
	fprintf(out, "  %-10s%" JSON_INTEGER_FORMAT "\n", "count",
		json_integer_value(json_object_get(row, "count")));
	if (next) {
		clock_format_duration((uint64_t)json_integer_value(next), time, sizeof time);
		fprintf(out, "  %-10s%s\n", "next", time);
	}
}
