/* SPDX-License-Identifier: BSD-2-Clause */
/* Who serves serverless messaging (XEP-0174) where, as multicast DNS tells it: (address, port)
 * pairs and the names announced there, for as long as their time to live says. One table a process,
 * safe to use from its threads. */
#pragma once

#include "nfq-filter/counts.h"
#include "nfq-filter/packet.h"

enum {
	MDNS_PORT = 5353,
	MDNS_SOURCES_MAX = 1024,
	MDNS_RECORDS_MAX = 16384, /* of all sources */
	MDNS_RECORDS_OF_SOURCE = 256,
	MDNS_RECORDS_A_SECOND = 1000, /* of a source; no host has so much to say (RFC 6762 6) */
	MDNS_PAIRS_MAX = 4096,
	MDNS_NAMES_MAX = 4096,
	MDNS_TTL_MAX_S = 7200, /* what is announced for longer is asked for again until then */
};

struct mdns;

/* NULL when out of memory. */
struct mdns *mdns_new(void);
void mdns_free(struct mdns *m);

/* A datagram to or from its port? */
bool mdns_is_for(const struct packet *p);
/* Takes what a datagram of PACKET_UDP announces or takes back. False: it should go no further, for
 * it contradicts itself (what was said before that stands), or its source says too much. Out of
 * memory, less is learned. */
bool mdns_learn(struct mdns *m, const struct packet *p, uint64_t now_ns, struct counts *counts);
/* Was it announced that streams are taken there? */
bool mdns_serves(struct mdns *m, const struct endpoint *where, uint64_t now_ns);

enum mdns_known {
	MDNS_UNKNOWN,   /* or only with addresses of the other family, or of the same IPv6 prefix */
	MDNS_HERE,      /* the name was announced from or for this address */
	MDNS_ELSEWHERE, /* and for others only */
};
/* name: what a stream's header gives as "from". */
enum mdns_known mdns_who(
	struct mdns *m, const char *name, const struct peer_address *address, uint64_t now_ns);

/* What the firewall must be told: each pair when it is learned, when it lives longer than was said,
 * and when it is gone. */
struct mdns_change {
	struct endpoint where;
	uint64_t ttl_ms; /* 0: gone */
};
/* Up to max of them, each once; call it every now and then, until it gives less than max. */
size_t mdns_changes(struct mdns *m, uint64_t now_ns, struct mdns_change *out, size_t max);
/* Pairs that are known. */
size_t mdns_count(struct mdns *m);
