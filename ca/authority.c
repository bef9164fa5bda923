/* SPDX-License-Identifier: BSD-2-Clause */
/* Over ca/folder.c, under the commands and the minting. In: the files authority.key, authority.crt
 * and former.crt. Out: an authority that is whole, or one line why it is not. A key and its
 * certificate are two files that must change as one: both are written beside the old ones first,
 * the certificate gets its name, then the key; whoever finds a certificate of another key looks for
 * the key under the name it had before. A key is never written over unless a rotation is asked for,
 * and never written where others may read it. */
#include "ca/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "ca/folder.h"

static const char key_name[] = "authority.key", key_new[] = "authority.key.new",
		  cert_name[] = "authority.crt", former_name[] = "former.crt";

enum { HOST_MAX = 30, YEARS_DAYS = 3652, EARLY_S = 300, FORMER_MAX = 32, PEM_MAX = 65536 };

/* ---- certificates ---- */

int64_t time_of(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

void fingerprint_of(const X509 *cert, char text[FINGERPRINT_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	*text = '\0';
	if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
		return;
	for (unsigned i = 0; i < n && i * 3 + 3 < FINGERPRINT_SIZE + 1; i++)
		snprintf(text + i * 3, FINGERPRINT_SIZE - i * 3, i + 1 < n ? "%02X:" : "%02X",
			digest[i]);
}

bool serial_set(X509 *cert)
{
	BIGNUM *number = BN_new();
	bool done = number && BN_rand(number, 128, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		    !BN_is_zero(number) &&
		    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;

	BN_free(number);
	return done;
}

bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *one;
	X509V3_CTX ctx;
	bool added;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	one = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	added = one && X509_add_ext(cert, one, -1) == 1;
	X509_EXTENSION_free(one);
	return added;
}

int pem_put(struct buf *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;
	int r = -ENOMEM;

	if (bio && PEM_write_bio_X509(bio, cert) == 1 && (len = BIO_get_mem_data(bio, &bytes)) > 0)
		r = buf_put(out, bytes, (size_t)len);
	BIO_free(bio);
	return r;
}

/* All there are in the text; NULL if there is none, or something in it is none that is whole. */
static STACK_OF(X509) * certs_of(const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	STACK_OF(X509) *all = sk_X509_new_null();
	X509 *one;
	unsigned long end;

	while (in && all && (one = PEM_read_bio_X509(in, NULL, NULL, (void *)"")))
		if (!sk_X509_push(all, one))
			X509_free(one);
	end = ERR_peek_last_error();
	BIO_free(in);
	ERR_clear_error();
	if (sk_X509_num(all) > 0 && ERR_GET_REASON(end) == PEM_R_NO_START_LINE)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

/* ---- a new one ---- */

/* "xmppwall local authority HOST/1a2b3c4d": 64 characters at most (RFC 5280, ub-common-name). */
static bool subject_set(X509 *cert)
{
	unsigned char chance[4];
	char host[256] = "", text[128];
	X509_NAME *name = X509_get_subject_name(cert);

	(void)gethostname(host, sizeof host - 1);
	for (char *at = host; *at; at++)
		if (*at < '!' || *at > '~' || *at == '/')
			*at = '-';
	if (RAND_bytes(chance, sizeof chance) != 1)
		return false;
	snprintf(text, sizeof text, "xmppwall local authority %.*s/%02x%02x%02x%02x", HOST_MAX,
		*host ? host : "host", chance[0], chance[1], chance[2], chance[3]);
	return X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1;
}

static X509 *cert_new(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && serial_set(cert) &&
		subject_set(cert) && X509_set_pubkey(cert, key) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -EARLY_S) &&
		X509_time_adj_ex(X509_getm_notAfter(cert), YEARS_DAYS, 0, NULL) &&
		extension_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
		extension_add(cert, cert, NID_key_usage, "critical,keyCertSign") &&
		extension_add(cert, cert, NID_subject_key_identifier, "hash") &&
		X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static int key_write(int folder, EVP_PKEY *key, struct buf *why)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *bytes;
	long len = 0;
	int r = -ENOMEM;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		(len = BIO_get_mem_data(bio, &bytes)) > 0)
		r = folder_write(folder, key_name, 0400, (struct span){ bytes, (size_t)len }, why);
	else
		buf_puts(why, err_text(r));
	if (len > 0)
		OPENSSL_cleanse(bytes, (size_t)len);
	BIO_free(bio);
	return r;
}

static int cert_write(int folder, X509 *cert, struct buf *why)
{
	struct buf pem;
	int r;

	buf_init(&pem, 0);
	if ((r = pem_put(&pem, cert)) < 0)
		buf_puts(why, err_text(r));
	else
		r = folder_write(folder, cert_name, 0644, buf_span(&pem), why);
	buf_fini(&pem);
	return r;
}

/* Makes one; until the last step the one before is whole. */
static int pair_write(int folder, struct buf *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? cert_new(key) : NULL;
	int r = cert ? 0 : ERR_TLS;

	if (!cert) {
		ERR_clear_error();
		buf_puts(why, "the library makes no key");
	} else if ((r = key_write(folder, key, why)) == 0) {
		if ((r = cert_write(folder, cert, why)) == 0)
			r = folder_put(folder, cert_name, why);
		if (r == 0)
			r = folder_put(folder, key_name, why);
		else
			(void)unlinkat(folder, key_new, 0);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

int authority_create(int folder, struct buf *why)
{
	if (folder_has(folder, cert_name) || folder_has(folder, key_name)) {
		buf_puts(why, "there is an authority; 'rotate' makes another one");
		return ERR_EXISTS;
	}
	return pair_write(folder, why);
}

/* ---- reading ---- */

int authority_read(int folder, struct authority_files *files, struct buf *why)
{
	int r;

	memset(files, 0, sizeof *files);
	r = folder_read(folder, cert_name, false, files->cert, sizeof files->cert, why);
	if (r == -ENOENT) {
		buf_puts(why, "no authority");
		return ERR_NOTFOUND;
	}
	if (r < 0)
		return r;
	r = folder_read(folder, key_name, true, files->key[0], sizeof files->key[0], why);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Mostly it is half of one that was being written, and counts for nothing. */
	if (folder_read(folder, key_new, true, files->key[1], sizeof files->key[1], why) < 0) {
		files->key[1][0] = '\0';
		buf_clear(why);
	}
	return 0;
}

void authority_files_wipe(struct authority_files *files)
{
	OPENSSL_cleanse(files->key, sizeof files->key);
}

static const char *cert_trouble(X509 *cert)
{
	if (X509_check_ca(cert) != 1 || !(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN))
		return "it may not sign certificates";
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		return "its time has not come (is the clock right?)";
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return "it has expired; 'rotate' makes another one";
	return NULL;
}

static EVP_PKEY *key_of(const char *pem, X509 *cert)
{
	BIO *in = *pem ? BIO_new_mem_buf(pem, -1) : NULL;
	/* "" as passphrase: one that is encrypted fails instead of asking a terminal. */
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"") : NULL;

	BIO_free(in);
	if (key && X509_check_private_key(cert, key) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

int authority_parse(
	const struct authority_files *files, bool with_key, struct authority *out, struct buf *why)
{
	const char *trouble;

	*out = (struct authority){ .above = certs_of(files->cert) };
	if (!(out->cert = out->above ? sk_X509_shift(out->above) : NULL)) {
		buf_putf(why, "%s: no certificate in it", cert_name);
		authority_fini(out);
		return ERR_SYNTAX;
	}
	trouble = cert_trouble(out->cert);
	if (!trouble && with_key && !(out->key = key_of(files->key[0], out->cert)) &&
		!(out->key = key_of(files->key[1], out->cert)))
		trouble = "authority.key is not the key of this certificate, or none at all";
	if (!trouble)
		return 0;
	buf_putf(why, "%s: %s", cert_name, trouble);
	authority_fini(out);
	return ERR_REFUSED;
}

void authority_fini(struct authority *a)
{
	X509_free(a->cert);
	sk_X509_pop_free(a->above, X509_free);
	EVP_PKEY_free(a->key);
	*a = (struct authority){ 0 };
}

/* ---- former ones ---- */

int authority_former(int folder, const X509 *present, STACK_OF(X509) * *out, struct buf *why)
{
	cleanup_free char *bytes = malloc(PEM_MAX);
	STACK_OF(X509) * all;
	int r = bytes ? folder_read(folder, former_name, false, bytes, PEM_MAX, why) : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return r;
	all = r < 0 ? sk_X509_new_null() : certs_of(bytes);
	if (!all) {
		buf_putf(why, "%s: no certificates in it", former_name);
		return ERR_SYNTAX;
	}
	for (int i = sk_X509_num(all) - 1; i >= 0; i--)
		if (X509_cmp(sk_X509_value(all, i), present) == 0 ||
			X509_cmp_current_time(X509_get0_notAfter(sk_X509_value(all, i))) <= 0)
			X509_free(sk_X509_delete(all, i));
	*out = all;
	return 0;
}

/* The one in force joins them, at their head. */
static int former_write(int folder, const char *cert, STACK_OF(X509) * former, struct buf *why)
{
	struct buf pem;
	int r;

	buf_init(&pem, PEM_MAX - 1);
	r = buf_puts(&pem, cert);
	for (int i = 0; i < sk_X509_num(former) && i < FORMER_MAX && r == 0; i++)
		r = pem_put(&pem, sk_X509_value(former, i));
	if (r < 0)
		buf_putf(why, "%s: %s", former_name, err_text(r));
	else if ((r = folder_write(folder, former_name, 0644, buf_span(&pem), why)) == 0)
		r = folder_put(folder, former_name, why);
	buf_fini(&pem);
	return r;
}

/* Ends a rotation that was cut short between the two names. Whatever else is wrong is for others to
 * tell. */
static int pair_heal(int folder, const struct authority_files *files, X509 *cert, struct buf *why)
{
	EVP_PKEY *key = key_of(files->key[0], cert),
		 *other = key ? NULL : key_of(files->key[1], cert);
	int r = other ? folder_put(folder, key_name, why) : 0;

	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	return r;
}

/* Also where its key is lost, or its time is over. */
int authority_rotate(int folder, struct buf *why)
{
	struct authority_files *files = calloc(1, sizeof *files);
	STACK_OF(X509) *former = NULL, *present = NULL;
	int r = files ? authority_read(folder, files, why) : -ENOMEM;

	if (r == 0 && !(present = certs_of(files->cert))) {
		buf_putf(why, "%s: no certificate in it", cert_name);
		r = ERR_SYNTAX;
	}
	if (r == 0 && (r = pair_heal(folder, files, sk_X509_value(present, 0), why)) == 0 &&
		(r = authority_former(folder, sk_X509_value(present, 0), &former, why)) == 0 &&
		(r = former_write(folder, files->cert, former, why)) == 0)
		r = pair_write(folder, why);
	if (files)
		authority_files_wipe(files);
	free(files);
	sk_X509_pop_free(present, X509_free);
	sk_X509_pop_free(former, X509_free);
	return r;
}

int authority_forget(int folder, struct buf *why)
{
	return folder_remove(folder, former_name, why);
}
