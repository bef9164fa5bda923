/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer's text on a terminal. */
#pragma once

#include <stddef.h>

/* Control bytes, bytes that are no UTF-8 and what cannot be seen (bidi controls among them)
 * escaped; cut at width characters (0: whole). Static buffers of 2048 bytes, four in turn. */
const char *safe_text(const char *text, size_t width);
