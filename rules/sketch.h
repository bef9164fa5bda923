/* SPDX-License-Identifier: BSD-2-Clause */
/* What a limit saw, in bounded memory: for each of some rates, how many peers would have needed
 * which burst within an hour. Shared by all threads and carried from one policy to the next. */
#pragma once

#include <stdint.h>
#include <jansson.h>
#include "rules/limit.h"

enum {
	SKETCH_RATES = 16,
	SKETCH_BUCKETS = 80, /* up to a burst of a million, each at most a fifth wide */
};

/* Peers (a key in an hour) by the burst they needed at each of the rates. Where there were too many
 * keys to follow, a sample stands for all of them. */
struct sketch_counts {
	uint64_t peers;
	uint64_t n[SKETCH_RATES][SKETCH_BUCKETS];
};

struct sketch;

struct sketch *sketch_new(void);
struct sketch *sketch_ref(struct sketch *s);
void sketch_unref(struct sketch *s);
enum { SKETCH_ONE = 1024 };

/* An event of the key, or so many SKETCH_ONEths of one: of bytes, a KiB is an event. Allocates on the
 * first one; what it cannot get memory for is not observed. */
void sketch_add(struct sketch *s, uint64_t key, uint64_t now_ns);
void sketch_add_part(struct sketch *s, uint64_t key, uint64_t now_ns, uint64_t parts);
/* *ended: the hours over since the last call, which are then forgotten here; *running: the one that
 * is not. */
void sketch_take(struct sketch *s, uint64_t now_ns, struct sketch_counts *ended,
	struct sketch_counts *running);

/* The rates, slowest first; burst 1. */
struct limit_rate sketch_rate(unsigned index);
/* The smallest and the largest burst that fall into a bucket. */
uint64_t sketch_burst_low(unsigned bucket);
uint64_t sketch_burst_high(unsigned bucket);
void sketch_merge(struct sketch_counts *into, const struct sketch_counts *from);
/* Half of everything: what is old counts less. */
void sketch_age(struct sketch_counts *counts);

/* {"peers":n,"rates":[[bucket,peers,...],...]}; NULL when out of memory. */
json_t *sketch_json(const struct sketch_counts *counts);
/* 0, or ERR_SYNTAX with *out all zero. */
int sketch_parse(const json_t *json, struct sketch_counts *out);
