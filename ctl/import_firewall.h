/* SPDX-License-Identifier: BSD-2-Clause */
/* A Prosody mod_firewall script as rules of ours. What has no counterpart is said line by line and
 * stays as a comment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/buf.h"
#include "rules/source.h"

struct import_options {
	const char *local; /* domains that are $local, separated by commas; NULL: not known */
	bool stranger;     /* take 'not stranger' for what asks the roster */
	const char *base;  /* path that relative list files start at; may be NULL */
};

/* Something to say of a line of the script; warning: turned, but not quite the same. */
struct import_note {
	struct import_note *next;
	unsigned line, column, length;
	bool warning;
	const char *message, *hint; /* in the result's arena; hint may be NULL */
};

struct import_result {
	struct arena arena;
	struct buf text;           /* the rules */
	struct import_note *notes; /* by line */
	unsigned rules, left;      /* rules written; notes that are no warnings */
};

/* script is what the bytes of sources' file say; list files are looked for in sources. 0 with *out
 * (to be finished whatever is returned), -ENOMEM, ERR_LIMIT (script over 8 MiB or with too many
 * chains and definitions). */
int import_firewall(struct source_set *sources, const struct source_file *script,
	const struct import_options *options, struct import_result *out);
/* Control characters but tabs and line feeds, and broken UTF-8, become '?'; false if there were
 * any. */
bool import_clean(char *text, size_t len);
void import_result_fini(struct import_result *result);
