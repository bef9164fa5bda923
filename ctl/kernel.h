/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon keeps in the kernel: its nft table with the sets filled, and the routes of
 * interception; brought back when another hand changes them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>
#include "base/buf.h"
#include "ctl/nft_fill.h"

struct kernel;
struct metrics;
struct policy;

struct kernel_spec {
	struct nft_source bans;  /* the standing ones; all NULL: none */
	struct nft_source known; /* addresses that logged in lately; the same */
	struct metrics *metrics; /* may be NULL */
};

/* Needs CAP_NET_ADMIN. 0, or a negative code with a line in why. */
int kernel_open(
	uv_loop_t *loop, const struct kernel_spec *spec, struct kernel **out, struct buf *why);
/* Leaves table and routes as they are. */
void kernel_close(struct kernel *k);

/* Brings table, sets and routes to this policy (one reference is kept) in one transaction, and
 * watches from now on. 0, or negative with lines in why; the table is as it was then. */
int kernel_load(struct kernel *k, struct policy *p, struct buf *why);
/* Removes table and routes (those of p, when nothing was loaded by this process) and watches no
 * more. */
int kernel_unload(struct kernel *k, const struct policy *p, struct buf *why);
bool kernel_is_loaded(const struct kernel *k);
/* Lockdown: nobody but the allow set comes in any more, or everybody again. At once, and part of
 * whatever is loaded from now on. What fails is retried by reconciling. 0 or a negative code. */
int kernel_lock(struct kernel *k, bool on);
/* What this kernel can. Borrowed. */
const struct firewall_host *kernel_host(const struct kernel *k);
/* Bans more, or with new times, and bans less, in one transaction: after the source of bans says
 * so. What fails is retried by reconciling. */
void kernel_bans(struct kernel *k, const struct nft_element *add, size_t n_add,
	const struct nft_element *del, size_t n_del);
/* Addresses that logged in: into the sets of their class, if there is one. */
void kernel_known(struct kernel *k, const struct nft_element *elements, size_t n);
/* Other ones, or for another time. */
void kernel_known_all(struct kernel *k);
/* A list of the policy was edited (texts as the policy takes them); nothing if the kernel has no
 * copy of it. */
void kernel_list_edited(struct kernel *k, const char *set, const json_t *add, const json_t *del);
/* How many entries the sets have of which the kernel has a copy. */
size_t kernel_listed(const struct kernel *k);
/* The inspector's message "serverless" (ctl/link.h): where streams without a server are taken, and
 * where no longer. Kept, and in the kernel as long as the policy has a service for them. 0 or
 * ERR_PROTO. */
int kernel_serverless(struct kernel *k, const json_t *message);
/* Entries of them came to their end. */
void kernel_lists_shrank(struct kernel *k);
/* The times of elements may be wrong: all are brought to what they should be. */
void kernel_refresh(struct kernel *k);

/* "firewall": {"loaded","tables","sets":{..}}. */
json_t *kernel_status(struct kernel *k);
/* "defend": {"CLASS":{"rate","penalty","concurrent","full","entries"}}: what was refused of new
 * connections since the daemon started, full: what was let through uncounted. */
json_t *kernel_defend(struct kernel *k);
/* Appends lines for the operator. */
void kernel_attention(const struct kernel *k, json_t *lines);
