/* SPDX-License-Identifier: BSD-2-Clause */
/* Which certificate we show to whom: behind the policy bundle, before tls.c.
 * In: PEM bytes of a folder, as the daemon gathered them. Out: pairs that fit, each with the names
 * it is good for (subjectAltName, else CN, and its own file name), found by SNI or stream "to".
 * A pair that is broken, does not fit together or has expired is skipped aloud: a session must not
 * meet it, and one bad file must not take the others down.
 * It never opens a file and never logs key material. */
#include "proxy/certs.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/identity.h"
#include "xmpp/jid.h"

static const char expired[] = "it has expired";

enum { CERTS_MAX = 4096, CERT_NAMES_MAX = 1024 };

struct certs {
	atomic_uint refs;
	struct cert *items;
	size_t n;
	size_t fallback;
};

static void cert_fini(struct cert *c)
{
	for (size_t i = 0; i < c->n_names; i++)
		free(c->names[i]);
	free(c->names);
	free(c->file);
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct cert){ 0 };
}

/* A name as it is compared; malloc'd, NULL if it is none. Only a certificate's may begin with "*.".
 */
static char *cert_prep_name(const char *text, size_t len, bool of_certificate)
{
	bool wildcard = of_certificate && len > 2 && text[0] == '*' && text[1] == '.';
	struct arena a;
	const char *prepared;
	char *out = NULL;

	arena_init(&a, 0);
	if (wildcard) {
		text += 2;
		len -= 2;
	}
	if (memchr(text, '\0', len) == NULL && memchr(text, '*', len) == NULL &&
		jid_prep_domain(&a, (struct span){ text, len }, &prepared) == 0) {
		out = malloc(strlen(prepared) + 3);
		if (out)
			sprintf(out, "%s%s", wildcard ? "*." : "", prepared);
	}
	arena_fini(&a);
	return out;
}

static int cert_add_name(struct cert *c, const char *text, size_t len)
{
	cleanup_free char *name = cert_prep_name(text, len, true);
	char **grown;

	if (!name || c->n_names >= CERT_NAMES_MAX)
		return 0;
	for (size_t i = 0; i < c->n_names; i++) {
		if (strcmp(c->names[i], name) == 0)
			return 0;
	}
	if (!(grown = realloc(c->names, (c->n_names + 1) * sizeof(*grown))))
		return -ENOMEM;
	c->names = grown;
	c->names[c->n_names++] = take_ptr(name);
	return 0;
}

static int cert_add_san(struct cert *c, bool *any)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	for (int i = 0; all && i < sk_GENERAL_NAME_num(all) && r == 0; i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);

		if (one->type != GEN_DNS)
			continue;
		*any = true;
		r = cert_add_name(c, (const char *)ASN1_STRING_get0_data(one->d.dNSName),
			(size_t)ASN1_STRING_length(one->d.dNSName));
	}
	GENERAL_NAMES_free(all);
	return r;
}

static void cert_add_server_name(void *arg, const char *name, bool wildcard, enum identity_by by)
{
	if (!wildcard && (by == IDENTITY_SRV || by == IDENTITY_XMPPADDR))
		cert_add_name(arg, name, strlen(name));
}

/* subjectAltName rules; the common name counts only where there is none (RFC 6125 6.4.4). */
static int cert_collect_names(struct cert *c, const char *path)
{
	const char *base = strrchr(path, '/');
	bool any = false;
	char cn[256];
	int len, r;

	base = base ? base + 1 : path;
	if ((r = cert_add_name(c, base, strlen(base) - strlen(".crt"))) < 0 ||
		(r = cert_add_san(c, &any)) < 0)
		return r;
	len = any ? 0
		  : X509_NAME_get_text_by_NID(
			    X509_get_subject_name(c->leaf), NID_commonName, cn, sizeof(cn));
	if (len > 0 && (r = cert_add_name(c, cn, (size_t)len)) < 0)
		return r;
	c->n_hosts = c->n_names;
	identity_names(c->leaf, cert_add_server_name, c);
	return 0;
}

static const char *cert_read_pem(
	struct cert *c, const struct source_file *crt, const struct source_file *key)
{
	BIO *in = BIO_new_mem_buf(crt->bytes, (int)crt->len);
	X509 *next;
	int left;

	c->leaf = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	c->chain = sk_X509_new_null();
	while (c->leaf && c->chain && (next = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		if (!sk_X509_push(c->chain, next))
			X509_free(next);
	}
	BIO_free(in);
	/* "" as passphrase: an encrypted key fails here instead of asking a terminal. */
	in = BIO_new_mem_buf(key->bytes, (int)key->len);
	c->key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"") : NULL;
	BIO_free(in);
	ERR_clear_error();
	if (!c->leaf)
		return "no certificate in it";
	if (!c->key)
		return "its .key holds no readable private key";
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		return "its .key is of another certificate";
	}
	if ((left = X509_cmp_current_time(X509_get0_notAfter(c->leaf))) == 0)
		return "its last day cannot be read";
	return left < 0 ? expired : NULL;
}

