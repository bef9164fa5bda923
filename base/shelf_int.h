/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of a shelf: shelf_file.c makes it, shelf.c works on it. */
#pragma once

#include <stdatomic.h>
#include "base/shelf.h"

enum { SHELF_LIVES = 32, SHELF_BOOT = 40 };

#define SHELF_MAGIC UINT64_C(0x666c656873776d78)

struct shelf_page {
	uint64_t magic;
	uint32_t version, slot_bytes, slots, spare;
	uint8_t salt[16];
	char boot[SHELF_BOOT];
	_Atomic uint64_t epochs, orders; /* the last ones given out */
	struct {
		_Atomic uint64_t epoch, beat_ms;
	} lives[SHELF_LIVES]; /* of processes */
};

struct shelf_slot {
	uint64_t key[2], group, order, keep_ms;
	_Atomic uint64_t parked_ms;
	uint64_t check; /* of the first line */
};
_Static_assert(sizeof(struct shelf_slot) <= SHELF_HEAD, "a slot's head");

struct shelf {
	struct shelf_page *page;
	_Atomic uint64_t *states; /* one each slot, close together: most are never touched */
	unsigned char *slots;
	size_t bytes, slot_bytes;
	uint32_t n;
	uint64_t epoch;
	unsigned life;
	struct shelf_metrics metrics;
};

/* Bytes of the file, and where its slots begin. */
size_t shelf_file_bytes(size_t slot_bytes, size_t slots, size_t *first);
