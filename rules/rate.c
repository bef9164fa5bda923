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
	struct limit_rate rate;

	rate.period_ns = (uint64_t)((unsigned __int128)duration_ms * 1000000u / events);
	if (rate.period_ns == 0)
		rate.period_ns = 1;
	if (burst == 0)
		burst = events;
	rate.tolerance_ns = burst > INT64_MAX / rate.period_ns ? INT64_MAX : burst * rate.period_ns;
	return rate;
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

int limit_rate_parse(const char *text, uint64_t burst, struct limit_rate *out)
{
	uint64_t events = 0, ms;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(events, 10u, &events) ||
			__builtin_add_overflow(events, (uint64_t)(*at - '0'), &events))
			return ERR_RANGE;
	if (at == text || *at != '/' || duration_read(at + 1, &ms) < 0)
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

uint64_t limit_rate_burst(const struct limit_rate *rate)
{
	return rate->tolerance_ns / rate->period_ns;
}
