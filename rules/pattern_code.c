/* SPDX-License-Identifier: BSD-2-Clause */
/* Databases: what rules/pattern.c scans with. In: literals and expressions. Out: Vectorscan's
 * compiled form of those it can express; the others are marked, PCRE2 tries them on every text. A
 * large one is written into a part of memory (rules/part.h) as it stands in memory, which depends
 * on no address, so that all processes map it and the next start finds it in the cache. What it was
 * made of is its name; the library's version, and this machine's processor, are the cache's. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <hs/hs.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "rules/cache.h"
#include "rules/hash.h"
#include "rules/part.h"
#include "rules/pattern_case.h"
#include "rules/pattern_int.h"
#include "rules/source.h"

enum { CODE_VERSION = 1, CODE_PART_MIN = 64 /* patterns; fewer are compiled in no time */ };

const char *pattern_library(void)
{
	static char text[160];
	hs_platform_info_t p = { 0 };

	(void)hs_populate_platform(&p);
	snprintf(text, sizeof(text), "%s tune %u features %llx", hs_version(), p.tune,
		p.cpu_features);
	return text;
}

static void code_unref(struct pattern_code *code)
{
	if (!code || atomic_fetch_sub(&code->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < code->n_hs && !code->part; i++)
		hs_free_database(code->hs[i]);
	if (!code->part)
		free(code->unscannable);
	part_unref(code->part);
	free(code);
}

/* Everything that makes the compiled form what it is. */
static void items_digest(const struct pattern_item *items, size_t n, uint8_t digest[HASH_SIZE])
{
	struct hash_state h;

	hash_begin(&h);
	hash_add_number(&h, CODE_VERSION);
	for (size_t i = 0; i < n; i++) {
		const struct pattern_item *it = &items[i];
		char kind = it->re ? 'r' : it->word ? 'w' : 's';

		hash_add(&h, &kind, 1);
		hash_add_span(
			&h, it->re ? span_of(it->re->text) : (struct span){ it->bytes, it->len });
	}
	hash_end(&h, digest);
}

/* ---- compiling ---- */

/* Vectorscan takes literals beside expressions in one database only as expressions: escape all that
 * could mean something. */
static int literal_write(struct buf *out, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char *p;
	int r;

	if ((r = buf_reserve(out, len * 4 + 1, &p)) < 0)
		return r;
	char *start = p;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = hex[c >> 4];
		*p++ = hex[c & 15];
	}
	*p++ = '\0';
	buf_commit(out, (size_t)(p - start));
	return 0;
}

struct sources {
	struct buf text;
	size_t *offsets;
	const char **patterns;
	unsigned *flags, *ids;
	unsigned n;
};

static void sources_fini(struct sources *s)
{
	buf_fini(&s->text);
	free(s->offsets);
	free(s->patterns);
	free(s->flags);
	free(s->ids);
}

static int sources_add(struct sources *s, const struct pattern_item *it, unsigned id)
{
	int r;

	s->offsets[s->n] = buf_len(&s->text);
	s->ids[s->n] = id;
	if (it->re) {
		s->flags[s->n] = it->re->hs_flags;
		r = buf_putf(&s->text, "%s%s", it->re->extended ? "(?x)" : "", it->re->pattern);
		if (r == 0)
			r = buf_put(&s->text, "", 1);
	} else {
		/* A word may fail at its edges here and stand whole further on: every occurrence
		 * counts. */
		s->flags[s->n] = it->word ? 0 : HS_FLAG_SINGLEMATCH;
		r = literal_write(&s->text, it->bytes, it->len);
	}
	s->n++;
	return r;
}

/* Those of a chunk: literals stand in the first, expressions in the one of their turn. */
static int sources_init(struct sources *s, const struct pattern_code *code,
	const struct pattern_item *items, unsigned chunk, size_t per_chunk)
{
	size_t regexes = 0;
	int r = 0;

	memset(s, 0, sizeof(*s));
	buf_init(&s->text, SIZE_MAX / 4);
	s->offsets = calloc(code->n, sizeof(*s->offsets));
	s->patterns = calloc(code->n, sizeof(*s->patterns));
	s->flags = calloc(code->n, sizeof(*s->flags));
	s->ids = calloc(code->n, sizeof(*s->ids));
	if (!s->offsets || !s->patterns || !s->flags || !s->ids)
		return -ENOMEM;
	for (size_t i = 0; i < code->n && r == 0; i++) {
		if (code->unscannable[i])
			continue;
		if ((items[i].re ? regexes++ / per_chunk : 0) == chunk)
			r = sources_add(s, &items[i], (unsigned)i);
	}
	for (unsigned i = 0; i < s->n; i++)
		s->patterns[i] = buf_ptr(&s->text) + s->offsets[i];
	return r;
}

static void code_set_apart(struct pattern_code *code, size_t i)
{
	code->unscannable[i] = true;
	code->n_unscannable++;
}

