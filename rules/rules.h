/* SPDX-License-Identifier: BSD-2-Clause */
/* The one public face of rules/: a policy is loaded from sources, is immutable and shared, and judges subjects. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "rules/diag.h"
#include "rules/federation.h"
#include "rules/limit.h"
#include "rules/service.h"
#include "rules/source.h"
#include "xmpp/bounce.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

struct policy;
struct sketch_counts;

/* ---- what is judged ---- */

struct peer_address {
	uint8_t bytes[16]; /* IPv6, or IPv4-mapped IPv6 (::ffff:a.b.c.d); all zero: unknown */
};

struct endpoint {
	struct peer_address address;
	uint16_t port;
};

enum direction { DIRECTION_IN /* from the peer towards what we protect */, DIRECTION_OUT };

/* A login that failed; or, of a session that has logged in, how many had failed by then. */
struct subject_login {
	const char *failure; /* the server's word, "not-authorized"; NULL: nothing failed now */
	const char *account; /* bare JID it was for, NULL: not known */
	uint64_t of_peer, of_account; /* failures in the window, this one included */
};

struct subject;
/* Who else is there at the moment. An IPv6 /64 is one address. */
struct subject_company {
	uint64_t account_sessions; /* of the subject's account, itself included; 0: no account is known */
	uint64_t peer_sessions, peer_accounts; /* from the peer's address; accounts that are logged in */
};

/* How a remote server proved that it is the domain it speaks for (docs/FEDERATION.md); a later one is worth more. */
enum remote_verified {
	REMOTE_VERIFIED_NONE,
	REMOTE_VERIFIED_DIALBACK,
	REMOTE_VERIFIED_PKIX,
	REMOTE_VERIFIED_DANE,
	REMOTE_VERIFIED_PIN,
	REMOTE_VERIFIED_KINDS
};

/* "none", "dialback" and so on; and back, false if it is none of them. */
const char *remote_verified_text(enum remote_verified how);
bool remote_verified_find(const char *word, enum remote_verified *out);

/* What the door knows about the session; strings are borrowed for the call, "" or NULL when unknown. */
struct subject {
	const struct stanza *stanza;
	const char *service;
	enum service_role role;
	enum direction direction;
	struct peer_address peer; /* the far side's address (client), in both directions */
	uint16_t peer_port;
	const char *tls_version, *tls_cipher, *tls_sni, *tls_alpn;
	bool tls_verified;
	const char *sasl_mechanism;
	const char *session_jid; /* full JID once bound */
	const char *session_domain; /* the stream's "to" */
	bool session_anonymous;
	bool session_authenticated;
	uint64_t session_age_ms;
	const char *remote_domain; /* of servers: the remote one's of this stanza, prepared; NULL: not known */
	enum remote_verified remote_verified; /* ... as that domain */
	uint64_t remote_first_seen_ms; /* since 1970: when it was verified for the first time ever; 0: never */
	const char *session_announced; /* serverless: "here" or "elsewhere" */
	uint64_t session_stanzas; /* judged before this one, this direction */
	const char *session_account; /* bare JID that a login succeeded for, while session_jid is not known */
	bool session_listed;         /* company counts it among its account's already */
	unsigned session_logins;     /* logins begun on the stream; 0: none, or nobody counts */
	void (*company)(const struct subject *s, struct subject_company *out); /* NULL: nobody knows */
	bool resent; /* it was judged before and got lost (XEP-0198): limits and similar do not count it again */
	const struct subject_login *login; /* NULL: nobody counts. With a failure there is no stanza,
					      and only chains that hook "login" judge */
};

/* ---- the verdict ---- */

enum verdict_kind {
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_REJECT,
	VERDICT_CLOSE,
	VERDICT_REDIRECT, /* goes on, to another address */
	VERDICT_QUARANTINE, /* kept; text, if any, is what the sender hears */
	VERDICT_KINDS
};

enum { VERDICT_FIELDS_MAX = 8, VERDICT_MATCHES_MAX = 8, VERDICT_MARKS_MAX = 8, VERDICT_DRY_MAX = 16, VERDICT_STRIPS_MAX = 16,
	VERDICT_ID_SIZE = 20 };

struct verdict_match {
	const char *field; /* "text" */
	const char *entry; /* the list entry or pattern that matched */
	const char *set;   /* the set's name, or "" */
	const char *text;  /* the matched span as it stood in the original, before folding, cut at 128 bytes */
	size_t start, end; /* bytes in the field's text */
	const char *before, *after; /* what stands around it in the text, where a rule says "log body"; else NULL */
};

/* What the rule that decided (or those that gave orders) looked at; only in a verdict that is notable. */
struct verdict_field {
	const char *field;
	const char *value; /* several as "a, b"; NULL for what people wrote, unless a rule says "log body" */
	size_t bytes;      /* of it */
};

