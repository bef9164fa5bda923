/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that must not get lost between two processes. In: records of a writer that may be killed at
 * any moment, or be hostile. Out: the same records, each whole or not at all, to a reader that may
 * be killed, too, and goes on where it had told the writer it was. The writer has the file mapped;
 * the reader only ever reads and writes it, so that a writer that cuts the file short does not kill
 * the reader. A record begins with its own place in the endless row of bytes, so neither what is
 * left of an earlier lap nor half of a record is taken for one. It knows nothing of what records
 * say. */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { SPOOL_ALIGN = 16, SPOOL_SHARE = 4, SPOOL_BYTES_MAX = 1 << 30 };
#define SPOOL_MAGIC ((uint64_t)0x6c6f6f7073776d78)

/* The file's first page. The reader writes what is behind the first line, one value after the
 * other: of two equal numbers the smaller one is never more than was kept. */
struct spool_head {
	uint64_t magic, bytes;
	_Alignas(64) _Atomic uint64_t kept;
	_Alignas(64) _Atomic uint64_t kept_again;
	_Alignas(64) _Atomic uint32_t stopped;
};
_Static_assert(sizeof(struct spool_head) <= SPOOL_HEAD, "it fits");

struct spool_record {
	uint64_t place;
	uint32_t len, check;
};
_Static_assert(sizeof(struct spool_record) == SPOOL_ALIGN, "a record's head never wraps");

struct spool {
	struct spool_head *head;
	char *ring;
	size_t bytes;
	uint64_t written; /* under the lock */
	pthread_mutex_t lock;
};

static size_t record_room(size_t len)
{
	return (sizeof(struct spool_record) + len + SPOOL_ALIGN - 1) / SPOOL_ALIGN * SPOOL_ALIGN;
}

static uint32_t record_check(uint64_t place, struct span body)
{
	uint64_t mixed = span_mix(body) ^ (place + 1) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(mixed ^ mixed >> 32) | 1;
}

/* ---- who makes it ---- */

