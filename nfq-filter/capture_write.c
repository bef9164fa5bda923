/* SPDX-License-Identifier: BSD-2-Clause */
/* The other way of capture.c: packets become blocks of a pcapng file.
 * In: packets with time and link type. Out: bytes, whole blocks at a time, to whoever takes them,
 * so that a file that was left at any moment can be read up to there. The byte order is the
 * machine's. It opens no file. */
#include "nfq-filter/capture_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	ORDER_MAGIC = 0x1a2b3c4d,
	OPTION_COMMENT = 1,
	OPTION_PROGRAM = 4,
	OPTION_RESOLUTION = 9,
	RESOLUTION_NANO = 9,
	LINKS_MAX = 64,
	PACKET_FRAME = 32, /* of a packet block: all but the packet */
};

struct capture_writer {
	int (*put)(void *arg, const void *bytes, size_t len);
	void *arg;
	struct buf block;
	uint64_t written;
	unsigned links[LINKS_MAX], n_links;
};

/* A block is put together in a buffer that is large enough: what fails is memory alone, and shows
 * at the end. */
static void put16(struct capture_writer *w, unsigned v)
{
	uint16_t n = (uint16_t)v;

	(void)buf_put(&w->block, &n, sizeof(n));
}

static void put32(struct capture_writer *w, uint32_t v)
{
	(void)buf_put(&w->block, &v, sizeof(v));
}

static void put_padded(struct capture_writer *w, const void *bytes, size_t len)
{
	static const char none[4];

	(void)buf_put(&w->block, bytes, len);
	(void)buf_put(&w->block, none, -len & 3);
}

static void put_option(struct capture_writer *w, unsigned code, const void *bytes, size_t len)
{
	put16(w, code);
	put16(w, (unsigned)len);
	put_padded(w, bytes, len);
}

static void block_begin(struct capture_writer *w, uint32_t type)
{
	buf_clear(&w->block);
	put32(w, type);
	put32(w, 0);
}

static int block_end(struct capture_writer *w, size_t expected)
{
	uint32_t len = (uint32_t)buf_len(&w->block) + 4;
	int r;

	put32(w, len);
	if (buf_len(&w->block) != expected)
		return -ENOMEM;
	memcpy(w->block.data + w->block.head + 4, &len, sizeof(len));
	r = w->put(w->arg, buf_ptr(&w->block), len);
	if (r == 0)
		w->written += len;
	return r;
}

static size_t option_size(size_t len)
{
	return 4 + ((len + 3) & ~(size_t)3);
}

static int write_section(struct capture_writer *w, const char *program, const char *comment)
{
	size_t expected = 28 + option_size(strlen(program)) + 4 +
			  (comment ? option_size(strlen(comment)) : 0);

	block_begin(w, BLOCK_SECTION);
	put32(w, ORDER_MAGIC);
	put16(w, 1);
	put16(w, 0);
	put32(w, UINT32_MAX); /* how long the section is, is not told */
	put32(w, UINT32_MAX);
	put_option(w, OPTION_PROGRAM, program, strlen(program));
	if (comment)
		put_option(w, OPTION_COMMENT, comment, strlen(comment));
	put32(w, 0);
	return block_end(w, expected);
}

struct capture_writer *capture_writer_new(int (*put)(void *arg, const void *bytes, size_t len),
	void *arg, const char *program, const char *comment)
{
	struct capture_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->put = put;
	w->arg = arg;
	buf_init(&w->block, CAPTURE_PACKET_MAX + 4096);
	if (write_section(w, program, comment) < 0) {
		capture_writer_free(w);
		return NULL;
	}
	return w;
}

void capture_writer_free(struct capture_writer *w)
{
	if (!w)
		return;
	buf_fini(&w->block);
	free(w);
}

static int write_interface(struct capture_writer *w, unsigned link)
{
	static const unsigned char nano = RESOLUTION_NANO;

	block_begin(w, BLOCK_INTERFACE);
	put16(w, link);
	put16(w, 0);
	put32(w, 0); /* no snap length */
	put_option(w, OPTION_RESOLUTION, &nano, 1);
	put32(w, 0);
	return block_end(w, 32);
}

/* The number of the interface that stands for a link type. */
static int find_interface(struct capture_writer *w, unsigned link, unsigned *index)
{
	int r;

	for (*index = 0; *index < w->n_links; ++*index)
		if (w->links[*index] == link)
			return 0;
	if (w->n_links == LINKS_MAX)
		return -ERANGE;
	if ((r = write_interface(w, link)) == 0)
		w->links[w->n_links++] = link;
	return r;
}

size_t capture_write_size(const struct capture_packet *p)
{
	size_t len = p->len < CAPTURE_PACKET_MAX ? p->len : CAPTURE_PACKET_MAX;

	return PACKET_FRAME + ((len + 3) & ~(size_t)3);
}

int capture_write(struct capture_writer *w, const struct capture_packet *p)
{
	size_t len = p->len < CAPTURE_PACKET_MAX ? p->len : CAPTURE_PACKET_MAX;
	unsigned index;
	int r = find_interface(w, p->link, &index);

	if (r < 0)
		return r;
	block_begin(w, BLOCK_PACKET);
	put32(w, index);
	put32(w, (uint32_t)(p->time_ns >> 32));
	put32(w, (uint32_t)p->time_ns);
	put32(w, (uint32_t)len);
	put32(w, p->wire_len < UINT32_MAX ? (uint32_t)p->wire_len : UINT32_MAX);
	put_padded(w, p->data, len);
	return block_end(w, capture_write_size(p));
}

uint64_t capture_written(const struct capture_writer *w)
{
	return w->written;
}
