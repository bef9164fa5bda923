/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of servers ("backend" with "servers") and what they mean now: the children resolve nothing. */
#pragma once

#include <jansson.h>
#include <uv.h>

struct policy;
struct resolver;

/* told gets a borrowed message "addresses" of ctl/link.h whenever a name was looked up. -ENOMEM. */
int resolver_new(uv_loop_t *loop, void (*told)(void *arg, json_t *msg), void *arg,
	struct resolver **out);
/* The names of this policy from now on; those not known yet are looked up at once. */
void resolver_use(struct resolver *r, const struct policy *p);
/* What is known, a message a name: for a child that starts. A new reference. */
json_t *resolver_known(const struct resolver *r);
/* Ends; memory goes when the loop has run once more and no lookup is under way. */
void resolver_close(struct resolver *r);
