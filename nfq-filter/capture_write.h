/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in, the bytes of a pcapng file out: one section, an interface for each link type,
 * nanoseconds. */
#pragma once

#include "nfq-filter/capture.h"

struct capture_writer;

/* put gets the file's bytes in order: 0, or a negative code, which the writing call gives back.
 * What is written of the file's own (program, comment) is put at once; comment may be NULL. NULL
 * when out of memory or when put fails. */
struct capture_writer *capture_writer_new(int (*put)(void *arg, const void *bytes, size_t len),
	void *arg, const char *program, const char *comment);
void capture_writer_free(struct capture_writer *w);
/* Longer ones than CAPTURE_PACKET_MAX are cut. */
int capture_write(struct capture_writer *w, const struct capture_packet *p);
/* Bytes of the file so far. */
uint64_t capture_written(const struct capture_writer *w);
/* Of the block that capture_write would put; the first packet of a link type takes 32 more. */
size_t capture_write_size(const struct capture_packet *p);
