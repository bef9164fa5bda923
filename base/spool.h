/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of records in a file: one process writes it (from any of its threads), another reads it,
 * and what was written is there when both are dead. Nobody waits for the other: a full ring says
 * so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

enum {
	SPOOL_HEAD = 4096, /* bytes before the ring */
	SPOOL_RECORD_MAX = 32 * 1024,
	SPOOL_ROOM = SPOOL_RECORD_MAX + 32, /* that a record takes at most */
};

/* ---- who makes it ---- */

/* A new file at path, in place of one there was, with a ring of so many bytes (a multiple of 4096)
 * whose room is taken. 0 or a negative code. */
int spool_create(const char *path, size_t bytes, int *fd);

/* ---- the writer ---- */

struct spool;
/* Takes fd. 0 or a negative code. The writer is the only one of its ring, from its creation on. */
int spool_map(int fd, struct spool **out);
void spool_unmap(struct spool *s);
/* Room for so many bytes (SPOOL_ROOM a record), and nobody has stopped it? From any thread. */
bool spool_has_room(struct spool *s, size_t bytes);
/* When it returns 0, the record is in the file as a whole. -EAGAIN: no room, or stopped; ERR_LIMIT:
 * too long. From any thread. */
int spool_put(struct spool *s, struct span record);

/* ---- the reader ---- */

/* It believes nothing that the writer could have written. */
struct spool_reader {
	int fd;
	uint64_t taken, kept; /* read so far; the writer was told of */
	size_t bytes;
};
/* Takes fd. 0, ERR_PROTO or a negative code. */
int spool_open(int fd, struct spool_reader *r);
void spool_close(struct spool_reader *r);
/* The next whole record into bytes[SPOOL_RECORD_MAX]: 1, 0: there is none, or a negative code. */
int spool_take(struct spool_reader *r, char *bytes, size_t *len);
/* What was taken is safe elsewhere: its room may be used again. 0 or a negative code. */
int spool_keep(struct spool_reader *r);
/* What was taken since spool_keep is to be taken again. */
void spool_back(struct spool_reader *r);
/* From now on there is no room, or there is again. 0 or a negative code. */
int spool_stop(struct spool_reader *r, bool stopped);
