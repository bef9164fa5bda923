/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own server is shown where "unverified untrusted" lets it decide: behind remote.c's
 * "none", before tls_link_show. In: the domain it dialled. Out: a key pair and a leaf of that name
 * which no authority has signed. It has the name, so that it is the missing signature and nothing
 * else that a server's log complains of; it says in its subject who made it. It is never kept: the
 * next stream gets another, and a server that learns keys by heart has nothing to learn. */
#include "proxy/untrusted.h"

#include <string.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "base/err.h"
#include "xmpp/jid.h"

enum { BACKDATED_S = 3600, LIFE_S = 86400, SERIAL_BYTES = 16 };

static bool leaf_set_serial(X509 *leaf)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *number;
	bool ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, of one length */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf));
	BN_free(number);
	return ok;
}

static bool leaf_set_name(X509 *leaf, const char *ascii)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	bool ok = names && name && value && ASN1_STRING_set(value, ascii, -1) == 1;

	if (ok) {
		GENERAL_NAME_set0_value(name, GEN_DNS, value);
		value = NULL;
		ok = sk_GENERAL_NAME_push(names, name) > 0;
		if (ok)
			name = NULL;
		ok = ok && X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 0, 0) == 1;
	}
	ASN1_IA5STRING_free(value);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return ok;
}

static bool leaf_fill(X509 *leaf, EVP_PKEY *key, const char *ascii)
{
	static const unsigned char maker[] = "not verified by xmppwall";
	X509_NAME *subject = X509_get_subject_name(leaf);

	return X509_set_version(leaf, X509_VERSION_3) == 1 && leaf_set_serial(leaf) &&
	       X509_NAME_add_entry_by_NID(
		       subject, NID_commonName, MBSTRING_ASC, maker, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(leaf, subject) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(leaf), -BACKDATED_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(leaf), LIFE_S) &&
	       X509_set_pubkey(leaf, key) == 1 && leaf_set_name(leaf, ascii) &&
	       X509_sign(leaf, key, EVP_sha256()) > 0;
}

int untrusted_make(const char *domain, X509 **leaf, EVP_PKEY **key)
{
	struct arena arena;
	const char *ascii;
	int r;

	*leaf = NULL;
	*key = NULL;
	arena_init(&arena, 0);
	if ((r = jid_ascii_domain(&arena, span_of(domain), &ascii)) == 0) {
		*key = EVP_EC_gen("P-256");
		*leaf = X509_new();
		if (!*key || !*leaf || !leaf_fill(*leaf, *key, ascii))
			r = ERR_TLS;
	}
	if (r < 0) {
		X509_free(*leaf);
		EVP_PKEY_free(*key);
		*leaf = NULL;
		*key = NULL;
		ERR_clear_error();
	}
	arena_fini(&arena);
	return r;
}
