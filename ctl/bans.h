/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is kept out and why: orders of workers and operators become strikes, bans, their ends, and
 * the events that tell of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>
#include "base/buf.h"
#include "ctl/nft_fill.h"

struct bans;
struct kernel;
struct ledger;
struct peer_address;
struct policy;
struct workers;

struct bans_spec {
	const char *state_dir; /* of ledger.sqlite */
	const char *run_dir;   /* of what it does not take */
	/* An event of ours: borrowed. */
	void (*on_event)(void *arg, json_t *event);
	/* The sessions of an address ("A/LEN") or a JID are to end; the other is NULL. */
	void (*on_kill)(void *arg, const char *address, const char *jid, const char *reason);
	/* The wall clock was set by so much (0: this host slept). */
	void (*on_step)(void *arg, int64_t by_ms);
	void *arg;
	/* A message of ctl/link.h to every child: borrowed. */
	void (*on_tell)(void *arg, json_t *message);
	/* Who uses the addresses of "A/LEN" now? done gets what all children tell (ctl/link.h, borrowed),
	 * later. False if nobody has to be asked, but always (then: nobody can be). */
	bool (*on_using)(void *arg, const char *address, bool always,
		void (*done)(void *to, json_t *rows), void *to);
};

int bans_open(uv_loop_t *loop, const struct bans_spec *spec, struct bans **out, struct buf *why);
void bans_close(struct bans *b);
/* The time bans are reckoned in, in milliseconds (ctl/booktime.h). */
int64_t bans_now(const struct bans *b);
/* A moment of it for the outside: as the wall clock calls it now. 0 (never) stays 0. */
int64_t bans_wall(const struct bans *b, int64_t book_ms);
/* The ledger, which keeps the history of lists, too. Borrowed. */
struct ledger *bans_ledger(struct bans *b);
/* Where bans are enforced from now on; NULL: nowhere but on sessions. Borrowed. */
void bans_set_kernel(struct bans *b, struct kernel *kernel);
/* Takes over the ladders of the policy (one reference is kept). */
void bans_configure(struct bans *b, struct policy *p);

/* What a worker orders with an event ("act" of ctl/link.h; its shape is the worker's word). */
void bans_act(struct bans *b, json_t *act);
/* An operator's word: address or prefix. for_ms 0: for ever. 0 with *until; else a negative code
 * and a line in why. */
int bans_add(struct bans *b, const char *address, uint64_t for_ms, const char *text,
	const char *who, json_t **result, struct buf *why);
/* ERR_NOTFOUND with a line in why when it was not banned. */
int bans_remove(struct bans *b, const char *address, const char *who, struct buf *why);
/* One line of a batch. */
struct ban_order {
	const char *address; /* or prefix */
	uint64_t for_ms;     /* 0: for ever */
	const char *why;
	bool unban;
	bool keep; /* a standing ban of this very prefix that ends no earlier (to two seconds) stays
		      as it is, and nothing is told: ERR_EXISTS */
	int code; /* filled: 0, or why it was refused (ERR_SYNTAX: no address; ERR_NOTFOUND: was not
		     banned; ERR_LIMIT: the ledger is full; ...) */
};
/* Many at once, in their order: bans and unbans of operators' programs. How many were refused; each
 * order's code says which. */
int bans_batch(struct bans *b, struct ban_order *orders, size_t n, const char *who);
/* Arrays for "bans": of addresses, and of names. */
json_t *bans_list(struct bans *b);
json_t *bans_names(struct bans *b);
/* All that is known of a ban of this address, prefix or name (NULL: of all, the newest thousand):
 * an object for "bans". 0, or ERR_NOTFOUND and so on with a line in why. */
int bans_why(struct bans *b, const char *who, json_t **out, struct buf *why);
/* The newest of it, at most 256; cheap as long as it is asked for at least once a minute. */
json_t *bans_newest(struct bans *b, size_t max);
/* The newest of those barred by name, as in "bans", and how many there are; as old as it may be for it to be cheap. */
json_t *bans_newest_names(struct bans *b, size_t max, long *total);
long bans_count(struct bans *b);
/* All standing bans, for the kernel (see kernel_spec). */
struct nft_source bans_source(struct bans *b);
/* Does a ban cover the address? */
bool bans_cover(void *bans, const struct peer_address *a);
/* Was the ledger found damaged at start? Appends lines for the operator. */
void bans_attention(const struct bans *b, json_t *lines);
