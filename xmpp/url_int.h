/* SPDX-License-Identifier: BSD-2-Clause */
/* For url.c and its tests. */
#pragma once

#include "xmpp/url.h"

/* url_find in the whole of a text, not only where url_window.c says there could be one. */
int url_find_in(struct arena *a, struct span text, unsigned max, struct url **out);
