/* SPDX-License-Identifier: BSD-2-Clause */
/* Time. Windows, strikes and timeouts use the monotonic clock; certificates and logs the wall; how
 * long a ban has stood is told by the boot clock. Tests may freeze them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
static inline uint64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000u;
}
/* Since the host started, the time it slept included; nobody can set it. */
int64_t clock_boot_ms(void);
/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);
/* From now on the clocks stand at the given values until moved again; clock_thaw ends it. The boot
 * clock stands where the monotonic does, and what clock_sleep added. */
void clock_freeze(uint64_t mono_ns, int64_t wall_ms);
void clock_advance(uint64_t ns);
/* As if the host had been suspended: the frozen monotonic clock stood still meanwhile. */
void clock_sleep(uint64_t ns);
void clock_thaw(void);
/* "2026-11-21T06:30:00.123456+0000" as Suricata writes it; size >= 40. */
void clock_format_wall(int64_t wall_ms, char *text, size_t size);
/* "2026-12-01T00:00:00Z" or "2026-12-01" (its first moment), UTC, to milliseconds since 1970; 0 or
 * ERR_SYNTAX. */
int clock_parse_wall(const char *text, size_t len, int64_t *wall_ms);
/* "90", "90s", "10m", "1h", "7d", "250ms" to milliseconds; 0 or ERR_SYNTAX / ERR_RANGE. A bare
 * number is seconds. */
int clock_parse_duration(const char *text, size_t len, uint64_t *ms);
/* "1h 5m", two units at most; size >= 32. */
void clock_format_duration(uint64_t ms, char *text, size_t size);