int spool_create(const char *path, size_t bytes, int *fd)
{
	struct spool_head head = { .magic = SPOOL_MAGIC, .bytes = bytes };
	cleanup_fd int file = -1;
	struct statvfs fs;
	int r = 0;

	if (bytes == 0 || bytes % SPOOL_HEAD || bytes > SPOOL_BYTES_MAX)
		return -EINVAL;
	(void)unlink(path);
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return -errno;
	/* Memory that fails when it is touched would kill the writer. */
	if (fstatvfs(file, &fs) < 0)
		r = -errno;
	else if (bytes > (uint64_t)fs.f_bavail * fs.f_frsize / SPOOL_SHARE)
		r = -ENOSPC;
	else if (fallocate(file, 0, 0, (off_t)(SPOOL_HEAD + bytes)) < 0)
		r = -errno;
	else if (pwrite(file, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		r = -EIO;
	if (r < 0) {
		(void)unlink(path);
		return r;
	}
	*fd = take_fd(&file);
	return 0;
}

/* How many bytes the ring has, or a negative code. */
static int64_t file_ring(int fd)
{
	struct spool_head head;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		head.magic != SPOOL_MAGIC || head.bytes == 0 || head.bytes % SPOOL_HEAD ||
		head.bytes > SPOOL_BYTES_MAX || st.st_size != (off_t)(SPOOL_HEAD + head.bytes))
		return ERR_PROTO;
	return (int64_t)head.bytes;
}

/* ---- the writer ---- */

int spool_map(int fd, struct spool **out)
{
	cleanup_fd int file = fd;
	int64_t bytes = file_ring(file);
	struct spool *s;
	void *memory;

	if (bytes < 0)
		return (int)bytes;
	memory =
		mmap(NULL, SPOOL_HEAD + (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		return -errno;
	if (!(s = calloc(1, sizeof(*s)))) {
		munmap(memory, SPOOL_HEAD + (size_t)bytes);
		return -ENOMEM;
	}
	s->head = memory;
	s->ring = (char *)memory + SPOOL_HEAD;
	s->bytes = (size_t)bytes;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

void spool_unmap(struct spool *s)
{
	if (!s)
		return;
	munmap(s->head, SPOOL_HEAD + s->bytes);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Under the lock. */
static size_t room_left(const struct spool *s)
{
	uint64_t kept = atomic_load_explicit(&s->head->kept, memory_order_acquire),
		 again = atomic_load_explicit(&s->head->kept_again, memory_order_acquire),
		 used = s->written - (kept < again ? kept : again);

	return used <= s->bytes ? s->bytes - (size_t)used : 0;
}

bool spool_has_room(struct spool *s, size_t bytes)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = room_left(s) >= bytes && !atomic_load(&s->head->stopped);
	pthread_mutex_unlock(&s->lock);
	return room;
}

static void ring_write(struct spool *s, uint64_t place, struct span body)
{
	size_t at = (size_t)(place % s->bytes), first = s->bytes - at;

	if (first > body.len)
		first = body.len;
	memcpy(s->ring + at, body.ptr, first);
	if (body.len > first)
		memcpy(s->ring, body.ptr + first, body.len - first);
}

int spool_put(struct spool *s, struct span record)
{
	struct spool_record *head;
	int r = -EAGAIN;

	if (record.len == 0 || record.len > SPOOL_RECORD_MAX)
		return ERR_LIMIT;
	pthread_mutex_lock(&s->lock);
	if (room_left(s) >= record_room(record.len) && !atomic_load(&s->head->stopped)) {
		head = (struct spool_record *)(void *)(s->ring + s->written % s->bytes);
		/* The head last, and its place last of that: before, there is no record. */
		ring_write(s, s->written + sizeof(*head), record);
		head->len = (uint32_t)record.len;
		head->check = record_check(s->written, record);
		atomic_thread_fence(memory_order_release);
		__atomic_store_n(&head->place, s->written + 1, __ATOMIC_RELEASE);
		s->written += record_room(record.len);
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- the reader ---- */

int spool_open(int fd, struct spool_reader *r)
{
	cleanup_fd int file = fd;
	int64_t bytes = file_ring(file);
	struct spool_head head;
	uint64_t kept, again;

	if (bytes < 0)
		return (int)bytes;
	if (pread(file, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return -EIO;
	kept = atomic_load(&head.kept);
	again = atomic_load(&head.kept_again);
	*r = (struct spool_reader){ .bytes = (size_t)bytes };
	r->kept = r->taken = kept < again ? kept : again;
	if (r->kept % SPOOL_ALIGN)
		return ERR_PROTO;
	r->fd = take_fd(&file);
	return 0;
}

void spool_close(struct spool_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int ring_read(const struct spool_reader *r, uint64_t place, char *to, size_t len)
{
	size_t at = (size_t)(place % r->bytes), first = r->bytes - at;

	if (first > len)
		first = len;
	if (pread(r->fd, to, first, (off_t)(SPOOL_HEAD + at)) != (ssize_t)first ||
		(len > first && pread(r->fd, to + first, len - first, SPOOL_HEAD) !=
					(ssize_t)(len - first)))
		return -EIO;
	return 0;
}

int spool_take(struct spool_reader *r, char *bytes, size_t *len)
{
	struct spool_record head;
	int code;

	/* All of it is full of what is not kept yet. */
	if (r->taken - r->kept >= r->bytes)
		return 0;
	if ((code = ring_read(r, r->taken, (char *)&head, sizeof(head))) < 0)
		return code;
	if (head.place != r->taken + 1 || head.len == 0 || head.len > SPOOL_RECORD_MAX ||
		record_room(head.len) > r->bytes)
		return 0;
	atomic_thread_fence(memory_order_acquire);
	if ((code = ring_read(r, r->taken + sizeof(head), bytes, head.len)) < 0)
		return code;
	if (head.check != record_check(r->taken, (struct span){ bytes, head.len }))
		return 0;
	r->taken += record_room(head.len);
	*len = head.len;
	return 1;
}

static int head_write(const struct spool_reader *r, size_t offset, const void *value, size_t len)
{
	return pwrite(r->fd, value, len, (off_t)offset) == (ssize_t)len ? 0 : -EIO;
}

int spool_keep(struct spool_reader *r)
{
	int code;

	if (r->taken == r->kept)
		return 0;
	if ((code = head_write(r, offsetof(struct spool_head, kept), &r->taken, sizeof(r->taken))) <
			0 ||
		(code = head_write(r, offsetof(struct spool_head, kept_again), &r->taken,
			 sizeof(r->taken))) < 0)
		return code;
	r->kept = r->taken;
	return 0;
}

void spool_back(struct spool_reader *r)
{
	r->taken = r->kept;
}

int spool_stop(struct spool_reader *r, bool stopped)
{
	uint32_t value = stopped;

	return head_write(r, offsetof(struct spool_head, stopped), &value, sizeof(value));
}
