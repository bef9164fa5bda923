/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon and its children cost, for "top". In: a process id. Out: processor time and
 * memory, as /proc/PID/stat says. The name in it may hold anything but is the last in parentheses:
 * numbers are read behind it. It watches nothing by itself. */
#include "ctl/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int usage_read(pid_t pid, struct usage *out)
{
	unsigned long long user, system;
	char path[64], text[1024], *end;
	cleanup_fd int fd = -1;
	long pages;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 ||
		(n = read(fd, text, sizeof text - 1)) < 0)
		return -errno;
	text[n] = '\0';
	/* proc(5): behind the name state and ten numbers, then utime, stime (14, 15), ... rss (24).
	 */
	if (!(end = strrchr(text, ')')) || sscanf(end + 1,
						   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
						   "%llu %llu %*d %*d %*d %*d %*d %*d "
						   "%*u %*u %ld",
						   &user, &system, &pages) != 3)
		return ERR_SYNTAX;
	out->cpu_ms = (user + system) * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK);
	out->memory = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	return 0;
}
