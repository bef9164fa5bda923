/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* A folder of certificates, and names that clients ask for. Lines of the input: "@NAME" begins a
 * file of the folder, "+NAME LIST" makes a pair good for the names of LIST (by commas; "cn:" before
 * a common name), "?NAME" asks. What is chosen is compared with the rule in its plainest spelling:
 * usable pairs in the order of their files, the first that has the name, else the first that has it
 * with "*" for its first label. Case and a last dot make no difference; a pair that breaks while
 * another policy holds it refuses the folder. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "base/log.h"
#include "proxy/certs.h"
#include "xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FOLDER "/etc/certs/"

enum {
	INPUT_MAX = 4096,
	FILES_MAX = 24,
	MADE_MAX = 8,
	QUERIES_MAX = 16,
	NAMES_MAX = 1024,
	NAME_MAX_LEN = 1100
};

/* A pair as the rule sees it. */
struct pair {
	char file[160];
	char *names[NAMES_MAX];
	size_t n;
};

struct world {
	struct source_set set;
	struct pair pairs[FILES_MAX + MADE_MAX];
	size_t n, files, made;
	char query[QUERIES_MAX][512];
	size_t queries;
};

static EVP_PKEY *key; /* of all pairs made here */
static char key_pem[1024];
static size_t key_len;

/* ---- the folder ---- */

static bool is_file_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 100 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static void add_file(
	struct world *w, const char *name, const char *end, const void *bytes, size_t len)
{
	char path[160];

	snprintf(path, sizeof(path), FOLDER "%s%s", name, end);
	assert(source_add(&w->set, path, bytes, len) == 0);
}

/* The names as they stand, whatever they hold. */
static void leaf_name(X509 *leaf, char *list)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();

	assert(all);
	for (char *one = strtok(list, ","); one; one = strtok(NULL, ",")) {
		GENERAL_NAME *name;
		ASN1_IA5STRING *value;

		if (strncmp(one, "cn:", 3) == 0) {
			X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_UTF8,
				(const unsigned char *)one + 3, -1, -1, 0);
			continue;
		}
		name = GENERAL_NAME_new();
		value = ASN1_IA5STRING_new();
		assert(name && value && ASN1_STRING_set(value, one, -1));
		GENERAL_NAME_set0_value(name, GEN_DNS, value);
		assert(sk_GENERAL_NAME_push(all, name) > 0);
	}
	if (sk_GENERAL_NAME_num(all) > 0)
		X509_add1_ext_i2d(leaf, NID_subject_alt_name, all, 0, 0);
	GENERAL_NAMES_free(all);
	ERR_clear_error();
}

static void add_made(struct world *w, const char *name, char *list)
{
	X509 *leaf = X509_new();
	char *bytes;
	long len;
	BIO *crt = BIO_new(BIO_s_mem());

	assert(leaf && crt);
	X509_set_version(leaf, 2);
	X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
	X509_gmtime_adj(X509_getm_notAfter(leaf), *list == '-' ? -10 : 86400);
	X509_set_pubkey(leaf, key);
	leaf_name(leaf, *list == '-' ? list + 1 : list);
	assert(X509_sign(leaf, key, EVP_sha256()) > 0);
	add_file(w, name, ".key", key_pem, key_len);
	PEM_write_bio_X509(crt, leaf);
	len = BIO_get_mem_data(crt, &bytes);
	add_file(w, name, ".crt", bytes, (size_t)len);
	BIO_free(crt);
	X509_free(leaf);
	w->made++;
}

/* Where the next line of an order begins. */
static const char *next_order(const char *at, const char *end)
{
	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));

		if (!line || line + 1 == end)
			return end;
		at = line + 1;
		if (strchr("@+?", *at) && *at)
			return at;
	}
	return end;
}

static void take_order(struct world *w, const char *at, const char *end)
{
	const char *line = memchr(at, '\n', (size_t)(end - at));
	const char *stop = line ? line : end;
	char words[512] = "", *list;
	size_t n = (size_t)(stop - at) - 1;

	if (n >= sizeof(words) || memchr(at, '\0', n + 1))
		return;
	memcpy(words, at + 1, n);
	if (*at == '?' && w->queries < QUERIES_MAX) {
		strcpy(w->query[w->queries++], words);
	} else if (*at == '+' && w->made < MADE_MAX) {
		list = strchr(words, ' ');
		if (list)
			*list++ = '\0';
		if (list && is_file_name(words))
			add_made(w, words, list);
	} else if (*at == '@' && w->files < FILES_MAX && is_file_name(words)) {
		at = line ? line + 1 : end;
		add_file(w, words, "", at, (size_t)(end - at));
		w->files++;
	}
}

