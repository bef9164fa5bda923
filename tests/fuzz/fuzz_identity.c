/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* A certificate as a stranger sends it, and a domain. Input: 'C' and a certificate in DER, 'S' and
 * the value of a subjectAltName extension, or 'L' and lines of names ('d' dNSName, 's' SRV-ID, 'x'
 * xmppAddr, 'c' common name, 'D' 'S' 'X' the same in a string type that is not theirs); before it
 * stands the domain and a NUL. What covers a domain covers all its spellings; what is believed as a
 * dNSName OpenSSL's own comparison believes, too, which is the laxer one; each name a certificate
 * has is one it covers; and nothing is verified by a stranger's word alone. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "base/log.h"
#include "proxy/remote.h"
#include "xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16384, DOMAIN_MAX = 1100, NAMES_CHECKED = 64 };

static EVP_PKEY *key;
static X509_STORE *nobody;

static void once_make(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	key = EVP_EC_gen("P-256");
	nobody = X509_STORE_new();
	assert(key && nobody);
}

/* ---- the certificate ---- */

static X509 *leaf_bare(void)
{
	X509 *leaf = X509_new();

	assert(leaf && X509_set_version(leaf, X509_VERSION_3) == 1);
	X509_gmtime_adj(X509_getm_notBefore(leaf), -3600);
	X509_gmtime_adj(X509_getm_notAfter(leaf), 86400);
	X509_set_pubkey(leaf, key);
	return leaf;
}

/* NULL for a name that cannot be written down. */
static X509 *leaf_signed(X509 *leaf)
{
	if (X509_sign(leaf, key, EVP_sha256()) > 0)
		return leaf;
	X509_free(leaf);
	ERR_clear_error();
	return NULL;
}

static X509 *leaf_of_extension(const uint8_t *data, size_t size)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509 *leaf = leaf_bare();
	X509_EXTENSION *ext;

	assert(value && ASN1_OCTET_STRING_set(value, data, (int)size) == 1);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	assert(ext && X509_add_ext(leaf, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	return leaf_signed(leaf);
}

static void names_add(GENERAL_NAMES *all, char kind, const char *text, size_t len)
{
	bool other = isupper((unsigned char)kind);
	int srv = other ? V_ASN1_UTF8STRING : V_ASN1_IA5STRING;
	int addr = other ? V_ASN1_IA5STRING : V_ASN1_UTF8STRING;
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = ASN1_STRING_new();
	ASN1_TYPE *any;

	assert(name && value && ASN1_STRING_set(value, text, (int)len) == 1);
	if (tolower((unsigned char)kind) == 'd') {
		value->type = V_ASN1_IA5STRING;
		GENERAL_NAME_set0_value(name, other ? GEN_EMAIL : GEN_DNS, value);
	} else {
		any = ASN1_TYPE_new();
		value->type = tolower((unsigned char)kind) == 's' ? srv : addr;
		ASN1_TYPE_set(any, value->type, value);
		GENERAL_NAME_set0_othername(name,
			OBJ_nid2obj(
				tolower((unsigned char)kind) == 's' ? NID_SRVName : NID_XmppAddr),
			any);
	}
	assert(sk_GENERAL_NAME_push(all, name) > 0);
}

static X509 *leaf_of_lines(const char *data, size_t size)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	X509 *leaf = leaf_bare();
	const char *end = data + size, *stop;

	for (const char *at = data; at < end; at = stop + 1) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		if (stop > at && strchr("dsxDSX", *at) && *at)
			names_add(all, *at, at + 1, (size_t)(stop - at - 1));
		else if (stop > at && *at == 'c')
			X509_NAME_add_entry_by_NID(X509_get_subject_name(leaf), NID_commonName,
				V_ASN1_UTF8STRING, (const unsigned char *)at + 1,
				(int)(stop - at - 1), -1, 0);
	}
	if (sk_GENERAL_NAME_num(all) > 0)
		X509_add1_ext_i2d(leaf, NID_subject_alt_name, all, 0, 0);
	GENERAL_NAMES_free(all);
	ERR_clear_error();
	return leaf_signed(leaf);
}

