/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters that workers bump on every stanza and the daemon reads for status, rules and top.
 * In: names (from rules and code) and additions. Out: values, walked by the daemon. The page is a
 * sealed memfd: nobody can shrink it under the other's feet. Slots are claimed by compare-and-swap
 * and never given back, so a pointer once found stays good as long as the mapping.
 * The daemon never trusts what it reads here: a child that sees network bytes can write anything
 * into the page, so names are copied and cleaned before they are handed out. */
#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

enum {
	METRICS_MAGIC = 0x584d5750, /* "XMWP" with its letters turned */
	METRICS_VERSION = 1,
	METRICS_CLAIM_YIELDS = 1000,
};
enum slot_state { SLOT_EMPTY, SLOT_CLAIMED, SLOT_READY };

/* 128 bytes: two cache lines (one pair for the prefetcher), so hot neighbours do not fight. */
struct metric_slot {
	_Alignas(128) metric value;
	_Atomic uint32_t state;
	char name[METRIC_NAME_MAX];
};

struct metrics_page {
	_Alignas(128) uint32_t magic;
	uint32_t version;
	uint32_t slots;
	struct metric_slot slot[METRIC_SLOTS];
};

struct metrics {
	struct metrics_page *page;
	int fd;
};

/* Takes fd. */
static int metrics_map(int fd, struct metrics **out)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int saved;

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	m->fd = fd;
	m->page = mmap(NULL, sizeof(*m->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m->page == MAP_FAILED) {
		saved = errno;
		close(fd);
		free(m);
		return -saved;
	}
	*out = m;
	return 0;
}

int metrics_new(struct metrics **out, int *fd)
{
	cleanup_fd int page_fd = memfd_create("xmppwall-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (page_fd < 0 || ftruncate(page_fd, sizeof(struct metrics_page)) < 0 ||
		fcntl(page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	if ((r = metrics_map(take_fd(&page_fd), out)) < 0)
		return r;
	(*out)->page->version = METRICS_VERSION;
	(*out)->page->slots = METRIC_SLOTS;
	(*out)->page->magic = METRICS_MAGIC;
	*fd = (*out)->fd;
	return 0;
}

int metrics_open(int fd, struct metrics **out)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct metrics *m = NULL;
	struct stat st;
	int r;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 ||
		st.st_size != (off_t)sizeof(struct metrics_page)) {
		if (fd >= 0)
			close(fd);
		return ERR_PROTO;
	}
	if ((r = metrics_map(fd, &m)) < 0)
		return r;
	if (m->page->magic != METRICS_MAGIC || m->page->version != METRICS_VERSION ||
		m->page->slots != METRIC_SLOTS) {
		metrics_free(m);
		return ERR_PROTO;
	}
	*out = m;
	return 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	munmap(m->page, sizeof(*m->page));
	close(m->fd);
	free(m);
}

/* FNV-1a, without a key: all processes must find the same slot. Names come from our code and from
 * the operator's rules, never from a peer. */
static uint64_t metric_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return hash;
}

/* Names that do not fit keep their beginning and stay distinct by their hash. */
static void metric_fit_name(const char *name, char fitted[METRIC_NAME_MAX])
{
	if (strlen(name) < METRIC_NAME_MAX)
		memcpy(fitted, name, strlen(name) + 1);
	else
		snprintf(fitted, METRIC_NAME_MAX, "%.*s~%016" PRIx64, METRIC_NAME_MAX - 18, name,
			metric_hash(name));
}

static bool slot_claim(struct metric_slot *slot, const char *name)
{
	uint32_t expected = SLOT_EMPTY;

	if (!atomic_compare_exchange_strong(&slot->state, &expected, SLOT_CLAIMED))
		return false;
	memcpy(slot->name, name, strlen(name) + 1);
	atomic_store_explicit(&slot->state, SLOT_READY, memory_order_release);
	return true;
}

/* A claimed slot becomes ready within moments. One whose owner was killed in between stays claimed
 * for ever and is stepped over. */
static bool slot_wait_ready(struct metric_slot *slot)
{
	for (int i = 0; i < METRICS_CLAIM_YIELDS; i++) {
		if (atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_READY)
			return true;
		sched_yield();
	}
	return false;
}

metric *metrics_find(struct metrics *m, const char *name)
{
	static metric dummy;
	char fitted[METRIC_NAME_MAX];
	uint64_t at;

	if (!m)
		return &dummy;
	metric_fit_name(name, fitted);
	at = metric_hash(fitted);
	for (unsigned probes = 0; probes < METRIC_SLOTS; probes++, at++) {
		struct metric_slot *slot = &m->page->slot[at % METRIC_SLOTS];

		if (slot_claim(slot, fitted))
			return &slot->value;
		if (slot_wait_ready(slot) && strncmp(slot->name, fitted, METRIC_NAME_MAX) == 0)
			return &slot->value;
	}
	log_warn("metrics page full counter=%s", log_quote(span_of(fitted)));
	return &dummy;
}

bool metrics_each(struct metrics *m, size_t *at, const char **name, metric **value)
{
	static _Thread_local char clean[METRIC_NAME_MAX];

	for (; m && *at < METRIC_SLOTS; ++*at) {
		struct metric_slot *slot = &m->page->slot[*at];

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_READY)
			continue;
		memcpy(clean, slot->name, METRIC_NAME_MAX);
		clean[METRIC_NAME_MAX - 1] = '\0';
		for (char *p = clean; *p; p++) {
			if (*p <= 0x20 || *p >= 0x7f)
				*p = '?';
		}
		*name = clean;
		*value = &slot->value;
		++*at;
		return true;
	}
	return false;
}
