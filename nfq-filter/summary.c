/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a replay: the object that --json prints in, a page for a person out.
 * In the order of questions: what was read, what was in it, what the rules did, whom it would have
 * hit, what is odd. Texts of peers are made harmless. It adds nothing up. */
#include "nfq-filter/summary.h"

#include <stdbool.h>
#include <string.h>
#include "nfq-filter/counts.h"
#include "xmpp/safe.h"

enum { BAR = 40 };

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* 1234567 as "1.2M": sizes are for the eye. */
static const char *amount(long long n)
{
	static char buffers[4][24];
	static unsigned turn;
	char *out = buffers[turn++ % 4];
	const char *units = "kMGT";
	double v = (double)n;

	if (n < 10000) {
		snprintf(out, 24, "%lld", n);
		return out;
	}
	for (; v >= 1000 && *units; units++)
		v /= 1000;
	snprintf(out, 24, v < 10 ? "%.1f%c" : "%.0f%c", v, units[-1]);
	return out;
}

static void print_time(FILE *out, const char *when)
{
	fprintf(out, "%.10s %.8s", when, strlen(when) > 11 ? when + 11 : "");
}

/* "3 drop, 1 reject" */
static void print_verdicts(FILE *out, const json_t *verdicts)
{
	const char *kind, *comma = "";
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)verdicts, kind, n)
	{
		if (json_integer_value(n) == 0)
			continue;
		fprintf(out, "%s%" JSON_INTEGER_FORMAT " %s", comma, json_integer_value(n), kind);
		comma = ", ";
	}
}

static void print_bar(FILE *out, long long n, long long most)
{
	long long len = most > 0 ? (n * BAR + most - 1) / most : 0;

	for (long long i = 0; i < len; i++)
		fputs("█", out);
	fputc('\n', out);
}

static void print_read(FILE *out, const json_t *all)
{
	const json_t *c = json_object_get(all, "capture");

	fprintf(out, "%s: %s packets, %s bytes", text_of(c, "format"),
		amount(number_of(c, "packets")), amount(number_of(c, "bytes")));
	if (*text_of(c, "from")) {
		fputs(", ", out);
		print_time(out, text_of(c, "from"));
		fputs(" to ", out);
		print_time(out, text_of(c, "until"));
		fputs(" UTC", out);
	}
	fputc('\n', out);
	if (json_is_true(json_object_get(c, "cut")))
		fprintf(out, "the file ends inside a packet\n");
	if (*text_of(c, "damaged"))
		fprintf(out, "the file is damaged from byte %lld on: %s\n",
			number_of(c, "damaged_at"), text_of(c, "damaged"));
}

static void print_stanzas(FILE *out, const json_t *all)
{
	const json_t *rate = json_object_get(all, "rate"), *row;
	long long most = 0;
	size_t i;

	fprintf(out, "\n%lld stanzas in %lld streams of %lld peers; verdicts: ",
		number_of(all, "stanzas"), number_of(all, "streams_seen"),
		number_of(all, "peers_seen"));
	print_verdicts(out, json_object_get(all, "verdicts"));
	fprintf(out, "\n%.1f stanzas/s, at most %lld in a second",
		json_real_value(json_object_get(rate, "mean")), number_of(rate, "peak"));
	if (*text_of(rate, "peak_at")) {
		fputs(", at ", out);
		print_time(out, text_of(rate, "peak_at"));
	}
	fputs("\n\nkinds\n", out);
	json_array_foreach(json_object_get(all, "kinds"), i, row) fprintf(out,
		"  %-9s %-12s %8lld stanzas %8s bytes\n", text_of(row, "kind"),
		text_of(row, "type"), number_of(row, "stanzas"), amount(number_of(row, "bytes")));
	fputs("\nsizes\n", out);
	json_array_foreach(json_object_get(all, "sizes"), i, row) most =
		number_of(row, "stanzas") > most ? number_of(row, "stanzas") : most;
	json_array_foreach(json_object_get(all, "sizes"), i, row)
	{
		fprintf(out, "  %7lld - %-7lld %8lld ", number_of(row, "from"),
			number_of(row, "to"), number_of(row, "stanzas"));
		print_bar(out, number_of(row, "stanzas"), most);
	}
}

static void print_rules(FILE *out, const json_t *all)
{
	const json_t *row;
	size_t i;

	fputs("\nrules\n", out);
	json_array_foreach(json_object_get(all, "rules"), i, row)
	{
		char name[160];

		snprintf(name, sizeof(name), "%s%s%s",
			*text_of(row, "chain") ? text_of(row, "chain") : "(no chain)",
			*text_of(row, "rule")    ? "/"
			: *text_of(row, "chain") ? " (policy)"
						 : "",
			text_of(row, "rule"));
		fprintf(out, "  %-32s %8lld  ", name, number_of(row, "stanzas"));
		print_verdicts(out, json_object_get(row, "verdicts"));
		if (number_of(row, "dry"))
			fprintf(out, "%s%lld dry",
				json_object_size(json_object_get(row, "verdicts")) ? ", " : "",
				number_of(row, "dry"));
		if (number_of(row, "strikes"))
			fprintf(out, ", %lld strikes", number_of(row, "strikes"));
		fputc('\n', out);
	}
	if (json_array_size(json_object_get(all, "limits")) > 0)
		fputs("\nlimits\n", out);
	json_array_foreach(json_object_get(all, "limits"), i, row)
	{
		fprintf(out, "  %-20s %s burst %lld%s%s: exceeded %lld times", text_of(row, "name"),
			text_of(row, "rate"), number_of(row, "burst"),
			*text_of(row, "key") ? " by " : "", text_of(row, "key"),
			number_of(row, "exceeded"));
		if (number_of(row, "evicted"))
			fprintf(out, ", %lld keys lost to the bound", number_of(row, "evicted"));
		fputc('\n', out);
	}
}

