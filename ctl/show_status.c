/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer of "status" for a person. In: the daemon's JSON. Out: what needs attention first, then
 * what runs and what it did, each under its word. On a terminal all of it fits on one screen: what does
 * not is left out, and how much that is, is told. It asks nobody. */
#include "ctl/show_status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"

enum { LABEL = 12, LINE_SIZE = 1024, REST = 5 /* lines that are always there */ };

struct status_out {
	FILE *out;
	bool colour;
	unsigned rows, columns; /* 0: no end */
	unsigned used;
};

static const char *paint(const struct status_out *o, const char *code)
{
	return o->colour ? code : "";
}

/* Bytes of as many characters as fit into width (0: all). */
static size_t fitting(const char *text, size_t width)
{
	size_t n = 0, seen = 0;

	for (; text[n]; n++)
		if (((unsigned char)text[n] & 0xc0) != 0x80 && width && seen++ == width)
			break;
	return n;
}

static void line(struct status_out *o, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line(struct status_out *o, const char *label, const char *format, ...)
{
	char text[LINE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	fprintf(o->out, "%s%-*s%s%.*s\n", paint(o, "\033[2m"), LABEL, label, paint(o, "\033[0m"),
		(int)fitting(text, o->columns > LABEL ? o->columns - LABEL : 0), text);
	o->used++;
}

static json_int_t number(const json_t *object, const char *dotted)
{
	return json_integer_value(show_get(object, dotted));
}

static json_int_t counter(const json_t *status, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(status, "counters"), name));
}

/* How many rows of n may be shown when so many lines are to be left for what follows. */
static size_t room(const struct status_out *o, size_t n, size_t after)
{
	size_t left = o->rows > o->used + after ? o->rows - o->used - after : 1;

	if (!o->rows || n <= left)
		return n;
	return left > 1 ? left - 1 : 0;
}

static void told_rest(struct status_out *o, size_t shown, size_t n, const char *what)
{
	if (shown < n)
		line(o, "", "and %zu more %s (xmppwallctl --json status)", n - shown, what);
}

/* ---- attention ---- */

static unsigned wrapped_lines(const struct status_out *o, const char *text)
{
	size_t width = o->columns > 2 ? o->columns - 2 : 0, n = 1;

	for (size_t len = fitting(text, width); text[len]; n++) {
		text += len;
		len = fitting(text, width);
	}
	return (unsigned)n;
}

static void print_attention(struct status_out *o, const char *text)
{
	size_t width = o->columns > 2 ? o->columns - 2 : 0, len = fitting(text, width);

	fprintf(o->out, "%s!%s ", paint(o, "\033[31;1m"), paint(o, "\033[0m"));
	for (;;) {
		fprintf(o->out, "%s%.*s%s\n", paint(o, "\033[31m"), (int)len, text, paint(o, "\033[0m"));
		o->used++;
		text += len;
		if (!*text)
			return;
		fputs("  ", o->out);
		len = fitting(text, width);
	}
}

static void show_attention(struct status_out *o, const json_t *lines, size_t after)
{
	size_t n = json_array_size(lines), i;

	for (i = 0; i < n; i++) {
		const char *text = show_safe(json_string_value(json_array_get(lines, i)), 0);

		if (o->rows && i > 0 && o->used + wrapped_lines(o, text) + 1 + after > o->rows)
			break;
		print_attention(o, text);
	}
	if (i < n)
		fprintf(o->out, "%s!%s and %zu more lines (xmppwallctl --json status)\n",
			paint(o, "\033[31;1m"), paint(o, "\033[0m"), n - i);
	o->used += i < n;
}

/* ---- what runs ---- */

static void format_ports(const json_t *ports, char *text, size_t size)
{
	size_t len = 0, i;
	json_t *port;

	*text = '\0';
	json_array_foreach(ports, i, port) if (len < size) len += (size_t)snprintf(text + len,
		size - len, "%s%" JSON_INTEGER_FORMAT, i ? ", " : "", json_integer_value(port));
}

static void show_services(struct status_out *o, const json_t *services, size_t after)
{
	size_t n = json_array_size(services), max = room(o, n, after), i;
	int name = 0, where = 0;
	char ports[256];
	json_t *s;

	json_array_foreach(services, i, s)
	{
		format_ports(json_object_get(s, "ports"), ports, sizeof ports);
		name = (int)strlen(show_text(s, "name")) > name ? (int)strlen(show_text(s, "name")) : name;
		where = (int)strlen(ports) > where ? (int)strlen(ports) : where;
	}
	for (i = 0; i < max; i++) {
		s = json_array_get(services, i);
		format_ports(json_object_get(s, "ports"), ports, sizeof ports);
		line(o, i == 0 ? "services" : "", "%-*s  tcp %-*s  mode %-7s  tls %s%s%s%s", name,
			show_text(s, "name"), where, ports, show_text(s, "mode"), show_text(s, "tls"),
			*show_text(s, "upstream") ? "  upstream " : "", show_text(s, "upstream"),
			json_is_true(json_object_get(s, "fail_open")) ? "  FAIL OPEN" : "");
	}
	told_rest(o, max, n, "services");
}

