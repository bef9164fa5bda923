/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS on one connection, over a custom BIO that first gives out bytes read too early (behind
 * <starttls/>) and then reads the socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <openssl/ssl.h>
#include "base/buf.h"
#include "proxy/tls.h"

struct tls_link {
	bool on;          /* the socket's bytes are TLS */
	SSL *ssl;         /* NULL until a client's hello is there */
	SSL_CTX *waiting; /* for it */
	struct tls_pick pick;
	char *to;           /* what pick.to points to */
	int fd;             /* borrowed */
	struct buf *prefix; /* borrowed: bytes that come before the socket's */
	bool drained;       /* the last read emptied the socket */
	bool lost;          /* the last read met a reset */
	bool eof;           /* the socket has ended */
	bool want_write;    /* the library waits for room in the socket */
	const char *error;  /* static word after a failure */
};

enum tls_result {
	TLS_WANTS_CERT = 2, /* tls_link_choose_late: the handshake waits for tls_link_show */
	TLS_DONE = 1,
	TLS_AGAIN = 0,
	TLS_CLOSED = -1,
	TLS_BROKEN = -2
};

/* Once per process. 0 or -ENOMEM. */
int tls_link_init(void);
/* Towards a client. to may be NULL (direct TLS). 0, -ENOMEM. */
int tls_link_accept(struct tls_link *t, SSL_CTX *ctx, int fd, struct buf *prefix,
	const struct certs *certs, const char *to, const char *alpn);
/* Towards a server: SNI to; name is what the certificate must hold; alpn NULL for STARTTLS. certs
 * (may be NULL): whose leaf for that name also counts as verified. */
int tls_link_connect(struct tls_link *t, SSL_CTX *ctx, int fd, struct buf *prefix,
	const struct certs *certs, const char *to, const char *name, const char *alpn);
/* Behind tls_link_accept: the certificate to show is not chosen by name but given by tls_link_show.
 * As soon as one is needed the handshake gives TLS_WANTS_CERT, each time it is called; SNI is known
 * then. */
void tls_link_choose_late(struct tls_link *t);
/* What to show: towards a server right behind tls_link_connect, towards a client after
 * TLS_WANTS_CERT. Takes references of its own; chain (may be NULL) is without the leaf. 0, or
 * ERR_TLS: they do not fit together. */
int tls_link_show(struct tls_link *t, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain);
void tls_link_free(struct tls_link *t);

enum tls_result tls_link_handshake(struct tls_link *t);
/* Bytes (> 0), TLS_AGAIN, TLS_CLOSED or TLS_BROKEN (lost tells a reset apart). */
ssize_t tls_link_read(struct tls_link *t, void *data, size_t len);
/* Bytes taken (> 0), TLS_AGAIN or TLS_BROKEN. */
ssize_t tls_link_write(struct tls_link *t, const void *data, size_t len);
/* Is more to be had without asking the socket? */
bool tls_link_pending(const struct tls_link *t);
/* Sends close_notify. TLS_DONE, TLS_AGAIN or TLS_BROKEN. */
enum tls_result tls_link_shutdown(struct tls_link *t);

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384", SNI and ALPN as negotiated; "" if none. Borrowed. */
const char *tls_link_version(const struct tls_link *t);
const char *tls_link_cipher(const struct tls_link *t);
const char *tls_link_sni(const struct tls_link *t);
/* Copies; size >= 32. */
void tls_link_alpn(const struct tls_link *t, char *text, size_t size);
/* Does the server show the very leaf that we showed the client? */
bool tls_link_same_leaf(const struct tls_link *client, const struct tls_link *server);
/* The peer's certificate, NULL if it showed none; borrowed as long as the link. */
X509 *tls_link_peer(const struct tls_link *t);
/* All it showed, in its order: a server's begins with the leaf, a client's does not. NULL if there
 * are none. Borrowed likewise. */
STACK_OF(X509) * tls_link_peer_chain(const struct tls_link *t);
