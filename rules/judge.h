/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a judge: one judgement's memory, shared by match.c (chains, rules, tests) and
 * scan.c (patterns). */
#pragma once

#include "base/clock.h"
#include "rules/match.h"
#include "rules/trace.h"
#include "rules/verdict.h"
#include "rules/view.h"
#include "xmpp/text.h"

/* One value of a scanner's field, in its view. */
struct scan_value {
	struct scan_value *next;
	enum pattern_view view;
	struct span raw;
	struct folded folded; /* source NULL: the view is the raw text */
};

/* A regular expression that may match. */
struct candidate {
	struct candidate *next;
	const struct pattern_item *item;
	const struct scan_value *value;
};

struct hit {
	const struct pattern_item *item; /* NULL: none (yet) */
	const struct scan_value *value;
	size_t start, end; /* in the view */
	bool limited;      /* the expression ran into its limits */
	struct candidate *candidates, **last;
};

enum { LOOKED_MAX = 16 };

/* A test that held, to be shown should its rule decide. */
struct pending_match {
	const char *field, *entry, *set;
	struct span text, whole; /* whole: what it was found in, if it was searched for */
	size_t start, end;
};

/* What a scanner found in one of its fields. */
enum scan_done { SCAN_NOT_YET, SCAN_NOTHING, SCAN_SOMETHING };
struct scan_run {
	enum scan_done done;
	struct span text; /* what was read, of a field with one value */
	struct hit *hits; /* by group; if there is something */
};

/* What a similar block said of this stanza. */
struct similar_seen {
	bool asked, exceeded;
	struct similar_count count;
};

struct judge {
	struct arena arena;
	struct pattern_scratch *scratch;
	struct jid_cache *addresses;
	struct verdict_ids ids;
	struct hit *hits;      /* from scanner->first_hit on: by field, by group */
	struct scan_run *runs; /* from scanner->first_run on: by field */
	unsigned char *limits; /* by limit: LIMIT_UNKNOWN ... */
	struct similar_seen *similars; /* by similar block */
	unsigned cap_hits, cap_runs, cap_limits, cap_similars;

	/* of the judgement going on */
	struct program *program;
	struct scan_value *values; /* what was scanned so far, the first of them */
	unsigned n_values;
	const struct trial *trial;
	struct subject_view view;
	struct verdict *verdict;
	uint64_t mono_ns; /* judge_now_ns; 0: nobody asked yet */
	int error;
	unsigned silent; /* inside how many "not" */
	struct trace *trace; /* who follows; NULL: nobody */
	const char *watched; /* limit whose keys are told; NULL: none */
	void (*watch)(void *arg, struct span key, uint64_t events);
	void *watch_arg;
	const struct node *looked[LOOKED_MAX]; /* tests made for the rule being tried */
	const struct node *told[LOOKED_MAX];   /* those that the verdict is explained with */
	unsigned n_looked, n_told;
	struct pending_match pending[VERDICT_MATCHES_MAX];
	unsigned n_pending;
	const struct list *found; /* the last set or map that was looked up with success, ... */
	const char *found_mark;   /* ... and the mark of what was found; NULL: none */
	const struct verdict **last_would; /* where the next of the dry rules goes */
	unsigned n_would;
};

/* When this judgement first asked; most never do. */
static inline uint64_t judge_now_ns(struct judge *j)
{
	if (!j->mono_ns)
		j->mono_ns = clock_mono_ns();
	return j->mono_ns;
}

/* What the test's scanner found for it, scanning first if nobody did; NULL when there is nothing or
 * on j->error. */
const struct hit *judge_scan(struct judge *j, const struct scan_ref *ref);
/* Every match of the group in a text, as bytes of the text itself; what an expression could not finish
 * is the whole of it. Ranges may overlap. */
void judge_scan_each(struct judge *j, const struct scan_ref *ref, struct span text,
	void (*visit)(void *arg, size_t start, size_t end), void *arg);
/* Is there anything at all for the scanner in that field? False on j->error. */
bool judge_scan_any(struct judge *j, const struct scan_ref *ref);
/* After that was true: has the group a hit, or an expression that may be one? */
bool judge_scan_maybe(const struct judge *j, const struct scan_ref *ref);
/* A text folded, once however often a judgement asks for it. NULL on j->error. */
const struct folded *judge_fold(struct judge *j, struct span text);
/* The text of a hit as it stood before folding, and where. */
struct span hit_text(const struct hit *hit, size_t *start, size_t *end);
