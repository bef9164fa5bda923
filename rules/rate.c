/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates as people write them: "20/second", "5/10m". For those who set limits beside the
 * configuration and for those who show them; the configuration itself is read by lex.c. Knows no
 * table and no clock. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/limit.h"

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "second", 1000 },
	{ "minute", 60000 },
	{ "hour", 3600000 },
	{ "day", 86400000 },
	{ "week", 604800000 },
};

enum { UNITS = sizeof units / sizeof *units };

struct limit_rate limit_rate_make(uint64_t events, uint64_t duration_ms, uint64_t burst)
{
	struct limit_rate rate = { .events = events, .window_ns = duration_ms * 1000000u };

	rate.period_ns = (uint64_t)((unsigned __int128)duration_ms * 1000000u / events);
	if (rate.period_ns == 0)
		rate.period_ns = 1;
	if (burst == 0)
		burst = events;
	rate.tolerance_ns = limit_rate_cost(&rate, burst);
	return rate;
}

uint64_t limit_rate_cost(const struct limit_rate *rate, uint64_t events)
{
	return events > INT64_MAX / rate->period_ns ? INT64_MAX : events * rate->period_ns;
}

static int duration_read(const char *text, uint64_t *ms)
{
	char one[16];

	for (size_t i = 0; i < UNITS; i++)
		if (strcmp(units[i].name, text) == 0) {
			*ms = units[i].ms;
			return 0;
		}
	if (*text >= '0' && *text <= '9')
		return clock_parse_duration(text, strlen(text), ms);
	/* "5/m" */
	if (!*text || snprintf(one, sizeof one, "1%s", text) >= (int)sizeof one)
		return ERR_SYNTAX;
	return clock_parse_duration(one, strlen(one), ms);
}

/* "20", "64k"; *at goes behind it. */
static int amount_read(const char **at, uint64_t *out)
{
	static const char suffixes[] = "kMG";
	const char *start = *at, *suffix;

	for (*out = 0; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(*out, 10u, out) ||
			__builtin_add_overflow(*out, (uint64_t)(**at - '0'), out))
			return ERR_RANGE;
	if (*at == start)
		return ERR_SYNTAX;
	suffix = **at == 'K' ? suffixes : **at ? strchr(suffixes, **at) : NULL;
	if (!suffix)
		return 0;
	(*at)++;
	return *out > LIMIT_EVENTS_MAX || (*out <<= 10 * (suffix - suffixes + 1)) > LIMIT_EVENTS_MAX
		       ? ERR_RANGE
		       : 0;
}

int limit_burst_parse(const char *text, uint64_t *out)
{
	int r = amount_read(&text, out);

	if (r < 0)
		return r;
	return *text ? ERR_SYNTAX : *out == 0 || *out > LIMIT_EVENTS_MAX ? ERR_RANGE : 0;
}

int limit_rate_parse(const char *text, uint64_t burst, struct limit_rate *out)
{
	uint64_t events = 0, ms;
	const char *at = text;
	int r = amount_read(&at, &events);

	if (r < 0)
		return r;
	if (*at != '/' || duration_read(at + 1, &ms) < 0)
		return ERR_SYNTAX;
	if (events == 0 || ms == 0 || events > LIMIT_EVENTS_MAX || burst > LIMIT_EVENTS_MAX ||
		ms > 366 * units[3].ms)
		return ERR_RANGE;
	*out = limit_rate_make(events, ms, burst);
	return 0;
}

void limit_rate_format(const struct limit_rate *rate, char *text, size_t size)
{
	uint64_t period = rate->period_ns, second = 1000000000u;

	for (size_t i = 0; i < UNITS; i++) {
		uint64_t ns = units[i].ms * 1000000u, n = (ns + period / 2) / period;

		/* Periods are rounded down to a nanosecond, so "7/minute" is not quite seven of
		 * them. */
		if (n > 0 && ns / n == period) {
			snprintf(text, size, "%llu/%s", (unsigned long long)n, units[i].name);
			return;
		}
	}
	if (period % second == 0)
		snprintf(text, size, "1/%llus", (unsigned long long)(period / second));
	else if (period >= 1000000u)
		snprintf(text, size, "1/%llums", (unsigned long long)(period / 1000000u));
	else
		snprintf(text, size, "%llu/second", (unsigned long long)(second / period));
}

static void amount_format(uint64_t n, bool bytes, char *text, size_t size)
{
	unsigned unit = 0;

	while (bytes && unit < 3 && n && n % 1024 == 0) {
		n /= 1024;
		unit++;
	}
	snprintf(text, size, "%llu%.*s", (unsigned long long)n, unit > 0, &"\0kMG"[unit]);
}

/* "second", or what can be read again: "10m", "90s". */
static void window_format(uint64_t ms, char *text, size_t size)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} times[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	size_t i = 0;

	for (size_t k = 0; k < UNITS; k++)
		if (ms == units[k].ms) {
			snprintf(text, size, "%s", units[k].name);
			return;
		}
	while (ms % times[i].ms)
		i++;
	snprintf(text, size, "%llu%s", (unsigned long long)(ms / times[i].ms), times[i].name);
}

void limit_rate_format_exact(const struct limit_rate *rate, bool bytes, char *text, size_t size)
{
	char amount[24], window[24];

	window_format(rate->window_ns / 1000000u, window, sizeof(window));
	amount_format(rate->events, bytes, amount, sizeof(amount));
	snprintf(text, size, "%s/%s", amount, window);
}

uint64_t limit_rate_burst(const struct limit_rate *rate)
{
	return rate->tolerance_ns / rate->period_ns;
}