/* ---- the rule, plainly ---- */

/* Malloc'd; NULL if it is none. A wildcard keeps its "*.". */
static char *plain_name(const char *text, size_t len, bool may_wild)
{
	const char *prepared;
	bool wild = may_wild && len > 2 && memcmp(text, "*.", 2) == 0;
	struct arena a;
	char *out = NULL;

	if (wild) {
		text += 2;
		len -= 2;
	}
	if (memchr(text, '\0', len) || memchr(text, '*', len))
		return NULL;
	arena_init(&a, 0);
	if (jid_prep_domain(&a, (struct span){ text, len }, &prepared) == 0)
		assert(asprintf(&out, "%s%s", wild ? "*." : "", prepared) > 0);
	arena_fini(&a);
	return out;
}

static void pair_add(struct pair *p, const char *text, size_t len)
{
	if (p->n < NAMES_MAX && (p->names[p->n] = plain_name(text, len, true)))
		p->n++;
}

static void pair_read_names(struct pair *p, X509 *leaf)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const char *base = p->file + strlen(FOLDER);
	bool any = false;
	char cn[256];
	int len;

	pair_add(p, base, strlen(base) - 4);
	for (int i = 0; all && i < sk_GENERAL_NAME_num(all); i++) {
		GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);

		if (one->type != GEN_DNS)
			continue;
		any = true;
		pair_add(p, (const char *)ASN1_STRING_get0_data(one->d.dNSName),
			(size_t)ASN1_STRING_length(one->d.dNSName));
	}
	GENERAL_NAMES_free(all);
	len = any ? 0
		  : X509_NAME_get_text_by_NID(
			    X509_get_subject_name(leaf), NID_commonName, cn, sizeof(cn));
	if (len > 0)
		pair_add(p, cn, (size_t)len);
	ERR_clear_error();
}

/* Both halves are there, fit, and their time is not over. */
static bool pair_read(struct world *w, struct pair *p)
{
	struct source_file *crt = source_peek(&w->set, p->file), *other;
	char path[160];
	BIO *in;
	X509 *leaf;
	EVP_PKEY *its;
	time_t now = time(NULL);
	bool good;

	snprintf(path, sizeof(path), "%.*s.key", (int)strlen(p->file) - 4, p->file);
	other = source_peek(&w->set, path);
	if (!other)
		return false;
	in = BIO_new_mem_buf(crt->bytes, (int)crt->len);
	leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(other->bytes, (int)other->len);
	if (other->len == key_len && memcmp(other->bytes, key_pem, key_len) == 0) {
		EVP_PKEY_up_ref(key); /* reading keys is slow */
		its = key;
	} else {
		its = PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"");
	}
	BIO_free(in);
	good = leaf && its && X509_check_private_key(leaf, its) == 1 &&
	       X509_cmp_time(X509_get0_notAfter(leaf), &now) > 0;
	if (good)
		pair_read_names(p, leaf);
	X509_free(leaf);
	EVP_PKEY_free(its);
	ERR_clear_error();
	return good;
}

static int pair_compare(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->file, ((const struct pair *)b)->file);
}

static void pairs_read(struct world *w)
{
	struct map_entry *entry;
	struct pair *p;

	for (size_t at = 0; map_each(&w->set.files, &at, &entry);) {
		const char *name = entry->key + strlen(FOLDER);
		size_t len = strlen(name);

		if (*name == '.' || len < 4 || strcmp(name + len - 4, ".crt") != 0)
			continue;
		p = &w->pairs[w->n];
		snprintf(p->file, sizeof(p->file), "%s", entry->key);
		w->n += pair_read(w, p);
	}
	qsort(w->pairs, w->n, sizeof(*w->pairs), pair_compare);
}

/* The file, or NULL. */
static const char *plain_choose(const struct world *w, const char *name)
{
	char *want = plain_name(name, strlen(name), false), *wild = NULL;
	const char *dot = want ? strchr(want, '.') : NULL, *found = NULL;

	if (dot)
		assert(asprintf(&wild, "*%s", dot) > 0);
	for (int turn = 0; want && turn < 2; turn++) {
		const char *look = turn == 0 ? want : wild;

		for (size_t i = 0; look && i < w->n && !found; i++)
			for (size_t k = 0; k < w->pairs[i].n && !found; k++)
				if (strcmp(w->pairs[i].names[k], look) == 0)
					found = w->pairs[i].file;
	}
	free(want);
	free(wild);
	return found;
}

