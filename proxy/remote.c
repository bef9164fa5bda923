/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether to believe a server's certificate: behind the handshake, before anything is minted or
 * said in its name. In: what it showed, the domain it should speak for, whom the policy trusts for
 * that domain. Out: every way in which it holds, or one word why not. The handshake itself takes
 * any certificate, and none: a server that cannot be verified may still be asked by dialback.
 * Purpose: servers show one and the same certificate when they answer and when they dial
 * (XEP-0178), and public authorities leave clientAuth out of it since 2026; so either serverAuth or
 * clientAuth, or no such list, serves in either role, as long as the whole chain was made for it.
 * A pin is the operator's own word for that key: it needs neither chain nor name. Its dates are
 * still heeded, since a key is pinned together with the certificate that says how long it is in
 * use. It never asks for revocation: that would ask a stranger's server of a stranger's choice. */
#include "proxy/remote.h"

#include <string.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

enum {
	SECURITY_BITS = 112, /* RSA 2048, P-224, SHA-224 (NIST SP 800-57) */
	UNDATED_S = 86400,   /* what DANE says without dates is asked again after so long */
	SECURITY_LEVEL = 2   /* the library's name for it */
};

static const struct {
	int error;
	const char *word;
} chain_words[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "expired" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "not-yet-valid" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, "expired" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, "not-yet-valid" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "unknown-ca" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "unknown-ca" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown-ca" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "unknown-ca" },
	{ X509_V_ERR_CERT_UNTRUSTED, "unknown-ca" },
	{ X509_V_ERR_CERT_REJECTED, "unknown-ca" },
	{ X509_V_ERR_CERT_CHAIN_TOO_LONG, "chain-too-long" },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, "chain-too-long" },
	{ X509_V_ERR_INVALID_PURPOSE, "purpose" },
	{ X509_V_ERR_INVALID_CA, "not-a-ca" },
	{ X509_V_ERR_INVALID_NON_CA, "not-a-ca" },
	{ X509_V_ERR_KEYUSAGE_NO_CERTSIGN, "not-a-ca" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, "signature" },
	{ X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, "signature" },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, "weak" },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, "weak" },
	{ X509_V_ERR_CA_MD_TOO_WEAK, "weak" },
	{ X509_V_ERR_PERMITTED_VIOLATION, "name-constraint" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, "name-constraint" },
	{ X509_V_ERR_SUBTREE_MINMAX, "name-constraint" },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, "name-constraint" },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, "name-constraint" },
	{ X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, "name-constraint" },
	{ X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "critical-extension" },
};

static const char *chain_word(int error)
{
	for (size_t i = 0; i < sizeof(chain_words) / sizeof(chain_words[0]); i++) {
		if (chain_words[i].error == error)
			return chain_words[i].word;
	}
	return "chain";
}

static bool leaf_is_weak(X509 *leaf)
{
	const EVP_PKEY *key = X509_get0_pubkey(leaf);

	return !key || EVP_PKEY_get_security_bits(key) < SECURITY_BITS;
}

/* What neither chain nor pin makes good; NULL if there is nothing. */
static const char *leaf_fault(X509 *leaf, time_t now)
{
	/* 0: a date that cannot be read. */
	if (X509_cmp_time(X509_get0_notBefore(leaf), &now) >= 0)
		return "not-yet-valid";
	if (X509_cmp_time(X509_get0_notAfter(leaf), &now) <= 0)
		return "expired";
	return leaf_is_weak(leaf) ? "weak" : NULL;
}

static time_t leaf_end(X509 *leaf)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1 ? timegm(&tm) : 0;
}

/* ---- chain and name ---- */

/* The library holds dNSNames against an authority's name constraints, and knows nothing of SRV-IDs
 * and xmppAddrs: whoever may sign for its own names only could name anybody in those. */
static bool chain_is_constrained(const STACK_OF(X509) * verified)
{
	for (int i = 1; i < sk_X509_num(verified); i++) {
		if (X509_get_ext_by_NID(sk_X509_value(verified, i), NID_name_constraints, -1) >= 0)
			return true;
	}
	return false;
}

