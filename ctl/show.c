/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the daemon's answers for a person: tables, event lines. Comes last in
 * every command of xmppwallctl that was not asked for JSON. Never talks to anybody. Text that came
 * from a peer is escaped: a body must not steer the operator's terminal. */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/show.h"
#include "xmpp/safe.h"

enum { CELL = 512, COLUMNS_MAX = 12 };

static const char *paint(bool colour, const char *code)
{
	return colour ? code : "";
}

const json_t *show_get(const json_t *object, const char *dotted)
{
	char key[64];
	const char *dot;

	while ((dot = strchr(dotted, '.')) != NULL) {
		size_t len = (size_t)(dot - dotted);

		if (len >= sizeof key)
			return NULL;
		memcpy(key, dotted, len);
		key[len] = '\0';
		object = json_object_get(object, key);
		dotted = dot + 1;
	}
	return json_object_get(object, dotted);
}

const char *show_text(const json_t *object, const char *dotted)
{
	const char *text = json_string_value(show_get(object, dotted));

	return text ? text : "";
}

const char *show_safe(const char *text, size_t width)
{
	return safe_text(text, width);
}

static void format_wall(int64_t ms, char *text, size_t size)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm);
}

/* For a person: the two largest units, and no milliseconds once there are seconds. */
void show_age(int64_t ms, char *text, size_t size)
{
	uint64_t n = ms > 0 ? (uint64_t)ms : 0, unit = n < 1000 ? 1 : n < 3600000 ? 1000 : 60000;

	clock_format_duration(n / unit * unit, text, size);
}

void show_left(int64_t until_ms, char *text, size_t size)
{
	int64_t left = until_ms - clock_wall_ms();

	if (until_ms == 0)
		snprintf(text, size, "for ever");
	else
		show_age(left, text, size);
}

static void format_cell(const struct show_column *c, const json_t *row, char *text, size_t size)
{
	const json_t *v = show_get(row, c->key);
	json_int_t n = json_integer_value(v);

	if (!v || json_is_null(v))
		snprintf(text, size, "-");
	else if (c->format == SHOW_WALL_TIME && json_is_integer(v))
		format_wall(n, text, size);
	else if (c->format == SHOW_UNTIL)
		show_left(n, text, size);
	else if (c->format == SHOW_AGE)
		show_age(n, text, size);
	else if (json_is_string(v))
		snprintf(text, size, "%s",
			*json_string_value(v) ? show_safe(json_string_value(v), 60) : "-");
	else if (json_is_boolean(v))
		snprintf(text, size, "%s", json_is_true(v) ? "yes" : "no");
	else
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, n);
}

/* Characters, not bytes: continuation bytes take no place on a terminal. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(
	FILE *out, const struct show_column *c, const char *text, size_t width, bool last)
{
	size_t pad = width - text_width(text);

	if (c->format == SHOW_NUMBER)
		fprintf(out, "%*s%s%s", (int)pad, "", text, last ? "" : "  ");
	else
		fprintf(out, "%s%*s", text, last ? 0 : (int)pad + 2, "");
}

void show_table(FILE *out, const struct show_column *columns, size_t n, const json_t *rows,
	const char *empty)
{
	size_t width[COLUMNS_MAX], i;
	char cell[CELL];
	json_t *row;

	if (json_array_size(rows) == 0) {
		fprintf(out, "%s\n", empty);
		return;
	}
	for (size_t c = 0; c < n; c++)
		width[c] = text_width(columns[c].title);
	json_array_foreach(rows, i, row) for (size_t c = 0; c < n; c++)
	{
		format_cell(&columns[c], row, cell, sizeof cell);
		if (text_width(cell) > width[c])
			width[c] = text_width(cell);
	}
	for (size_t c = 0; c < n; c++)
		print_cell(out, &columns[c], columns[c].title, width[c], c + 1 == n);
	fputc('\n', out);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < n; c++) {
			format_cell(&columns[c], row, cell, sizeof cell);
			print_cell(out, &columns[c], cell, width[c], c + 1 == n);
		}
		fputc('\n', out);
	}
}

static const char *verdict_colour(const char *verdict)
{
	if (strcmp(verdict, "accept") == 0)
		return "\033[32m";
	if (strcmp(verdict, "drop") == 0 || strcmp(verdict, "reject") == 0)
		return "\033[33m";
	return "\033[31m";
}

/* "2026-11-21T06:30:00.1+0000" -> "06:30:00" */
static void print_clock(FILE *out, const json_t *event)
{
	const char *stamp = show_text(event, "timestamp"), *t = strchr(stamp, 'T');

	fprintf(out, "%s", show_safe(t ? t + 1 : stamp, 8));
}

static void print_match(FILE *out, const json_t *match)
{
	const char *set = show_text(match, "set");

	if (strcmp(show_text(match, "field"), "similar") == 0) {
		fprintf(out, "similar %s exceeded: %s", show_safe(show_text(match, "entry"), 40),
			show_safe(show_text(match, "text"), 40));
		return;
	}
	if (strcmp(show_text(match, "field"), "limit") == 0) {
		fprintf(out, "limit %s exceeded by \"%s\"",
			show_safe(show_text(match, "entry"), 40),
			show_safe(show_text(match, "text"), 40));
		return;
	}
	fprintf(out, "%s", show_safe(show_text(match, "field"), 40));
	if (*show_text(match, "text"))
		fprintf(out, " \"%s\"", show_safe(show_text(match, "text"), 40));
	if (*show_text(match, "entry"))
		fprintf(out, " by %s\"%s\"", *set ? "" : "pattern ",
			show_safe(show_text(match, "entry"), 40));
	if (*set)
		fprintf(out, " of @%s", show_safe(set, 64));
}

