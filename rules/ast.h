/* SPDX-License-Identifier: BSD-2-Clause */
/* The syntax tree: what parse.c makes, check.c annotates, print.c writes back and compile.c turns into a
 * program. Plain data in the arena of struct ast. Order in lists is order in the file. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "rules/diag.h"

enum ast_value_kind {
	VALUE_WORD,     /* tproxy, c2s, policy-violation */
	VALUE_STRING,   /* "..." ; text without quotes, escapes resolved */
	VALUE_NUMBER,   /* 5, 0x10 ; number */
	VALUE_DURATION, /* 10m, 250ms ; number in milliseconds */
	VALUE_SIZE,     /* 64k, 10M ; number in bytes */
	VALUE_RATE,     /* 20/second, 5/10m ; number events per duration_ms */
	VALUE_ADDRESS,  /* 192.0.2.0/24, 2001:db8::1, bare or as range start-end */
	VALUE_REGEX,    /* /.../flags ; text is the pattern, flags the letters behind */
	VALUE_LENGTH,   /* /24 ; number, of a prefix */
	VALUE_SET,      /* @name ; text is the name */
	VALUE_LIST,     /* { a, b, c } ; items */
	VALUE_DEFINED,  /* $NAME ; text is the name; define.c puts what it stands for in its place */
};

struct ast_value {
	struct ast_value *next;
	enum ast_value_kind kind;
	struct loc at;
	const char *text; /* as written (WORD, STRING, ADDRESS, REGEX, SET), also for numbers */
	const char *flags; /* REGEX: letters of "imsxuf"; f = match on folded text */
	uint64_t number;
	uint64_t duration_ms;
	struct ast_value *items; /* LIST */
	bool comma; /* in a setting: written with a comma before it */
	const char *mark; /* of an entry of a map: what stands behind the ':' */
	const char *define; /* written as $define; the entries of a list put into a list: the first */
	const char *define_mark; /* $define : MARK */
	bool define_rest;   /* ... and the others, which are not printed */
};

/* "word value value ;" or "word value { ... }" inside service, set, limit, punish, options. "word = value ;" too. */
struct ast_setting {
	struct ast_setting *next;
	struct loc at; /* of the word */
	const char *name;
	struct ast_value *values;
	struct ast_setting *block;
	bool has_block;
	bool assigned; /* written with '=' */
};

enum ast_cond_kind {
	COND_AND, COND_OR, /* left, right */
	COND_NOT,          /* left */
	COND_TEST,         /* field op operand */
	COND_LIMIT,        /* limit NAME exceeded; text = NAME */
	COND_SIMILAR,      /* similar NAME exceeded; text = NAME */
};

enum ast_op {
	OP_TRUE,     /* a boolean field standing alone; or a bare stanza kind: "message" = kind is message */
	OP_EXISTS,   /* field exists */
	OP_IN,       /* field in @set | { list } */
	OP_CONTAINS, /* field contains "text" | @keywords */
	OP_MATCHES,  /* field matches /regex/ | @regexes */
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, /* is / == , is not / != , < <= > >= */
};

struct ast_cond {
	enum ast_cond_kind kind;
	struct loc at;
	struct ast_cond *left, *right;
	const char *text;  /* LIMIT, SIMILAR: name; TEST: field name as written ("message" for the bare kind) */
	const char *param; /* TEST on xml: the path string, else NULL */
	struct loc field_at, op_at;
	enum ast_op op;
	struct ast_value *operand; /* one value, or NULL */
	/* filled by check.c */
	const struct field *field;
	struct ast_item *target; /* the set or limit referred to */
};

enum ast_action_kind {
	ACTION_ACCEPT, ACTION_DROP, ACTION_REJECT, ACTION_CLOSE, ACTION_REDIRECT,
	ACTION_QUARANTINE, /* final */
	ACTION_JUMP, ACTION_GOTO, ACTION_RETURN,                  /* flow */
	ACTION_LOG, ACTION_COUNT, ACTION_MARK, ACTION_STRIKE, ACTION_BAN,
	ACTION_STRIP, ACTION_REPLACE, ACTION_TARPIT, ACTION_REPORT,
};

struct ast_action {
	struct ast_action *next;
	enum ast_action_kind kind;
	struct loc at;
	struct ast_cond *lookup; /* MARK: FIELD in @map; NULL: word is the mark */
	const char *word; /* REJECT, CLOSE: condition; JUMP, GOTO: chain; MARK: name; LOG: "body" or NULL; STRIP: {ns}name; REPORT: reason or NULL */
	struct loc word_at;
	const char *text; /* REJECT, CLOSE, QUARANTINE: text for the peer, or NULL; REPLACE: the mask; REDIRECT: the JID;
	                   * REPORT: for the operator, or NULL */
	uint64_t number;  /* STRIKE: how many (default 1); BAN, TARPIT: milliseconds */
	const char *define; /* its text, number or element is written $define; define.c finds it */
	struct ast_item *target; /* JUMP, GOTO: filled by check.c */
};

struct ast_rule {
	struct ast_rule *next;
	struct loc at;
	const char *name;
	struct loc name_at;
	bool dry;              /* judged, counted and told, not done */
	struct ast_cond *cond; /* NULL: always */
	struct ast_action *actions;
};

enum ast_item_kind { ITEM_SERVICE, ITEM_SET, ITEM_LIMIT, ITEM_SIMILAR, ITEM_CHAIN, ITEM_PUNISH, ITEM_BACKEND, ITEM_REMOTE, ITEM_CLEARANCE, ITEM_EXPECT,
	ITEM_OPTIONS /* daemon, firewall, federation, stream-limits, timeouts: name tells which */,
	ITEM_DEFINE,
	ITEM_INCLUDE /* kept for print; its items follow in the list with their own file in at */ };

struct ast_expect {
	struct loc at;
	const char *from, *to, *service, *direction, *peer, *jid, *moment; /* NULL if not given */
	const char *remote, *verified, *seen; /* remote "DOMAIN" [verified WORD] [seen TIME] */
	uint64_t seen_ms;    /* how long ago it was seen first; 0: it never was */
	struct loc remote_at, verified_at;
	const char *stanza; /* XML text of one or more first-level elements; the verdict of the last one is compared */
	struct loc stanza_at;
	const char *crosses; /* XML of what must go on; NULL: not asked */
	struct loc crosses_at;
	const char *verdict;   /* accept drop reject close */
	const char *condition; /* may be NULL: any */
	const char *by;        /* rule name, or NULL */
	struct loc verdict_at;
};

struct ast_item {
	struct ast_item *next;
	enum ast_item_kind kind;
	struct loc at;
	const char *name; /* SERVICE SET LIMIT SIMILAR CHAIN PUNISH BACKEND REMOTE CLEARANCE OPTIONS; EXPECT: its title; INCLUDE: the pattern */
	struct loc name_at;
	struct ast_setting *settings; /* SERVICE SET LIMIT SIMILAR PUNISH BACKEND REMOTE CLEARANCE OPTIONS, and hook/policy of CHAIN */
	struct ast_rule *rules;       /* CHAIN */
	struct ast_expect *expect;    /* EXPECT */
	struct ast_value *value;      /* DEFINE */
	bool map;                     /* SET: written "map" */
};

struct ast {
	struct arena arena;
	struct ast_item *items, *last;
};
