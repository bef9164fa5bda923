/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables behind text_fold and text_casefold. In comes a code point, out goes what it becomes:
 * NFKC_Casefold, then (folding only) the letter it looks like by UTS 39, again and again until
 * nothing changes, so that a folded text folds to itself. ICU is asked once a code point, a page of
 * 256 at a time; readers then find bytes. Choices where UTS 39 leaves room are in text_alike.c. It
 * knows nothing of texts and never sees a context: what depends on neighbours (marks, runs of white
 * space) is done by text.c. */
#include "xmpp/text_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include "base/err.h"
#include "xmpp/text.h"
#include "xmpp/text_alike.h"
#include "xmpp/text_compose.h"
#include "xmpp/xml_char.h"

#define PAGES      0x1100 /* of 256 code points, to U+10FFFF */
#define TARGET_MAX 128    /* UTF-16 units; the longest known is 18 */
#define ROUNDS_MAX 8

struct page {
	struct text_entry entries[256];
	char *pool;
	size_t pool_len;
};

struct text_table {
	bool fold;
	_Atomic(struct page *) pages[PAGES];
};

struct target {
	UChar s[TARGET_MAX];
	int32_t len;
};

static struct text_table fold_table = { .fold = true };
static struct text_table case_table = { .fold = false };
static struct page self_page; /* for all pages whose characters become themselves */
static const UNormalizer2 *casefold, *nfd;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;
static int ready;

static void tables_open(void)
{
	UErrorCode e = U_ZERO_ERROR;

	casefold = unorm2_getNFKCCasefoldInstance(&e);
	nfd = unorm2_getNFDInstance(&e);
	for (int i = 0; i < 256; i++)
		self_page.entries[i].flags = TEXT_SELF;
	ready = U_FAILURE(e) ? ERR_LIBRARY : text_compose_init();
	if (ready == 0)
		ready = text_alike_init();
}

/* ---- one character ---- */

static bool target_put(struct target *t, UChar32 cp)
{
	if (t->len + 2 > TARGET_MAX)
		return false;
	U16_APPEND_UNSAFE(t->s, t->len, cp);
	return true;
}

static bool target_equal(const struct target *a, const struct target *b)
{
	return a->len == b->len && u_memcmp(a->s, b->s, a->len) == 0;
}

static bool target_normalize(const UNormalizer2 *how, const struct target *in, struct target *out)
{
	UErrorCode e = U_ZERO_ERROR;

	out->len = unorm2_normalize(how, in->s, in->len, out->s, TARGET_MAX, &e);
	return U_SUCCESS(e);
}

/* One round: case fold, take apart, put what each part looks like. */
static bool target_round(const struct target *in, struct target *out)
{
	struct target folded, apart;
	UChar32 cp;

	if (!target_normalize(casefold, in, &folded) || !target_normalize(nfd, &folded, &apart))
		return false;
	out->len = 0;
	for (int32_t i = 0; i < apart.len;) {
		U16_NEXT(apart.s, i, apart.len, cp);
		if (!text_alike(cp, out->s, TARGET_MAX, &out->len))
			return false;
	}
	return true;
}

/* Rounds until nothing changes; in a circle of look-alikes the least of them stands for all. */
static bool target_settle(UChar32 cp, struct target *out)
{
	struct target seen[ROUNDS_MAX];
	int n = 1, start;

	seen[0].len = 0;
	target_put(&seen[0], text_alike_first(cp));
	for (; n < ROUNDS_MAX; n++) {
		if (!target_round(&seen[n - 1], &seen[n]))
			return false;
		for (start = 0; start < n && !target_equal(&seen[start], &seen[n]); start++)
			;
		if (start < n)
			break;
	}
	if (n == ROUNDS_MAX)
		return false;
	*out = seen[start];
	for (int i = start; i < n; i++)
		if (u_strCompare(seen[i].s, seen[i].len, out->s, out->len, true) < 0)
			*out = seen[i];
	return true;
}

