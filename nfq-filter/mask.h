/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture without its words: packets in, the same packets out, in the same order and of the same
 * length, text overwritten by letters x, checksums right. What is not understood is overwritten
 * whole; what is neither TCP nor multicast DNS is left out. */
#pragma once

#include <stdbool.h>
#include "nfq-filter/capture.h"

struct mask;

struct mask_options {
	bool names;        /* names in addresses, too: the same name becomes the same other one */
	bool any_checksum; /* as of flow_limits */
	void *arg;
	/* A packet that is done; borrowed. 0, or a negative code, which mask_push gives back. */
	int (*give)(void *arg, const struct capture_packet *p);
};

struct mask_sums {
	uint64_t streams;  /* XMPP in the clear, at least in part */
	uint64_t left_out; /* packets: neither TCP nor mDNS, contradictory, or fragments */
	uint64_t opaque;   /* bytes of payload of which nothing stayed, TLS among them */
	uint64_t late;     /* packets given before what is missing in front of them had come */
};

enum { MASK_WAITING_BYTES = 64 << 20 };

/* Options are copied. NULL when out of memory. */
struct mask *mask_new(const struct mask_options *options);
void mask_free(struct mask *m);
/* A packet of a capture, borrowed. Packets wait for what is missing in front of them. 0 or a
 * negative code of the machine. */
int mask_push(struct mask *m, const struct capture_packet *p);
/* No more will come: gives those that wait. */
int mask_finish(struct mask *m);
const struct mask_sums *mask_sums(const struct mask *m);
