/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of profiles (docs/PROFILES.md) to the compiled form that strict.c writes by. */
#pragma once

#include "base/buf.h"
#include "rules/diag.h"
#include "rules/source.h"

struct strict;

/* A file as a setting names it. */
struct profile_file {
	const char *base; /* the file that names it, NULL: none */
	const char *path;
	struct loc at;
};

/* Reads the files and what they include, each once, and makes one profile of all their blocks; all
 * of them stay in sources, so that a bundle carries them. 0 with one reference, ERR_SYNTAX with
 * diagnostics, or a system code. */
int profile_load(struct source_set *sources, const struct profile_file *files, size_t n,
	struct diag_list *diags, struct strict **out);
/* Canonical text of one file; includes stay includes. Codes as above. */
int profile_print(
	struct source_set *sources, const char *path, struct diag_list *diags, struct buf *out);
