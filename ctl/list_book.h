/* SPDX-License-Identifier: BSD-2-Clause */
/* One list file as lines in memory: looked up by prepared key, edited, written back atomically. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct arena;
struct set_info;
struct list_book;

/* A live line: spans are borrowed until the next change. */
struct list_line {
	struct span entry, comment;
	int64_t until_ms; /* 0: for ever */
};

/* For the set's file; reads nothing yet. NULL when out of memory. */
struct list_book *list_book_new(const struct set_info *info);
void list_book_free(struct list_book *b);
/* Are they about the same file, understood the same way? */
bool list_book_is_like(const struct list_book *a, const struct list_book *b);
/* Brings the lines up to the file if another hand changed it. 0 or -errno. */
int list_book_refresh(struct list_book *b);
/* Splits what a user wrote ("ENTRY until TIME # COMMENT") and checks it. False for an empty or
 * comment line; *why (static) says what is wrong. text must outlive *out. */
bool list_book_parse(
	struct list_book *b, struct span text, struct list_line *out, const char **why);
/* In a set of hashes: a plain value becomes its digest, in the arena. True if it did; else *why says
 * why it is none, if it was not a digest already. */
bool list_book_hash(
	struct list_book *b, struct arena *a, struct list_line *line, const char **why);
/* Adds it, or renews the entry of the same key. *was: it was there. 0, ERR_SYNTAX, -ENOMEM. */
int list_book_add(struct list_book *b, const struct list_line *line, bool *was);
/* Takes out the entry of that key. *was: it was there. 0, ERR_SYNTAX, -ENOMEM. */
int list_book_remove(struct list_book *b, struct span entry, bool *was);
/* The file from the lines, without those expired: tmp, fsync, rename, fsync of the folder. On
 * failure the lines are forgotten, so that memory says what the disk says. 0 or -errno. */
int list_book_write(struct list_book *b);
/* Live lines in file order: *at = 0 at first; false at the end. */
bool list_book_each(const struct list_book *b, size_t *at, struct list_line *out);
/* "ENTRY until 2026-12-01T00:00:00Z": what a policy takes as an edit. malloc'd, NULL when out of
 * memory. */
char *list_line_format(const struct list_line *line, bool with_comment);
