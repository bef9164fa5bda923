/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of a folder are used, for which names, and what a reload makes of half a renewal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "base/buf.h"
#include "base/err.h"
#include "proxy/certs.h"

static void add_pem(struct source_set *set, const char *name, const char *end, BIO *bio)
{
	char path[128], *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	snprintf(path, sizeof(path), "/etc/certs/%s%s", name, end);
	assert_int_equal(source_add(set, path, bytes, (size_t)len), 0);
	BIO_free(bio);
}

/* NAME.crt and NAME.key for the names (may be NULL), good for this many days. */
static void add_pair(struct source_set *set, const char *name, const char *names, long days)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *leaf = X509_new();
	BIO *crt = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	X509_EXTENSION *alt =
		names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names) : NULL;

	assert_true(key && leaf && crt && pem);
	X509_set_version(leaf, 2);
	X509_gmtime_adj(X509_getm_notBefore(leaf), -10 * 86400);
	X509_gmtime_adj(X509_getm_notAfter(leaf), days * 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_ASC,
		(const unsigned char *)"common.example", -1, -1, 0);
	X509_set_pubkey(leaf, key);
	if (alt)
		X509_add_ext(leaf, alt, -1);
	assert_true(X509_sign(leaf, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(crt, leaf);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	add_pem(set, name, ".crt", crt);
	add_pem(set, name, ".key", pem);
	X509_EXTENSION_free(alt);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static int load(
	struct source_set *set, const struct certs *former, const char *says, struct certs **out)
{
	struct buf why;
	int r;

	*out = NULL;
	buf_init(&why, 0);
	r = certs_load(set, "/etc/x.conf", "/etc/certs", former, &why, out);
	if (says)
		assert_non_null(strstr(buf_string(&why), says));
	buf_fini(&why);
	return r;
}

static bool shows(const struct certs *c, const char *name, const char *file)
{
	const struct cert *found = certs_find(c, name);

	return found ? file && strstr(found->file, file) : !file;
}

static void names_and_wildcards(void **state)
{
	struct source_set set;
	struct certs *c;

	(void)state;
	source_init(&set, false);
	add_pair(&set, "verona.example", "DNS:verona.example,DNS:*.verona.example", 10);
	add_pair(&set, "exact", "DNS:chat.verona.example", 10);
	add_pair(&set, "old-style", NULL, 10);
	assert_int_equal(load(&set, NULL, NULL, &c), 0);
	assert_int_equal(certs_count(c), 3);
	assert_true(shows(c, "VERONA.example.", "verona.example.crt"));
	assert_true(shows(c, "x.verona.example", "verona.example.crt"));
	assert_true(shows(c, "chat.verona.example", "exact.crt"));
	assert_true(shows(c, "a.b.verona.example", NULL));
	assert_true(shows(c, ".verona.example", NULL));
	assert_true(
		shows(c, "*.verona.example", NULL)); /* a name of a certificate, not of a host */
	assert_true(shows(c, "common.example", "old-style.crt"));
	assert_true(shows(c, "", NULL));
	certs_unref(c);
	source_fini(&set);
}

/* Between servers a certificate may name its domain in words of its own (RFC 6120 13.7.1.2);
 * towards clients one that names the host is better. */
static void names_for_servers(void **state)
{
	struct source_set set;
	struct certs *c;

	(void)state;
	source_init(&set, false);
	add_pair(&set, "a",
		"DNS:host1.example,otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.verona.example",
		10);
	add_pair(&set, "b", "otherName:1.3.6.1.5.5.7.8.5;UTF8:mantua.example", 10);
	add_pair(&set, "c", "DNS:mantua.example", 10);
	assert_int_equal(load(&set, NULL, NULL, &c), 0);
	assert_true(shows(c, "verona.example", "a.crt"));
	assert_true(shows(c, "mantua.example", "c.crt"));
	assert_true(shows(c, "_xmpp-server.verona.example", NULL));
	certs_unref(c);
	source_fini(&set);
}

static void bad_pairs_are_skipped(void **state)
{
	struct source_set set;
	struct certs *c;

	(void)state;
	source_init(&set, false);
	add_pair(&set, "expired", NULL, -1);
	assert_int_equal(load(&set, NULL, "expired", &c), ERR_NOTFOUND);
	add_pair(&set, "good", NULL, 1);
	assert_int_equal(source_add(&set, "/etc/certs/alone.crt", "x", 1), 0);
	assert_int_equal(source_add(&set, "/etc/certs/noise.crt", "x", 1), 0);
	assert_int_equal(source_add(&set, "/etc/certs/noise.key", "x", 1), 0);
	assert_int_equal(load(&set, NULL, NULL, &c), 0);
	assert_int_equal(certs_count(c), 1);
	certs_unref(c);
	source_fini(&set);
}

/* A file written half when the reload comes must not make another domain's certificate show. */
static void half_a_renewal_is_refused(void **state)
{
	struct source_set set;
	struct certs *former, *next;

	(void)state;
	source_init(&set, false);
	add_pair(&set, "a", NULL, 1);
	add_pair(&set, "b", NULL, 1);
	assert_int_equal(load(&set, NULL, NULL, &former), 0);
	assert_int_equal(source_add(&set, "/etc/certs/b.key", "half", 4), 0);
	assert_int_equal(load(&set, former, "/etc/certs/b.crt: its .key", &next), ERR_SYNTAX);
	assert_int_equal(load(&set, NULL, NULL, &next), 0);
	certs_unref(next);
	/* One that ran out is no reason to refuse everything else. */
	add_pair(&set, "b", NULL, -1);
	assert_int_equal(load(&set, former, "expired", &next), 0);
	certs_unref(next);
	certs_unref(former);
	source_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_wildcards),
		cmocka_unit_test(names_for_servers),
		cmocka_unit_test(bad_pairs_are_skipped),
		cmocka_unit_test(half_a_renewal_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
