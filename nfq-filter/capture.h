/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture file as a push/next machine: bytes of a pcap or pcapng file in, packets out. Both byte
 * orders, micro- and nanoseconds, several interfaces and sections. Nothing in the file is trusted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;

enum {
	CAPTURE_PACKET_MAX = 1 << 20,  /* bytes of one record */
	CAPTURE_INTERFACES_MAX = 4096, /* of one section */
	CAPTURE_ROOM = 1 << 18,        /* bytes that capture_room gives at least */
};

enum capture_result {
	CAPTURE_MORE, /* nothing whole: fill more, or the end after capture_finish */
	CAPTURE_PACKET,
	CAPTURE_BAD, /* no capture, or damaged from here on: capture_reason */
};

struct capture_packet {
	uint64_t time_ns; /* since 1970; that of the packet before where the file tells none */
	unsigned link;    /* LINKTYPE_ number */
	const unsigned char *data; /* until the next call */
	size_t len;
	size_t wire_len; /* before it was cut; never less than len */
};

/* NULL when out of memory. */
struct capture *capture_new(void);
void capture_free(struct capture *c);
/* Where to read the file's next bytes to; then capture_filled with how many. 0 or -ENOMEM. */
int capture_room(struct capture *c, size_t *len, char **where);
void capture_filled(struct capture *c, size_t len);
/* No more bytes will come. */
void capture_finish(struct capture *c);
/* Call until MORE before filling again. */
enum capture_result capture_next(struct capture *c, struct capture_packet *out);
/* After BAD: why, static. */
const char *capture_reason(const struct capture *c);
/* Bytes of the file in front of what is to be read next. */
uint64_t capture_offset(const struct capture *c);
/* After finish and MORE: does the file end inside a record? */
bool capture_is_cut(const struct capture *c);
/* "pcap" or "pcapng"; "" as long as nothing is known. */
const char *capture_format(const struct capture *c);
/* Does a file that begins so look like a capture? Four bytes are enough. */
bool capture_is_magic(const void *data, size_t len);
