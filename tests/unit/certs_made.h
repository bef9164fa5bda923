/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates made in a test: any name, of any ASN.1 type, signed by whomever. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "rules/source.h"

/* Asserted in any build. */
static inline void made_must(bool ok)
{
	if (!ok)
		abort();
}

struct made {
	X509 *leaf;
	EVP_PKEY *key;
};

/* What made_new makes; zero is a leaf without names, signed by itself, good from an hour ago for a
 * day. */
struct made_like {
	GENERAL_NAMES *names;                               /* taken; NULL: no subjectAltName */
	const char *cn;                                     /* NULL: none */
	int cn_type;                                        /* V_ASN1_...; 0: UTF8String */
	const struct made *by;                              /* NULL: itself */
	const char *basic, *usage, *extended, *constraints; /* as in openssl.cnf; NULL: none */
	long from_s, to_s;                                  /* from now; both 0 as above */
	const char *group; /* of the key; NULL: "P-256"; "rsa1024" */
};

static inline GENERAL_NAMES *made_names(void)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();

	made_must(all);
	return all;
}

static inline GENERAL_NAMES *made_dns(GENERAL_NAMES *all, const void *text, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	made_must(name && value && ASN1_STRING_set(value, text, (int)len) == 1);
	GENERAL_NAME_set0_value(name, GEN_DNS, value);
	sk_GENERAL_NAME_push(all, name);
	return all;
}

/* An otherName whose value is a string of that type. */
static inline GENERAL_NAMES *made_other(
	GENERAL_NAMES *all, int nid, int type, const void *text, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = ASN1_STRING_type_new(type);
	ASN1_TYPE *any = ASN1_TYPE_new();

	made_must(name && value && any && ASN1_STRING_set(value, text, (int)len) == 1);
	ASN1_TYPE_set(any, type, value);
	made_must(GENERAL_NAME_set0_othername(name, OBJ_nid2obj(nid), any) == 1);
	sk_GENERAL_NAME_push(all, name);
	return all;
}

/* By OpenSSL's own words ("email:a@b.example"). */
static inline GENERAL_NAMES *made_words(const char *words)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, words);
	GENERAL_NAMES *all = ext ? X509V3_EXT_d2i(ext) : NULL;

	made_must(all);
	X509_EXTENSION_free(ext);
	return all;
}

static inline void made_extend(X509 *leaf, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (!value)
		return;
	X509V3_set_ctx(&ctx, issuer, leaf, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	made_must(ext && X509_add_ext(leaf, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static inline EVP_PKEY *made_key(const char *group)
{
	EVP_PKEY *key = group && strcmp(group, "rsa1024") == 0
				? EVP_RSA_gen(1024)
				: EVP_EC_gen(group ? group : "P-256");

	made_must(key);
	return key;
}

static inline struct made made_new(struct made_like like)
{
	static long serial = 1;
	struct made m = { X509_new(), made_key(like.group) };
	X509_NAME *subject = X509_get_subject_name(m.leaf);
	const struct made *by = like.by ? like.by : &m;
	bool dated = like.from_s || like.to_s;

	made_must(m.leaf);
	X509_set_version(m.leaf, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m.leaf), serial++);
	X509_time_adj_ex(X509_getm_notBefore(m.leaf), 0, dated ? like.from_s : -3600, NULL);
	X509_time_adj_ex(X509_getm_notAfter(m.leaf), 0, dated ? like.to_s : 86400, NULL);
	if (like.cn)
		made_must(
			X509_NAME_add_entry_by_NID(subject, NID_commonName,
				like.cn_type ? like.cn_type : V_ASN1_UTF8STRING,
				(const unsigned char *)like.cn, (int)strlen(like.cn), -1, 0) == 1);
	X509_set_pubkey(m.leaf, m.key);
	X509_set_issuer_name(m.leaf, X509_get_subject_name(by->leaf));
	made_extend(m.leaf, by->leaf, NID_basic_constraints, like.basic);
	made_extend(m.leaf, by->leaf, NID_key_usage, like.usage);
	made_extend(m.leaf, by->leaf, NID_ext_key_usage, like.extended);
	made_extend(m.leaf, by->leaf, NID_name_constraints, like.constraints);
	if (like.names)
		made_must(X509_add1_ext_i2d(m.leaf, NID_subject_alt_name, like.names, 0, 0) == 1);
	GENERAL_NAMES_free(like.names);
	made_must(X509_sign(m.leaf, by->key, EVP_sha256()) > 0);
	return m;
}

static inline struct made made_authority(const char *name, const struct made *by)
{
	return made_new((struct made_like){ .cn = name,
		.by = by,
		.basic = "critical,CA:TRUE",
		.usage = "critical,keyCertSign,cRLSign" });
}

static inline void made_free(struct made *m)
{
	X509_free(m->leaf);
	EVP_PKEY_free(m->key);
	*m = (struct made){ NULL, NULL };
}

/* One of its two files, as a policy's sources hold it. */
static inline void made_add(
	struct source_set *set, const char *path, const struct made *m, bool key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	if (key)
		PEM_write_bio_PrivateKey(bio, m->key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_X509(bio, m->leaf);
	len = BIO_get_mem_data(bio, &bytes);
	made_must(source_add(set, path, bytes, (size_t)len) == 0);
	BIO_free(bio);
}
