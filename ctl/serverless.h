/* SPDX-License-Identifier: BSD-2-Clause */
/* Where serverless streams are taken, as the inspector learned it from multicast DNS; kept so that
 * the kernel's sets can be filled again. */
#pragma once

#include <jansson.h>
#include "ctl/nft.h"

enum { SERVERLESS_MAX = 4096 };

struct serverless {
	struct nft_pair *all; /* left_ms is unused here */
	uint64_t *ends_ms;    /* by the monotonic clock */
	size_t n;
};

/* A pair lives for so long from now; 0: it is gone. 0, -ENOMEM, or ERR_LIMIT: there are too many.
 */
int serverless_note(
	struct serverless *s, const struct nft_pair *pair, uint64_t ttl_ms, uint64_t now_ms);
/* Those whose time is over are forgotten; *left_ms of each that stays is what it has. How many
 * stay. */
size_t serverless_refresh(struct serverless *s, uint64_t now_ms);
void serverless_fini(struct serverless *s);
/* The message "serverless" of ctl/link.h: note is called for each pair, with ttl_ms 0 for those
 * that are gone. ERR_PROTO, and nothing is noted, when it is not as it should be. */
int serverless_take(const json_t *message,
	void (*note)(void *arg, const struct peer_address *address, uint16_t port, uint64_t ttl_ms),
	void *arg);