/* ---- both side by side ---- */

static void check_spelling(const struct certs *c, const char *name, const struct cert *found)
{
	char other[NAME_MAX_LEN];
	size_t len = strlen(name);

	if (len + 2 > sizeof(other))
		return;
	for (size_t i = 0; i < len; i++)
		other[i] = (char)toupper((unsigned char)name[i]);
	other[len] = '\0';
	assert(certs_find(c, other) == found);
	/* An address has no root. */
	if (len > 0 && len < 1000 && name[len - 1] != '.' && *name != '[' && !strchr(name, ':')) {
		strcpy(other + len, ".");
		assert(certs_find(c, other) == found);
	}
}

static void check_choice(const struct world *w, const struct certs *c, const char *name)
{
	const struct cert *found = certs_find(c, name);
	const char *want = plain_choose(w, name);
	bool ascii = true;

	assert(!found == !want);
	assert(!found || strcmp(found->file, want) == 0);
	assert(!found || cert_covers(found, name));
	for (const char *p = name; *p; p++)
		ascii &= (unsigned char)*p < 0x80;
	if (found && ascii)
		check_spelling(c, name, found);
}

static int load(struct world *w, const struct certs *former, struct certs **out)
{
	struct buf why;
	int r;

	*out = NULL;
	buf_init(&why, 0);
	r = certs_load(&w->set, "/etc/x.conf", "/etc/certs", former, &why, out);
	assert((r == 0) == (*out != NULL) && (r == 0 || buf_len(&why) > 0));
	buf_fini(&why);
	return r;
}

static void check_certs(struct world *w, struct certs *c)
{
	size_t first = 0;

	assert(certs_count(c) == w->n);
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->pairs[i].file, FOLDER "default.crt") == 0)
			first = i;
	assert(strcmp(certs_default(c)->file, w->pairs[first].file) == 0);
	for (size_t i = 0; i < w->queries; i++)
		check_choice(w, c, w->query[i]);
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->pairs[i].n; k++)
			check_choice(w, c, w->pairs[i].names[k]);
}

/* Loaded once more, whole and with half a renewal of the last one. */
static void check_renewal(struct world *w, struct certs *c)
{
	struct certs *again;
	char path[160];

	assert(load(w, c, &again) == 0 && certs_count(again) == w->n);
	certs_unref(again);
	snprintf(path, sizeof(path), "%.*s.key", (int)strlen(w->pairs[w->n - 1].file) - 4,
		w->pairs[w->n - 1].file);
	assert(source_add(&w->set, path, "", 0) == 0);
	assert(load(w, c, &again) == ERR_SYNTAX);
	assert(load(w, NULL, &again) == (w->n > 1 ? 0 : ERR_NOTFOUND));
	certs_unref(again);
}

static void key_make(void)
{
	BIO *pem = BIO_new(BIO_s_mem());

	log_set_level(LOG_LEVEL_ERROR);
	key = EVP_EC_gen("P-256");
	assert(key && pem && PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1);
	key_len = (size_t)BIO_read(pem, key_pem, sizeof(key_pem));
	assert(key_len > 0 && key_len < sizeof(key_pem));
	BIO_free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	const char *at = (const char *)data, *end = at + size, *next;
	struct certs *c;
	int r;

	if (!key)
		key_make();
	if (size > INPUT_MAX)
		return 0;
	w = (struct world){ 0 };
	source_init(&w.set, false);
	if (at < end && !strchr("@+?", *at))
		at = next_order(at, end);
	for (; at < end; at = next) {
		next = next_order(at, end);
		take_order(&w, at, next);
	}
	pairs_read(&w);
	r = load(&w, NULL, &c);
	assert(r == (w.n ? 0 : ERR_NOTFOUND));
	if (r == 0)
		check_certs(&w, c);
	if (r == 0 && size % 4 == 0) /* reading keys is slow */
		check_renewal(&w, c);
	certs_unref(c);
	for (size_t i = 0; i < w.n; i++)
		for (size_t k = 0; k < w.pairs[i].n; k++)
			free(w.pairs[i].names[k]);
	source_fini(&w.set);
	return 0;
}
