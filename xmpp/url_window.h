/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a text in which there could be a URL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/span.h"

/* Where a walk through the windows of a text stands. */
struct url_windows {
	struct span text;
	size_t at, mark; /* looked at up to there; the next mark, if it is behind at */
	unsigned n;
	bool wide; /* the mark is a bracket */
};

/* A part of the text, from white space to white space. */
struct url_window {
	size_t start, end;
};

void url_windows_init(struct url_windows *w, struct span text);
/* The next part, in order and apart from each other; false if no other could hold a URL. What url_find
 * finds in the parts is what it would find in the whole text. */
bool url_windows_next(struct url_windows *w, struct url_window *out);
