/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: under every ban's beginning and end. In: the boot clock, which nobody can set,
 * the wall clock, and the reading that the ledger kept of both. Out: book time. Within a boot it
 * goes with the boot clock, so that neither an operator's "date" nor a time server's step ends a
 * ban or prolongs it; over a reboot it advances by what the wall clock says has passed, for nothing
 * else knows, and never goes back. It writes nothing and holds no ban. */
#include "ctl/booktime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { BOOKTIME_NOTE_MS = 60000, BOOKTIME_STEP_MS = 1000 };

static int64_t slept_ms(void)
{
	return clock_boot_ms() - (int64_t)clock_mono_ms();
}

static void take_reading(struct booktime *t)
{
	t->noted.boot_ms = clock_boot_ms();
	t->noted.wall_ms = clock_wall_ms();
	t->noted.book_ms = t->noted.boot_ms + t->ahead_ms;
	t->slept_ms = slept_ms();
}

void booktime_start(struct booktime *t, const char *boot, const struct ledger_clock *last)
{
	int64_t now = clock_boot_ms(), wall = clock_wall_ms(), book = wall, passed;

	if (last) {
		/* A namespace of its own may have another boot clock in the same boot. */
		passed = *boot && strcmp(boot, last->boot) == 0 && now >= last->boot_ms
				 ? now - last->boot_ms
				 : wall - last->wall_ms;
		book = last->book_ms + (passed > 0 ? passed : 0);
	}
	*t = (struct booktime){ .ahead_ms = book - now };
	snprintf(t->noted.boot, sizeof t->noted.boot, "%s", boot);
	take_reading(t);
}

void booktime_boot_id(char *id, size_t size)
{
	cleanup_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, size - 1);

	id[n > 0 ? n : 0] = '\0';
	id[strcspn(id, "\n")] = '\0';
}

int64_t booktime_now(const struct booktime *t)
{
	return clock_boot_ms() + t->ahead_ms;
}

int64_t booktime_wall(const struct booktime *t, int64_t book_ms)
{
	return book_ms ? clock_wall_ms() + (book_ms - booktime_now(t)) : 0;
}

static bool is_step(int64_t by)
{
	return by > BOOKTIME_STEP_MS || by < -BOOKTIME_STEP_MS;
}

enum booktime_news booktime_look(struct booktime *t)
{
	int64_t passed = clock_boot_ms() - t->noted.boot_ms;
	int64_t set = clock_wall_ms() - t->noted.wall_ms - passed;
	bool stepped = is_step(set) || is_step(slept_ms() - t->slept_ms);

	if (!stepped && passed < BOOKTIME_NOTE_MS)
		return BOOKTIME_SAME;
	if (stepped)
		t->stepped_ms = set;
	take_reading(t);
	return stepped ? BOOKTIME_STEPPED : BOOKTIME_DUE;
}