static void show_worker(struct status_out *o, const char *title, const json_t *w)
{
	const json_t *until = json_object_get(w, "until");
	char left[32], more[96] = "";

	if (until) {
		show_left(json_integer_value(until), left, sizeof left);
		snprintf(more, sizeof more, ", retiring: keeps %" JSON_INTEGER_FORMAT " sessions for %s at most",
			number(w, "sessions"), left);
	} else if (strcmp(show_text(w, "state"), "ready") != 0) {
		snprintf(more, sizeof more, ", %s", show_text(w, "state"));
	}
	line(o, title, "%-14s  pid %-7" JSON_INTEGER_FORMAT "  %s%s", show_text(w, "name"), number(w, "pid"),
		show_text(w, "sandbox"), more);
}

static void show_workers(struct status_out *o, const json_t *workers, size_t after)
{
	size_t n = json_array_size(workers), max = room(o, n, after);

	for (size_t i = 0; i < max; i++)
		show_worker(o, i == 0 ? "workers" : "", json_array_get(workers, i));
	told_rest(o, max, n, "workers");
}

/* ---- what it did ---- */

static void add_count(char *text, size_t size, json_int_t n, const char *what)
{
	size_t len = strlen(text);

	if (n > 0)
		snprintf(text + len, size - len, "%s%" JSON_INTEGER_FORMAT " %s", len ? ", " : "", n, what);
}

static void show_verdicts(struct status_out *o, const json_t *status)
{
	char text[256];

	snprintf(text, sizeof text,
		"%" JSON_INTEGER_FORMAT " accepted, %" JSON_INTEGER_FORMAT " dropped, %" JSON_INTEGER_FORMAT
		" rejected, %" JSON_INTEGER_FORMAT " closed",
		counter(status, "verdict.accept"), counter(status, "verdict.drop"),
		counter(status, "verdict.reject"), counter(status, "verdict.close"));
	add_count(text, sizeof text, counter(status, "verdict.quarantine"), "quarantined");
	add_count(text, sizeof text, counter(status, "verdict.redirect"), "redirected");
	line(o, "stanzas", "%s", text);
}

/* Over all classes; "full" let through whom it could not count. */
static json_int_t refused(const json_t *defend)
{
	const char *name;
	json_int_t sum = 0;
	json_t *class;

	json_object_foreach((json_t *)defend, name, class) sum +=
		number(class, "rate") + number(class, "penalty") + number(class, "concurrent");
	return sum;
}

/* Only what there was. */
static void show_trouble(struct status_out *o, const json_t *status)
{
	static const struct {
		const char *name, *what;
	} all[] = {
		{ "login.failed", "failed logins" },
		{ "tls.failed", "failed TLS handshakes" },
		{ "listen.refused", "connections refused" },
		{ "listen.exhausted", "times out of descriptors" },
		{ "session.timeout", "timeouts" },
		{ "upstream.failed", "times the server was not reached" },
		{ "judge.failed", "stanzas not judged" },
		{ "event.lost", "events lost" },
	};
	char text[512] = "";

	add_count(text, sizeof text, refused(json_object_get(status, "defend")),
		"connections refused by the kernel");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		add_count(text, sizeof text, counter(status, all[i].name), all[i].what);
	if (*text)
		line(o, "counted", "%s", text);
}

static void show_reports(struct status_out *o, const json_t *reports)
{
	if (reports)
		line(o, "reports",
			"%" JSON_INTEGER_FORMAT " delivered to %s, %" JSON_INTEGER_FORMAT " waiting",
			number(reports, "delivered"), show_safe(show_text(reports, "to"), 80),
			number(reports, "waiting"));
}

void show_status(FILE *out, const json_t *status, bool colour, unsigned rows, unsigned columns)
{
	struct status_out o = { .out = out, .colour = colour, .rows = rows, .columns = columns };
	const json_t *services = json_object_get(status, "services"),
		     *workers = json_object_get(status, "workers"),
		     *reports = json_object_get(status, "reports");
	size_t n_services = json_array_size(services), n_workers = json_array_size(workers),
	       rest = REST + (reports != NULL) + 1;
	char age[32];

	if (n_services > 4)
		n_services = 4;
	if (n_workers > 3)
		n_workers = 3;
	show_attention(&o, json_object_get(status, "attention"), rest + n_services + n_workers);
	show_age(number(status, "uptime_ms"), age, sizeof age);
	line(&o, "xmppwall", "%s, up %s", show_text(status, "version"), age);
	line(&o, "policy", "%s", show_text(status, "policy"));
	line(&o, "firewall", "%s, %" JSON_INTEGER_FORMAT " bans",
		json_is_true(show_get(status, "firewall.loaded")) ? "table inet xmppwall is loaded"
								  : "not loaded",
		number(status, "bans"));
	line(&o, "sessions", "%" JSON_INTEGER_FORMAT " now, %" JSON_INTEGER_FORMAT " since start",
		counter(status, "session.active"), counter(status, "session.opened"));
	show_verdicts(&o, status);
	show_trouble(&o, status);
	show_reports(&o, reports);
	show_workers(&o, workers, n_services);
	show_services(&o, services, 0);
}
