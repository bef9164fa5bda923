/* SPDX-License-Identifier: BSD-2-Clause */
/* Time zones as tables of steps. ICU knows the IANA database without opening a file, so the
 * children may load a policy after their doors to the file system are shut, and what it knows is
 * copied once per policy: judging then reads plain data and takes no lock. In goes a zone's name or
 * a moment, out go steps or the time on a wall there. It never asks what time it is. */
#include "rules/zone.h"

#include <string.h>
#include <unicode/ucal.h>
#include <unicode/ustring.h>

#include "base/err.h"

enum { NAME_MAX_UNITS = 64, MINUTE_MS = 60000, DAY_MINUTES = 1440 };

static const int64_t first_ms = (int64_t)946684800 * 1000; /* 2000-01-01 */

static bool name_is_known(const UChar *name, int32_t len)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar canonical[NAME_MAX_UNITS * 2];
	UBool system = 0;

	ucal_getCanonicalTimeZoneID(name, len, canonical, NAME_MAX_UNITS * 2, &system, &status);
	return U_SUCCESS(status) && system;
}

static int32_t offset_at(UCalendar *calendar, int64_t ms, UErrorCode *status)
{
	ucal_setMillis(calendar, (UDate)ms, status);
	return ucal_get(calendar, UCAL_ZONE_OFFSET, status) +
	       ucal_get(calendar, UCAL_DST_OFFSET, status);
}

static int steps_load(UCalendar *calendar, struct zone *out)
{
	UErrorCode status = U_ZERO_ERROR;
	UDate next = (UDate)first_ms;

	do {
		struct zone_step *step = &out->steps[out->n++];

		step->from_ms = (int64_t)next;
		step->offset_ms = offset_at(calendar, step->from_ms, &status);
	} while (U_SUCCESS(status) && out->n < ZONE_STEPS_MAX &&
		 ucal_getTimeZoneTransitionDate(calendar, UCAL_TZ_TRANSITION_NEXT, &next, &status));
	return U_SUCCESS(status) ? 0 : ERR_LIBRARY;
}

int zone_load(const char *name, struct zone *out)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar units[NAME_MAX_UNITS];
	UCalendar *calendar;
	int32_t len;
	int r;

	memset(out, 0, sizeof(*out));
	u_strFromUTF8(units, NAME_MAX_UNITS, &len, name, -1, &status);
	if (U_FAILURE(status) || len == NAME_MAX_UNITS || !name_is_known(units, len))
		return ERR_NOTFOUND;
	calendar = ucal_open(units, len, "en_US", UCAL_GREGORIAN, &status);
	r = U_SUCCESS(status) ? steps_load(calendar, out) : ERR_LIBRARY;
	ucal_close(calendar);
	return r;
}

static int32_t offset_find(const struct zone *zone, int64_t ms)
{
	unsigned low = 0, high = zone->n;

	if (zone->n == 0)
		return 0;
	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;

		if (zone->steps[middle].from_ms <= ms)
			low = middle;
		else
			high = middle;
	}
	return zone->steps[low].offset_ms;
}

void zone_local(const struct zone *zone, int64_t wall_ms, unsigned *minute, unsigned *weekday)
{
	int64_t local = wall_ms + offset_find(zone, wall_ms), minutes, days;

	minutes = local / MINUTE_MS - (local % MINUTE_MS < 0);
	days = minutes / DAY_MINUTES - (minutes % DAY_MINUTES < 0);
	*minute = (unsigned)(minutes - days * DAY_MINUTES);
	/* 1970-01-01 was a Thursday. */
	*weekday = (unsigned)(((days + 3) % 7 + 7) % 7);
}

const char *zone_weekday_text(unsigned weekday)
{
	static const char *const texts[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

	return texts[weekday % 7];
}
