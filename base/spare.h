/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of memory that were given back and will soon be wanted again, a few for each thread: an
 * idle session keeps no buffer, and the next one to wake takes it up at no cost. */
#pragma once

#include <stddef.h>

/* At least *size bytes from malloc or from those kept; *size becomes what it is. NULL when out of
 * memory. Any thread may free it. */
void *spare_take(size_t *size);
/* Takes a block of malloc of that size, or NULL: kept or freed. */
void spare_give(void *block, size_t size);
