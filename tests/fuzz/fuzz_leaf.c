/* SPDX-License-Identifier: BSD-2-Clause */
/* link: ca */
/* What a worker that was taken over may ask the local authority for. Input: an end in seconds from
 * now, a blank, a domain, a NUL, and a public key in PEM ("k": one that is good). Whatever is
 * signed is for a prepared domain, and names it as DNS does and as SRV-ID, and nothing else; it
 * ends no later than it should, and signs nothing itself. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/log.h"
#include "ca/leaf.h"
#include "xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 8192, DAY_MS = 86400000 };

static struct authority by;
static char *good;

static void once_make(void)
{
	BIO *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *bytes;
	long len;

	log_set_level(LOG_LEVEL_ERROR);
	clock_freeze(1000000000, INT64_C(1800000000000));
	by.key = EVP_EC_gen("P-256");
	by.cert = X509_new();
	assert(out && key && by.key && by.cert && PEM_write_bio_PUBKEY(out, key) == 1);
	len = BIO_get_mem_data(out, &bytes);
	good = strndup(bytes, (size_t)len);
	X509_set_version(by.cert, X509_VERSION_3);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(by.cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"authority", -1, -1, 0);
	ASN1_TIME_set(X509_getm_notBefore(by.cert), 1700000000);
	ASN1_TIME_set(X509_getm_notAfter(by.cert), 1800000000 + 30 * 86400);
	assert(X509_set_pubkey(by.cert, by.key) == 1 &&
		extension_add(by.cert, by.cert, NID_subject_key_identifier, "hash"));
	EVP_PKEY_free(key);
	BIO_free(out);
}

static void names_check(X509 *leaf, const char *domain)
{
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	const ASN1_STRING *dns, *srv;
	const char *prepared, *ascii;
	struct arena a;

	arena_init(&a, 0);
	assert(jid_prep_domain(&a, span_of(domain), &prepared) == 0 && !strcmp(prepared, domain));
	assert(jid_ascii_domain(&a, span_of(domain), &ascii) == 0 && !strpbrk(ascii, "*@/, "));
	assert(names && critical == 1 && sk_GENERAL_NAME_num(names) == 2);
	assert(sk_GENERAL_NAME_value(names, 0)->type == GEN_DNS);
	assert(sk_GENERAL_NAME_value(names, 1)->type == GEN_OTHERNAME);
	dns = sk_GENERAL_NAME_value(names, 0)->d.dNSName;
	srv = sk_GENERAL_NAME_value(names, 1)->d.otherName->value->value.ia5string;
	assert((size_t)ASN1_STRING_length(dns) == strlen(ascii));
	assert(memcmp(ASN1_STRING_get0_data(dns), ascii, strlen(ascii)) == 0);
	assert((size_t)ASN1_STRING_length(srv) == strlen(ascii) + 13);
	assert(memcmp(ASN1_STRING_get0_data(srv), "_xmpp-server.", 13) == 0);
	assert(memcmp(ASN1_STRING_get0_data(srv) + 13, ascii, strlen(ascii)) == 0);
	GENERAL_NAMES_free(names);
	arena_fini(&a);
}

static void leaf_check(X509 *leaf, const struct leaf_request *request)
{
	int64_t end = time_of(X509_get0_notAfter(leaf)), now = clock_wall_ms();

	assert(X509_verify(leaf, by.key) == 1 && X509_check_ca(leaf) == 0);
	assert(X509_NAME_entry_count(X509_get_subject_name(leaf)) == 0);
	assert(X509_get_extended_key_usage(leaf) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
	assert(X509_get_key_usage(leaf) == KU_DIGITAL_SIGNATURE);
	assert(end > now && end <= now + request->life_ms);
	assert(!request->not_after_ms || end <= request->not_after_ms);
	names_check(leaf, request->domain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leaf_request request = { .life_ms = DAY_MS };
	const char *why = NULL;
	char *text, *domain, *key;
	X509 *leaf = NULL;

	if (!good)
		once_make();
	if (size > INPUT_MAX || !(text = calloc(1, size + 2)))
		return 0;
	memcpy(text, data, size);
	request.not_after_ms = strtoll(text, &domain, 10) % 100000000;
	if (request.not_after_ms)
		request.not_after_ms = request.not_after_ms * 1000 + clock_wall_ms();
	domain += *domain == ' ';
	key = domain + strlen(domain) + 1;
	request.domain = domain;
	request.key = key >= text + size || strcmp(key, "k") == 0 ? good : key;
	if (leaf_sign(&by, &request, &leaf, &why) == 0)
		leaf_check(leaf, &request);
	else
		assert(!leaf && why && *why);
	assert(ERR_peek_error() == 0);
	X509_free(leaf);
	free(text);
	return 0;
}
