/* SPDX-License-Identifier: BSD-2-Clause */
/* What is compiled once and read by many: a run of bytes in a sealed memfd that daemon and children
 * map read-only, so that its pages are there once. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PART_KEY = 32, PART_ALIGN = 64 /* of the bytes */, PARTS_MAX = 4096 /* of one policy */ };
enum part_kind { PART_SET = 1 /* rules/pack.h */, PART_PATTERNS = 2 /* rules/pattern_code.h */ };

/* Stands before the bytes, in the memfd and in a file of the cache. */
struct part_head {
	char magic[8];
	uint32_t version, order; /* order: 0x01020304 as this machine writes it */
	uint32_t kind, word;     /* word: sizeof(void *) */
	uint64_t len;
	uint8_t key[PART_KEY];   /* SHA-256 of all that it was made of */
	uint8_t build[PART_KEY]; /* files: of the program that wrote it */
	uint64_t sum;            /* files: SipHash of the bytes */
	uint8_t rest[24];
};

struct part {
	_Atomic unsigned refs;
	int fd; /* -1: it came from elsewhere */
	enum part_kind kind;
	uint8_t key[PART_KEY];
	uint8_t *bytes; /* may be written until part_seal */
	size_t len;
};

/* All zero, to be filled and sealed. 0, -ENOMEM, -errno. */
int part_new(enum part_kind kind, const uint8_t key[PART_KEY], size_t len, struct part **out);
/* Nobody can change it from here on. 0 or -errno. */
int part_seal(struct part *part);
/* From a descriptor somebody sent (it may be closed then): sealed, whole, of a known kind; the
 * bytes are for its reader to check. 0, ERR_PROTO, -errno. */
int part_open(int fd, struct part **out);
/* The same, and fd is the part's own from then on, to be sent on. */
int part_adopt(int fd, struct part **out);
void part_head_fill(const struct part *part, struct part_head *head);
/* Is it one that this machine and version can read? */
bool part_head_is_ours(const struct part_head *head);
struct part *part_ref(struct part *part);
void part_unref(struct part *part);

/* Those of one policy, or on their way to one. All zero is an empty one. */
struct part_set {
	struct part **all;
	size_t n;
};

/* Borrowed; NULL if it is not there. */
struct part *part_set_find(
	const struct part_set *set, enum part_kind kind, const uint8_t key[PART_KEY]);
/* With a reference of its own, unless it is in already. 0, -ENOMEM, ERR_LIMIT. */
int part_set_add(struct part_set *set, struct part *part);
/* All of from. As part_set_add. */
int part_set_add_all(struct part_set *set, const struct part_set *from);
void part_set_remove(struct part_set *set, const struct part *part);
void part_set_fini(struct part_set *set);
