/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture through capture.c, mask.c and capture_write.c into another file.
 * In: two descriptors, which packets are wanted, whether to mask. Out: a pcapng file, and how much
 * of it there is and why there is no more. It stops at its bounds and when told, between two
 * packets, so that the file is whole in any case. It opens nothing and judges nothing. */
#include "nfq-filter/copy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/whole.h"
#include "nfq-filter/capture_write.h"
#include "nfq-filter/packet.h"

enum { OUT_FULL = 256 << 10, PROGRESS_MS = 200, DONE = 1 };

static const char program[] = "xmppwallctl capture (xmppwall " XMPPWALL_VERSION ")";

static volatile sig_atomic_t stopped;

struct copy {
	const struct copy_options *options;
	struct copy_result *result;
	struct capture *capture;
	struct capture_writer *writer;
	struct mask *mask;
	struct buf out;
	int fd;
	uint64_t first_ns, read;
	int64_t shown_ms;
};

void copy_stop(void)
{
	stopped = 1;
}

/* ---- out ---- */

static int flush(struct copy *c)
{
	int r = whole_write(c->fd, buf_ptr(&c->out), buf_len(&c->out));

	buf_clear(&c->out);
	return r;
}

static int put(void *arg, const void *bytes, size_t len)
{
	struct copy *c = arg;
	int r = buf_put(&c->out, bytes, len);

	return r == 0 && buf_len(&c->out) >= OUT_FULL ? flush(c) : r;
}

/* DONE when the next one would be too much. */
static int give(void *arg, const struct capture_packet *p)
{
	struct copy *c = arg;
	int r;

	if (c->result->end == COPY_SIZE)
		return 0;
	if (c->options->size &&
		capture_written(c->writer) + capture_write_size(p) > c->options->size) {
		c->result->end = COPY_SIZE;
		return 0;
	}
	if ((r = capture_write(c->writer, p)) == 0)
		c->result->packets++;
	return r;
}

/* ---- in ---- */

/* What has no address is nobody's. */
static bool is_wanted(const struct copy_options *options, const struct capture_packet *captured)
{
	struct packet p = { .time_ns = 0 };
	enum packet_kind kind;

	if (options->peers.n == 0)
		return true;
	kind = packet_parse_frame(
		captured->link, captured->data, captured->len, captured->wire_len, &p);
	if (kind == PACKET_LINK || kind == PACKET_BAD)
		return false;
	return nets_has(&options->peers, &p.src.address) ||
	       nets_has(&options->peers, &p.dst.address);
}

static int take(struct copy *c, const struct capture_packet *p)
{
	const struct copy_options *o = c->options;

	if (!c->first_ns)
		c->first_ns = p->time_ns ? p->time_ns : 1;
	if (o->time_ns && p->time_ns > c->first_ns && p->time_ns - c->first_ns > o->time_ns) {
		c->result->end = COPY_TIME;
		return DONE;
	}
	c->result->read++;
	if (!is_wanted(o, p))
		return 0;
	return c->mask ? mask_push(c->mask, p) : give(c, p);
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void show_progress(struct copy *c, bool last)
{
	int64_t now;

	if (!c->options->progress)
		return;
	now = real_ms();
	if (!last && now - c->shown_ms < PROGRESS_MS)
		return;
	c->shown_ms = now;
	fprintf(stderr, "\r\033[K");
	if (last)
		return;
	if (c->options->in_size)
		fprintf(stderr, "%3.0f %%  ", (double)c->read * 100 / (double)c->options->in_size);
	fprintf(stderr, "%llu packets", (unsigned long long)c->result->packets);
}

/* A negative code, DONE at a bound, or 0. */
static int drain(struct copy *c)
{
	enum capture_result result;
	struct capture_packet p;
	int r = 0;

	while (r == 0 && (result = capture_next(c->capture, &p)) == CAPTURE_PACKET) {
		r = take(c, &p);
		if (r == 0 && c->result->end == COPY_SIZE)
			r = DONE;
	}
	if (r == 0 && result == CAPTURE_BAD) {
		c->result->end = COPY_DAMAGED;
		c->result->damage = capture_reason(c->capture);
		r = DONE;
	}
	return r;
}

/* Signals come here and nowhere else (copy_command.c blocks them), so that none comes between the
 * question whether to stop and the waiting. */
static void wait_for_bytes(int in)
{
	struct pollfd ready = { .fd = in, .events = POLLIN };
	struct timespec at_once = { 0, 0 };
	sigset_t none;

	sigemptyset(&none);
	(void)ppoll(&ready, 1, NULL, &none);
	/* One that came together with bytes is still to come. */
	(void)ppoll(NULL, 0, &at_once, &none);
}

static int read_all(struct copy *c, int in)
{
	char *where;
	size_t len;
	ssize_t n;
	int r;

	for (;;) {
		wait_for_bytes(in);
		if (stopped) {
			c->result->end = COPY_STOPPED;
			return 0;
		}
		if ((r = capture_room(c->capture, &len, &where)) < 0)
			return r;
		n = read(in, where, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		capture_filled(c->capture, (size_t)n);
		c->read += (uint64_t)n;
		if ((r = drain(c)) != 0)
			return r < 0 ? r : 0;
		/* Of a pipe nobody knows when more will come. */
		if (c->options->in_size == 0 && (r = flush(c)) < 0)
			return r;
		show_progress(c, false);
	}
}

/* ---- the whole ---- */

static int copy_begin(struct copy *c)
{
	const struct copy_options *o = c->options;
	struct mask_options mask = {
		.names = o->names, .any_checksum = o->any_checksum, .arg = c, .give = give
	};

	buf_init(&c->out, OUT_FULL + CAPTURE_PACKET_MAX + 8192);
	c->capture = capture_new();
	c->writer = capture_writer_new(put, c, program,
		o->mask ? o->names ? "text and names masked" : "text masked" : NULL);
	if (o->mask)
		c->mask = mask_new(&mask);
	return c->capture && c->writer && (c->mask || !o->mask) ? 0 : -ENOMEM;
}

static void copy_end(struct copy *c)
{
	mask_free(c->mask);
	capture_writer_free(c->writer);
	capture_free(c->capture);
	buf_fini(&c->out);
}

int copy_run(const struct copy_options *options, int in, int out, struct copy_result *result)
{
	struct copy c = { .options = options, .result = result, .fd = out };
	int r, flushed;

	*result = (struct copy_result){ .end = COPY_ALL };
	if ((r = copy_begin(&c)) == 0) {
		r = read_all(&c, in);
		if (r == 0 && c.mask)
			r = mask_finish(c.mask);
		/* What was done stays, whatever happened. */
		flushed = flush(&c);
		r = r == 0 ? flushed : r;
		show_progress(&c, true);
		if (c.mask)
			result->mask = *mask_sums(c.mask);
		result->bytes = capture_written(c.writer);
	}
	copy_end(&c);
	return r;
}
