/* SPDX-License-Identifier: BSD-2-Clause */
/* What other programs say about addresses, read as bans and unbans: lines of our own, alerts of
 * Suricata and Snort, decisions of CrowdSec. Bytes are pushed in, entries are taken out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"
#include "rules/address.h"

enum batch_format { BATCH_AUTO, BATCH_LINES, BATCH_EVE, BATCH_FAST, BATCH_CROWDSEC };

enum {
	BATCH_WHY_SIZE = 160,     /* as the ledger keeps it */
	BATCH_LINE_MAX = 1 << 20, /* a line, or a decision with all that is around it */
	BATCH_ERROR_SIZE = 200,
};

struct batch_spec {
	enum batch_format format;
	bool unban;        /* of an entry that does not say */
	uint64_t for_ms;   /* the same */
	const char *why;   /* said before each reason; NULL: the format's own word. Borrowed */
	unsigned severity; /* of alerts: only up to this number; 0: all */
	unsigned prefix6;  /* a single address of IPv6 stands for its network of this length; 0: for
			      itself */
};

struct batch_entry {
	bool unban;
	struct prefix prefix;
	uint64_t for_ms; /* of a ban; never 0 */
	char why[BATCH_WHY_SIZE];
};

enum batch_what {
	BATCH_MORE,    /* nothing until more is pushed, or it is over */
	BATCH_ENTRY,   /* item.entry */
	BATCH_REFUSED, /* item.error */
};

struct batch_item {
	unsigned long line; /* where it began, from 1 */
	struct batch_entry entry;
	char error[BATCH_ERROR_SIZE]; /* a reason; may hold a peer's bytes */
};

struct batch;

/* NULL when out of memory. */
struct batch *batch_new(const struct batch_spec *spec);
void batch_free(struct batch *b);
/* At most BATCH_LINE_MAX bytes at a time, and all that can be taken out is taken out in between. 0,
 * -ENOMEM or ERR_LIMIT. */
int batch_push(struct batch *b, const void *data, size_t len);
/* Nothing follows. */
void batch_end(struct batch *b);
enum batch_what batch_next(struct batch *b, struct batch_item *item);
/* Lines read so far. */
unsigned long batch_lines(const struct batch *b);
/* What was well formed and no matter of ours: other events, other types of decisions. */
unsigned long batch_skipped(const struct batch *b);
/* What is read; BATCH_AUTO until the first line has shown. */
enum batch_format batch_format(const struct batch *b);

/* "lines", "eve", "fast", "crowdsec", "auto". 0 or ERR_SYNTAX. */
int batch_format_parse(const char *name, enum batch_format *out);
/* Why no program may ban this prefix (too wide, loopback, multicast or reserved); NULL: it may. */
const char *batch_prefix_refusal(const struct prefix *p);
