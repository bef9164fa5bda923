/* SPDX-License-Identifier: BSD-2-Clause */
/* Under ctl/ledger.c and ctl/quarantine.c: files that hold who was banned and what people wrote.
 * In: a path. Out: a file nobody else may read, made before SQLite would make it, and a damaged
 * one put aside under a name with the time, never deleted. It knows no database. */
#include "ctl/db_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

int db_file_create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int db_file_move_aside(const char *path, const char *what, const char *lost)
{
	/* The log belongs to the file and must not meet the new one; the file itself goes last. */
	static const char *const parts[] = { "-wal", "-shm", "" };
	char from[PATH_MAX], to[PATH_MAX];
	int64_t now = clock_wall_ms();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (snprintf(from, sizeof(from), "%s%s", path, parts[i]) >= (int)sizeof(from) ||
			snprintf(to, sizeof(to), "%s.damaged-%" PRId64 "%s", path, now, parts[i]) >=
				(int)sizeof(to))
			return -ENAMETOOLONG;
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	log_error("%s damaged: begun anew, %s in file=%s", what, lost, to);
	return 0;
}
