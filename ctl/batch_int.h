/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files ctl/batch*.c share. Nobody else includes this. */
#pragma once

#include <jansson.h>
#include "base/buf.h"
#include "ctl/batch.h"

enum { CUT_DEPTH = 64 };

/* Where in a document of CrowdSec's the next byte stands. */
struct batch_cut {
	char stack[CUT_DEPTH]; /* '{', '[', or '+', '-': an array of decisions, of deleted ones */
	unsigned depth;
	bool string, escaped; /* within a string, behind its backslash */
	char key[12];         /* the last string, or as much of it as matters */
	size_t key_len;
	bool lost;          /* to the end of the line: it was no JSON */
	bool partial;       /* the last line has not ended */
	unsigned element;   /* depth of the object that is copied; 0: none */
	bool deleted;       /* ... out of an array of these */
	bool overflow;      /* ... larger than BATCH_LINE_MAX */
	unsigned long line; /* ... where it began */
	struct buf copy;
};

struct batch {
	struct batch_spec spec;
	enum batch_format format;
	struct buf in;
	size_t looked; /* unread bytes without a line's end */
	bool lost;     /* in a line too long */
	bool begun, ended;
	unsigned long lines, skipped;
	struct batch_cut cut;
};

enum batch_verdict { BATCH_TAKEN, BATCH_SKIP, BATCH_BAD };

/* One line each, without its end. What is BATCH_BAD has a reason in item->error. */
enum batch_verdict batch_read_line(
	const struct batch *b, struct span line, struct batch_item *item);
enum batch_verdict batch_read_fast(
	const struct batch *b, struct span line, struct batch_item *item);
enum batch_verdict batch_read_eve(const struct batch *b, struct span line, struct batch_item *item);
/* As batch_next. */
enum batch_what batch_next_decision(struct batch *b, struct batch_item *item);

/* The entry's address, widened where that is asked for; its refusal as a verdict. */
enum batch_verdict batch_set_address(
	const struct batch *b, struct span text, struct batch_item *item);
/* "PREFIX: TEXT", cut where it has to be; the prefix is what was asked for or, without, ours. */
void batch_set_why(
	const struct batch *b, const char *ours, const char *text, struct batch_item *item);
/* Fills item->error. */
enum batch_verdict batch_bad(struct batch_item *item, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