/* Puts the parts together again as text.c would. */
static bool target_compose(struct target *t)
{
	struct text_cluster c;
	struct target out = { .len = 0 };
	UChar32 cp;

	text_cluster_init(&c, true);
	for (int32_t i = 0; i <= t->len;) {
		bool end = i == t->len;

		cp = 0;
		if (end)
			i++;
		else
			U16_NEXT(t->s, i, t->len, cp);
		if (c.n && (end || !text_is_mark((uint32_t)cp))) {
			text_cluster_finish(&c);
			for (size_t k = 0; k < c.n; k++) {
				if (c.cp[k] == ' ' && out.len && out.s[out.len - 1] == ' ')
					continue;
				if (!target_put(&out, (UChar32)c.cp[k]))
					return false;
			}
			text_cluster_init(&c, true);
		}
		if (!end)
			text_cluster_add(&c, (uint32_t)cp, 0);
	}
	*t = out;
	return true;
}

static bool target_fold(UChar32 cp, struct target *out)
{
	struct target parts;
	UErrorCode e = U_ZERO_ERROR;

	if (!target_settle(cp, &parts) || !target_compose(&parts))
		return false;
	/* Pairs without marks (Hangul, Indic) are joined here; marks are in order already. */
	out->len = unorm2_normalize(
		unorm2_getNFCInstance(&e), parts.s, parts.len, out->s, TARGET_MAX, &e);
	return U_SUCCESS(e);
}