void show_event(FILE *out, const json_t *event, bool colour)
{
	const char *type = show_text(event, "event_type");
	const char *verdict = show_text(event, "xmpp.verdict");
	const json_t *match = json_array_get(show_get(event, "xmpp.matches"), 0);

	print_clock(out, event);
	if (strcmp(type, "report") == 0) {
		fprintf(out, "  %sreport%s %s  %s", paint(colour, "\033[31m"),
			paint(colour, "\033[0m"), show_safe(show_text(event, "report.jid"), 64),
			show_safe(show_text(event, "report.reason"), 40));
		fprintf(out, "  %s  [%s]\n", show_safe(show_text(event, "alert.signature"), 80),
			show_safe(show_text(event, "report.id"), 40));
		return;
	}
	if (strcmp(type, "alarm") == 0) {
		fprintf(out, "  %salarm%s %s  %" JSON_INTEGER_FORMAT "\n", paint(colour, "\033[31;1m"),
			paint(colour, "\033[0m"), show_safe(show_text(event, "alarm.what"), 40),
			json_integer_value(show_get(event, "alarm.count")));
		return;
	}
	if (strcmp(type, "alert") != 0) {
		fprintf(out, "  %s%s%s %s", paint(colour, "\033[31m"),
			show_safe(type, 40), paint(colour, "\033[0m"),
			show_safe(*show_text(event, "xmppwall.jid")      ? show_text(event, "xmppwall.jid")
				  : *show_text(event, "xmppwall.domain") ? show_text(event, "xmppwall.domain")
									 : show_text(event, "src_ip"),
				64));
		if (*show_text(event, "xmppwall.why"))
			fprintf(out, "  %s", show_safe(show_text(event, "xmppwall.why"), 100));
		fputc('\n', out);
		return;
	}
	fprintf(out, "  %s%-6s%s", paint(colour, verdict_colour(verdict)),
		show_safe(verdict, 16), paint(colour, "\033[0m"));
	if (*show_text(event, "xmpp.condition"))
		fprintf(out, " %s", show_safe(show_text(event, "xmpp.condition"), 40));
	fprintf(out, "  %s", show_safe(show_text(event, "xmpp.kind"), 40));
	if (*show_text(event, "xmpp.from"))
		fprintf(out, " %s", show_safe(show_text(event, "xmpp.from"), 48));
	else
		fprintf(out, " %s", show_safe(show_text(event, "src_ip"), 64));
	if (*show_text(event, "xmpp.to"))
		fprintf(out, " → %s", show_safe(show_text(event, "xmpp.to"), 48));
	fprintf(out, "  %s", show_safe(show_text(event, "alert.signature"), 80));
	if (match) {
		fprintf(out, "  ");
		print_match(out, match);
	}
	fprintf(out, "  %s[%s]%s\n", paint(colour, "\033[2m"),
		show_safe(show_text(event, "xmpp.id"), 40), paint(colour, "\033[0m"));
}

static void print_line(FILE *out, const char *label, const char *text)
{
	if (*text)
		fprintf(out, "%-12s%s\n", label, show_safe(text, 0));
}

void show_explain(FILE *out, const json_t *event, bool colour)
{
	const char *verdict = show_text(event, "xmpp.verdict");
	const json_t *orders = show_get(event, "xmpp.orders");
	json_t *item;
	size_t i;

	fprintf(out, "%-12s%s%s %s%s\n", "verdict", paint(colour, verdict_colour(verdict)),
		show_safe(verdict, 16), show_safe(show_text(event, "xmpp.condition"), 40),
		paint(colour, "\033[0m"));
	print_line(out, "done", show_text(event, "xmpp.act"));
	print_line(out, "id", show_text(event, "xmpp.id"));
	print_line(out, "when", show_text(event, "timestamp"));
	print_line(out, "rule", show_text(event, "alert.signature"));
	json_array_foreach(show_get(event, "xmpp.matches"), i, item)
	{
		fprintf(out, "%-12s", i == 0 ? "because" : "");
		print_match(out, item);
		fputc('\n', out);
	}
	print_line(out, "stanza", show_text(event, "xmpp.kind"));
	print_line(out, "type", show_text(event, "xmpp.type"));
	print_line(out, "from", show_text(event, "xmpp.from"));
	print_line(out, "to", show_text(event, "xmpp.to"));
	print_line(out, "session", show_text(event, "xmpp.jid"));
	print_line(out, "service", show_text(event, "xmpp.service"));
	print_line(out, "direction", show_text(event, "xmpp.direction"));
	print_line(out, "peer", show_text(event, "src_ip"));
	json_array_foreach(orders, i, item)
	{
		char *text = json_is_string(item) ? NULL : json_dumps(item, JSON_COMPACT);

		print_line(out, i == 0 ? "orders" : "", text ? text : json_string_value(item));
		free(text);
	}
	print_line(out, "ruleset", show_text(event, "xmpp.ruleset"));
}
