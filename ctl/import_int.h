/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the importer share: the script as it was read, and the names given to what it
 * defines. */
#pragma once

#include "base/map.h"
#include "ctl/import_firewall.h"

enum { IMPORT_THINGS_MAX = 4096, IMPORT_TEXT_MAX = 64 << 20 };

enum fw_where { FW_PREROUTE = 1, FW_DELIVER = 2, FW_REMOTE = 4 };

/* One line (with its continuations), trimmed. */
struct fw_line {
	struct fw_line *next;
	unsigned number, column;
	const char *text;
	bool action;
	bool bad; /* was no text; text shows '?' instead */
};

struct fw_comment {
	struct fw_comment *next;
	const char *text; /* behind the '#' */
};

struct fw_rule {
	struct fw_rule *next;
	struct fw_comment *comments;
	struct fw_line *lines, *last;
};

struct fw_chain {
	struct fw_chain *next;
	const char *name; /* deliver, user/spam */
	const char *out;  /* what we call it */
	unsigned line;    /* 0: only jumped to */
	struct fw_comment *comments;
	struct fw_rule *rules, *last;
	unsigned where; /* bits of fw_where: from which hooks it is reached */
	bool hooked;
	const char *text; /* what became of it */
	enum {
		TAINT_UNKNOWN,
		TAINT_ASKED,
		TAINT_NO,
		TAINT_YES
	} taint; /* lost a rule that lets stanzas pass */
};

enum { FW_SET_TYPES = 4 };

struct fw_definition {
	struct fw_definition *next;
	const char *what, *name, *value;
	struct fw_line *line;
	struct fw_comment *comments;
	const char *sets[FW_SET_TYPES]; /* LIST, ZONE: names of the sets made of it, by type */
};

/* A limit: one a chain, rate and key, as the script counts. */
struct fw_limit {
	struct fw_limit *next;
	const struct fw_definition *rate;
	const struct fw_chain *chain;
	const char *key, *name;
};

struct import {
	struct import_result *result;
	struct arena *arena; /* of the result */
	const struct import_options *options;
	struct source_set *sources;
	const struct source_file *script;
	struct fw_chain *chains, *last_chain;
	struct map chain_map; /* name -> chain */
	struct fw_definition *definitions, *last_definition;
	struct map definition_map;   /* "RATE normal" -> definition */
	struct fw_definition *local; /* zone $local */
	struct map set_names, chain_names, limit_names, feed_names;
	struct fw_limit *limits, *last_limit;
	struct import_note *last_note;
	unsigned things;              /* chains, definitions and limits: bounded */
	const struct fw_chain *chain; /* being translated */
	const struct fw_line *line;
	bool warned_remote, warned_time;
	int error; /* sticky: -ENOMEM, ERR_LIMIT */
};

/* ---- import_firewall.c ---- */

/* Says something of a line. left: it is not turned; else it is, with a difference. */
void import_left(struct import *im, const struct fw_line *line, const char *hint,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void import_differs(struct import *im, const struct fw_line *line, const char *hint,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* In the arena; "" and a sticky error when out of memory. */
const char *import_format(struct import *im, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *import_copy(struct import *im, const char *text, size_t len);
/* "text" as our language writes it. */
const char *import_quote(struct import *im, const char *text);
/* A name like wanted that names does not hold yet; entered. */
const char *import_name(struct import *im, struct map *names, const char *wanted);
struct fw_definition *import_definition(struct import *im, const char *what, const char *name);
struct fw_chain *import_chain(struct import *im, const char *name);

/* ---- import_script.c ---- */

/* Reads the script into chains and definitions. */
void import_read(struct import *im);
/* What an action line does: "JUMP_CHAIN" into name (of size), and what stands behind '='; "" if
 * nothing. */
const char *import_action(const struct fw_line *line, char *name, size_t size);

/* ---- import_pattern.c ---- */

/* A Lua pattern as a regular expression "/.../s", with the text around it; NULL when it has no
 * equal, *why says. */
const char *import_pattern(struct import *im, const char *lua, const char *before,
	const char *behind, const char **why);
/* The same for <glob*?> and <<pattern>> of addresses, anchored. */
const char *import_glob(struct import *im, const char *glob, const char **why);
bool import_pattern_is_empty(struct import *im, const char *regex);
/* One class with '+', such as %w+: what SCAN cuts into words with. */
bool import_pattern_is_word(const char *lua);

/* ---- import_field.c ---- */

/* Address parts of an expression $<@from|bare>; NULL if it is none of them. */
const char *import_expression_field(struct import *im, const char *expression, size_t len);
/* The test "FIELD OP" subject of a stanza path such as {ns}x/y@z or body#; NULL (and the line left)
 * if there is none. loose: copies in forwarded stanzas may be looked at, too. *text: does it give
 * text, or is it an element. */
const char *import_path(struct import *im, const char *path, size_t len, bool loose, bool *text);

/* ---- import_condition.c ---- */

/* A condition in our words, in parentheses where needed; NULL when it was left. */
const char *import_condition(struct import *im, const struct fw_line *line);

/* ---- import_list.c ---- */

enum fw_set_type { FW_SET_JID, FW_SET_DOMAIN, FW_SET_KEYWORD };
/* The name of the set made of a list or zone for entries of that type; NULL when it cannot be. */
const char *import_set(struct import *im, struct fw_definition *d, enum fw_set_type type);
const char *import_limit(struct import *im, const struct fw_definition *rate, const char *key);
/* Writes sets and limits that were asked for. */
void import_write_definitions(struct import *im, struct buf *out);

/* ---- import_rule.c ---- */

/* Fills the chain's text; chains it leads to come first. */
void import_turn_chain(struct import *im, struct fw_chain *chain);
