/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside worker.c: copies of packets for an operator who captures.
 * In: packets as the queue shows them, before anything becomes of them. Out: messages to the
 * daemon, each a section of a pcapng file in base64, twenty times a second or when one is full.
 * What is more than a second's share is counted and not told. It changes no packet, delays none,
 * and writes no file: that is for the program of whoever asked, under their own name. */
#include "nfq-filter/tap.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "door/hub.h"
#include "nfq-filter/capture_write.h"
#include "nfq-filter/packet.h"

enum { LINK_RAW = 101, MS_MAX = 3600000 };

static const char program[] = "xmppwall-nfq " XMPPWALL_VERSION;

bool tap_take(struct tap *t, json_t *msg)
{
	json_t *ports = json_object_get(msg, "ports"), *port;
	json_int_t ms = json_integer_value(json_object_get(msg, "ms"));
	size_t i;

	*t = (struct tap){ .id = json_integer_value(json_object_get(msg, "trace")),
		.ms = (uint64_t)ms };
	if (t->id < 1 || ms < 1 || ms > MS_MAX || json_array_size(ports) > TAP_PORTS_MAX)
		return false;
	json_array_foreach(ports, i, port) t->ports[t->n_ports++] =
		(uint16_t)json_integer_value(port);
	return true;
}

static void tap_free(struct tap *t)
{
	capture_writer_free(t->writer);
	buf_fini(&t->file);
	free(t);
}

void taps_add(struct taps *ts, struct tap *t, uint64_t now_ms)
{
	if (ts->n == TAPS_MAX) {
		free(t);
		return;
	}
	t->until_ms = now_ms + t->ms;
	buf_init(&t->file, TAP_EVENT_BYTES + CAPTURE_PACKET_MAX + 4096);
	ts->all[ts->n++] = t;
}

/* ---- messages ---- */

static json_t *base64(const struct buf *b)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)buf_ptr(b);
	size_t len = buf_len(b), n = 0;
	char *out = malloc((len + 2) / 3 * 4 + 1);
	json_t *text;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
			     (i + 2 < len ? in[i + 2] : 0);

		out[n++] = letters[v >> 18];
		out[n++] = letters[v >> 12 & 63];
		out[n++] = i + 1 < len ? letters[v >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? letters[v & 63] : '=';
	}
	text = json_stringn_nocheck(out, n);
	free(out);
	return text;
}

static void tap_send(struct taps *ts, struct tap *t)
{
	json_t *packets;

	if (t->packets == 0 && t->lost == 0)
		return;
	packets = base64(&t->file);
	hub_event(ts->hub,
		json_pack("{s:s, s:I, s:{s:o, s:i, s:i}}", "m", "trace", "trace", t->id, "event",
			"packets", packets, "n", (int)t->packets, "lost", (int)t->lost));
	capture_writer_free(t->writer);
	t->writer = NULL;
	buf_clear(&t->file);
	t->packets = t->lost = 0;
}

void taps_remove(struct taps *ts, json_int_t id)
{
	for (unsigned i = 0; i < ts->n; i++) {
		if (ts->all[i]->id != id)
			continue;
		tap_free(ts->all[i]);
		ts->all[i] = ts->all[--ts->n];
		return;
	}
}

void taps_tick(struct taps *ts, uint64_t now_ms)
{
	for (unsigned i = ts->n; i-- > 0;) {
		tap_send(ts, ts->all[i]);
		if (now_ms >= ts->all[i]->until_ms)
			taps_remove(ts, ts->all[i]->id);
	}
}

void taps_fini(struct taps *ts)
{
	while (ts->n > 0)
		taps_remove(ts, ts->all[0]->id);
}

/* ---- packets ---- */

static int on_put(void *arg, const void *bytes, size_t len)
{
	return buf_put(&((struct tap *)arg)->file, bytes, len);
}

static bool tap_wants(const struct tap *t, const struct capture_packet *c)
{
	struct packet p = { .time_ns = 0 };
	enum packet_kind kind;

	if (t->n_ports == 0)
		return true;
	kind = packet_parse_unsummed(c->data, c->len, &p);
	if (kind != PACKET_TCP && kind != PACKET_UDP)
		return false;
	for (unsigned i = 0; i < t->n_ports; i++)
		if (p.src.port == t->ports[i] || p.dst.port == t->ports[i])
			return true;
	return false;
}

static void tap_packet(
	struct taps *ts, struct tap *t, const struct capture_packet *c, uint64_t now_ms)
{
	if (!tap_wants(t, c))
		return;
	if (now_ms - t->second_ms >= 1000) {
		t->second_ms = now_ms;
		t->in_second = 0;
	}
	if (t->in_second + c->len > TAP_SECOND_BYTES) {
		t->lost++;
		return;
	}
	if (!t->writer)
		t->writer = capture_writer_new(on_put, t, program, NULL);
	if (!t->writer || capture_write(t->writer, c) < 0) {
		t->lost++;
		return;
	}
	t->in_second += c->len;
	t->packets++;
	if (buf_len(&t->file) >= TAP_EVENT_BYTES)
		tap_send(ts, t);
}

void taps_packet(struct taps *ts, const void *bytes, size_t len, uint64_t now_ms)
{
	struct timespec wall;
	struct capture_packet c = { .link = LINK_RAW, .data = bytes, .len = len, .wire_len = len };

	clock_gettime(CLOCK_REALTIME, &wall);
	c.time_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
	for (unsigned i = 0; i < ts->n; i++)
		tap_packet(ts, ts->all[i], &c, now_ms);
}