/* To be replaced before the stanza goes on: bytes inside one text or attribute value of its tree. */
struct verdict_mask {
	struct span text;
	const char *with;
};

struct verdict {
	enum verdict_kind kind;
	enum stanza_error condition;  /* REJECT */
	enum stream_error stream_error; /* CLOSE */
	const char *text;  /* for the peer, NULL if none */
	const char *rule;  /* name of the deciding rule, "" when the chain's policy decided */
	const char *chain; /* "" when no chain hooks this subject (then ACCEPT) */
	bool log, log_body, count;
	bool dry; /* of a dry rule: what it would have done; tell of it and do nothing */
	const struct verdict *would; /* of the verdict that counts: those of dry rules that held, in order, NULL: none */
	const struct verdict *next;  /* of a dry one: the next of them */
	unsigned strikes;
	uint64_t ban_ms; /* 0: none */
	uint64_t tarpit_ms; /* what the client says next waits so long; 0: not at all */
	const char *redirect; /* REDIRECT: the JID */
	const char *report, *report_text; /* "spam" or "abuse", and a text or NULL; NULL: no report */
	unsigned n_marks, n_matches, n_fields, n_strips; /* of the arrays below */
	/* What has to change in the stanza if it goes on. */
	struct verdict_mask *masks; /* in no order; they may overlap */
	size_t n_masks;
	char id[VERDICT_ID_SIZE]; /* unique, short, NUL-terminated: "k7f3-9q2m-04" ; set for every verdict */
	/* Behind their numbers nothing is set: a judgement does not clear them. */
	const char *marks[VERDICT_MARKS_MAX];
	struct verdict_match matches[VERDICT_MATCHES_MAX];
	struct verdict_field fields[VERDICT_FIELDS_MAX];
	const char *strips[VERDICT_STRIPS_MAX]; /* "{ns}name" of elements that are there */
};

/* "accept" ... */
const char *verdict_kind_text(enum verdict_kind kind);
/* Is it worth an event: anything but a plain accept without log, strike, ban or mark. */
bool verdict_is_notable(const struct verdict *v);
/* Is e, somewhere below root, to be stripped? */
bool verdict_strips(
	const struct verdict *v, const struct xml_element *e, const struct xml_element *root);

/* ---- loading ---- */

/* Parses, checks, compiles and runs the expectations. previous (may be NULL): limit tables of equal name and key are
 * carried over. metrics (may be NULL) gets "rule.CHAIN/RULE.hits". 0 with *out (one reference), else ERR_SYNTAX with
 * diagnostics, or a system code. Thread-safe against judging on other policies. */
int policy_load(struct source_set *sources, const char *path, struct policy *previous,
	struct metrics *metrics, struct diag_list *diags, struct policy **out);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);
/* Canonical text of a file and what it includes (xmppwallctl print). */
int policy_print(struct source_set *sources, const char *path, struct diag_list *diags, struct buf *out);

/* ---- looking ---- */

const struct service *policy_services(const struct policy *p, size_t *n);
const struct daemon_options *policy_daemon(const struct policy *p);
const struct punish *policy_punish(const struct policy *p, size_t *n);
const struct backend *policy_backends(const struct policy *p, size_t *n);
const struct federation_options *policy_federation(const struct policy *p);
/* The remote blocks, in file order. */
const struct remote_policy *policy_remotes(const struct policy *p, size_t *n);
/* The narrowest remote block for that domain (prepared); NULL: none, what federation says counts. */
const struct remote_policy *policy_remote(const struct policy *p, const char *domain);
/* The same, but federation's own instead of NULL. */
const struct remote_policy *policy_remote_or_rest(const struct policy *p, const char *domain);
/* Rules in file order, for "rules": name, chain, canonical text of the rule, hits. Strings are the policy's. */
struct rule_info {
	const char *chain, *name, *text;
	metric *hits;
};
size_t policy_rules(const struct policy *p, const struct rule_info **out);
/* Everything that is written in the policy, in file order: "service" "c2s", "set" "words", "chain"
 * "inbound" (without its rules), "rule" "inbound/spam" and so on. Strings are the policy's. */
