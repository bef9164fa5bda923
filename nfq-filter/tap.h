/* SPDX-License-Identifier: BSD-2-Clause */
/* Who gets a copy of the packets of this thread ("capture" of ctl/link.h). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct hub;

enum {
	TAPS_MAX = 4,
	TAP_PORTS_MAX = 64,
	TAP_EVENT_BYTES = 96 << 10, /* of packets in a message: a line to the daemon is bounded */
	TAP_SECOND_BYTES = 8 << 20, /* told in a second, each tap on each thread */
};

struct tap {
	json_int_t id;
	uint64_t ms; /* how long */
	uint16_t ports[TAP_PORTS_MAX];
	unsigned n_ports; /* 0: all */
	/* on the thread */
	uint64_t until_ms, second_ms;
	size_t in_second;
	unsigned packets, lost;
	struct buf file; /* a section of a pcapng file */
	struct capture_writer *writer;
};

struct taps {
	struct tap *all[TAPS_MAX];
	unsigned n;
	struct hub *hub;
};

/* "capture" of ctl/link.h into t; false when it makes no sense. */
bool tap_take(struct tap *t, json_t *msg);
/* Takes t. One too many is freed. */
void taps_add(struct taps *ts, struct tap *t, uint64_t now_ms);
void taps_remove(struct taps *ts, json_int_t id);
/* A packet, from its IP header on; call it only where n > 0. */
void taps_packet(struct taps *ts, const void *bytes, size_t len, uint64_t now_ms);
/* Sends what has gathered; forgets those whose time is over. */
void taps_tick(struct taps *ts, uint64_t now_ms);
void taps_fini(struct taps *ts);
