/* SPDX-License-Identifier: BSD-2-Clause */
/* Remote domains that were verified, and when for the first time ever; shared by threads, kept over
 * restarts by the daemon (messages "domains" and "seen" of ctl/link.h). Domains are as
 * jid_prep_domain prepares them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

enum {
	DOMAINS_AGAIN_MS = 3600 * 1000, /* who stays is told again */
	DOMAINS_TOLD_MAX = 2048,        /* in a second */
};

/* Milliseconds since 1970; 0: never. */
uint64_t domains_first_seen(const char *domain);
/* It was verified just now; for the first time, if it is not known. Cheap for one that was noted
 * lately. */
void domains_note(const char *domain);
/* Both at once: when it was seen first, which is now for one that never was. */
uint64_t domains_meet(const char *domain);
/* The next message for the daemon, NULL: nothing to tell now. Call it until then, once a second. A
 * new reference. */
json_t *domains_tell(void);
/* The daemon's "seen"; false when it makes no sense. */
bool domains_hear(const json_t *msg);
/* Forgets all. */
void domains_clear(void);
