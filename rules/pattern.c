/* SPDX-License-Identifier: BSD-2-Clause */
/* Pattern matching. A scanner of rules/match.c hands in one text and gets back every literal in it
 * and every regular expression that may match; Vectorscan does that in one pass however many there
 * are. Expressions go in as a prefilter (a superset of what they match), and PCRE2 says the last
 * word, under limits on steps, depth, heap and processor time, since peers write the text and may
 * know the expression. It never decides what a match means and never sees a stanza. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <errno.h>
#include <hs/hs.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "rules/pattern_case.h"
#include "rules/pattern_cost.h"
#include "rules/pattern_int.h"
#include "xmpp/text.h"

enum {
	REGEX_DEPTH_LIMIT = 5000,
	REGEX_HEAP_LIMIT_KIB = 4096,
	REGEX_JIT_STACK = 512 * 1024,
	REGEX_STARTS_MAX = 4096,          /* start positions tried between two looks at the clock */
	REGEX_TIME_LIMIT_NS = 15000000,   /* processor time for one expression on one text */
	REGEX_JUDGE_LIMIT_NS = 100000000, /* ... for all of them on one stanza */
	REGEX_FREE_CALLS = 16, /* matches of one stanza before anybody looks at the clock */
	SCRATCH_SERIALS = 256,
};

/* ---- regular expressions ---- */

static int flags_parse(const char *flags, struct regex *re, uint32_t *options)
{
	*options = PCRE2_UTF | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C;
	re->hs_flags = HS_FLAG_UTF8 | HS_FLAG_PREFILTER | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;
	re->view = PATTERN_RAW;
	for (const char *f = flags ? flags : ""; *f; f++) {
		if (*f == 'i') {
			*options |= PCRE2_CASELESS;
			re->hs_flags |= HS_FLAG_CASELESS;
		} else if (*f == 'm') {
			*options |= PCRE2_MULTILINE;
			re->hs_flags |= HS_FLAG_MULTILINE;
		} else if (*f == 's') {
			*options |= PCRE2_DOTALL;
			re->hs_flags |= HS_FLAG_DOTALL;
		} else if (*f == 'x') {
			*options |= PCRE2_EXTENDED;
			re->extended = true;
		} else if (*f == 'u') {
			*options |= PCRE2_UCP;
			re->hs_flags |= HS_FLAG_UCP;
		} else if (*f == 'f') {
			/* Folded text has no capitals: an expression with one would never match. */
			re->view = PATTERN_FOLDED;
			*options |= PCRE2_CASELESS;
			re->hs_flags |= HS_FLAG_CASELESS;
		} else {
			return ERR_SYNTAX;
		}
	}
	return 0;
}

int regex_new(struct span pattern, const char *flags, char *why, size_t why_size, size_t *offset,
	struct regex **out)
{
	struct regex *re = calloc(1, sizeof(*re));
	uint32_t options;
	int code;

	*offset = 0;
	if (!re)
		return -ENOMEM;
	if (flags_parse(flags, re, &options) < 0) {
		snprintf(why, why_size, "unknown flag in '%s' (known: i m s x u f)", flags);
		regex_free(re);
		return ERR_SYNTAX;
	}
	re->len = pattern.len;
	re->pattern = strndup(pattern.len ? pattern.ptr : "", pattern.len);
	if (!re->pattern || asprintf(&re->text, "/%s/%s", re->pattern, flags ? flags : "") < 0) {
		regex_free(re);
		return -ENOMEM;
	}
	re->code = pcre2_compile((PCRE2_SPTR)re->pattern, re->len, options, &code, offset, NULL);
	if (!re->code) {
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, why_size);
		regex_free(re);
		return ERR_SYNTAX;
	}
	re->scannable = pattern_is_cheap(pattern);
	re->caseless = (options & PCRE2_CASELESS) || pattern_has_inline_caseless(re->pattern);
	/* Without JIT (a hardened kernel, memory) the interpreter answers the same under the same
	 * limits. */
	(void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
	*out = re;
	return 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_code_free(re->code);
	free(re->pattern);
	free(re->text);
	free(re);
}

enum pattern_view regex_view(const struct regex *re)
{
	return re->view;
}

bool regex_is_scannable(const struct regex *re)
{
	return re->scannable;
}

const char *regex_text(const struct regex *re)
{
	return re->text;
}

/* ---- scratch ---- */

struct pattern_scratch {
	hs_scratch_t *hs;
	uint64_t fits[SCRATCH_SERIALS]; /* serials the scratch is known to fit: asking costs 1 ms on
					   a big database */
	pcre2_match_context *context;
	pcre2_match_data *data;
	pcre2_jit_stack *stack;
	unsigned calls;    /* of regex_match for this stanza */
	uint64_t began_ns; /* processor time at the first look; 0: none yet */
};

