/* SPDX-License-Identifier: BSD-2-Clause */
/* Is there anything in a text that could be a URL? */
#pragma once

#include <stdbool.h>
#include "base/span.h"

/* True if url_find would find none. */
bool url_is_free(struct span text);
