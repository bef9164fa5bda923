/* SPDX-License-Identifier: BSD-2-Clause */
/* Time zones, for the fields that ask what a clock on the wall shows. */
#pragma once

#include <stdint.h>

enum { ZONE_STEPS_MAX = 256 };

/* When the local time's distance from UTC changed or will: from_ms on, it is offset_ms. */
struct zone_step {
	int64_t from_ms;
	int32_t offset_ms;
};

/* Plain data: may be read by many threads. All zero is UTC. */
struct zone {
	struct zone_step steps[ZONE_STEPS_MAX];
	unsigned n;
};

/* The zone of that name in the IANA database ("Europe/Berlin", "UTC"); ERR_NOTFOUND if there is
 * none, ERR_LIBRARY. Steps are worked out from the year 2000 on. Opens no file. */
int zone_load(const char *name, struct zone *out);
/* Minutes since local midnight (0 to 1439) and day of the week (0 is Monday) at that moment. */
void zone_local(const struct zone *zone, int64_t wall_ms, unsigned *minute, unsigned *weekday);
/* "mon" ... "sun". */
const char *zone_weekday_text(unsigned weekday);
