/* SPDX-License-Identifier: BSD-2-Clause */
/* What "limit set" changed: rates that go over the configuration's, kept in the state directory. */
#pragma once

#include <jansson.h>

struct buf;
struct limit_info;
struct limit_rate;
struct limits;
struct policy;

/* Reads STATE/limits.json if it is there. What cannot be read is left out and told by
 * limits_attention. 0 or -ENOMEM. */
int limits_open(const char *state_dir, struct limits **out);
void limits_free(struct limits *l);
/* The policy judges by them from now on. */
void limits_apply(const struct limits *l, struct policy *p);
/* Sets one (rate "20/second", burst 0: the rate's number), or with rate NULL goes back to the
 * configuration; writes it down, then applies it. 0, ERR_NOTFOUND, ERR_SYNTAX, ERR_RANGE or what
 * writing failed with; why says it for the operator. */
int limits_set(struct limits *l, struct policy *p, const char *name, const char *rate,
	json_int_t burst, const char *who, struct buf *why);
/* The one set for that limit: {"name","rate","burst","who","since"}; borrowed, NULL if none is. */
const json_t *limits_find(const struct limits *l, const char *name);
/* What is judged by: as set, else as configured. */
struct limit_rate limits_rate(const struct limits *l, const struct limit_info *info);
/* All of them as ctl/link.h wants them; a new reference. */
json_t *limits_link(const struct limits *l);
/* Appends lines for the operator. */
void limits_attention(const struct limits *l, const struct policy *p, json_t *lines);
