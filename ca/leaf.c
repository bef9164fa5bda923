/* SPDX-License-Identifier: BSD-2-Clause */
/* Under the minting: one request becomes one certificate, or a reason. In: a domain, a public key,
 * a time. Out: a leaf that names that domain as dNSName (A-labels), SRV-ID and xmppAddr, and
 * nothing else; it has no subject, so its names are critical (RFC 5280 4.1.2.6). What is no domain
 * that servers can be verified for is refused: addresses, wildcards, spellings that are not the
 * prepared one. It does not know whether the domain was verified: whoever asks vouches for that. */
#include "ca/leaf.h"

#include <string.h>
#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "base/clock.h"
#include "base/err.h"
#include "xmpp/jid.h"

enum { EARLY_MS = 300000, DOMAIN_MAX = 255, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

static const char srv_prefix[] = "_xmpp-server.";

/* ---- the domain ---- */

/* Its A-labels, in the arena; NULL with *why. */
static const char *domain_check(struct arena *a, const char *domain, const char **why)
{
	const char *prepared, *ascii;
	size_t len = strlen(domain);

	*why = "it is no domain";
	if (len == 0 || len > DOMAIN_MAX || strchr(domain, '*'))
		return NULL;
	if (jid_prep_domain(a, span_of(domain), &prepared) < 0)
		return NULL;
	if (strcmp(prepared, domain) != 0) {
		*why = "it is not prepared";
		return NULL;
	}
	if (jid_ascii_domain(a, span_of(prepared), &ascii) < 0) {
		*why = "it has no name in DNS";
		return NULL;
	}
	return ascii;
}

/* ---- the key ---- */

static bool key_is_good(EVP_PKEY *key)
{
	char group[32] = "";
	int explicit =
		1; /* the curve's numbers instead of its name: others need not know it again */

	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
		       EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0 &&
	       EVP_PKEY_get_int_param(
		       key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit) == 1 &&
	       !explicit;
}

static EVP_PKEY *key_check(const char *pem, const char **why)
{
	BIO *in = *pem ? BIO_new_mem_buf(pem, -1) : NULL;
	EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, (void *)"") : NULL;

	BIO_free(in);
	*why = "no public key in it";
	if (key && !key_is_good(key)) {
		*why = "its key is neither of P-256 nor RSA of 2048 bits or more";
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

/* ---- names ---- */

static bool names_push(GENERAL_NAMES *names, GENERAL_NAME *one, int type, void *value)
{
	if (!one || !value)
		return false;
	GENERAL_NAME_set0_value(one, type, value);
	return sk_GENERAL_NAME_push(names, one) > 0;
}

static bool names_add_dns(GENERAL_NAMES *names, const char *ascii)
{
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	GENERAL_NAME *one = GENERAL_NAME_new();

	if (value && ASN1_STRING_set(value, ascii, -1) == 1 &&
		names_push(names, one, GEN_DNS, value))
		return true;
	ASN1_IA5STRING_free(value);
	GENERAL_NAME_free(one);
	return false;
}

/* RFC 4985. */
static bool names_add_srv(GENERAL_NAMES *names, const char *text)
{
	ASN1_OBJECT *id = OBJ_nid2obj(NID_SRVName);
	ASN1_STRING *string = ASN1_STRING_type_new(V_ASN1_IA5STRING);
	ASN1_TYPE *value = ASN1_TYPE_new();
	GENERAL_NAME *one = GENERAL_NAME_new();

	if (id && string && value && one && ASN1_STRING_set(string, text, -1) == 1) {
		ASN1_TYPE_set(value, V_ASN1_IA5STRING, string);
		string = NULL;
		if (GENERAL_NAME_set0_othername(one, id, value) == 1) {
			value = NULL;
			if (sk_GENERAL_NAME_push(names, one) > 0)
				return true;
		}
	}
	ASN1_STRING_free(string);
	ASN1_TYPE_free(value);
	GENERAL_NAME_free(one);
	return false;
}

static bool names_set(X509 *cert, const char *ascii)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	char srv[sizeof srv_prefix + DOMAIN_MAX];
	bool done;

	memcpy(stpcpy(srv, srv_prefix), ascii, strlen(ascii) + 1);
	done = names && names_add_dns(names, ascii) && names_add_srv(names, srv) &&
	       X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return done;
}

/* ---- the leaf ---- */

/* Its end, in seconds since 1970; 0: it would have none. */
static int64_t end_of(const struct authority *by, const struct leaf_request *rq, int64_t now)
{
	int64_t end = now + rq->life_ms, last = time_of(X509_get0_notAfter(by->cert));

	if (rq->not_after_ms && rq->not_after_ms < end)
		end = rq->not_after_ms;
	if (last < end)
		end = last;
	return end > now + 1000 ? end / 1000 : 0;
}

static X509 *cert_make(
	const struct authority *by, const char *ascii, EVP_PKEY *key, int64_t now, int64_t end)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && serial_set(cert) &&
		X509_set_issuer_name(cert, X509_get_subject_name(by->cert)) == 1 &&
		X509_set_pubkey(cert, key) == 1 &&
		ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)((now - EARLY_MS) / 1000)) &&
		ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)end) &&
		extension_add(cert, by->cert, NID_basic_constraints, "critical,CA:FALSE") &&
		extension_add(cert, by->cert, NID_key_usage, "critical,digitalSignature") &&
		extension_add(cert, by->cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
		extension_add(cert, by->cert, NID_subject_key_identifier, "hash") &&
		extension_add(cert, by->cert, NID_authority_key_identifier, "keyid") &&
		names_set(cert, ascii) && X509_sign(cert, by->key, EVP_sha256()) > 0)
		return cert;
	ERR_clear_error();
	X509_free(cert);
	return NULL;
}

int leaf_sign(
	const struct authority *by, const struct leaf_request *rq, X509 **out, const char **why)
{
	int64_t now = clock_wall_ms(), end = end_of(by, rq, now);
	EVP_PKEY *key = NULL;
	const char *ascii;
	struct arena a;
	int r = ERR_REFUSED;

	arena_init(&a, 0);
	ascii = domain_check(&a, rq->domain, why);
	if (ascii && end == 0)
		*why = "what it stands for has expired";
	if (ascii && end && (key = key_check(rq->key, why))) {
		*out = cert_make(by, ascii, key, now, end);
		*why = "the library signs nothing";
		r = *out ? 0 : ERR_TLS;
	}
	EVP_PKEY_free(key);
	arena_fini(&a);
	return r;
}
