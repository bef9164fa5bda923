/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses that logged in lately (IPv6: their /64): what the class "from authenticated TIME" of
 * defend { ... } is made of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "ctl/nft_fill.h"

struct kernel;
struct known;
struct ledger;
struct peer_address;
struct policy;

enum { KNOWN_MAX = 100000 }; /* the oldest give way */

struct known_spec {
	struct ledger *ledger;     /* borrowed */
	int64_t (*now)(void *arg); /* book time */
	void *arg;
};

/* 0 or -ENOMEM. */
int known_open(const struct known_spec *spec, struct known **out);
void known_close(struct known *k);
/* Takes over the time of the policy, whose table the kernel has. */
void known_configure(struct known *k, const struct policy *p);
/* Where they are kept, too; NULL: nowhere. Borrowed. */
void known_set_kernel(struct known *k, struct kernel *kernel);
/* A child's message "known" (ctl/link.h), borrowed. 0 or ERR_PROTO. */
int known_hear(struct known *k, const json_t *message);
/* Did the address log in within the time? False when no class asks for it. */
bool known_has(const struct known *k, const struct peer_address *a);
size_t known_count(const struct known *k);
/* All of them with the time they have left, for the kernel (see kernel_spec). */
int known_elements(void *known, struct nft_element **elements, size_t *n);
struct nft_source known_source(struct known *k);
