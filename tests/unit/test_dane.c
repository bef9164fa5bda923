/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains against TLSA records: every usage, selector and matching type, what must not hold, and
 * records that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include "base/err.h"
#include "proxy/dane.h"

enum { DAY = 86400, PKIX_TA = 0, PKIX_EE = 1, DANE_TA = 2, DANE_EE = 3 };

struct made {
	EVP_PKEY *key;
	X509 *cert;
};

/* root -> middle -> leaf for remote.example; what else a peer may show. */
static struct made root, middle, leaf, expired, unnamed, nameless, srv_named, target_named,
	other_root, other_leaf;
static STACK_OF(X509) * chain;
static X509_STORE *trust;

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* names NULL: an authority. */
static struct made make(const char *name, const char *names, const struct made *signer, long days)
{
	static long serial;
	struct made m = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject;

	assert_true(m.key && m.cert);
	subject = X509_get_subject_name(m.cert);
	X509_set_version(m.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), -10 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), days * DAY);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(m.cert, signer ? X509_get_subject_name(signer->cert) : subject);
	X509_set_pubkey(m.cert, m.key);
	add_extension(m.cert, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
	if (names && *names)
		add_extension(m.cert, NID_subject_alt_name, names);
	assert_true(X509_sign(m.cert, signer ? signer->key : m.key, EVP_sha256()) > 0);
	return m;
}

static void drop(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
}

static int set_up(void **state)
{
	(void)state;
	root = make("root", NULL, NULL, 100);
	middle = make("middle", NULL, &root, 100);
	leaf = make("leaf", "DNS:remote.example,DNS:*.wild.example", &middle, 10);
	expired = make("expired", "DNS:remote.example", &middle, -1);
	unnamed = make("unnamed", "", NULL, 10);
	nameless = make("nameless", "", &middle, 10);
	srv_named = make(
		"srv", "otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.remote.example", &middle, 10);
	target_named = make("target", "DNS:xmpp1.hoster.example", &middle, 10);
	other_root = make("root", NULL, NULL, 100); /* of the same name */
	other_leaf = make("leaf", "DNS:remote.example", &other_root, 10);
	chain = sk_X509_new_null();
	sk_X509_push(chain, middle.cert);
	sk_X509_push(chain, root.cert);
	trust = X509_STORE_new();
	X509_STORE_add_cert(trust, root.cert);
	return 0;
}

static int tear_down(void **state)
{
	struct made *all[] = { &root, &middle, &leaf, &expired, &unnamed, &target_named,
		&other_root, &other_leaf };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		drop(all[i]);
	sk_X509_free(chain);
	X509_STORE_free(trust);
	return 0;
}

/* The record of a certificate as DNS has it. */
static size_t record_of(unsigned char *out, int usage, int selector, int matching, X509 *cert)
{
	unsigned char *der = NULL;
	unsigned digest_len = 0;
	int len =
		selector ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : i2d_X509(cert, &der);

	assert_true(len > 0 && len < 4000);
	out[0] = (unsigned char)usage;
	out[1] = (unsigned char)selector;
	out[2] = (unsigned char)matching;
	if (matching == 0) {
		memcpy(out + 3, der, (size_t)len);
	} else {
		assert_int_equal(EVP_Digest(der, (size_t)len, out + 3, &digest_len,
					 matching == 1 ? EVP_sha256() : EVP_sha512(), NULL),
			1);
		len = (int)digest_len;
	}
	OPENSSL_free(der);
	return (size_t)len + 3;
}

static void add(
	struct dane_records *r, int target, int usage, int selector, int matching, X509 *cert)
{
	unsigned char bytes[4096];
	size_t len = record_of(bytes, usage, selector, matching, cert);

	assert_int_equal(dane_records_add(r, target, bytes, len), 0);
}

static struct dane_records *records(const char *target)
{
	struct dane_records *r = dane_records_new();

	assert_non_null(r);
	assert_int_equal(dane_records_add_target(r, target), 0);
	return r;
}

static struct dane_records *one(int usage, int selector, int matching, const struct made *of)
{
	struct dane_records *r = records("xmpp1.hoster.example");

	add(r, 0, usage, selector, matching, of->cert);
	return r;
}

/* NULL: it holds; else the word. Takes r. */
static const char *verify(struct dane_records *r, const struct made *shown, STACK_OF(X509) * with)
{
	const char *why = "?";
	int answer = dane_verify(r, shown->cert, with, trust, "remote.example", &why);

	assert_in_range(answer, 0, 1);
	assert_true(answer ? why == NULL : why != NULL);
	dane_records_unref(r);
	return why;
}

