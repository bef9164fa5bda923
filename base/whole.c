/* SPDX-License-Identifier: BSD-2-Clause */
/* Under whoever keeps files: the cache, bundles of sources, feeds, what import writes.
 * In: a descriptor of a regular file, a memfd or a pipe, and bytes or room for them. Out: all of
 * them, or a negative code and no word about how many. It never seeks, and never waits but in the
 * system call itself. */
#include "base/whole.h"

#include <errno.h>
#include <unistd.h>

int whole_write(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int whole_read(int fd, void *into, size_t len)
{
	char *at = into;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
