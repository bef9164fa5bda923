/* SPDX-License-Identifier: BSD-2-Clause */
/* The only place that asks what time it is. Limits, strikes and timeouts read the monotonic clock
 * here, bans the boot clock; events, logs and certificates the wall.
 * In: the kernel's clocks, or the values a test has frozen. Out: numbers and their texts.
 * It never sleeps and never sets a clock. Frozen values are process-wide, since the thread under
 * test is often not the test's own. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/err.h"

static _Atomic bool clock_frozen;
static _Atomic uint64_t frozen_mono_ns, frozen_slept_ns;
static _Atomic int64_t frozen_wall_ns;

uint64_t clock_mono_ns(void)
{
	struct timespec t;

	if (atomic_load_explicit(&clock_frozen, memory_order_acquire))
		return atomic_load(&frozen_mono_ns);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t clock_boot_ms(void)
{
	struct timespec t;

	if (atomic_load_explicit(&clock_frozen, memory_order_acquire))
		return (int64_t)((atomic_load(&frozen_mono_ns) + atomic_load(&frozen_slept_ns)) /
				 1000000u);
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	struct timespec t;

	if (atomic_load_explicit(&clock_frozen, memory_order_acquire))
		return atomic_load(&frozen_wall_ns) / 1000000;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_freeze(uint64_t mono_ns, int64_t wall_ms)
{
	atomic_store(&frozen_mono_ns, mono_ns);
	atomic_store(&frozen_wall_ns, wall_ms * 1000000);
	atomic_store_explicit(&clock_frozen, true, memory_order_release);
}

void clock_advance(uint64_t ns)
{
	atomic_fetch_add(&frozen_mono_ns, ns);
	atomic_fetch_add(&frozen_wall_ns, (int64_t)ns);
}

void clock_sleep(uint64_t ns)
{
	atomic_fetch_add(&frozen_slept_ns, ns);
	atomic_fetch_add(&frozen_wall_ns, (int64_t)ns);
}

void clock_thaw(void)
{
	atomic_store(&frozen_slept_ns, 0);
	atomic_store_explicit(&clock_frozen, false, memory_order_release);
}

void clock_format_wall(int64_t wall_ms, char *text, size_t size)
{
	int64_t seconds = wall_ms / 1000, rest = wall_ms % 1000;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += 1000;
		seconds--;
	}
	t = (time_t)seconds;
	if (!gmtime_r(&t, &tm)) {
		snprintf(text, size, "1970-01-01T00:00:00.000000+0000");
		return;
	}
	snprintf(text, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03d000+0000", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)rest);
}

static const struct {
	const char *name;
	uint64_t ms;
} duration_units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};
enum { DURATION_UNITS = sizeof(duration_units) / sizeof(duration_units[0]) };

int clock_parse_duration(const char *text, size_t len, uint64_t *ms)
{
	uint64_t value = 0, unit = len ? 0 : 1;
	size_t at = 0;

	for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(text[at] - '0'), &value))
			return ERR_RANGE;
	}
	if (at == 0)
		return ERR_SYNTAX;
	if (at == len)
		unit = 1000;
	for (size_t i = 0; i < DURATION_UNITS && !unit; i++) {
		if (strlen(duration_units[i].name) == len - at &&
			memcmp(duration_units[i].name, text + at, len - at) == 0)
			unit = duration_units[i].ms;
	}
	if (!unit)
		return ERR_SYNTAX;
	/* The result must also fit signed milliseconds, the wall clock's type. */
	if (__builtin_mul_overflow(value, unit, &value) || value > INT64_MAX)
		return ERR_RANGE;
	*ms = value;
	return 0;
}

void clock_format_duration(uint64_t ms, char *text, size_t size)
{
	size_t i = 0;
	uint64_t first, second;
	int len;

	if (ms == 0) {
		snprintf(text, size, "0s");
		return;
	}
	while (ms < duration_units[i].ms)
		i++;
	first = ms / duration_units[i].ms;
	len = snprintf(text, size, "%" PRIu64 "%s", first, duration_units[i].name);
	if (i + 1 == DURATION_UNITS || len < 0 || (size_t)len >= size)
		return;
	second = ms % duration_units[i].ms / duration_units[i + 1].ms;
	if (second)
		snprintf(text + len, size - (size_t)len, " %" PRIu64 "%s", second,
			duration_units[i + 1].name);
}

int clock_parse_wall(const char *text, size_t len, int64_t *wall_ms)
{
	struct tm tm = { 0 };
	char word[32];
	const char *rest;

	if (len == 0 || len >= sizeof(word) || memchr(text, '\0', len))
		return ERR_SYNTAX;
	memcpy(word, text, len);
	word[len] = '\0';
	if (!(rest = strptime(word, "%Y-%m-%dT%H:%M:%SZ", &tm)) || *rest) {
		memset(&tm, 0, sizeof(tm));
		if (!(rest = strptime(word, "%Y-%m-%d", &tm)) || *rest)
			return ERR_SYNTAX;
	}
	*wall_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}
