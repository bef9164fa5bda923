/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel allows of new connections (docs/SHIELD.md), as plain data: made by
 * rules/options_defend.c, written as nft text by ctl/firewall_defend.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	DEFEND_CLASSES_MAX = 16,
	DEFEND_RATES_MAX = 4,
	DEFEND_NAME_MAX = 32,
	DEFEND_ENTRIES = 65536,
	DEFEND_V4 = 32, /* one address, if nothing else is said */
	DEFEND_V6 = 64, /* what one subscriber has */
};

#define DEFEND_OTHERS "others" /* what the class without a name is called where one is shown */

/* Whose connections are counted together: addresses alike in so many bits. 0 of both: all. */
struct defend_per {
	uint8_t v4, v6;
};

/* rate 10/second burst 30 per /32 /64; */
struct defend_rate {
	uint32_t n;
	uint32_t seconds; /* 1, 60, 3600, 86400 or 604800 */
	uint32_t burst;
	struct defend_per per;
};

/* connections NAME { ... } */
struct defend_class {
	const char *name;  /* DEFEND_OTHERS: of no other class; it is the last then */
	const char *set;   /* from @SET */
	uint64_t known_ms; /* from authenticated TIME: who logged in within; 0: not this one */
	struct defend_rate rates[DEFEND_RATES_MAX]; /* narrow before wide */
	unsigned n_rates;
	uint32_t concurrent; /* connections at once; 0: any number */
	struct defend_per concurrent_per;
	uint64_t penalty_ms; /* 0: none */
};

/* defend { ... } */
struct defend {
	struct defend_class classes[DEFEND_CLASSES_MAX];
	unsigned n_classes; /* 0: nothing is counted */
	uint32_t entries;   /* of each meter; default 65536 */
	bool synproxy;
	uint16_t mss;   /* default 1460 */
	uint8_t wscale; /* default 7 */
};

/* The time after which an address that was silent is as good as one never seen: until then it is
 * remembered. */
static inline uint64_t defend_rate_refill_s(const struct defend_rate *r)
{
	return ((uint64_t)r->burst * r->seconds + r->n - 1) / r->n;
}

/* How long who logged in is known; 0: no class asks. */
static inline uint64_t defend_known_ms(const struct defend *d)
{
	for (unsigned i = 0; i < d->n_classes; i++)
		if (d->classes[i].known_ms)
			return d->classes[i].known_ms;
	return 0;
}

/* Does it count single addresses? Only those have a penalty. */
static inline bool defend_per_address(const struct defend_per *p)
{
	return p->v4 == DEFEND_V4 && p->v6 >= DEFEND_V6;
}
