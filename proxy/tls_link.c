/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS on one connection: behind tls.c's contexts, under conn.c.
 * In: a socket, and the bytes that were read from it before TLS began. Out: clear bytes, one word
 * for each failure. XEP-0305 lets a client send its ClientHello right behind <starttls/>: those
 * bytes are in our hands already, so the BIO hands them out first; losing them would hang the
 * client. Reads ask the socket for all it has (read-ahead), and remember when that emptied it,
 * which saves the read that would only say "nothing". It never blocks. */
#include "proxy/tls_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "base/err.h"
#include "proxy/hello.h"

enum { HELLO_ROOM = 2048 };

static int link_bio_read(BIO *bio, char *data, int len)
{
	struct tls_link *t = BIO_get_data(bio);
	size_t early = buf_len(t->prefix);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (early > 0) {
		if (early > (size_t)len)
			early = (size_t)len;
		memcpy(data, buf_ptr(t->prefix), early);
		buf_pull(t->prefix, early);
		return (int)early;
	}
	do
		n = recv(t->fd, data, (size_t)len, 0);
	while (n < 0 && errno == EINTR);
	t->drained = n < len;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	else if (n < 0)
		t->lost = true;
	else if (n == 0)
		t->eof = true;
	return (int)n;
}

static int link_bio_write(BIO *bio, const char *data, int len)
{
	struct tls_link *t = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do
		n = send(t->fd, data, (size_t)len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long link_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	struct tls_link *t = BIO_get_data(bio);

	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return t && t->eof;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static BIO_METHOD *link_method;

int tls_link_init(void)
{
	link_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "xmppwall socket");
	if (!link_method)
		return -ENOMEM;
	BIO_meth_set_read(link_method, link_bio_read);
	BIO_meth_set_write(link_method, link_bio_write);
	BIO_meth_set_ctrl(link_method, link_bio_ctrl);
	return 0;
}

static int link_start(struct tls_link *t, int fd, struct buf *prefix, const struct certs *certs,
	const char *to, const char *alpn)
{
	*t = (struct tls_link){ .on = true, .fd = fd, .prefix = prefix };
	t->to = to && *to ? strdup(to) : NULL;
	t->pick = (struct tls_pick){ .certs = certs, .want_alpn = alpn, .to = t->to };
	if (to && *to && !t->to) {
		tls_link_free(t);
		return -ENOMEM;
	}
	return 0;
}

/* What the library needs for a connection: tens of kilobytes with its first record. */
static int link_give_library(struct tls_link *t, SSL_CTX *ctx)
{
	BIO *bio = BIO_new(link_method);

	t->ssl = SSL_new(ctx);
	if (!t->ssl || !bio) {
		BIO_free(bio);
		tls_link_free(t);
		ERR_clear_error();
		return -ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_ex_data(t->ssl, tls_pick_index(), &t->pick);
	return 0;
}

int tls_link_accept(struct tls_link *t, SSL_CTX *ctx, int fd, struct buf *prefix,
	const struct certs *certs, const char *to, const char *alpn)
{
	int r = link_start(t, fd, prefix, certs, to, alpn);

	if (r == 0 && SSL_CTX_up_ref(ctx))
		t->waiting = ctx;
	return r == 0 && !t->waiting ? -ENOMEM : r;
}

static bool text_is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

int tls_link_connect(struct tls_link *t, SSL_CTX *ctx, int fd, struct buf *prefix,
	const struct certs *certs, const char *to, const char *name, const char *alpn)
{
	unsigned char list[64];
	int r = link_start(t, fd, prefix, certs, to, alpn);

	if (r == 0)
		r = link_give_library(t, ctx);
	if (r < 0)
		return r;
	t->pick.same_leaf = certs != NULL;
	SSL_set_connect_state(t->ssl);
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* SNI is ASCII (RFC 6066 3); a server without it shows its default. */
	if (to && *to && text_is_ascii(to))
		SSL_set_tlsext_host_name(t->ssl, to);
	if (name && *name && SSL_set1_host(t->ssl, name) != 1)
		return -ENOMEM;
	if (alpn && strlen(alpn) < sizeof(list) - 1) {
		list[0] = (unsigned char)strlen(alpn);
		memcpy(list + 1, alpn, list[0]);
		SSL_set_alpn_protos(t->ssl, list, list[0] + 1u);
	}
	return 0;
}

void tls_link_choose_late(struct tls_link *t)
{
	assert(t->waiting && !t->ssl);
	t->pick.late = true;
}

int tls_link_show(struct tls_link *t, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain)
{
	assert(t->ssl);
	if (SSL_use_cert_and_key(t->ssl, leaf, key, chain, 1) != 1) {
		ERR_clear_error();
		return ERR_TLS;
	}
	t->pick.shown = true;
	return 0;
}

void tls_link_free(struct tls_link *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->waiting);
	free(t->to);
	*t = (struct tls_link){ .fd = -1 };
}

/* What a library call that did not succeed means. */
static enum tls_result link_result(struct tls_link *t, int r)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_WRITE:
		t->want_write = true;
		return TLS_AGAIN;
	case SSL_ERROR_WANT_READ:
		return TLS_AGAIN;
	case SSL_ERROR_WANT_X509_LOOKUP:
		return TLS_WANTS_CERT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		if (t->eof && SSL_is_init_finished(t->ssl)) {
			ERR_clear_error();
			return TLS_CLOSED; /* a FIN without close_notify: the stream layer judges it
					    */
		}
		t->error = tls_error_word();
		return TLS_BROKEN;
	}
}