/* The expression that Vectorscan names, or, when they were too much together, all of them. False
 * when there was none. */
static bool set_apart_failed(struct pattern_code *code, const struct pattern_item *items,
	const struct sources *s, int failed)
{
	unsigned before = (unsigned)code->n_unscannable;

	for (unsigned i = 0; i < s->n; i++)
		if (items[s->ids[i]].re && (failed < 0 || (unsigned)failed == i))
			code_set_apart(code, s->ids[i]);
	return code->n_unscannable > before;
}

/* One attempt at a chunk; *again when an expression turned out to be beyond Vectorscan and was set
 * apart: then all chunks are others. */
static int chunk_compile(struct pattern_code *code, const struct pattern_item *items,
	unsigned chunk, size_t per_chunk, bool *again)
{
	hs_compile_error_t *error = NULL;
	struct sources s;
	int r;

	if ((r = sources_init(&s, code, items, chunk, per_chunk)) == 0 && s.n > 0) {
		if (hs_compile_multi(s.patterns, s.flags, s.ids, s.n, HS_MODE_BLOCK, NULL,
			    &code->hs[code->n_hs], &error) == HS_SUCCESS) {
			code->n_hs++;
		} else {
			*again = error && set_apart_failed(code, items, &s, error->expression);
			r = *again ? 0 : ERR_LIBRARY;
		}
		hs_free_compile_error(error);
	}
	sources_fini(&s);
	return r;
}

static int code_compile_once(
	struct pattern_code *code, const struct pattern_item *items, bool *again)
{
	size_t regexes = 0, per_chunk = CODE_CHUNK_REGEXES;
	int r = 0;

	for (size_t i = 0; i < code->n; i++)
		regexes += items[i].re && !code->unscannable[i];
	if (regexes > per_chunk * CODE_CHUNKS_MAX)
		per_chunk = (regexes + CODE_CHUNKS_MAX - 1) / CODE_CHUNKS_MAX;
	*again = false;
	for (unsigned chunk = 0; r == 0 && !*again && chunk * per_chunk < (regexes ? regexes : 1);
		chunk++)
		r = chunk_compile(code, items, chunk, per_chunk, again);
	while (*again && code->n_hs > 0)
		hs_free_database(code->hs[--code->n_hs]);
	return r;
}

static struct pattern_code *code_alloc(size_t n, const uint8_t digest[HASH_SIZE])
{
	static _Atomic uint64_t serials;
	struct pattern_code *code = calloc(1, sizeof(*code));

	if (!code)
		return NULL;
	atomic_init(&code->refs, 1);
	code->serial = atomic_fetch_add(&serials, 1) + 1;
	memcpy(code->digest, digest, HASH_SIZE);
	code->n = n;
	return code;
}

static int code_compile(const struct pattern_item *items, size_t n, const uint8_t digest[HASH_SIZE],
	struct pattern_code **out)
{
	struct pattern_code *code = code_alloc(n, digest);
	bool again = true;
	int r = 0;

	if (!code || !(code->unscannable = calloc(n, 1))) {
		free(code);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct regex *re = items[i].re;

		code->n_caseless += re && re->caseless;
		if (re && (!re->scannable ||
				  (re->caseless && pattern_names_late_letter(re->pattern))))
			code_set_apart(code, i);
	}
	while (again && r == 0)
		r = code_compile_once(code, items, &again);
	if (r < 0) {
		code_unref(code);
		return r;
	}
	*out = code;
	return 0;
}

/* ---- as a part ---- */

struct code_head {
	uint64_t n, n_unscannable, n_caseless, n_hs;
	struct {
		uint64_t at, size; /* bytes from the beginning; at is a multiple of PART_ALIGN */
	} hs[CODE_CHUNKS_MAX];
};

