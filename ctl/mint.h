/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves of the local authority (docs/FEDERATION.md), for the workers: who asked, who is out. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct daemon;
struct mint;

struct mint *mint_new(struct daemon *d);
/* Ends the program that is out; memory goes with the loop. m may be NULL. */
void mint_close(struct mint *m);
/* The message "mint" of ctl/link.h, borrowed, of that life of a child. 0 or ERR_PROTO. */
int mint_hear(struct mint *m, json_int_t life, json_t *msg);
/* The policy in force is another: says so if it needs an authority and there is none. */
void mint_configure(struct mint *m);
/* Does nobody wait for an answer? */
bool mint_is_idle(const struct mint *m);
/* For status: NULL if the policy needs none and there is none. */
json_t *mint_json(const struct mint *m);
/* Appends lines for the operator. */
void mint_attention(const struct mint *m, json_t *lines);