/* Until a hello is there a client costs no more than its bytes: whoever sends half of one, and many
 * do so on purpose, gets nothing of the library. True when the library has something to say, be it
 * that the connection has ended. */
static bool link_has_hello(struct tls_link *t)
{
	ssize_t n;
	char *where;

	while (!hello_is_whole(buf_span(t->prefix))) {
		if (buf_reserve(t->prefix, HELLO_ROOM, &where) < 0)
			return true;
		do
			n = recv(t->fd, where, HELLO_ROOM, 0);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
		buf_commit(t->prefix, (size_t)n);
	}
	return true;
}

static int link_accept(struct tls_link *t)
{
	SSL_CTX *ctx = t->waiting;
	int r;

	t->waiting = NULL;
	r = link_give_library(t, ctx);
	SSL_CTX_free(ctx);
	if (r == 0)
		SSL_set_accept_state(t->ssl);
	return r;
}

enum tls_result tls_link_handshake(struct tls_link *t)
{
	int r;

	if (t->waiting) {
		t->want_write = false;
		if (!link_has_hello(t))
			return TLS_AGAIN;
		if (link_accept(t) < 0) {
			t->error = "memory";
			return TLS_BROKEN;
		}
	}
	ERR_clear_error();
	t->want_write = false;
	t->drained = false;
	r = SSL_do_handshake(t->ssl);
	return r == 1 ? TLS_DONE : link_result(t, r);
}

ssize_t tls_link_read(struct tls_link *t, void *data, size_t len)
{
	int r;

	ERR_clear_error();
	t->drained = false;
	r = SSL_read(t->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len);
	return r > 0 ? r : (ssize_t)link_result(t, r);
}

ssize_t tls_link_write(struct tls_link *t, const void *data, size_t len)
{
	enum tls_result result;
	int r;

	ERR_clear_error();
	t->want_write = false;
	r = SSL_write(t->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len);
	if (r > 0)
		return r;
	result = link_result(t, r);
	return result == TLS_AGAIN ? TLS_AGAIN : TLS_BROKEN;
}

bool tls_link_pending(const struct tls_link *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

enum tls_result tls_link_shutdown(struct tls_link *t)
{
	int r;

	if (!SSL_is_init_finished(t->ssl))
		return TLS_DONE; /* nothing to say goodbye to */
	ERR_clear_error();
	r = SSL_shutdown(t->ssl);
	if (r >= 0)
		return TLS_DONE;
	return link_result(t, r) == TLS_AGAIN && t->want_write ? TLS_AGAIN : TLS_DONE;
}

const char *tls_link_version(const struct tls_link *t)
{
	return t->ssl ? SSL_get_version(t->ssl) : "";
}

const char *tls_link_cipher(const struct tls_link *t)
{
	const char *name = t->ssl ? SSL_get_cipher_name(t->ssl) : NULL;

	return name ? name : "";
}

const char *tls_link_sni(const struct tls_link *t)
{
	const char *name = t->ssl ? SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) : NULL;

	return name ? name : "";
}

void tls_link_alpn(const struct tls_link *t, char *text, size_t size)
{
	const unsigned char *name = NULL;
	unsigned len = 0;

	if (t->ssl)
		SSL_get0_alpn_selected(t->ssl, &name, &len);
	if (len >= size)
		len = (unsigned)size - 1;
	memcpy(text, name ? (const char *)name : "", len);
	text[len] = '\0';
}

bool tls_link_same_leaf(const struct tls_link *client, const struct tls_link *server)
{
	X509 *theirs = tls_link_peer(server);

	return theirs && client->pick.chosen && X509_cmp(client->pick.chosen->leaf, theirs) == 0;
}

X509 *tls_link_peer(const struct tls_link *t)
{
	return t->ssl ? SSL_get0_peer_certificate(t->ssl) : NULL;
}

STACK_OF(X509) * tls_link_peer_chain(const struct tls_link *t)
{
	return t->ssl ? SSL_get_peer_cert_chain(t->ssl) : NULL;
}