/* NULL if the chain holds for this purpose and covers the name. */
static const char *chain_fault(const struct remote_check *check, int purpose, enum identity_by by)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *why = "memory";
	X509_VERIFY_PARAM *param;

	if (ctx && X509_STORE_CTX_init(ctx, check->trust, check->leaf, check->chain) == 1 &&
		X509_STORE_CTX_set_purpose(ctx, purpose) == 1) {
		param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(param, check->now);
		X509_VERIFY_PARAM_set_depth(param, REMOTE_DEPTH_MAX);
		X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
		if (X509_verify_cert(ctx) != 1)
			why = chain_word(X509_STORE_CTX_get_error(ctx));
		else if ((by == IDENTITY_SRV || by == IDENTITY_XMPPADDR) &&
			 chain_is_constrained(X509_STORE_CTX_get0_chain(ctx)))
			why = "name-constraint";
		else
			why = NULL;
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return why;
}

static const char *pkix_fault(const struct remote_check *check, enum identity_by by)
{
	const char *why;

	if (sk_X509_num(check->chain) > REMOTE_CHAIN_MAX)
		return "chain-too-long";
	if (!check->trust)
		return "unknown-ca";
	why = chain_fault(check, X509_PURPOSE_SSL_SERVER, by);
	if (why && strcmp(why, "purpose") == 0)
		why = chain_fault(check, X509_PURPOSE_SSL_CLIENT, by);
	if (!why && by == IDENTITY_NONE)
		return "name";
	return why;
}

/* ---- pins ---- */

bool remote_pin(X509 *leaf, uint8_t pin[REMOTE_PIN_SIZE])
{
	unsigned char *spki = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki);

	if (len > 0)
		SHA256(spki, (size_t)len, pin);
	OPENSSL_free(spki);
	return len > 0;
}

static bool pins_hold(const struct remote_check *check)
{
	uint8_t pin[REMOTE_PIN_SIZE];

	if (check->n_pins == 0 || !remote_pin(check->leaf, pin))
		return false;
	for (unsigned i = 0; i < check->n_pins; i++) {
		if (memcmp(check->pins[i], pin, sizeof(pin)) == 0)
			return true;
	}
	return false;
}

/* ---- all of it ---- */

/* What the policy does not take is not looked for: nothing may come of it, a leaf least of all. */
static bool is_asked(const struct remote_check *check, enum remote_require way)
{
	return check->require == 0 || (check->require & way);
}

static void found_add(struct remote_found *found, enum remote_verified way, enum remote_require bit)
{
	found->ways |= bit;
	if (way > found->verified)
		found->verified = way;
}

/* Who signs in DNS which certificates are its own says that no others are (RFC 7673 4): a chain
 * does not make up for that, the operator's pin does. NULL: nothing is said, or it holds. */
static const char *dane_fault(const struct remote_check *check, struct remote_found *found)
{
	const char *why = "memory";

	if (dane_records_count(check->dane) == 0 || !is_asked(check, REMOTE_DANE))
		return NULL;
	if (leaf_is_weak(check->leaf))
		return "weak";
	if (dane_verify(
		    check->dane, check->leaf, check->chain, check->trust, check->domain, &why) != 1)
		return why;
	found_add(found, REMOTE_VERIFIED_DANE, REMOTE_DANE);
	return NULL;
}

/* Each way that holds into found; the word is of the one that most servers are verified by. */
static const char *leaf_judge(const struct remote_check *check, struct remote_found *found)
{
	const char *why = leaf_fault(check->leaf, check->now);
	const char *denied = dane_fault(check, found);

	if (!why && is_asked(check, REMOTE_PIN) && pins_hold(check))
		found_add(found, REMOTE_VERIFIED_PIN, REMOTE_PIN);
	if (why || denied)
		return denied ? denied : why;
	if (!is_asked(check, REMOTE_PKIX))
		return is_asked(check, REMOTE_PIN) ? "pin" : "not-asked";
	if (!(why = pkix_fault(check, found->by)))
		found_add(found, REMOTE_VERIFIED_PKIX, REMOTE_PKIX);
	return why;
}

enum remote_verified remote_verify(const struct remote_check *check, struct remote_found *found)
{
	const char *why = "no-certificate";

	*found = (struct remote_found){ .why = "" };
	if (check->leaf) {
		found->not_after = leaf_end(check->leaf);
		identity_covers(check->leaf, check->domain, &found->by);
		why = leaf_judge(check, found);
	}
	if (found->verified == REMOTE_VERIFIED_NONE)
		found->why = why;
	else if (found->not_after <= check->now)
		found->not_after = check->now + UNDATED_S;
	return found->verified;
}
