/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind the daemon's answers to "top". In: one JSON object after the other. Out: rates, which are the
 * differences of what only grows, by the daemon's own clock; what a daemon said that has been replaced
 * since is not compared with what its successor says. Missing keys are nothing, not errors: the daemon
 * may be older or younger than we are. It asks nobody and shows nothing. */
#include "ctl/top_data.h"

#include <stdio.h>
#include <string.h>

#include "ctl/show.h"

static const char *const panel_keys[TOP_PANELS] = { "peers", "sessions", "rules", "limits", "bans" };

const char *top_panel_key(enum top_panel panel)
{
	return panel_keys[panel];
}

void top_row_name(enum top_panel panel, const json_t *row, char *name, size_t size)
{
	if (panel == TOP_SESSIONS)
		snprintf(name, size, "%" JSON_INTEGER_FORMAT " %s",
			json_integer_value(json_object_get(row, "id")), show_text(row, "address"));
	else if (panel == TOP_RULES)
		snprintf(name, size, "%s/%s", show_text(row, "chain"), show_text(row, "name"));
	else
		snprintf(name, size, "%s",
			show_text(row, panel == TOP_LIMITS ? "name" : "address"));
}

void top_data_fini(struct top_data *d)
{
	json_decref(d->now);
	json_decref(d->before);
	for (unsigned i = 0; i < TOP_PANELS; i++)
		json_decref(d->rows[i]);
	*d = (struct top_data){ 0 };
}

static double number(const json_t *object, const char *dotted)
{
	return json_number_value(show_get(object, dotted));
}

double top_data_number(const struct top_data *d, const char *dotted)
{
	return d->now ? number(d->now, dotted) : 0;
}

const char *top_data_text(const struct top_data *d, const char *dotted)
{
	return d->now ? show_text(d->now, dotted) : "";
}

/* ---- rates ---- */

static double growth(double now, double before, double ms)
{
	return ms > 0 && now > before ? (now - before) * 1000 / ms : 0;
}

static double between_ms(const struct top_data *d)
{
	return d->now && d->before ? number(d->now, "uptime_ms") - number(d->before, "uptime_ms") : 0;
}

/* Names of counters have dots themselves. */
double top_data_rate(const struct top_data *d, const char *counter)
{
	if (!d->now || !d->before)
		return 0;
	return growth(
		json_number_value(json_object_get(json_object_get(d->now, "counters"), counter)),
		json_number_value(json_object_get(json_object_get(d->before, "counters"), counter)),
		between_ms(d));
}

double top_data_refused(const struct top_data *d)
{
	const char *name;
	json_t *value;
	double sum = 0;

	json_object_foreach(json_object_get(d->now, "counters"), name, value)
	{
		const char *last = strrchr(name, '.');

		/* "full" let through whom it could not count */
		if (strncmp(name, "defend.", 7) == 0 && last && strcmp(last, ".full") != 0)
			sum += top_data_rate(d, name);
	}
	return sum;
}

double top_data_cpu(const struct top_data *d, const json_t *worker)
{
	double pid = number(worker, "pid");
	json_t *before;
	size_t i;

	if (between_ms(d) <= 0)
		return -1;
	json_array_foreach(json_object_get(d->before, "workers"), i, before)
		if (number(before, "pid") == pid)
			return growth(number(worker, "cpu_ms"), number(before, "cpu_ms"),
				       between_ms(d)) /
			       10;
	return -1;
}

/* ---- rows ---- */

/* What grows in rows of rules and limits gets its rate beside it. */
static void rows_rate(enum top_panel panel, const json_t *rows, const json_t *before, double ms)
{
	const char *key = panel == TOP_RULES ? "hits" : "exceeded";
	json_t *known = json_object(), *row, *one;
	char name[320];
	size_t i;

	json_array_foreach(before, i, row)
	{
		top_row_name(panel, row, name, sizeof name);
		json_object_set(known, name, row);
	}
	json_array_foreach(rows, i, row)
	{
		top_row_name(panel, row, name, sizeof name);
		one = json_object_get(known, name);
		json_object_set_new(row, "rate",
			json_real(one ? growth(number(row, key), number(one, key), ms) : 0));
	}
	json_decref(known);
}

/* Who is barred by name stands among those banned by address. */
static void rows_name(json_t *rows, const json_t *barred)
{
	json_t *row, *name;
	size_t i;

	json_array_foreach(barred, i, row)
	{
		if (!(name = json_object_get(row, "jid")))
			name = json_object_get(row, "domain");
		json_object_set(row, "address", name);
		json_array_append(rows, row);
	}
}

static void rows_take(struct top_data *d, enum top_panel panel, json_t *answer)
{
	json_t *rows = json_object_get(answer, panel_keys[panel]);
	double now_ms = number(answer, "uptime_ms");

	if (!json_is_array(rows))
		return;
	if (panel == TOP_BANS)
		rows_name(rows, json_object_get(answer, "barred"));
	/* A limit's own "rate" is a text ("20/second"), and moves. */
	if (panel == TOP_LIMITS) {
		json_t *row;
		size_t i;

		json_array_foreach(rows, i, row)
			json_object_set(row, "limit", json_object_get(row, "rate"));
	}
	if (panel == TOP_RULES || panel == TOP_LIMITS)
		rows_rate(panel, rows, d->rows[panel], now_ms - d->rows_ms[panel]);
	json_decref(d->rows[panel]);
	d->rows[panel] = json_incref(rows);
	d->rows_ms[panel] = now_ms;
}

static void curve_add(struct top_data *d, double value)
{
	if (d->n_curve == TOP_CURVE) {
		memmove(&d->curve[0], &d->curve[1], sizeof d->curve - sizeof d->curve[0]);
		d->n_curve--;
	}
	d->curve[d->n_curve++] = value;
}

static bool is_another(const json_t *now, const json_t *before)
{
	return number(now, "uptime_ms") < number(before, "uptime_ms");
}

void top_data_take(struct top_data *d, enum top_panel asked, json_t *answer)
{
	if (d->now && is_another(answer, d->now)) {
		struct top_data fresh = { 0 };

		memcpy(fresh.curve, d->curve, sizeof fresh.curve);
		fresh.n_curve = d->n_curve;
		top_data_fini(d);
		*d = fresh;
	}
	rows_take(d, asked, answer);
	/* Two looks right behind each other (another panel was chosen) tell no rate. */
	if (d->now && d->before && number(answer, "uptime_ms") - number(d->now, "uptime_ms") < 250) {
		json_decref(answer);
		return;
	}
	json_decref(d->before);
	d->before = d->now;
	d->now = answer;
	if (d->before)
		curve_add(d, top_data_rate(d, "stanza.in") + top_data_rate(d, "stanza.out"));
}
