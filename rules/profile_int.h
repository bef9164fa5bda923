/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of profiles: what profile_parse.c makes, profile_print.c writes back and
 * profile_compile.c turns into struct strict. Plain data in an arena. */
#pragma once

#include "rules/parse_int.h"
#include "rules/profile.h"
#include "rules/strict_int.h"

enum { PROFILE_NS_MAX = 1000 };

enum profile_policy { POLICY_UNSAID, POLICY_REMOVE, POLICY_REFUSE };

struct profile_name {
	struct profile_name *next;
	const char *text;
	struct loc at;
	bool quoted;                /* a string */
	struct profile_item *group; /* of USE: found by compile */
};

struct profile_type {
	enum strict_type_kind kind;
	struct loc at;
	bool bare, has_max;
	uint64_t max;
	int64_t low, high;
	struct profile_name *words;
};

enum profile_decl_kind {
	DECL_ATTRIBUTE, /* names ns type required otherwise */
	DECL_ELEMENT,   /* names ns required max otherwise body */
	DECL_TEXT,      /* type required otherwise */
	DECL_USE,       /* names */
	DECL_UNKNOWN,   /* otherwise */
	DECL_CHILDREN,  /* low high */
	DECL_ORDERED,
};

struct profile_decl {
	struct profile_decl *next;
	enum profile_decl_kind kind;
	struct loc at;
	struct profile_name *names;
	const char *ns; /* NULL: none was given */
	struct profile_type *type;
	bool required, has_max, has_body;
	unsigned max, low, high;
	enum profile_policy otherwise;
	struct profile_decl *body;
	bool told; /* a mistake of it was reported */
};

enum profile_item_kind {
	PROFILE_INCLUDE, /* name: the pattern */
	PROFILE_BLOCK,   /* name, items */
	PROFILE_GROUP,   /* name, body */
	PROFILE_STANZA,  /* kinds, words: the types, body */
	PROFILE_LIMITS,  /* limits */
	PROFILE_UNKNOWN, /* policy */
};

enum profile_limit { LIMIT_SIZE, LIMIT_DEPTH, LIMIT_ELEMENTS, PROFILE_LIMIT_KINDS };

struct profile_item {
	struct profile_item *next;
	enum profile_item_kind kind;
	struct loc at, name_at;
	const char *name; /* STANZA: "message" ... */
	unsigned kinds;   /* bits by enum stanza_kind */
	struct profile_name *words;
	struct profile_decl *body;
	struct profile_item *items;
	enum profile_policy policy;
	uint64_t limits[PROFILE_LIMIT_KINDS]; /* 0: not given */
	struct loc limits_at[PROFILE_LIMIT_KINDS];
	unsigned used; /* of a group: the model it was put into last */
};

struct profile_tree {
	struct ast *ast; /* its arena is the tree's */
	struct profile_item *items,
		**tail; /* in the order read; those of included files behind the include */
};

extern const char *const profile_type_words[TYPE_KINDS];
extern const char *const profile_limit_words[PROFILE_LIMIT_KINDS];

/* profile_parse.c: the tree, also when there were mistakes; profile_free frees it. Codes as
 * profile_load. */
int profile_parse(struct source_set *sources, const struct profile_file *files, size_t n,
	struct diag_list *diags, struct profile_tree *out);
void profile_free(struct profile_tree *tree);
/* profile_names.c: groups are found; *blocks: "chat, presence", in the arena. 0 or -ENOMEM;
 * mistakes go to diags. */
int profile_names(const struct profile_tree *tree, struct diag_list *diags, struct arena *arena,
	const char **blocks);
/* profile_compile.c */
int profile_compile(const struct profile_tree *tree, struct diag_list *diags, struct strict **out);
