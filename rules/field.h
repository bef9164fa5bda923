/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything a rule may look at: one table (name, type, getter, doc line). The manual's field list is
 * printed from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct subject_view; /* the subject with what was computed for it so far (rules/view.h) */

enum field_type {
	FIELD_TEXT,    /* free text: contains, matches, is, in (set of keyword, regex) */
	FIELD_WORD,    /* short token, compared exactly: is, in, matches */
	FIELD_DOMAIN,  /* is, in (set of domain; flags suffix) */
	FIELD_JID,     /* is, in (set of jid), prepared before comparing */
	FIELD_ADDRESS, /* in (set of address), is */
	FIELD_NUMBER,  /* < <= > >= is; sizes and durations too (seconds) */
	FIELD_BOOL,
	FIELD_TIME, /* time of day: < <= > >= is, in (spans); number is minutes since midnight */
};

/* One value of a field; fields such as url.host or payload have several. */
struct field_value {
	struct span text;  /* TEXT WORD DOMAIN JID, and ADDRESS in text form */
	uint64_t number;   /* NUMBER BOOL */
	const void *address; /* ADDRESS: const struct peer_address *; of the field url: const struct url * */
	struct jid_memo *memo; /* what is known of the text (rules/jid_cache.h); NULL: nothing */
};

struct field {
	const char *name; /* "url.host" */
	enum field_type type;
	bool many;  /* may have more than one value: a test holds if it holds for any */
	bool param; /* needs a string behind its name: xml "{ns}path@attr" */
	const char *doc; /* one line */
	/* The index-th value; false when there is none. */
	bool (*get)(struct subject_view *v, const char *param, unsigned index, struct field_value *out);
};

extern const struct field field_table[];
extern const size_t field_count;
/* NULL if unknown. Accepts the aliases "message.body" = body and so on (KIND.FIELD: the kind is tested too by check.c). */
const struct field *field_find(const char *name);
const char *field_type_text(enum field_type type);

enum { FIELD_DAY_MINUTES = 1440 };
/* "08:30" is that minute, "08:00-17:30" from the first to before the second (through midnight, if that is
 * less); 24:00 only ends. In minutes since midnight; *last is that behind. False if it is neither. */
bool field_parse_times(const char *text, unsigned *first, unsigned *last);
