/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy in force as the daemon holds it: compiled, with its lists, and as the bundle of
 * sources that children get. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>

struct cache;
struct config;
struct lists;
struct metrics;
struct part_set;
struct policy;

struct config {
	char *path;
	char *feeds_dir; /* NULL: none */
	struct cache *cache; /* the daemon's; NULL: none */
	struct policy *policy;
	struct lists *lists;
	int bundle_fd;       /* sources as loaded, certificates included */
	unsigned generation; /* given by the daemon */
	int64_t loaded_ms;   /* wall clock */
};

/* Reads, compiles and tests everything path names. previous (may be NULL): its limit tables go on
 * counting. 0 with *out; else a negative code and *why: malloc'd diagnostics ending in a newline,
 * never NULL. Changes nothing; runs in any thread. */
int config_load(const char *path, struct config *previous, struct metrics *metrics,
	struct config **out, char **why);
/* As config_load, with the copies of feeds in feeds_dir (NULL: without), and with what was compiled
 * before in cache (NULL: without; it outlives the config). */
int config_load_fed(const char *path, const char *feeds_dir, struct cache *cache,
	struct config *previous, struct metrics *metrics, struct config **out, char **why);
/* The same policy, from the same sources but for the lists, feeds and exceptions as they are
 * now. As config_load. */
int config_renew(struct config *now, struct metrics *metrics, struct config **out, char **why);
/* The policy of a bundle and its parts kept from former times, with the lists as they are now. As
 * config_load. */
int config_restore(struct config *now, int bundle_fd, const struct part_set *parts,
	struct metrics *metrics, struct config **out, char **why);
/* The policy in force of the program before us: its bundle (config_bundle) and parts; from disk only
 * what parts of another version do not give. As config_load_fed. */
int config_adopt(const char *path, const char *feeds_dir, struct cache *cache, int bundle_fd,
	const struct part_set *parts, struct metrics *metrics, struct config **out, char **why);
void config_free(struct config *c);
/* The cache in the state directory, which need not be there yet. NULL: there can be none, which is
 * logged, and each start compiles everything. */
struct cache *config_cache(const char *state_dir, struct metrics *metrics);
/* What was compiled for it stays in its cache, and nothing else. */
void config_keep(struct config *c);
/* A bundle that holds the lists as they are now, for a child that starts later: a new descriptor,
 * or a negative code. What it leaves to parts is in policy_parts. */
int config_bundle(struct config *c);
/* Has it a service whose crossings are written down? */
bool config_is_audited(const struct config *c);
