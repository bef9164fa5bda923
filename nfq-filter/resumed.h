/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose streams may go on elsewhere (XEP-0198): ids that servers gave, with the JID bound there.
 * Bounded, shared by all threads. */
#pragma once

#include "nfq-filter/packet.h"

struct resumed;

enum { RESUMED_MAX = 65536 };

/* NULL when out of memory. */
struct resumed *resumed_new(void);
void resumed_free(struct resumed *r);
/* What stands for an id of that server; never 0. */
uint64_t resumed_key(const struct endpoint *server, const char *id);
/* The stream of jid (copied) may be resumed there. Another one may give way. */
void resumed_add(struct resumed *r, uint64_t key, const char *jid);
/* A copy of the JID, to be freed; NULL when nothing is known. */
char *resumed_find(struct resumed *r, uint64_t key);
