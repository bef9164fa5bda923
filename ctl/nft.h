/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's nft table: loaded as text in one transaction, its sets edited in batches, foreign
 * hands noticed. Everything blocks for a few milliseconds at most (a load or sync of 100,000
 * elements: about a second). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctl/firewall.h"
#include "rules/rules.h"

struct nft;

/* For the network namespace of the caller. 0, -EPERM or another errno (no netfilter in the kernel),
 * ERR_LIBRARY. */
int nft_open(struct nft **out);
void nft_close(struct nft *n);

/* Brings the table to this text in one transaction: it is there before and after. The sets'
 * elements stay where the sets are as the text wants them; else the table is made anew and nft_sync
 * must follow: call it always. 0 or ERR_REFUSED with *error (malloc'd, never NULL then; caller
 * frees). error may be NULL. */
int nft_load(struct nft *n, const char *text, char **error);
/* What a load leaves of the elements that were there. */
enum nft_left {
	NFT_LEFT_ALL,     /* all, as this process put them there */
	NFT_LEFT_DOUBTED, /* another hand changed the table, or this process has not loaded it yet
			   */
	NFT_LEFT_NONE,    /* the table was not there, or is made anew */
};
/* As nft_load; unless all are left the set "loading" holds tcp, from the same transaction on:
 * nft_flag(n, FIREWALL_LOADING, false) when the sets are filled. */
int nft_load_held(struct nft *n, const char *text, enum nft_left *left, char **error);
/* A set of protocols ("loading", "lockdown") gets tcp, or loses it. 0 (it was so already, too),
 * ERR_NOTFOUND when it should be on and is not there, or an errno. */
int nft_flag(struct nft *n, const char *set, bool on);
/* After nft_load of a text in the target form: puts the rules that queue to so many queues where it
 * left room. Nothing for a text without such room. 0 or a negative code; what fails closed is
 * dropped then. */
int nft_target_fill(struct nft *n, unsigned first, unsigned count);
/* Deletes the table; no table is success. As nft_load. */
int nft_unload(struct nft *n, char **error);
/* The table's listing with elements and counters, malloc'd. 0, ERR_NOTFOUND, -ENOMEM. */
int nft_list(struct nft *n, char **text);

enum nft_state {
	NFT_STATE_ABSENT,
	NFT_STATE_INTACT,  /* chains, rules and sets are as nft_load of this process left them
			      (elements not compared) */
	NFT_STATE_ALTERED, /* something else is there under our name */
};
enum nft_state nft_state(struct nft *n);

/* ---- sets of addresses, by what the names of a pair have in common: "block" is block4 and block6;
 * IPv4-mapped addresses go to the 4s. Where the text has block4_nets, block6_nets and block6_64,
 * block4 and block6 hold single addresses only, by hash, and other networks are in those. ---- */

enum { NFT_BASE_MAX = 96 }; /* bytes of such a name */

struct nft_element {
	struct peer_address address;
	unsigned prefix_len; /* in IPv6 bits: IPv4 length + 96, as address_parse_prefix gives it */
	uint64_t left_ms;    /* 0: stays for ever */
};

struct nft_edit {
	size_t added, removed;
	size_t absent; /* of del: were not there */
};

/* Adds and deletes in one transaction, deletions first; an added element that is already there gets
 * the new time. 0, ERR_EXISTS when an added one overlaps another prefix in the set (nothing was
 * changed: call nft_sync with all), ERR_NOTFOUND when the table is not there, or an errno. result
 * may be NULL. */
int nft_edit(struct nft *n, const char *base, const struct nft_element *add, size_t n_add,
	const struct nft_element *del, size_t n_del, struct nft_edit *result);
/* Makes the sets of the pair hold just these, in one transaction, with as few changes as possible.
 * Overlapping prefixes are cut so that each address is held as long as the longest says. Call it
 * after loading, when our table was touched, after removing a ban (a wider one may have covered a
 * narrower), and after ERR_EXISTS. As nft_edit. */
int nft_sync(struct nft *n, const char *base, const struct nft_element *wanted, size_t n_wanted,
	struct nft_edit *result);
/* As nft_sync, for the networks of a pair whose single addresses are found by hash. */
int nft_sync_nets(struct nft *n, const char *base, const struct nft_element *wanted,
	size_t n_wanted, struct nft_edit *result);
/* One run of addresses in the kernel's set, first to last inclusive. */
struct nft_run {
	struct peer_address first, last;
	uint64_t left_ms; /* 0: for ever */
};
/* Visits what the kernel holds, in address order, IPv4 first, until false. 0, ERR_NOTFOUND, or an
 * errno. */
int nft_each(struct nft *n, const char *base, bool (*visit)(void *arg, const struct nft_run *run),
	void *arg);
/* How many elements the set of this name holds, meters too; negative as nft_each. */
long nft_count_set(struct nft *n, const char *set);
/* How many runs the pair's sets hold: as the kernel counts them, which may count some that have
 * just ended, or by going through them where it does not. As nft_each. */
int nft_count(struct nft *n, const char *base, size_t *v4, size_t *v6);

/* ---- sets: serverless4, serverless6 (only where the text has them) ---- */

struct nft_pair {
	struct peer_address address;
	uint16_t port;
	uint64_t left_ms; /* 0: for ever */
};

/* One that is there gets the new time. 0, ERR_NOTFOUND when the set is not there, or an errno. */
int nft_pair_add(struct nft *n, const struct nft_pair *p);
/* As nft_pair_add; ERR_NOTFOUND when it was not there, too. */
int nft_pair_remove(struct nft *n, const struct nft_pair *p);

/* Visits the table's named counters, until false. 0, ERR_NOTFOUND or an errno. */
int nft_counters(struct nft *n, bool (*visit)(void *arg, const char *name, uint64_t packets),
	void *arg);

/* ---- events ---- */

/* Readable when anyone changed the ruleset (poll for it; non-blocking). Owned by n. */
int nft_event_fd(const struct nft *n);
/* Reads what is there: 1 our table was touched by someone else (or events were lost), 0 not,
 * negative errno. What it was is kept until it is taken. */
int nft_event_read(struct nft *n);
/* Takes what was heard of a pair: keys of sets by hash as prefixes, at most max. False when nothing
 * was; *whole when that is not all, or intervals were touched: the pair is to be compared. */
bool nft_event_take(struct nft *n, const char *base, struct nft_element *keys, size_t max,
	size_t *n_keys, bool *whole);
/* Takes the rest: true when anything but the pairs taken was touched, or events were lost. */
bool nft_event_rest(struct nft *n);

/* ---- capability ---- */

enum { NFT_CHECKS = 18 };
/* Tries what the table may need, each in a transaction that is thrown away. Returns how many lines
 * were written. */
size_t nft_check(struct nft *n, struct firewall_check *out, size_t max);
/* How this kernel queues. */
enum firewall_queue_form nft_queue_form(struct nft *n);
