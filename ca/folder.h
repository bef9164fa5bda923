/* SPDX-License-Identifier: BSD-2-Clause */
/* The authority's folder: who may write there, and files that are there whole or not at all. Each
 * function returns 0 (or what it says) or a negative code with a line in why. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/span.h"

/* Opens it; make: creates it first, with mode 0700. The descriptor. */
int folder_open(const char *path, bool make, struct buf *why);
/* It and what it lies in belong to us or root, and nobody else may write there. */
int folder_check(int folder, struct buf *why);
/* Waits until nobody else writes (shared) or has it at all; held until it is closed. */
int folder_lock(int folder, bool exclusive, struct buf *why);
bool folder_has(int folder, const char *name);
/* A file's bytes, NUL-terminated, into[size]. secret: only its owner may read it. Its length;
 * -ENOENT without a line in why. */
int folder_read(
	int folder, const char *name, bool secret, char *into, size_t size, struct buf *why);
/* Writes "NAME.new", down to the disk; folder_put gives it its name. Nothing is left of it where
 * the disk is full. */
int folder_write(int folder, const char *name, mode_t mode, struct span bytes, struct buf *why);
int folder_put(int folder, const char *name, struct buf *why);
/* A file that need not be there; down to the disk. */
int folder_remove(int folder, const char *name, struct buf *why);