static size_t aligned(size_t size)
{
	return (size + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
}

/* Where the parts of it go. 0 or ERR_LIBRARY. */
static int code_layout(const struct pattern_code *code, struct code_head *head, size_t *len)
{
	*head = (struct code_head){ code->n, code->n_unscannable, code->n_caseless, code->n_hs,
		{ { 0, 0 } } };
	*len = aligned(sizeof(*head) + code->n);
	for (unsigned i = 0; i < code->n_hs; i++) {
		size_t size;

		if (hs_database_size(code->hs[i], &size) != HS_SUCCESS)
			return ERR_LIBRARY;
		head->hs[i].at = *len;
		head->hs[i].size = size;
		*len += aligned(size);
	}
	return 0;
}

static int database_write(const struct hs_database *hs, void *to)
{
	char *bytes;
	size_t len;
	int r;

	if (hs_serialize_database(hs, &bytes, &len) != HS_SUCCESS)
		return ERR_LIBRARY;
	r = hs_deserialize_database_at(bytes, len, to) == HS_SUCCESS ? 0 : ERR_LIBRARY;
	free(bytes);
	return r;
}

/* The same in a part; code stays the caller's. */
static int code_part(const struct pattern_code *code, struct part **out)
{
	struct code_head head;
	struct part *part;
	size_t len;
	int r;

	if ((r = code_layout(code, &head, &len)) < 0 ||
		(r = part_new(PART_PATTERNS, code->digest, len, &part)) < 0)
		return r;
	memcpy(part->bytes, &head, sizeof(head));
	memcpy(part->bytes + sizeof(head), code->unscannable, code->n);
	for (unsigned i = 0; r == 0 && i < code->n_hs; i++)
		r = database_write(code->hs[i], part->bytes + head.hs[i].at);
	if (r == 0)
		r = part_seal(part);
	if (r < 0)
		part_unref(part);
	else
		*out = part;
	return r;
}

static bool head_fits(const struct code_head *h, const struct part *part, size_t n)
{
	size_t size;

	if (h->n != n || h->n_unscannable > n || h->n_caseless > n || h->n_hs > CODE_CHUNKS_MAX ||
		n > part->len - sizeof(*h))
		return false;
	for (unsigned i = 0; i < h->n_hs; i++)
		if (h->hs[i].at % PART_ALIGN || h->hs[i].at > part->len ||
			h->hs[i].size > part->len - h->hs[i].at || h->hs[i].size < 256 ||
			hs_database_size((const hs_database_t *)(part->bytes + h->hs[i].at),
				&size) != HS_SUCCESS ||
			size != h->hs[i].size)
			return false;
	return true;
}

/* Inside a database nothing can be checked but what its sum in the cache says. */
static int code_open(struct part *part, size_t n, struct pattern_code **out)
{
	struct pattern_code *code;
	struct code_head head;

	if (part->len < sizeof(head))
		return ERR_PROTO;
	memcpy(&head, part->bytes, sizeof(head));
	if (!head_fits(&head, part, n))
		return ERR_PROTO;
	if (!(code = code_alloc(n, part->key)))
		return -ENOMEM;
	code->part = part_ref(part);
	code->unscannable = part->bytes + sizeof(head);
	code->n_unscannable = head.n_unscannable;
	code->n_caseless = head.n_caseless;
	code->n_hs = (unsigned)head.n_hs;
	for (unsigned i = 0; i < code->n_hs; i++)
		code->hs[i] = (struct hs_database *)(part->bytes + head.hs[i].at);
	*out = code;
	return 0;
}

/* Takes the compiled form from a part, or makes it one. */
static int code_share(const struct pattern_item *items, size_t n, const uint8_t digest[HASH_SIZE],
	struct source_set *sources, struct pattern_code **out)
{
	struct part *part = cache_find(sources, PART_PATTERNS, digest);
	struct pattern_code *code;
	int r = part ? code_open(part, n, out) : ERR_PROTO;

	if (part && r == ERR_PROTO)
		cache_refuse(sources, part);
	if (r != ERR_PROTO)
		return r;
	if ((r = code_compile(items, n, digest, &code)) < 0)
		return r;
	if ((r = code_part(code, &part)) == 0) {
		if ((r = cache_add(sources, part)) == 0)
			r = code_open(part, n, out);
		part_unref(part);
	}
	code_unref(code);
	return r;
}

/* ---- the whole ---- */

int pattern_db_make(const struct pattern_item *items, size_t n, const struct pattern_db *share,
	struct source_set *sources, struct pattern_db **out)
{
	uint8_t digest[HASH_SIZE];
	struct pattern_db *db;
	int r = 0;

	*out = NULL;
	if (n == 0)
		return 0;
	items_digest(items, n, digest);
	if (!(db = calloc(1, sizeof(*db) + n * sizeof(*items))))
		return -ENOMEM;
	db->n = n;
	memcpy(db->items, items, n * sizeof(*items));
	if (share && share->n == n && memcmp(share->code->digest, digest, HASH_SIZE) == 0 &&
		(!sources || !share->code->part || cache_use(sources, share->code->part) == 0)) {
		db->code = share->code;
		atomic_fetch_add(&db->code->refs, 1);
	} else if (sources && n >= CODE_PART_MIN) {
		r = code_share(items, n, digest, sources, &db->code);
	} else {
		r = code_compile(items, n, digest, &db->code);
	}
	if (r < 0)
		free(db);
	else
		*out = db;
	return r;
}

int pattern_db_new(const struct pattern_item *items, size_t n, const struct pattern_db *share,
	struct pattern_db **out)
{
	return pattern_db_make(items, n, share, NULL, out);
}

void pattern_db_free(struct pattern_db *db)
{
	if (!db)
		return;
	code_unref(db->code);
	free(db);
}

size_t pattern_db_count(const struct pattern_db *db)
{
	return db ? db->n : 0;
}

size_t pattern_db_unscannable(const struct pattern_db *db)
{
	return db ? db->code->n_unscannable : 0;
}