struct item_info {
	const char *kind, *name, *text; /* text may be cut */
	uint64_t digest;                /* of the whole text */
};
size_t policy_items(const struct policy *p, const struct item_info **out);
struct set_info {
	const char *name, *type, *path; /* path "" when the set has no file */
	size_t entries;
	bool fold, nocase, suffix, substring;
	bool map; /* entries may have marks */
	const char *of, *salt; /* of hashes: what they were made of, what stood before it; else "" */
};
size_t policy_sets(const struct policy *p, const struct set_info **out);
/* Limits in file order, for "limits". Strings are the policy's. */
struct limit_info {
	const char *name, *key; /* key "" when one bucket serves all */
	const char *count, *distinct; /* "stanzas" or the field; "" or the field */
	bool bytes;                   /* it counts bytes: rates are sizes */
	struct limit_rate rate; /* as configured */
	size_t entries;         /* keys remembered at most */
	metric *exceeded, *evicted;
};
size_t policy_limits(const struct policy *p, const struct limit_info **out);
/* A rate of that limit, as limit_rate_format does, or exactly where that matters. */
void limit_info_format(const struct limit_info *info, const struct limit_rate *rate, char *text, size_t size);
/* What XEP-0205 wants to stand behind the condition of a rejection, so that its sender knows what there was too much of:
 * "stanza-too-big", "resource-limit-exceeded" or "too-many-stanzas" (XEP-0182). NULL: it was something else. */
const char *policy_reject_detail(const struct policy *p, const struct verdict *v);
/* The rate judged by from now on, also by the policies loaded with this one as previous; NULL: as configured. 0 or
 * ERR_NOTFOUND. */
int policy_limit_set(struct policy *p, const char *name, const struct limit_rate *rate);
/* What the index-th limit saw: see sketch_take. */
void policy_limit_observed(
	struct policy *p, size_t index, struct sketch_counts *ended, struct sketch_counts *running);
/* Address sets as prefixes, for the kernel: visits until false. ERR_NOTFOUND if there is no such address set. */
int policy_addresses(const struct policy *p, const char *set,
	bool (*visit)(void *arg, const struct peer_address *a, unsigned prefix_len), void *arg);
/* Does such a set (NULL: none) share an address with this prefix? False without one. */
bool policy_addresses_overlap(const struct policy *p, const char *set,
	const struct peer_address *a, unsigned prefix_len);
/* Does the set of JIDs or domains hold this bare JID or domain (prepared)? Of a JID its domain counts,
 * too. False if there is no such set. */
bool policy_names_have(const struct policy *p, const char *set, const char *name);
/* What of it was compiled into memory that other processes can map, too. */
struct part_set;
const struct part_set *policy_parts(const struct policy *p);
/* A one-line digest of all sources ("v3 2f9c…"), the ruleset version that explain shows. */
const char *policy_version(const struct policy *p);
/* How many expectations were run (all held, or the policy would not have loaded). */
unsigned policy_expectations(const struct policy *p);

/* ---- live lists ---- */

/* Would this entry be accepted by that set? 0, ERR_NOTFOUND (no such set), ERR_SYNTAX (*why says why, static). */
int policy_list_check(const struct policy *p, const char *set, struct span entry, const char **why);
/* Adds or removes entries at once: judged against by every thread from the moment this returns. Shared by all holders
 * of the policy. Small deltas are quick (a few ms on 100,000 entries); the base is rebuilt in the background by
 * policy_list_settle. 0, ERR_NOTFOUND, ERR_SYNTAX. */
int policy_list_edit(struct policy *p, const char *set, const struct span *add, size_t n_add,
	const struct span *del, size_t n_del);
/* Folds large deltas into the base; call now and then off the hot path. */
int policy_list_settle(struct policy *p);

/* ---- judging ---- */

/* Per-thread scratch; grows to fit any policy. NULL when out of memory. */
struct judge *judge_new(void);
void judge_free(struct judge *j);
/* Fills *out; strings in it live until the next judge_stanza on j or the end of the stanza's arena. Counting (limits) happens
 * once per stanza per limit. 0 or -ENOMEM (the door fails closed then). */
int judge_stanza(struct judge *j, struct policy *p, const struct subject *s, struct verdict *out);
/* From now on seen hears, for each stanza that the limit of that name counts, by which key (as text; an IPv6 address as
 * its /64; "" where one bucket serves all) and as how many. Both are borrowed; NULL ends it. */
void judge_watch_limit(struct judge *j, const char *name, void (*seen)(void *arg, struct span key, uint64_t events),
	void *arg);
/* The verdict as the stable JSON object of design.md, one line without newline ("judge --json"). */
int verdict_format_json(const struct verdict *v, struct buf *out);

/* ---- addresses ---- */

struct sockaddr;
int address_parse(struct span text, struct peer_address *out); /* 0 or ERR_SYNTAX */
/* "192.0.2.1/24": prefix_len in IPv6 bits (v4 + 96). */
int address_parse_prefix(struct span text, struct peer_address *out, unsigned *prefix_len);
/* Is a in the network? */
bool address_in(
	const struct peer_address *net, unsigned prefix_len, const struct peer_address *a);
void address_format(const struct peer_address *a, char *text, size_t size); /* size >= INET6_ADDRSTRLEN */
bool address_is_v4(const struct peer_address *a);
void address_from_sockaddr(const struct sockaddr *sa, struct peer_address *out, uint16_t *port);
