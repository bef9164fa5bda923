/* SPDX-License-Identifier: BSD-2-Clause */
/* How TLS is spoken, on both legs: behind certs.c, before tls_link.c.
 * In: the service's settings. Out: two SSL_CTX; their callbacks choose the certificate by SNI or
 * stream "to", answer ALPN, and verify servers: chain and name, or byte for byte the leaf we
 * ourselves show for that domain (RFC 7590; the usual set-up is one certificate on both legs).
 * Renegotiation, compression and early data are off (XEP-0388 security considerations).
 * It never touches a socket. */
#include "proxy/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/hello.h"

static X509_STORE *system_trust;
static int pick_index = -1;

static const char *const trust_files[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
	"/etc/ssl/ca-bundle.pem",             /* openSUSE */
	"/etc/ssl/cert.pem",                  /* Alpine, BSD */
};

int tls_init(void)
{
	const char *named = getenv(X509_get_default_cert_file_env());
	bool loaded = false;

	pick_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (pick_index < 0 || !(system_trust = X509_STORE_new()))
		return ERR_TLS;
	if (named)
		loaded = X509_STORE_load_file(system_trust, named) == 1;
	for (size_t i = 0; i < sizeof(trust_files) / sizeof(trust_files[0]) && !loaded; i++)
		loaded = X509_STORE_load_file(system_trust, trust_files[i]) == 1;
	ERR_clear_error();
	if (!loaded)
		log_warn("tls no system trust anchors found: only own certificates and "
			 "'verify file' can be verified");
	return 0;
}

int tls_pick_index(void)
{
	return pick_index;
}

/* After the ClientHello: SNI, else the stream's "to", else the default certificate. */
static int tls_on_choose(SSL *ssl, void *arg)
{
	struct tls_pick *pick = SSL_get_ex_data(ssl, pick_index);
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct cert *c = NULL;

	(void)arg;
	if (pick->late)
		return pick->shown ? 1 : -1; /* the handshake pauses until tls_link_show */
	if (sni)
		c = certs_find(pick->certs, sni);
	if (!c && pick->to)
		c = certs_find(pick->certs, pick->to);
	if (!c)
		c = certs_default(pick->certs);
	pick->chosen = c;
	return SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) == 1;
}

static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct tls_pick *pick = SSL_get_ex_data(ssl, pick_index);
	struct span list = { (const char *)in, in_len }, chosen;

	(void)arg;
	switch (hello_choose_alpn(list, pick->want_alpn, &chosen)) {
	case HELLO_ALPN_CHOSEN:
		*out = (const unsigned char *)chosen.ptr;
		*out_len = (unsigned char)chosen.len;
		return SSL_TLSEXT_ERR_OK;
	case HELLO_ALPN_NONE:
		return SSL_TLSEXT_ERR_NOACK;
	default:
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
}

static SSL_CTX *tls_base_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL_CTX *tls_server_context(void)
{
	static const unsigned char context_id[] = "xmppwall";
	SSL_CTX *ctx = tls_base_context(TLS_server_method());

	if (!ctx) {
		log_error("tls server context reason=%s", tls_error_word());
		return NULL;
	}
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_session_id_context(ctx, context_id, sizeof(context_id) - 1);
	/* Sessions live in tickets, not in a table that peers could fill. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cert_cb(ctx, tls_on_choose, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, NULL);
	return ctx;
}

/* Replaces the library's verification of a server: our own leaf, or chain and name. */
static int tls_on_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_pick *pick = SSL_get_ex_data(ssl, pick_index);
	const struct cert *ours = NULL;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	(void)arg;
	if (pick->same_leaf && pick->certs && pick->to)
		ours = certs_find(pick->certs, pick->to);
	if (ours && leaf && X509_cmp(ours->leaf, leaf) == 0) {
		pick->verified = true;
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	if (X509_verify_cert(store) == 1) {
		pick->verified = true;
		return 1;
	}
	pick->why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
	return 0;
}

/* ---- between servers ---- */

/* Any certificate will do to speak; whose it is, remote.c finds out where the policy for that
 * domain is known. The library builds no chain out of a stranger's bytes here. */
static int tls_on_remote(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static void tls_take_any(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_remote, NULL);
	/* A resumed handshake shows no certificate. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

SSL_CTX *tls_federation_server_context(void)
{
	SSL_CTX *ctx = tls_server_context();

	if (ctx)
		tls_take_any(ctx);
	return ctx;
}

SSL_CTX *tls_federation_client_context(void)
{
	SSL_CTX *ctx = tls_base_context(TLS_client_method());

	if (ctx)
		tls_take_any(ctx);
	else
		log_error("tls client context reason=%s", tls_error_word());
	return ctx;
}

/* ---- trust ---- */

X509_STORE *tls_system_trust(void)
{
	return system_trust;
}

/* NULL if there are none. */
static X509_STORE *tls_anchor_store(struct span pem)
{
	BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	X509_STORE *store = X509_STORE_new();
	unsigned n = 0;
	X509 *one;

	while (in && store && (one = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, one) == 1;
		X509_free(one);
	}
	ERR_clear_error();
	BIO_free(in);
	if (n > 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}

X509_STORE *tls_trust_store(struct span pem)
{
	X509_STORE *store = tls_anchor_store(pem);

	if (store)
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return store;
}

SSL_CTX *tls_client_context(enum upstream_verify verify, struct span anchors)
{
	SSL_CTX *ctx = tls_base_context(TLS_client_method());
	X509_STORE *store = NULL;

	if (!ctx) {
		log_error("tls client context reason=%s", tls_error_word());
		return NULL;
	}
	if (verify == VERIFY_OFF) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return ctx;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_verify, NULL);
	if (verify == VERIFY_FILE) {
		if (!(store = tls_anchor_store(anchors))) {
			log_error("tls verify file holds no certificate");
			SSL_CTX_free(ctx);
			return NULL;
		}
		SSL_CTX_set_cert_store(ctx, store);
	} else if (system_trust) {
		SSL_CTX_set1_cert_store(ctx, system_trust);
	}
	return ctx;
}

static const struct {
	int reason;
	const char *word;
} tls_words[] = {
	{ SSL_R_NO_SHARED_CIPHER, "no-shared-cipher" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "unsupported-protocol" },
	{ SSL_R_WRONG_VERSION_NUMBER, "wrong-version" },
	{ SSL_R_HTTP_REQUEST, "http-request" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, "no-application-protocol" },
	{ SSL_R_CERTIFICATE_VERIFY_FAILED, "certificate-refused" },
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "unexpected-eof" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, "alert-unknown-ca" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "alert-bad-certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "alert-certificate-unknown" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "alert-certificate-expired" },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "alert-handshake-failure" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "alert-protocol-version" },
	{ SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "bad-record-mac" },
	{ SSL_R_BAD_RECORD_TYPE, "bad-record-type" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no-signature-algorithm" },
};

const char *tls_error_word(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *word = code ? "other" : "closed";

	for (size_t i = 0; code && i < sizeof(tls_words) / sizeof(tls_words[0]); i++) {
		if (ERR_GET_REASON(code) == tls_words[i].reason)
			word = tls_words[i].word;
	}
	ERR_clear_error();
	return word;
}
