/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a shelf's memory comes from. In: a path in a directory that only its owner writes to, or
 * none. Out: a descriptor that processes without any file access can map. A file is taken over from
 * an earlier life when it is of this boot, this layout and big enough; the room for it is taken
 * when it is made, since memory that fails when it is touched would kill whoever touches it. What
 * it holds is never believed here: whoever reads a slot checks it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/shelf_int.h"

enum { SHELF_SHARE = 4, SHELF_GROWN = 4 };

size_t shelf_file_bytes(size_t slot_bytes, size_t slots, size_t *first)
{
	size_t page = 4096, head = sizeof(struct shelf_page) + slots * sizeof(uint64_t);

	*first = (head + page - 1) / page * page;
	return *first + slots * slot_bytes;
}

static void boot_read(char boot[SHELF_BOOT])
{
	cleanup_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, boot, SHELF_BOOT - 1);

	memset(boot + (n > 0 ? n : 0), 0, SHELF_BOOT - (size_t)(n > 0 ? n : 0));
}

static int head_write(int fd, uint32_t version, size_t slot_bytes, size_t slots)
{
	struct shelf_page page = { .magic = SHELF_MAGIC,
		.version = version,
		.slot_bytes = (uint32_t)slot_bytes,
		.slots = (uint32_t)slots };

	boot_read(page.boot);
	if (getrandom(page.salt, sizeof(page.salt), 0) != (ssize_t)sizeof(page.salt))
		return -EIO;
	return pwrite(fd, &page, sizeof(page), 0) == (ssize_t)sizeof(page) ? 0 : -EIO;
}

static bool is_usable(int fd, uint32_t version, size_t slot_bytes, size_t slots)
{
	struct shelf_page page;
	char boot[SHELF_BOOT];
	struct stat st;
	size_t first;

	boot_read(boot);
	return fstat(fd, &st) == 0 && pread(fd, &page, sizeof(page), 0) == (ssize_t)sizeof(page) &&
	       page.magic == SHELF_MAGIC && page.version == version &&
	       page.slot_bytes == slot_bytes && page.slots >= slots &&
	       page.slots <= SHELF_GROWN * slots && *boot &&
	       memcmp(boot, page.boot, SHELF_BOOT) == 0 &&
	       st.st_size == (off_t)shelf_file_bytes(slot_bytes, page.slots, &first);
}

/* Room that is there later, too, and not the last of it. */
static int room_take(int fd, size_t bytes)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	if (bytes > (uint64_t)fs.f_bavail * fs.f_frsize / SHELF_SHARE)
		return -ENOSPC;
	return fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
}

static int file_open(const char *path, int flags, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (*fd < 0)
		return -errno;
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		st.st_nlink == 1 && (st.st_mode & 0077) == 0)
		return 0;
	close(*fd);
	*fd = -1;
	return -EPERM;
}

/* Under another name first: who has the old one mapped keeps it. */
static int file_make(const char *path, uint32_t version, size_t slot_bytes, size_t slots, int *out)
{
	cleanup_free char *name = NULL;
	cleanup_fd int fd = -1;
	size_t first;
	int r;

	if (asprintf(&name, "%s.new", path) < 0)
		return -ENOMEM;
	(void)unlink(name);
	if ((r = file_open(name, O_CREAT | O_EXCL, &fd)) < 0)
		return r;
	if ((r = room_take(fd, shelf_file_bytes(slot_bytes, slots, &first))) < 0 ||
		(r = head_write(fd, version, slot_bytes, slots)) < 0) {
		(void)unlink(name);
		return r;
	}
	if (rename(name, path) < 0)
		return -errno;
	*out = take_fd(&fd);
	return 0;
}

static int memory_make(uint32_t version, size_t slot_bytes, size_t slots, int *out)
{
	cleanup_fd int fd = memfd_create("xmppwall-shelf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t first;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)shelf_file_bytes(slot_bytes, slots, &first)) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	if ((r = head_write(fd, version, slot_bytes, slots)) < 0)
		return r;
	*out = take_fd(&fd);
	return 0;
}

int shelf_create(
	const char *path, uint32_t version, size_t slot_bytes, size_t slots, int *fd, bool *kept)
{
	cleanup_fd int old = -1;

	*kept = false;
	slots = (slots + SHELF_WAYS - 1) / SHELF_WAYS * SHELF_WAYS;
	if (slots == 0 || slots > UINT32_MAX / SHELF_GROWN || slot_bytes % 64 ||
		slot_bytes > UINT32_MAX)
		return -EINVAL;
	if (!path)
		return memory_make(version, slot_bytes, slots, fd);
	if (file_open(path, 0, &old) == 0 && is_usable(old, version, slot_bytes, slots)) {
		*fd = take_fd(&old);
		*kept = true;
		return 0;
	}
	return file_make(path, version, slot_bytes, slots, fd);
}
