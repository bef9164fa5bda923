/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets: what rules name with @. Entries come from the policy, from list files and from live edits;
 * all are prepared once (folded, JID-prepared, compiled) so that looking up costs one hash or one
 * tree walk. Not locked here: the policy's lock covers all sets (see live.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/map.h"
#include "base/metrics.h"
#include "base/span.h"
#include "rules/address.h"
#include "rules/pattern.h"
#include "rules/source.h"

struct arena;
struct diag_list;
struct feed_info;
struct loc;
struct pack;
struct pack_build;

enum list_type {
	LIST_KEYWORD,
	LIST_REGEX,
	LIST_DOMAIN,
	LIST_JID,
	LIST_ADDRESS,
	LIST_NAMESPACE,
	LIST_HASH, LIST_COUNTRY,
	LIST_URL /* only as what hashes are of */
};
enum {
	LIST_ENTRY_MAX = 1024,      /* bytes of one entry */
	LIST_PACK_BYTES = 128 << 10 /* of its sources, from which on a set becomes a pack */
};

/* Who wants an entry, beside feeds: the policy's text; the set's file or a live edit. */
enum { LIST_FROM_POLICY = 1, LIST_FROM_FILE = 2 };

/* One of the networks an address entry is made of; several entries may share one (a range and a
 * network within). */
struct list_place {
	struct prefix prefix;
	struct list_entry *entry;
	struct list_place *next; /* of another entry at the same prefix */
};

struct list_entry {
	char *text; /* as written */
	char *mark; /* of a map's entry; NULL: none */
	char *key;  /* prepared: what is compared or searched for; addresses: first and last */
	size_t key_len;
	struct regex *re;        /* LIST_REGEX */
	int64_t expires_ms;      /* wall clock; 0: never */
	uint64_t added, removed; /* the set's edit counter then; removed 0: still in */
	uint32_t feeds; /* bit i: the set's feed i names it, and feeds keep it in */
	uint32_t from;  /* LIST_FROM_...; why it is in */
	uint64_t hits;  /* tests that it decided; atomic */
	size_t n_places;
	struct list_place places[]; /* LIST_ADDRESS */
};

/* An entry by value, wherever the set keeps it. Strings live until the set is edited. */
struct list_item {
	const char *text, *mark, *key; /* mark NULL: none */
	size_t key_len;
	int64_t expires_ms;
	uint32_t feeds, from;
	const struct list_entry *entry; /* NULL: in the pack, ... */
	uint32_t at;                    /* ... at that place */
};

/* An entry on its way into a set. text as written; mark: where it begins in there, NULL: none. */
struct list_prepared {
	struct span text;
	const char *mark, *key;
	size_t key_len;
};

/* A large set is a pack, shared by all processes, that nothing changes; edits stand beside it: what
 * they added as entries, what they took out or replaced as bits. */
struct list {
	char *name, *path; /* path "" without a file */
	enum list_type type,
		of; /* of: what a LIST_HASH was made of: LIST_JID, LIST_DOMAIN, LIST_URL */
	char *salt; /* of LIST_HASH; "" */
	bool fold, nocase, substring, suffix;
	bool map; /* entries may be written "ENTRY : MARK" */
	metric *hits;
	struct map by_key;       /* key -> struct list_entry *, those still in */
	struct prefix_tree tree; /* LIST_ADDRESS: prefix -> first struct list_place there */
	struct list_entry *
		*entries; /* in the order of being added, removed ones too until list_sweep */
	size_t n_entries, cap_entries, n_live; /* n_live: those of the pack, too */
	struct pack *pack;                     /* NULL: none */
	uint8_t *pack_gone;                    /* bit by place */
	uint64_t *pack_hits;                   /* by place; memory only where one was counted */
	size_t n_pack_gone;
	struct pack_build *building; /* while it is filled, if it is going to be a pack; else NULL */
	uint64_t edits; /* grows with every change */
	struct list *except; /* what no feed can put in; NULL: nothing */
	struct feed_info *feeds; /* in the program's arena */
	unsigned n_feeds, votes;
};

/* "keyword" ...; -1 if unknown. */
int list_type_find(const char *name);
const char *list_type_text(enum list_type type);

struct list *list_new(const char *name, enum list_type type);
/* An empty one with the same type and flags. NULL when out of memory. */
struct list *list_like(const struct list *l);
void list_free(struct list *l);
/* In which view its keywords are searched for. */
enum pattern_view list_view(const struct list *l);

/* Can large ones of that type be packed? */
bool list_type_packs(enum list_type type);
/* All that makes one prepared entry mean something else than another; pack_head.shape. */
uint32_t list_shape(const struct list *l);