static bool target_case(UChar32 cp, struct target *out)
{
	struct target in = { .len = 0 };

	target_put(&in, cp);
	if (u_hasBinaryProperty(cp, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) {
		*out = in; /* nothing is removed: lists that only fold case must tell such texts
			      apart */
		return true;
	}
	return target_normalize(casefold, &in, out);
}

/* ---- pages ---- */

static unsigned target_flags(const char *bytes, size_t len)
{
	struct span s = { bytes, len };
	uint32_t cp;

	if (len == 1 && bytes[0] == ' ')
		return TEXT_SPACE;
	if (len > 1 && bytes[0] == ' ')
		return TEXT_JOINS;
	for (size_t i = 0; i < len; i += text_decode(s, i, &cp))
		if (text_decode(s, i, &cp) == 0 || text_joins_back(cp))
			return TEXT_JOINS;
	return 0;
}

static int entry_store(struct page *p, struct text_entry *e, const char *bytes, size_t len)
{
	uint32_t at = (uint32_t)p->pool_len;
	char *pool;

	e->len = (uint8_t)len;
	if (len <= TEXT_ENTRY_BYTES) {
		memcpy(e->bytes, bytes, len);
		return 0;
	}
	if (!(pool = realloc(p->pool, p->pool_len + len)))
		return -ENOMEM;
	memcpy(pool + p->pool_len, bytes, len);
	p->pool = pool;
	p->pool_len += len;
	memcpy(e->bytes, &at, sizeof(at));
	return 0;
}

/* What cp and the letters it becomes would be in words of mixed scripts. */
static unsigned mixed_flags(UChar32 cp, const char *bytes, size_t len)
{
	unsigned flags = text_alike_capital((uint32_t)cp) ? TEXT_CAPITAL : 0;
	struct span s = { bytes, len };
	uint32_t part;
	size_t n;

	for (size_t i = 0; (n = text_decode(s, i, &part)) > 0; i += n)
		if (text_alike_distant(part))
			flags |= TEXT_DISTANT;
	return flags;
}

static int entry_fill(const struct text_table *t, struct page *p, UChar32 cp)
{
	struct text_entry *e = &p->entries[cp & 0xff];
	UErrorCode error = U_ZERO_ERROR;
	char bytes[UINT8_MAX + 1], self[4];
	struct target out;
	int32_t len;
	size_t n = xml_char_put((uint32_t)cp, self);

	if (!U_IS_SURROGATE(cp) && (t->fold ? target_fold(cp, &out) : target_case(cp, &out))) {
		u_strToUTF8(bytes, UINT8_MAX, &len, out.s, out.len, &error);
		if (U_SUCCESS(error) && ((size_t)len != n || memcmp(bytes, self, n) != 0)) {
			e->flags = (uint8_t)target_flags(bytes, (size_t)len);
			if (t->fold)
				e->flags |= (uint8_t)mixed_flags(cp, bytes, (size_t)len);
			return entry_store(p, e, bytes, (size_t)len);
		}
	}
	e->flags = TEXT_SELF;
	if (t->fold)
		e->flags |= (uint8_t)mixed_flags(cp, self, n);
	if (text_joins_back((uint32_t)cp))
		e->flags |= TEXT_JOINS;
	return 0;
}

static bool page_is_self(const struct page *p)
{
	for (int i = 0; i < 256; i++)
		if (p->entries[i].flags != TEXT_SELF)
			return false;
	return true;
}

static struct page *page_build(const struct text_table *t, unsigned number)
{
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	for (UChar32 i = 0; i < 256; i++) {
		if (entry_fill(t, p, (UChar32)(number << 8) + i) == 0)
			continue;
		free(p->pool);
		free(p);
		return NULL;
	}
	if (page_is_self(p)) {
		free(p);
		return &self_page;
	}
	return p;
}

/* Under the lock, so that no page is made twice. */
static struct page *page_make(struct text_table *t, unsigned number)
{
	struct page *p;

	pthread_mutex_lock(&building);
	p = atomic_load_explicit(&t->pages[number], memory_order_acquire);
	if (!p && (p = page_build(t, number)))
		atomic_store_explicit(&t->pages[number], p, memory_order_release);
	pthread_mutex_unlock(&building);
	return p;
}

static const struct page *page_find(const struct text_table *t, uint32_t cp)
{
	struct text_table *table = t->fold ? &fold_table : &case_table;
	unsigned number = cp >> 8;
	const struct page *p = atomic_load_explicit(&table->pages[number], memory_order_acquire);

	return p ? p : page_make(table, number);
}

const struct text_entry *text_table_row(const struct text_table *t, uint32_t cp)
{
	const struct page *p = page_find(t, cp);

	return p ? p->entries : NULL;
}

int text_table_find(const struct text_table *t, uint32_t cp, struct span *target, unsigned *flags)
{
	const struct page *p = page_find(t, cp);
	const struct text_entry *e;
	uint32_t at;

	if (!p)
		return -ENOMEM;
	e = &p->entries[cp & 0xff];
	*flags = e->flags;
	if (e->len <= TEXT_ENTRY_BYTES) {
		*target = (struct span){ e->bytes, e->len };
		return 0;
	}
	memcpy(&at, e->bytes, sizeof(at));
	*target = (struct span){ p->pool + at, e->len };
	return 0;
}

int text_table_fold(const struct text_table **out)
{
	pthread_once(&once, tables_open);
	*out = &fold_table;
	return ready;
}

int text_table_case(const struct text_table **out)
{
	pthread_once(&once, tables_open);
	*out = &case_table;
	return ready;
}

/* The pages most traffic needs: Latin, Greek, Cyrillic, punctuation, full-width forms. */
int text_fold_init(void)
{
	static const uint32_t common[] = { 0x80, 0x100, 0x200, 0x300, 0x400, 0x2000, 0xff00,
		0x1d400 };
	const struct text_table *tables[2];
	struct span target;
	unsigned flags;
	int r;

	if ((r = text_table_fold(&tables[0])) < 0 || (r = text_table_case(&tables[1])) < 0)
		return r;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		for (int k = 0; k < 2; k++)
			if ((r = text_table_find(tables[k], common[i], &target, &flags)) < 0)
				return r;
	return 0;
}
