/* SPDX-License-Identifier: BSD-2-Clause */
/* What nft.c, nft_set.c and nft_netlink.c share. Nobody else includes this. */
#pragma once

#include <libmnl/libmnl.h>
#include "base/buf.h"
#include "ctl/nft.h"

struct nft_ctx;

enum { NFT_OWN_MAX = 8, NFT_SET_SIZE = NFT_BASE_MAX + 8, NFT_HEARD_MAX = 256, NFT_HEARD_SETS = 16 };

struct nft_named;

/* A key that another hand put into a set, or took out. */
struct nft_heard_key {
	char set[NFT_SET_SIZE];
	struct peer_address at;
	bool v4;
};

/* What the events tell of other hands: up to the transaction whose end was read, and of the one
 * whose end was not. */
struct nft_heard {
	struct nft_heard_key keys[NFT_HEARD_MAX];
	size_t n, n_whole;                       /* those behind n_whole may still be our own */
	char many[NFT_HEARD_SETS][NFT_SET_SIZE]; /* sets with more keys than are kept */
	size_t n_many, n_many_whole;
	bool doubt, doubted;     /* sets went, or events were lost, since the last load */
	bool table, table_whole; /* something else than elements; or events were lost */
};

struct nft {
	struct nft_ctx *ctx; /* libnftables */
	struct mnl_socket *request, *events;
	uint32_t portid, seq;      /* of request */
	uint64_t loaded;           /* nft_digest after nft_load; 0 before */
	uint32_t own[NFT_OWN_MAX]; /* generations that libnftables made for us */
	unsigned own_at;
	struct nft_named *named; /* sets of the text last loaded; see nft_sets_int.h */
	size_t n_named;
	struct nft_heard heard;
};

int nft_netlink_open(struct nft *n);
void nft_netlink_close(struct nft *n);
/* Sends one request and feeds the answers to cb (may be NULL) until done; 0 or -errno. nlh's
 * sequence is set here. */
int nft_netlink_request(struct nft *n, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg);
/* A header for nf_tables requests of family inet in a buffer. */
struct nlmsghdr *nft_netlink_header(char *memory, uint16_t type, uint16_t flags, uint32_t seq);
/* A batch's first or last message. 0 or a negative code. */
int nft_netlink_edge(struct buf *batch, bool end, uint32_t seq);
/* Number of the ruleset's generation: one more for each transaction of anyone. */
int nft_netlink_generation(struct nft *n, uint32_t *generation);
/* A callback for messages of a generation: arg is a uint32_t. */
int nft_netlink_on_generation(const struct nlmsghdr *nlh, void *arg);
/* Sends a whole batch (its last message but the end must ask for an ack). on_error is told of each
 * message that failed, by sequence. 0 when committed, -EBADMSG when some failed, another errno. */
int nft_netlink_batch(struct nft *n, struct buf *batch, uint32_t last_seq,
	void (*on_error)(void *arg, uint32_t seq, int error), void *arg);
/* Names of the table's chains, sets or objects (NFT_MSG_GETCHAIN, _GETSET, _GETOBJ), those made by
 * rules left out. 0 or -errno */
int nft_netlink_names(
	struct nft *n, uint16_t type, bool (*visit)(void *arg, const char *name), void *arg);
/* A number for the table's chains, rules and sets (not elements, not counters); 0 in *digest
 * when there is no table. 0 or a negative code. */
int nft_digest(struct nft *n, uint64_t *digest);
/* Runs commands of nft's language. 0, or ERR_REFUSED with *error (malloc'd, may be NULL to go
 * without). */
int nft_run(struct nft *n, const char *text, char **error);
/* Would the kernel take a rule with the NFQUEUE target? 0 or a negative code. */
int nft_target_try(struct nft *n);
