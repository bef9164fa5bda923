/* SPDX-License-Identifier: BSD-2-Clause */
/* audit.log: the end of a chain of lines, over files that follow each other (audit.log.1, .2 ...
 * audit.log). */
#pragma once

#include <jansson.h>
#include "ctl/audit_chain.h"

struct audit_file;

/* Takes up the chain in log_dir where its last line ended, or begins one. What a crash tore, and
 * what known (a head seen before; NULL: none) says is missing, is said in lines of the trail and in
 * *trouble (malloc'd, NULL: nothing). 0 or a negative code. */
int audit_file_open(const char *log_dir, uint64_t max_bytes, const struct audit_head *known,
	struct audit_file **out, char **trouble);
void audit_file_close(struct audit_file *f);
void audit_file_configure(struct audit_file *f, uint64_t max_bytes);
/* Another name stands for another file (somebody renamed ours): on in a new one. 0 or a negative
 * code. */
int audit_file_reopen(struct audit_file *f);
/* Lines of a batch, in order; said (borrowed, an object) loses "seq" and "prev". 0 or -ENOMEM. */
int audit_file_add(struct audit_file *f, json_t *said);
/* Bytes of the batch. */
size_t audit_file_waiting(const struct audit_file *f);
/* Writes the batch, all of it or nothing: then the chain is where it was before, and the batch is
 * gone. 0 or a negative code. */
int audit_file_write(struct audit_file *f);
const struct audit_head *audit_file_head(const struct audit_file *f);
/* A line of the daemon's own: {"time","event"}; more (may be NULL) is taken. In a batch. */
int audit_file_note(struct audit_file *f, const char *event, json_t *more);
int audit_file_fd(const struct audit_file *f);
/* How often a new file was begun. */
unsigned audit_file_turns(const struct audit_file *f);
