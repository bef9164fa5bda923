/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of mixed scripts: the one place where folding looks at the letters around. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"
#include "xmpp/text_table.h"

/* The last word looked at, so that each word is walked once. Zeroed before use. */
struct text_mixed {
	size_t start, end;
	int script; /* of whom it was asked */
	bool mixed;
};

/* Does the word around byte at of a source text hold letters of another script than cp's that fold
 * to ASCII letters? False when out of memory. */
bool text_mixed_find(
	struct text_mixed *m, const struct text_table *t, struct span in, size_t at, uint32_t cp);
/* In words of a folded text that hold ASCII letters, letters of right-to-left scripts become those
 * they look like, without their marks. In place; returns the new length. */
size_t text_mixed_letters(char *text, uint32_t *source, size_t len);