#define HOLDS(...)     assert_ptr_equal(verify(__VA_ARGS__), NULL)
#define SAYS(why, ...) assert_string_equal(why, verify(__VA_ARGS__))

static void every_form(void **state)
{
	static const struct {
		int usage;
		const struct made *of;
	} forms[] = { { PKIX_TA, &root }, { PKIX_TA, &middle }, { PKIX_EE, &leaf },
		{ DANE_TA, &root }, { DANE_TA, &middle }, { DANE_EE, &leaf } };

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (int form = 0; form < 6; form++) {
			int usage = forms[i].usage, selector = form / 3, matching = form % 3;

			HOLDS(one(usage, selector, matching, forms[i].of), &leaf, chain);
			SAYS("dane-mismatch", one(DANE_EE, selector, matching, forms[i].of),
				&other_leaf, NULL);
			assert_non_null(verify(
				one(usage, selector, matching, forms[i].of), &other_leaf, chain));
			assert_non_null(
				verify(one(usage, selector, matching, &other_root), &leaf, chain));
		}
	}
}

/* RFC 7671 5.1: the record is all there is to it. */
static void end_entity_needs_no_name(void **state)
{
	(void)state;
	HOLDS(one(DANE_EE, 1, 1, &unnamed), &unnamed, NULL);
	HOLDS(one(DANE_EE, 1, 1, &expired), &expired, NULL);
	HOLDS(one(DANE_EE, 0, 1, &target_named), &target_named, NULL);
	HOLDS(one(DANE_EE, 1, 1, &leaf), &leaf, NULL);
}

static void anchor_needs_name_and_time(void **state)
{
	struct dane_records *r;

	(void)state;
	SAYS("dane-chain", one(DANE_TA, 1, 1, &middle), &expired, chain);
	SAYS("dane-name", one(DANE_TA, 1, 1, &middle), &nameless, chain);
	/* An authority is who signed, not who is signed. */
	SAYS("dane-mismatch", one(DANE_TA, 1, 1, &unnamed), &unnamed, NULL);
	/* The domain's name, or that of the server its signed SRV names. */
	HOLDS(one(DANE_TA, 1, 1, &root), &target_named, chain);
	r = records("xmpp2.hoster.example");
	add(r, 0, DANE_TA, 1, 1, root.cert);
	SAYS("dane-name", r, &target_named, chain);
	r = records("xmpp2.hoster.example");
	add(r, 0, DANE_TA, 1, 1, root.cert);
	HOLDS(r, &leaf, chain);
	/* Names of XMPP's own are names, too (RFC 6120 13.7.1.2). */
	HOLDS(one(DANE_TA, 1, 1, &middle), &srv_named, chain);
	HOLDS(one(DANE_EE, 1, 1, &srv_named), &srv_named, NULL);
	/* One target's authority does not speak for another's name. */
	r = records("xmpp2.hoster.example");
	add(r, 0, DANE_TA, 1, 1, root.cert);
	assert_int_equal(dane_records_add_target(r, "xmpp1.hoster.example"), 1);
	add(r, 1, DANE_TA, 1, 1, other_root.cert);
	SAYS("dane-name", r, &target_named, chain);
}

/* RFC 7671 5.2.2: a digest of the root needs the root shown; a whole one does not. */
static void anchor_that_is_not_shown(void **state)
{
	STACK_OF(X509) *short_chain = sk_X509_new_null();

	(void)state;
	sk_X509_push(short_chain, middle.cert);
	HOLDS(one(DANE_TA, 0, 0, &root), &leaf, short_chain);
	HOLDS(one(DANE_TA, 1, 0, &root), &leaf, short_chain);
	assert_non_null(verify(one(DANE_TA, 1, 0, &other_root), &leaf, short_chain));
	assert_non_null(verify(one(DANE_TA, 1, 1, &middle), &leaf, NULL));
	sk_X509_free(short_chain);
}