/* Prepares an entry of that set; it belongs to nobody yet. 0, -ENOMEM, ERR_SYNTAX with *why
 * (static). */
int list_entry_new(const struct list *l, struct span text, int64_t expires_ms,
	struct list_entry **out, const char **why);
void list_entry_free(struct list_entry *e);
/* The same in the arena, of sets whose type packs. */
int list_prepare(const struct list *l, struct arena *a, struct span text, struct list_prepared *out,
	const char **why);
/* What a plain value (a JID, a domain) would be in a set of hashes: 64 digits in the arena. 0,
 * -ENOMEM, ERR_SYNTAX with *why (static). */
int list_hash_plain(const struct list *l, struct arena *a, struct span plain, const char **hex,
	const char **why);
/* Puts it in (takes e); one with the same key is replaced. 0, or -ENOMEM (then e is not taken). */
int list_put(struct list *l, struct list_entry *e);
/* Prepares and puts, while the set is filled; the arena is reset. As list_entry_new. */
int list_fill(struct list *l, struct arena *a, struct span text, int64_t expires_ms, uint32_t from,
	const char **why);
/* What is filled in next is from so many bytes: many become a pack, if the type packs. list_fill_end
 * makes it, under the key of all it was made of (NULL: nobody will ask for it). 0 or a negative
 * code. */
int list_fill_begin(struct list *l, size_t bytes);
int list_fill_end(struct list *l, const uint8_t key[]);
/* Takes the pack (empty sets only). 0, -ENOMEM. */
int list_take_pack(struct list *l, struct pack *pack);
/* If an entry with the key (and mark) of e is in, gives it e's expiry and says true; e stays the caller's. */
bool list_renew(struct list *l, const struct list_entry *e);
/* An edit takes it out; one that a feed names, too, stays. */
void list_drop(struct list *l, const struct list_entry *e);
/* Takes out the entry with the key of e (e only names it). It stays in memory until list_sweep.
 * False if there is none. */
bool list_remove(struct list *l, const struct list_entry *e);
/* Takes out what has ended; whether there is anything. */
bool list_has_ended(const struct list *l, int64_t now_ms);
void list_expire(struct list *l, int64_t now_ms);
/* How many removed entries still have memory. */
size_t list_removed(const struct list *l);
/* Frees what was removed at or before the edit counter upto. */
void list_sweep(struct list *l, uint64_t upto);

bool list_marks_equal(const char *a, const char *b);
bool list_entry_is_live(const struct list_entry *e, int64_t now_ms);
/* Was what is at that place of the pack taken out or replaced? */
bool list_packed_is_gone(const struct list *l, uint32_t at);
bool list_packed_is_live(const struct list *l, uint32_t at, int64_t now_ms);
void list_entry_item(const struct list_entry *e, struct list_item *out);
/* Those in the set (ended ones, too) in the order of being added: *at = 0 at first; false at the
 * end. */
bool list_each(const struct list *l, size_t *at, struct list_item *out);
/* The live entry of exactly that key; false if none. */
bool list_find(const struct list *l, struct span key, int64_t now_ms, struct list_item *out);
/* By type: a prepared domain (and its parents when suffix), a prepared full JID (an entry without
 * resource stands for all of them), an address. What only feeds want and an exception covers is not
 * found. */
bool list_find_domain(const struct list *l, struct span domain, int64_t now_ms, struct list_item *out);
bool list_find_jid(const struct list *l, struct span jid, int64_t now_ms, struct list_item *out);
bool list_find_address(const struct list *l, const struct peer_address *a, int64_t now_ms,
	struct list_item *out);
/* The live entry whose hash is that of salt and text (what the set's "of" says); a domain's
 * parents, too, when suffix. */
bool list_find_hash(const struct list *l, struct span text, int64_t now_ms, struct list_item *out);
/* The first live entry of a value of the tree; NULL if none. */
const struct list_entry *list_place_live(const struct list_place *place, int64_t now_ms);

/* One entry a line, '#' comments, "until TIME" or "expires TIME" behind it. Bad lines become
 * diagnostics, expired ones are left out. 0, ERR_SYNTAX, -ENOMEM. */
int list_load(
	struct list *l, const struct source_file *file, int64_t now_ms, struct diag_list *diags);
/* Splits a line into entry and expiry. False for an empty or comment line. *why (static) is set for
 * a bad time. */
bool list_parse_line(enum list_type type, struct span line, struct span *entry, int64_t *expires_ms,
	const char **why);