static X509 *leaf_make(const uint8_t *data, size_t size)
{
	const unsigned char *at = data + 1;
	X509 *leaf;

	if (size < 1)
		return NULL;
	switch (*data) {
	case 'C':
		leaf = d2i_X509(NULL, &at, (long)size - 1);
		ERR_clear_error();
		return leaf;
	case 'S':
		return leaf_of_extension(data + 1, size - 1);
	case 'L':
		return leaf_of_lines((const char *)data + 1, size - 1);
	default:
		return NULL;
	}
}

/* ---- what holds ---- */

static void check_spellings(X509 *leaf, const char *domain, enum identity_by by)
{
	char text[DOMAIN_MAX + 2];
	enum identity_by again;
	size_t len = strlen(domain);

	for (size_t i = 0; i <= len; i++)
		text[i] = (char)toupper((unsigned char)domain[i]);
	identity_covers(leaf, text, &again);
	assert(again == by);
}

/* OpenSSL's wildcards know no underscore. */
static void check_dns(X509 *leaf, const char *domain)
{
	const char *prepared, *ascii;
	struct arena a;

	arena_init(&a, 0);
	assert(jid_prep_domain(&a, span_of(domain), &prepared) == 0);
	if (!strchr(prepared, '_') && jid_ascii_domain(&a, span_of(prepared), &ascii) == 0)
		assert(X509_check_host(leaf, ascii, 0,
			       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
			       NULL) == 1);
	ERR_clear_error();
	arena_fini(&a);
}

struct names {
	X509 *leaf;
	unsigned n;
};

static void check_name(void *arg, const char *name, bool wildcard, enum identity_by by)
{
	struct names *all = arg;
	char below[DOMAIN_MAX + 2];

	assert(by > IDENTITY_NONE && by <= IDENTITY_CN && *identity_by_text(by));
	assert(!strchr(name, '*') && !strchr(name, '/') && !strchr(name, '@') && *name);
	assert(!wildcard || (by == IDENTITY_DNS && strchr(name, '.')));
	if (all->n++ >= NAMES_CHECKED)
		return;
	snprintf(below, sizeof(below), "%s%s", wildcard ? "x." : "", name);
	assert(identity_covers(all->leaf, below, NULL));
}

static void check_remote(X509 *leaf, const char *domain, enum identity_by by)
{
	uint8_t pin[REMOTE_PIN_SIZE];
	struct remote_check check = {
		.leaf = leaf, .domain = domain, .trust = nobody, .now = time(NULL)
	};
	struct remote_found found;

	assert(remote_verify(&check, &found) == REMOTE_VERIFIED_NONE);
	assert(found.ways == 0 && found.by == by && *found.why);
	if (!remote_pin(leaf, pin))
		return;
	check.pins = (const uint8_t(*)[REMOTE_PIN_SIZE])pin;
	check.n_pins = 1;
	remote_verify(&check, &found);
	assert(found.ways == 0 || found.ways == REMOTE_PIN);
	assert((found.ways == REMOTE_PIN) == (found.verified == REMOTE_VERIFIED_PIN));
	if (found.ways == REMOTE_PIN)
		assert(found.not_after > check.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char domain[DOMAIN_MAX];
	struct names all = { 0 };
	enum identity_by by;
	const uint8_t *nul;
	size_t len;

	if (!key)
		once_make();
	if (size > INPUT_MAX || !(nul = memchr(data, '\0', size)) ||
		(len = (size_t)(nul - data)) >= sizeof(domain))
		return 0;
	memcpy(domain, data, len + 1);
	if (!(all.leaf = leaf_make(nul + 1, size - len - 1)))
		return 0;
	assert(identity_covers(all.leaf, domain, &by) == (by != IDENTITY_NONE));
	check_spellings(all.leaf, domain, by);
	if (by == IDENTITY_DNS)
		check_dns(all.leaf, domain);
	identity_names(all.leaf, check_name, &all);
	check_remote(all.leaf, domain, by);
	X509_free(all.leaf);
	return 0;
}
