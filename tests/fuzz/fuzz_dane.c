/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* Records as a domain's owner may put them into DNS, signed: SRV, and TLSA compared with a
 * certificate. A first byte under 0x80: one SRV record; else TLSA records, each after its length.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "base/err.h"
#include "proxy/dane_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static X509 *made(void)
{
	static X509 *leaf;
	/* A fixed key, so that a corpus can hold what matches. */
	static const unsigned char seed[32] = { 1 };
	EVP_PKEY *key;

	if (leaf)
		return leaf;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	leaf = X509_new();
	X509_set_version(leaf, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1);
	X509_time_adj_ex(X509_getm_notBefore(leaf), -10, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(leaf), 10, 0, NULL);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_ASC,
		(const unsigned char *)"a.example", -1, -1, 0);
	X509_set_issuer_name(leaf, X509_get_subject_name(leaf));
	X509_set_pubkey(leaf, key);
	X509_sign(leaf, key, NULL);
	EVP_PKEY_free(key);
	return leaf;
}

/* Whatever is taken for a name may stand in a question. */
static void read_srv(const uint8_t *data, size_t size)
{
	struct dane_srv srv;
	size_t label = 0;

	if (dane_srv_read(data, size, &srv) < 0)
		return;
	assert(strlen(srv.name) <= DNS_NAME_MAX);
	for (const char *p = srv.name; *p; p++) {
		assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", *p));
		label = *p == '.' ? 0 : label + 1;
		assert(label <= 63 && (*p != '.' || (p > srv.name && p[1] && p[1] != '.')));
	}
}

static void compare(const uint8_t *data, size_t size)
{
	struct dane_records *r = dane_records_new();
	const char *why = NULL;
	int target, verified;

	target = dane_records_add_target(r, "a.example");
	while (size > 1) {
		size_t len = data[0] < size - 1 ? data[0] : size - 1;
		uint8_t *copy = malloc(len ? len : 1); /* so that a byte too far is seen */

		memcpy(copy, data + 1, len);
		if (dane_records_add(r, target, copy, len) == 0)
			assert(len > 3 && copy[0] <= 3 && copy[1] <= 1 && copy[2] <= 2);
		free(copy);
		data += len + 1;
		size -= len + 1;
	}
	assert(dane_records_count(r) <= DANE_RECORDS_MAX);
	verified = dane_verify(r, made(), NULL, NULL, "a.example", &why);
	assert(verified >= 0 && (verified == 1) == (why == NULL));
	assert(!verified || dane_records_count(r) > 0);
	dane_records_unref(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] < 0x80)
		read_srv(data + 1, size - 1);
	else
		compare(data + 1, size - 1);
	return 0;
}
