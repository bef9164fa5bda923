/* SPDX-License-Identifier: BSD-2-Clause */
/* Below everything of the authority: its folder, /var/lib/xmppwall/ca. In: names and bytes. Out:
 * files that belong to us, that nobody else could have written, and that are on the disk before
 * they have their name. A folder that others may write to is refused rather than mended: whoever
 * could put a key there has had the time. Links are not followed. */
#include "ca/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/whole.h"

static int failed(struct buf *why, const char *name, int code)
{
	buf_putf(why, "%s: %s", name, err_text(code));
	return code;
}

int folder_open(const char *path, bool make, struct buf *why)
{
	int fd;

	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return failed(why, path, -errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? failed(why, path, -errno) : fd;
}

static bool owner_is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

int folder_check(int folder, struct buf *why)
{
	struct stat st, above;

	if (fstat(folder, &st) < 0 || fstatat(folder, "..", &above, 0) < 0)
		return failed(why, "the authority's folder", -errno);
	if (!S_ISDIR(st.st_mode)) {
		buf_puts(why, "the authority's folder is none");
		return -ENOTDIR;
	}
	/* Where "sticky" is set, only its owner can put another in its place. */
	if (!owner_is_ours(&st) || st.st_mode & (S_IWGRP | S_IWOTH) || !owner_is_ours(&above) ||
		(above.st_mode & (S_IWGRP | S_IWOTH) && !(above.st_mode & S_ISVTX))) {
		buf_puts(why, "others may write to the authority's folder, or to what it lies in: "
			      "chown root and chmod go-w both, and trust nothing that is there");
		return ERR_REFUSED;
	}
	return 0;
}

int folder_lock(int folder, bool exclusive, struct buf *why)
{
	while (flock(folder, exclusive ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return failed(why, "the authority's folder", -errno);
	return 0;
}

bool folder_has(int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int folder_read(int folder, const char *name, bool secret, char *into, size_t size, struct buf *why)
{
	cleanup_fd int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(why, name, -errno);
	if (!S_ISREG(st.st_mode) || !owner_is_ours(&st) || st.st_mode & (S_IWGRP | S_IWOTH) ||
		(secret && st.st_mode & (S_IRWXG | S_IRWXO))) {
		buf_putf(why, "%s: not a file of ours that others may %s", name,
			secret ? "neither read nor write" : "not write");
		return ERR_REFUSED;
	}
	if (st.st_size <= 0 || (size_t)st.st_size >= size) {
		buf_putf(why, "%s: %s", name, st.st_size <= 0 ? "it is empty" : "it is too large");
		return ERR_SYNTAX;
	}
	if ((r = whole_read(fd, into, (size_t)st.st_size)) < 0)
		return failed(why, name, r);
	into[st.st_size] = '\0';
	return (int)st.st_size;
}

/* ---- writing ---- */

static void new_name(char to[NAME_MAX + 1], const char *name)
{
	snprintf(to, NAME_MAX + 1, "%s.new", name);
}

int folder_write(int folder, const char *name, mode_t mode, struct span bytes, struct buf *why)
{
	cleanup_fd int fd = -1;
	char temporary[NAME_MAX + 1];
	int r;

	new_name(temporary, name);
	/* What a run that was killed left behind. */
	if (unlinkat(folder, temporary, 0) < 0 && errno != ENOENT)
		return failed(why, temporary, -errno);
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return failed(why, temporary, -errno);
	r = fchmod(fd, mode) < 0 ? -errno : 0;
	if (r == 0 && (r = whole_write(fd, bytes.ptr, bytes.len)) == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(folder, temporary, 0);
		return failed(why, name, r);
	}
	return 0;
}

int folder_put(int folder, const char *name, struct buf *why)
{
	char temporary[NAME_MAX + 1];

	new_name(temporary, name);
	if (renameat(folder, temporary, folder, name) < 0 || fsync(folder) < 0)
		return failed(why, name, -errno);
	return 0;
}

int folder_remove(int folder, const char *name, struct buf *why)
{
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return failed(why, name, -errno);
	return fsync(folder) < 0 ? failed(why, name, -errno) : 0;
}