/* Usages 0 and 1 ask for the ordinary chain as well. */
static void public_authorities_are_asked(void **state)
{
	const char *why;
	struct dane_records *r;

	(void)state;
	assert_non_null(verify(one(PKIX_EE, 1, 1, &other_leaf), &other_leaf, NULL));
	assert_non_null(verify(one(PKIX_EE, 1, 1, &expired), &expired, chain));
	r = one(PKIX_EE, 1, 1, &leaf);
	assert_int_equal(dane_verify(r, leaf.cert, chain, NULL, "remote.example", &why), 0);
	assert_int_equal(dane_verify(r, leaf.cert, chain, trust, "remote.example", &why), 1);
	assert_int_equal(dane_verify(r, leaf.cert, chain, trust, "elsewhere.example", &why), 0);
	assert_string_equal(why, "dane-name");
	assert_int_equal(dane_verify(r, leaf.cert, chain, trust, "a.wild.example", &why), 1);
	assert_int_equal(dane_verify(r, leaf.cert, chain, trust, "a.b.wild.example", &why), 0);
	dane_records_unref(r);
}

/* Any one of several suffices: a key about to be changed is announced beside the old one (RFC
 * 7671 8.1). */
static void several_records(void **state)
{
	struct dane_records *r = records("a.example"), *again;

	(void)state;
	add(r, 0, DANE_EE, 1, 1, other_leaf.cert);
	add(r, 0, DANE_EE, 1, 1, leaf.cert);
	assert_int_equal(dane_records_add_target(r, "b.example"), 1);
	add(r, 1, DANE_EE, 1, 2, unnamed.cert);
	assert_int_equal(dane_records_count(r), 3);
	again = dane_records_ref(r);
	HOLDS(r, &leaf, NULL);
	HOLDS(dane_records_ref(again), &unnamed, NULL);
	HOLDS(dane_records_ref(again), &other_leaf, NULL);
	SAYS("dane-mismatch", again, &target_named, chain);
}

static void garbled_records(void **state)
{
	unsigned char bytes[4096] = { 0 };
	struct dane_records *r = records("a.example");
	size_t len = record_of(bytes, DANE_EE, 1, 1, leaf.cert);

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(dane_records_add(r, 0, bytes, cut), ERR_SYNTAX);
	assert_int_equal(dane_records_add(r, 0, bytes, len + 1), ERR_SYNTAX);
	for (int at = 0; at < 3; at++) {
		for (int value = 4; value < 256; value++) {
			unsigned char was = bytes[at];

			bytes[at] = (unsigned char)value;
			assert_int_equal(dane_records_add(r, 0, bytes, len), ERR_SYNTAX);
			bytes[at] = was;
		}
	}
	assert_int_equal(dane_records_count(r), 0);
	/* Whole certificates that are none: the library throws them out, and the good one beside
	 * counts. */
	memset(bytes, 0x30, sizeof(bytes));
	for (int usage = 0; usage < 4; usage++) {
		for (int selector = 0; selector < 2; selector++) {
			bytes[0] = (unsigned char)usage;
			bytes[1] = (unsigned char)selector;
			bytes[2] = 0;
			assert_int_equal(dane_records_add(r, 0, bytes, 200), 0);
		}
	}
	SAYS("dane-mismatch", dane_records_ref(r), &leaf, chain);
	add(r, 0, DANE_EE, 1, 1, leaf.cert);
	HOLDS(r, &leaf, chain);
	/* Nothing at all never holds. */
	SAYS("dane-mismatch", records("a.example"), &leaf, chain);
	SAYS("dane-mismatch", NULL, &leaf, chain);
}

static void ceilings(void **state)
{
	struct dane_records *r = dane_records_new();
	unsigned char bytes[DANE_DATA_MAX + 16] = { 3, 1, 0 };

	(void)state;
	for (int i = 0; i < DANE_TARGETS_MAX; i++)
		assert_int_equal(dane_records_add_target(r, "t.example"), i);
	assert_int_equal(dane_records_add_target(r, "t.example"), ERR_LIMIT);
	assert_int_equal(dane_records_add(r, 0, bytes, sizeof(bytes)), ERR_LIMIT);
	for (int i = 0; i < DANE_RECORDS_MAX; i++)
		add(r, i % DANE_TARGETS_MAX, DANE_EE, 1, 1, leaf.cert);
	assert_int_equal(dane_records_add(r, 0, bytes, 64), ERR_LIMIT);
	HOLDS(r, &leaf, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),
		cmocka_unit_test(end_entity_needs_no_name),
		cmocka_unit_test(anchor_needs_name_and_time),
		cmocka_unit_test(anchor_that_is_not_shown),
		cmocka_unit_test(public_authorities_are_asked),
		cmocka_unit_test(several_records),
		cmocka_unit_test(garbled_records),
		cmocka_unit_test(ceilings),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