static void print_bans(FILE *out, const json_t *all)
{
	const json_t *rows = json_object_get(all, "bans"), *row;
	size_t i;

	if (json_array_size(rows) == 0 && number_of(all, "strikes") == 0)
		return;
	fprintf(out, "\nbans there would have been (%lld strikes)\n", number_of(all, "strikes"));
	json_array_foreach(rows, i, row)
	{
		if (i == SUMMARY_TOP)
			break;
		fputs("  ", out);
		print_time(out, text_of(row, "time"));
		fprintf(out, "  %-15s ", text_of(row, "address"));
		if (json_is_true(json_object_get(row, "spared"))) {
			fputs("spared, shared", out);
		} else {
			fputs("until ", out);
			print_time(out, text_of(row, "until"));
		}
		fprintf(out, "  %s, %s\n", text_of(row, "rule"), text_of(row, "why"));
	}
	if (json_array_size(rows) > SUMMARY_TOP || number_of(all, "bans_untold"))
		fprintf(out, "  ... and %lld more\n",
			(long long)json_array_size(rows) - SUMMARY_TOP +
				number_of(all, "bans_untold"));
	if (json_array_size(rows) == 0)
		fputs("  none\n", out);
	if (number_of(all, "after_ban"))
		fprintf(out, "%lld stanzas came from banned addresses: they would not have come\n",
			number_of(all, "after_ban"));
}

static void print_peers(FILE *out, const json_t *all)
{
	const json_t *row;
	size_t i;

	if (json_array_size(json_object_get(all, "peers")) == 0)
		return;
	fprintf(out, "\n%-24s %8s %8s %8s %8s %8s\n", "PEER", "STREAMS", "STANZAS", "BYTES",
		"REFUSED", "STRIKES");
	json_array_foreach(json_object_get(all, "peers"), i, row)
	{
		if (i == SUMMARY_TOP)
			break;
		fprintf(out, "%-24s %8lld %8lld %8s %8lld %8lld%s\n", text_of(row, "address"),
			number_of(row, "streams"), number_of(row, "stanzas"),
			amount(number_of(row, "bytes")), number_of(row, "refused"),
			number_of(row, "strikes"), number_of(row, "bans") ? "  banned" : "");
	}
	if (number_of(all, "peers_seen") > SUMMARY_TOP)
		fprintf(out, "... and %lld more\n", number_of(all, "peers_seen") - SUMMARY_TOP);
}

static void print_streams(FILE *out, const json_t *all)
{
	const json_t *row;
	char role[32];
	size_t i;

	if (json_array_size(json_object_get(all, "streams")) == 0)
		return;
	fprintf(out, "\n%5s %-26s %-24s %-10s %7s %7s  %s\n", "#", "CLIENT", "SERVER", "ROLE", "IN",
		"OUT", "WHO");
	json_array_foreach(json_object_get(all, "streams"), i, row)
	{
		const char *who = *text_of(row, "jid")    ? text_of(row, "jid")
				  : *text_of(row, "from") ? text_of(row, "from")
							  : text_of(row, "to");

		if (i == SUMMARY_TOP)
			break;
		snprintf(role, sizeof(role), "%s%s", text_of(row, "role"),
			*text_of(row, "carrier") ? ", BOSH" : "");
		fprintf(out, "%5lld %-26s %-24s %-10s %7lld %7lld  %s%s%s",
			number_of(row, "stream"), text_of(row, "client"), text_of(row, "server"),
			role, number_of(row, "in"), number_of(row, "out"), safe_text(who, 50),
			*text_of(row, "mechanism") ? " " : "",
			safe_text(text_of(row, "mechanism"), 24));
		if (strcmp(text_of(row, "ends"), "clear") != 0)
			fprintf(out, "  (%s)", text_of(row, "ends"));
		fputs(json_is_true(json_object_get(row, "midstream"))
				? "  (beginning or middle not seen)\n"
				: "\n",
			out);
	}
	if (number_of(all, "streams_seen") > SUMMARY_TOP)
		fprintf(out, "... and %lld more\n", number_of(all, "streams_seen") - SUMMARY_TOP);
	json_array_foreach(json_object_get(all, "broken"), i, row)
	{
		if (i == SUMMARY_TOP)
			break;
		fprintf(out, "%sstream %lld: the %s would be told <%s/> (%s)\n", i == 0 ? "\n" : "",
			number_of(row, "stream"), text_of(row, "side"), text_of(row, "condition"),
			text_of(row, "reason"));
	}
}

/* What is not plain traffic. */
static void print_odd(FILE *out, const json_t *all)
{
	const json_t *counters = json_object_get(all, "counters");
	bool any = false;

	for (unsigned c = COUNT_PACKET_BAD; c < COUNT_MAX; c++) {
		long long n = number_of(counters, count_name((enum count)c));

		if (n == 0 || c == COUNT_FLOW || c == COUNT_STREAM)
			continue;
		if (!any)
			fputs("\nnoticed\n", out);
		any = true;
		fprintf(out, "  %-24s %10lld  %s\n", count_name((enum count)c), n,
			count_doc((enum count)c));
	}
}

void summary_print(FILE *out, const json_t *all)
{
	print_read(out, all);
	print_stanzas(out, all);
	print_rules(out, all);
	print_bans(out, all);
	print_peers(out, all);
	print_streams(out, all);
	print_odd(out, all);
}
