/* SPDX-License-Identifier: BSD-2-Clause */
/* How a pair of sets is laid out in the table, and batches of its elements. Only the nft files
 * include this. */
#pragma once

#include "ctl/nft_int.h"

/* A pair may be more than two sets: single addresses, and IPv6 networks as one host has them, are
 * found by hash, where a change costs the same however many there are; an interval set is gone
 * through by the kernel at every change. */
enum nft_part {
	NFT_PART_4,      /* block4 */
	NFT_PART_6,      /* block6 */
	NFT_PART_6_64,   /* block6_64: networks of 64 bits */
	NFT_PART_4_NETS, /* block4_nets: other networks, ranges */
	NFT_PART_6_NETS,
	NFT_PARTS
};

/* "block", NFT_PART_6_64: "block6_64". Returns name. */
const char *nft_part_name(const char *base, enum nft_part part, char name[NFT_SET_SIZE]);
/* Is a part there, in the text last loaded? Without any, the two of a pair of intervals are. */
bool nft_part_exists(const struct nft *n, const char *base, enum nft_part part);
/* Holds it intervals? (False: single keys, by hash.) */
bool nft_part_is_interval(const struct nft *n, const char *base, enum nft_part part);
/* Which holds this run? ERR_RANGE when none can. */
int nft_part_of_run(const struct nft *n, const char *base, const struct nft_run *run);
bool nft_part_is_v4(enum nft_part part);
/* Takes in which sets a text declares. 0 or -ENOMEM; what was known stays then. */
int nft_layout_read(struct nft *n, const char *text);
void nft_layout_free(struct nft *n);

enum nft_op_kind { NFT_OP_ADD, NFT_OP_DELETE, NFT_OP_REPLACE };

struct nft_op {
	struct nft_run run;
	int error; /* of this attempt's addition */
	int delete_error;
	uint8_t kind, part;
	bool skip;     /* NFT_OP_DELETE: was not there */
	bool vanished; /* NFT_OP_REPLACE: nothing equal to delete */
};

/* One transaction of all of them, deletions first. As nft_edit. */
int nft_ops_run(
	struct nft *n, const char *base, struct nft_op *ops, size_t n_ops, struct nft_edit *result);
/* Reads one set: runs in address order, malloc'd. 0, ERR_NOTFOUND, an errno. */
int nft_dump(
	struct nft *n, const char *base, enum nft_part part, struct nft_run **out, size_t *n_out);

/* As nft_sync, for one set; runs as interval_flatten gives them. */
int nft_sync_part(struct nft *n, const char *base, enum nft_part part, struct nft_run *runs,
	size_t n_runs, struct nft_edit *result);
/* Is an end near enough to leave it alone? (0: for ever.) */
bool nft_same_end(uint64_t a, uint64_t b);

/* Adds runs to one set, in one transaction, many a message: what is there already stays (a kernel
 * from 6.12 on gives it the new end). 0, ERR_EXISTS when intervals overlap others, ERR_NOTFOUND, an
 * errno. */
int nft_put(struct nft *n, const char *base, enum nft_part part, const struct nft_run *runs,
	size_t count);
/* Empties one set. 0, ERR_NOTFOUND, an errno. */
int nft_flush(struct nft *n, const char *base, enum nft_part part);

/* Reads a set by hash in pieces: next gives some runs (malloc'd, caller frees), 1 while there is
 * more to come, 0 at the end, or negative. */
struct nft_walk;
int nft_walk_begin(const char *base, enum nft_part part, struct nft_walk **out);
int nft_walk_next(struct nft_walk *w, struct nft_run **out, size_t *n_out);
void nft_walk_end(struct nft_walk *w);