/* Why the pair cannot be used, or NULL with the pair in c. */
static const char *cert_load(struct source_set *sources, const char *path, struct cert *c)
{
	const struct source_file *crt, *key;
	cleanup_free char *key_path = strdup(path);
	const char *why;

	if (!key_path || !(c->file = strdup(path)))
		return "out of memory";
	memcpy(key_path + strlen(key_path) - 4, ".key", 4);
	if (source_find(sources, NULL, path, &crt) < 0)
		return "it cannot be read";
	if (source_find(sources, NULL, key_path, &key) < 0)
		return "there is no .key beside it";
	if (crt->len > INT32_MAX || key->len > INT32_MAX)
		return "it is too large";
	if ((why = cert_read_pem(c, crt, key)))
		return why;
	return cert_collect_names(c, path) < 0 ? "out of memory" : NULL;
}

static bool certs_is_default(const char *path)
{
	const char *base = strrchr(path, '/');

	return strcmp(base ? base + 1 : path, "default.crt") == 0;
}

static bool certs_has_file(const struct certs *c, const char *path)
{
	for (size_t i = 0; c && i < c->n; i++) {
		if (strcmp(c->items[i].file, path) == 0)
			return true;
	}
	return false;
}

static int certs_add(struct certs *all, struct source_set *sources, const char *path,
	const struct certs *former, struct buf *why)
{
	struct cert one = { 0 };
	const char *reason = cert_load(sources, path, &one);
	struct cert *grown;

	if (reason) {
		log_warn("certificate file=%s skipped=%s", log_quote(span_of(path)),
			log_quote(span_of(reason)));
		buf_clear(why);
		buf_putf(why, "%s: %s", path, reason);
		cert_fini(&one);
		return reason != expired && certs_has_file(former, path) ? ERR_SYNTAX : 0;
	}
	if (!(grown = realloc(all->items, (all->n + 1) * sizeof(*grown)))) {
		cert_fini(&one);
		return -ENOMEM;
	}
	all->items = grown;
	if (certs_is_default(path))
		all->fallback = all->n;
	all->items[all->n++] = one;
	return 0;
}

int certs_load(struct source_set *sources, const char *base_path, const char *folder,
	const struct certs *former, struct buf *why, struct certs **out)
{
	struct certs *all = calloc(1, sizeof(*all));
	cleanup_free char *pattern = NULL;
	char **paths = NULL;
	int r;

	if (!all)
		return -ENOMEM;
	atomic_init(&all->refs, 1);
	if (asprintf(&pattern, "%s/*.crt", folder) < 0)
		pattern = NULL;
	r = pattern ? source_glob(sources, base_path, pattern, &paths) : -ENOMEM;
	for (size_t i = 0; r == 0 && paths && paths[i] && all->n < CERTS_MAX; i++)
		r = certs_add(all, sources, paths[i], former, why);
	for (size_t i = 0; paths && paths[i]; i++)
		free(paths[i]);
	free(paths);
	if (r == 0 && all->n == 0) {
		if (buf_len(why) == 0)
			buf_putf(why, "%s: no NAME.crt in it", folder);
		r = ERR_NOTFOUND;
	}
	if (r < 0) {
		certs_unref(all);
		return r;
	}
	*out = all;
	return 0;
}

struct certs *certs_ref(struct certs *c)
{
	if (c)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void certs_unref(struct certs *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (size_t i = 0; i < c->n; i++)
		cert_fini(&c->items[i]);
	free(c->items);
	free(c);
}

size_t certs_count(const struct certs *c)
{
	return c->n;
}

/* 2: exactly, 1: by wildcard (the left-most label, RFC 6125 6.4.3) or as a server between servers,
 * 0: not. name is prepared. */
static int cert_match(const struct cert *c, const char *name)
{
	const char *dot = strchr(name, '.');
	int best = 0;

	for (size_t i = 0; i < c->n_names; i++) {
		if (strcmp(c->names[i], name) == 0 && i < c->n_hosts)
			return 2;
		if (strcmp(c->names[i], name) == 0)
			best = 1;
		if (c->names[i][0] == '*' && dot && dot != name &&
			strcmp(c->names[i] + 1, dot) == 0)
			best = 1;
	}
	return best;
}

const struct cert *certs_find(const struct certs *c, const char *name)
{
	cleanup_free char *prepared =
		name && *name ? cert_prep_name(name, strlen(name), false) : NULL;
	const struct cert *found = NULL;
	int best = 0;

	for (size_t i = 0; prepared && i < c->n && best < 2; i++) {
		int match = cert_match(&c->items[i], prepared);

		if (match > best) {
			best = match;
			found = &c->items[i];
		}
	}
	return found;
}

const struct cert *certs_default(const struct certs *c)
{
	assert(c->n > 0);
	return &c->items[c->fallback];
}

bool cert_covers(const struct cert *cert, const char *name)
{
	cleanup_free char *prepared =
		name && *name ? cert_prep_name(name, strlen(name), false) : NULL;

	return prepared && cert_match(cert, prepared) > 0;
}
