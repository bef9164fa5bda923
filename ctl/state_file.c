/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's small memories on disk, beside the ledger. In and out: one JSON object a file. A
 * write goes to a file of its own and takes the old one's place by renaming, so that a crash leaves
 * one of the two. Knows nothing of what stands in it. */
#include "ctl/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int state_file_read(const char *path, size_t max, json_t **out)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return ERR_LIMIT;
	*out = json_loadfd(fd, 0, NULL);
	return *out ? 0 : ERR_SYNTAX;
}

static int folder_sync(const char *path)
{
	cleanup_free char *copy = strdup(path);
	cleanup_fd int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

int state_file_write(const char *path, const json_t *what)
{
	cleanup_free char *tmp = NULL;
	cleanup_fd int fd = -1;
	int r = 0;

	if (asprintf(&tmp, "%s.new", path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (json_dumpfd(what, fd, JSON_COMPACT) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0) {
		r = errno ? -errno : -EIO;
		unlink(tmp);
		return r;
	}
	return folder_sync(path);
}
