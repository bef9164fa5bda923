/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of mdns.c and mdns_pairs.c: sources with their records, and what follows from them. */
#pragma once

#include <pthread.h>
#include <string.h>
#include "base/map.h"
#include "nfq-filter/dns.h"
#include "nfq-filter/mdns.h"

enum { MDNS_CLAIMS = 8 };
#define SECOND_NS 1000000000u

/* Somebody's word, and until when it counts. */
struct claim {
	struct peer_address address;
	uint64_t expires_ns; /* 0: none */
	uint64_t batch;      /* of the datagram that said so last */
};

struct record {
	struct record *next;
	bool is_service; /* SRV; else an address of a host */
	bool fresh;      /* of the datagram being read */
	uint64_t name;   /* hash */
	uint64_t target; /* SRV: the host's */
	uint16_t port;
	struct peer_address address;
	char label[DNS_LABEL_MAX + 1]; /* SRV: the instance, lower case */
	uint64_t heard_ns, expires_ns;
};

struct source {
	struct source *newer, *older;
	struct peer_address address;
	struct record *records;
	unsigned n;
	uint64_t second_ns; /* that began then */
	unsigned heard;     /* records in it */
};

struct pair {
	struct endpoint where;
	struct claim claims[MDNS_CLAIMS]; /* by source */
	uint64_t expires_ns;              /* of the last of them */
	uint64_t told_ns;                 /* what was told last; 0: nothing */
};

struct name {
	struct claim claims[MDNS_CLAIMS]; /* by address */
};

struct mdns {
	pthread_mutex_t lock;
	struct map sources, pairs, names;
	struct source *newest, *oldest;
	size_t records, hand;
	uint64_t now_ns, batch, swept_ns, names_swept_ns;
	bool changed;
};

static inline bool address_equal(const struct peer_address *a, const struct peer_address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The source says so, until then. Several of its words in one batch: the longest counts. */
void pair_claim(struct mdns *m, const struct endpoint *where, const struct peer_address *source,
	uint64_t expires_ns, struct counts *counts);
/* label is in lower case. */
void name_claim(struct mdns *m, const char *label, const struct peer_address *address,
	uint64_t expires_ns, struct counts *counts);
/* Forgets names whose time is over. */
void names_sweep(struct mdns *m, uint64_t now_ns);
