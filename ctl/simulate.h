/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit run over what happened before. */
#pragma once

#include <stdint.h>
#include <jansson.h>

struct limit_rate;
struct simulation;

/* NULL when out of memory. */
struct simulation *simulation_new(const struct limit_rate *rate);
/* From now on rates are of bytes. */
void simulation_set_bytes(struct simulation *s);
void simulation_free(struct simulation *s);
/* So many events of the key at once. Times of a key that go back count as now. 0 or -ENOMEM. */
int simulation_add(struct simulation *s, const char *key, uint64_t time_ns, uint64_t events);
/* An event of the key if it had not this value within the rate's time. 0 or -ENOMEM. */
int simulation_add_value(struct simulation *s, const char *key, const char *value, uint64_t time_ns);
/* {"rate","burst","events","peers","hit","limited","share","top":[{"key","events","limited"}],
 * "histogram":[{"from","to","peers"}]}: peers that were hit, events that were limited, the top
 * peers with most of them first, and the bursts that peers would have needed. */
json_t *simulation_json(const struct simulation *s, size_t top);
