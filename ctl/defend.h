/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel refused of connections, class by class: for status, metrics and attention. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "ctl/firewall_defend.h"

struct metrics;
struct nft;

enum { DEFEND_WATCH_MS = 10000 /* of attention */ };

struct defend_seen {
	uint64_t raw[FIREWALL_DEFEND_REASONS];  /* as the kernel said last */
	uint64_t sum[FIREWALL_DEFEND_REASONS];  /* since the daemon started, whatever became of the
						   table */
	uint64_t then[FIREWALL_DEFEND_REASONS]; /* of sum, when the watch began */
	uint64_t lately[FIREWALL_DEFEND_REASONS]; /* in the last whole watch */
	uint64_t entries; /* of the class's meters, when they were counted */
};

struct defend_watch {
	char names[DEFEND_CLASSES_MAX]
		  [DEFEND_NAME_MAX + 1]; /* of classes, for a reload moves them */
	struct defend_seen seen[DEFEND_CLASSES_MAX];
	unsigned n;
	uint64_t since_ms;
	uint64_t counted_ms, took_ms; /* counting entries goes through all of them */
};

/* The table was made anew: its counters begin at nothing. */
void defend_begin_anew(struct defend_watch *w);
/* Reads the kernel's counters, once a second or so. metrics may be NULL. */
void defend_look(struct defend_watch *w, struct nft *nft, const struct defend *d,
	struct metrics *metrics, uint64_t now_ms);
/* {"CLASS":{"rate","penalty","concurrent","full","entries"}}; entries: of its meters, together, as
 * they were counted last. */
json_t *defend_status(
	struct defend_watch *w, struct nft *nft, const struct defend *d, uint64_t now_ms);
/* Appends lines for the operator. */
void defend_attention(const struct defend_watch *w, json_t *lines);