struct pattern_scratch *pattern_scratch_new(void)
{
	struct pattern_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->context = pcre2_match_context_create(NULL);
	s->data = pcre2_match_data_create(1, NULL);
	s->stack = pcre2_jit_stack_create(32 * 1024, REGEX_JIT_STACK, NULL);
	if (!s->context || !s->data || !s->stack) {
		pattern_scratch_free(s);
		return NULL;
	}
	pcre2_set_depth_limit(s->context, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(s->context, REGEX_HEAP_LIMIT_KIB);
	pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

void pattern_scratch_free(struct pattern_scratch *s)
{
	if (!s)
		return;
	hs_free_scratch(s->hs);
	pcre2_match_context_free(s->context);
	pcre2_match_data_free(s->data);
	pcre2_jit_stack_free(s->stack);
	free(s);
}

void pattern_scratch_rest(struct pattern_scratch *s)
{
	s->calls = 0;
	s->began_ns = 0;
}

static int scratch_fit(struct pattern_scratch *s, const struct pattern_code *code)
{
	uint64_t *known = &s->fits[code->serial % SCRATCH_SERIALS];
	hs_error_t e;

	if (*known == code->serial)
		return 0;
	for (unsigned i = 0; i < code->n_hs; i++)
		if ((e = hs_alloc_scratch(code->hs[i], &s->hs)) != HS_SUCCESS)
			return e == HS_NOMEM ? -ENOMEM : ERR_LIBRARY;
	*known = code->serial;
	return 0;
}

/* ---- scanning ---- */

struct scan {
	const struct pattern_db *db;
	struct span text;
	pattern_visit visit;
	void *arg;
};

static int scan_on_match(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
	const struct scan *scan = arg;
	const struct pattern_item *it = &scan->db->items[id];
	size_t end = (size_t)to;

	(void)from;
	(void)flags;
	if (it->re)
		return scan->visit(scan->arg, it, 0, 0) ? 0 : 1;
	if (it->word && !text_is_word(scan->text, end - it->len, end))
		return 0;
	return scan->visit(scan->arg, it, end - it->len, end) ? 0 : 1;
}

int pattern_scan(struct pattern_scratch *s, const struct pattern_db *db, struct span text,
	pattern_visit visit, void *arg)
{
	struct scan scan = { db, text, visit, arg };
	hs_error_t e = HS_SUCCESS;
	bool late;
	int r;

	if (!db)
		return 0;
	if (text.len > UINT32_MAX)
		return ERR_LIBRARY;
	if (db->code->n_hs && (r = scratch_fit(s, db->code)) < 0)
		return r;
	for (unsigned i = 0; i < db->code->n_hs && e == HS_SUCCESS; i++)
		e = hs_scan(db->code->hs[i], text.len ? text.ptr : "", (unsigned)text.len, 0,
			s->hs, scan_on_match, &scan);
	if (e == HS_SCAN_TERMINATED)
		return 0;
	if (e != HS_SUCCESS)
		return ERR_LIBRARY;
	late = db->code->n_caseless > 0 && pattern_has_late_letter(text);
	for (size_t i = 0; (late || db->code->n_unscannable) && i < db->n; i++) {
		const struct pattern_item *it = &db->items[i];

		if ((db->code->unscannable[i] || (late && it->re && it->re->caseless)) &&
			!visit(arg, it, 0, 0))
			break;
	}
	return 0;
}

/* ---- PCRE2's word ---- */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Steps allowed from one start position. A step may itself walk the text once, so longer texts get
 * fewer. */
static uint32_t step_limit(size_t len)
{
	size_t limit = 16000000 / (len + 100);

	return limit < 2000 ? 2000 : limit > 50000 ? 50000 : (uint32_t)limit;
}

/* One expression is bounded below; a stanza of many values before many expressions is bounded here.
 * The clock of a thread's processor time costs a system call, so a few short matches go without. */
static bool budget_is_spent(struct pattern_scratch *s)
{
	uint64_t now;

	if (s->calls++ < REGEX_FREE_CALLS)
		return false;
	now = cpu_ns();
	if (!s->began_ns)
		s->began_ns = now;
	return now - s->began_ns > REGEX_JUDGE_LIMIT_NS;
}

static size_t next_boundary(struct span text, size_t i)
{
	while (i < text.len && ((unsigned char)text.ptr[i] & 0xc0) == 0x80)
		i++;
	return i;
}

/* PCRE2 counts steps anew from each start position, so the starts are tried in growing runs with a
 * look at the clock between them: neither one bad start nor many middling ones can hold the thread.
 */
enum regex_result regex_match_from(struct pattern_scratch *s, const struct regex *re,
	struct span text, size_t from, size_t *start, size_t *end)
{
	const char *bytes = text.len ? text.ptr : "";
	uint64_t began = 0;
	size_t at = from, run = 8;

	if (budget_is_spent(s))
		return REGEX_LIMIT;
	pcre2_set_match_limit(s->context, step_limit(text.len));
	for (;;) {
		int r;

		pcre2_set_offset_limit(s->context, at + run - 1);
		r = pcre2_match(re->code, (PCRE2_SPTR)bytes, text.len, at, PCRE2_NO_UTF_CHECK,
			s->data, s->context);
		if (r >= 0) {
			const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(s->data);
			*start = ov[0] <= ov[1] ? ov[0]
						: ov[1]; /* \K in a lookahead can turn them round */
			*end = ov[1];
			return REGEX_YES;
		}
		if (r == PCRE2_ERROR_NOMEMORY)
			return REGEX_NOMEM;
		if (r != PCRE2_ERROR_NOMATCH)
			return REGEX_LIMIT;
		at = next_boundary(text, at + run);
		if (at > text.len)
			return REGEX_NO;
		if (!began)
			began = cpu_ns();
		else if (cpu_ns() - began > REGEX_TIME_LIMIT_NS)
			return REGEX_LIMIT;
		if (run < REGEX_STARTS_MAX)
			run *= 2;
	}
}
