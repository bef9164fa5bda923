/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit run over what happened before. */
#pragma once

#include <stdint.h>
#include <jansson.h>

struct limit_rate;
struct simulation;

/* NULL when out of memory. */
struct simulation *simulation_new(const struct limit_rate *rate);
void simulation_free(struct simulation *s);
/* An event of the key. Times of a key that go back count as now. 0 or -ENOMEM. */
int simulation_add(struct simulation *s, const char *key, uint64_t time_ns);
/* {"rate","burst","events","peers","hit","limited","share","top":[{"key","events","limited"}],
 * "histogram":[{"from","to","peers"}]}: peers that were hit, events that were limited, the top
 * peers with most of them first, and the bursts that peers would have needed. */
json_t *simulation_json(const struct simulation *s, size_t top);
