/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled things between the processes: the daemon makes a memfd, a set (rules/pack_build.c) or a
 * database (rules/pattern_code.c) is written into it, it is sealed, and from then on the daemon,
 * its children, their old and their new policy map the same pages. In: bytes, or a descriptor from
 * the channel. Out: bytes that nobody can change. What they mean is checked by who reads them. */
#include "rules/part.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { PART_VERSION = 1, PART_ORDER = 0x01020304 };
enum { PART_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
static const char part_magic[8] = "xwpart\n";

_Static_assert(sizeof(struct part_head) == 2 * PART_ALIGN, "the bytes behind it are aligned");

static struct part *part_alloc(enum part_kind kind, const uint8_t key[PART_KEY], size_t len)
{
	struct part *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	atomic_init(&part->refs, 1);
	part->fd = -1;
	part->kind = kind;
	memcpy(part->key, key, PART_KEY);
	part->len = len;
	return part;
}

/* The whole memfd, head first. */
static int part_map(struct part *part, int access, int sharing)
{
	void *map = mmap(NULL, sizeof(struct part_head) + part->len, access, sharing, part->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	part->bytes = (uint8_t *)map + sizeof(struct part_head);
	return 0;
}

static void part_unmap(struct part *part)
{
	if (part->bytes)
		munmap(part->bytes - sizeof(struct part_head),
			sizeof(struct part_head) + part->len);
	part->bytes = NULL;
}

void part_head_fill(const struct part *part, struct part_head *head)
{
	*head = (struct part_head){
		.version = PART_VERSION,
		.order = PART_ORDER,
		.kind = part->kind,
		.word = sizeof(void *),
		.len = part->len,
	};
	memcpy(head->magic, part_magic, sizeof(head->magic));
	memcpy(head->key, part->key, PART_KEY);
}

bool part_head_is_ours(const struct part_head *head)
{
	return memcmp(head->magic, part_magic, sizeof(head->magic)) == 0 &&
	       head->version == PART_VERSION && head->order == PART_ORDER &&
	       head->word == sizeof(void *) &&
	       (head->kind == PART_SET || head->kind == PART_PATTERNS);
}

int part_new(enum part_kind kind, const uint8_t key[PART_KEY], size_t len, struct part **out)
{
	struct part *part = part_alloc(kind, key, len);
	struct part_head head;
	int r = 0;

	if (!part)
		return -ENOMEM;
	part->fd = memfd_create("xmppwall-part", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (part->fd < 0 || ftruncate(part->fd, (off_t)(sizeof(head) + len)) < 0)
		r = -errno;
	if (r < 0 || (r = part_map(part, PROT_READ | PROT_WRITE, MAP_SHARED)) < 0) {
		part_unref(part);
		return r;
	}
	part_head_fill(part, &head);
	memcpy(part->bytes - sizeof(head), &head, sizeof(head));
	*out = part;
	return 0;
}

int part_seal(struct part *part)
{
	part_unmap(part);
	if (fcntl(part->fd, F_ADD_SEALS, PART_SEALS | F_SEAL_SEAL) < 0)
		return -errno;
	return part_map(part, PROT_READ, MAP_SHARED);
}

int part_open(int fd, struct part **out)
{
	int seals = fcntl(fd, F_GET_SEALS), r;
	struct part_head head;
	struct part *part;
	struct stat st;

	/* Without the seals the sender could still change what is being read. */
	if (seals < 0 || (seals & PART_SEALS) != PART_SEALS || fstat(fd, &st) < 0 ||
		pread(fd, &head, sizeof(head), 0) != sizeof(head) || !part_head_is_ours(&head) ||
		head.len != (uint64_t)st.st_size - sizeof(head))
		return ERR_PROTO;
	if (!(part = part_alloc((enum part_kind)head.kind, head.key, head.len)))
		return -ENOMEM;
	part->fd = fd;
	r = part_map(part, PROT_READ, MAP_SHARED);
	part->fd = -1; /* what is mapped needs none */
	if (r < 0) {
		part_unref(part);
		return r;
	}
	*out = part;
	return 0;
}

int part_adopt(int fd, struct part **out)
{
	int r = part_open(fd, out);

	if (r == 0)
		(*out)->fd = fd;
	return r;
}

struct part *part_ref(struct part *part)
{
	atomic_fetch_add(&part->refs, 1);
	return part;
}

void part_unref(struct part *part)
{
	if (!part || atomic_fetch_sub(&part->refs, 1) != 1)
		return;
	part_unmap(part);
	if (part->fd >= 0)
		close(part->fd);
	free(part);
}

/* ---- several ---- */

struct part *part_set_find(
	const struct part_set *set, enum part_kind kind, const uint8_t key[PART_KEY])
{
	for (size_t i = 0; i < set->n; i++)
		if (set->all[i]->kind == kind && memcmp(set->all[i]->key, key, PART_KEY) == 0)
			return set->all[i];
	return NULL;
}

int part_set_add(struct part_set *set, struct part *part)
{
	struct part **more;

	if (part_set_find(set, part->kind, part->key))
		return 0;
	if (set->n == PARTS_MAX)
		return ERR_LIMIT;
	if (!(more = realloc(set->all, (set->n + 1) * sizeof(struct part *))))
		return -ENOMEM;
	set->all = more;
	set->all[set->n++] = part_ref(part);
	return 0;
}

int part_set_add_all(struct part_set *set, const struct part_set *from)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++)
		r = part_set_add(set, from->all[i]);
	return r;
}

void part_set_remove(struct part_set *set, const struct part *part)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->all[i] == part) {
			set->all[i] = set->all[--set->n];
			part_unref((struct part *)part);
			return;
		}
}

void part_set_fini(struct part_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		part_unref(set->all[i]);
	free(set->all);
	*set = (struct part_set){ 0 };
}
