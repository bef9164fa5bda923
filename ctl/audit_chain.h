/* SPDX-License-Identifier: BSD-2-Clause */
/* The chain of the audit trail: {"seq":N,"prev":"HASH",...} lines, each with the SHA-256 of the
 * whole line before it. Read and checked here, by the daemon that goes on with it and by whoever
 * verifies it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/span.h"
#include "rules/hash.h"

enum { AUDIT_HASH_SIZE = HASH_HEX + 1, AUDIT_LINE_MAX = 256 * 1024 };
#define AUDIT_HASH_NONE "0000000000000000000000000000000000000000000000000000000000000000"

struct audit_head {
	uint64_t seq; /* of the last line; 0: none */
	char hash[AUDIT_HASH_SIZE];
};

void audit_hash(struct span bytes, char hex[AUDIT_HASH_SIZE]);
/* The object of a line (without its line feed) and its number; NULL if it is none of a trail. */
json_t *audit_line_read(struct span line, uint64_t *seq, const char **prev);

/* A trail as it is read, line by line, over all of its files. */
struct audit_check {
	struct audit_head head;       /* of the last good line */
	char wanted[AUDIT_HASH_SIZE]; /* a hash that must occur; "" for none */
	uint64_t found;               /* the number of the line that has it */
	uint64_t first;               /* number of the first line */
	uint64_t lines, torn;
	unsigned long line; /* in the file */
	const char *file;
	/* What is no line, until a line speaks of it. */
	struct hash_state scrap;
	uint64_t scrap_bytes;
	unsigned long scrap_line;
	const char *scrap_file;
	bool scrap_ended;
	unsigned problems;
	void (*problem)(void *arg, const char *file, unsigned long line, const char *what);
	void *arg;
};

void audit_check_begin(struct audit_check *c,
	void (*problem)(void *arg, const char *file, unsigned long line, const char *what),
	void *arg);
void audit_check_file(struct audit_check *c, const char *file);
/* One line without its line feed; ended: it had one. */
void audit_check_line(struct audit_check *c, struct span line, bool ended);
void audit_check_end(struct audit_check *c);
