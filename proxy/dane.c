/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a certificate the one that signed DNS names? Between dane_ask.c, which gathers the records,
 * and remote.c, which asks about a peer. In: TLSA records as bytes of the wire, and the chain a
 * peer showed in a handshake that is over. Out: yes, or no with a word. The comparing is OpenSSL's
 * own (X509_STORE_CTX_set0_dane): digest agility (RFC 7671 9), bare keys as trust anchors, usages 0
 * to
 * 3. The server's names and the domain's are looked at here, since each target has its own.
 * It never asks DNS, and never touches the handshake. */
#include "proxy/dane.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include "base/err.h"
#include "proxy/identity.h"

enum usage { PKIX_TA, PKIX_EE, DANE_TA, DANE_EE };
enum { SHA256_SIZE = 32, SHA512_SIZE = 64, HEAD = 3 };

struct record {
	uint8_t usage, selector, matching;
	int target;
	size_t len;
	unsigned char *data;
};

struct dane_records {
	_Atomic unsigned refs;
	size_t n_targets, n;
	char *targets[DANE_TARGETS_MAX];
	struct record records[DANE_RECORDS_MAX];
};

struct dane_records *dane_records_new(void)
{
	struct dane_records *r = calloc(1, sizeof(*r));

	if (r)
		atomic_init(&r->refs, 1);
	return r;
}

/* The count is the one part of shared records that changes. */
struct dane_records *dane_records_ref(const struct dane_records *r)
{
	struct dane_records *mine = (struct dane_records *)r;

	if (mine)
		atomic_fetch_add(&mine->refs, 1);
	return mine;
}

void dane_records_unref(const struct dane_records *r)
{
	struct dane_records *mine = (struct dane_records *)r;

	if (!mine || atomic_fetch_sub(&mine->refs, 1) != 1)
		return;
	for (size_t i = 0; i < mine->n_targets; i++)
		free(mine->targets[i]);
	for (size_t i = 0; i < mine->n; i++)
		free(mine->records[i].data);
	free(mine);
}

size_t dane_records_count(const struct dane_records *r)
{
	return r ? r->n : 0;
}

int dane_records_add_target(struct dane_records *r, const char *name)
{
	if (r->n_targets == DANE_TARGETS_MAX)
		return ERR_LIMIT;
	if (!(r->targets[r->n_targets] = strdup(name)))
		return -ENOMEM;
	return (int)r->n_targets++;
}

/* What OpenSSL would refuse is refused here, so that records that are there can be used. */
static bool record_is_usable(const unsigned char *bytes, size_t len)
{
	if (len <= HEAD || bytes[0] > DANE_EE || bytes[1] > 1)
		return false;
	switch (bytes[2]) {
	case 0:
		return true;
	case 1:
		return len == HEAD + SHA256_SIZE;
	case 2:
		return len == HEAD + SHA512_SIZE;
	default:
		return false;
	}
}

int dane_records_add(struct dane_records *r, int target, const unsigned char *bytes, size_t len)
{
	struct record *one = &r->records[r->n];

	if (!record_is_usable(bytes, len))
		return ERR_SYNTAX;
	if (r->n == DANE_RECORDS_MAX || len > DANE_DATA_MAX)
		return ERR_LIMIT;
	if (!(one->data = malloc(len - HEAD)))
		return -ENOMEM;
	memcpy(one->data, bytes + HEAD, len - HEAD);
	one->len = len - HEAD;
	one->usage = bytes[0];
	one->selector = bytes[1];
	one->matching = bytes[2];
	one->target = target;
	r->n++;
	return 0;
}

/* ---- the check ---- */

/* A connection that never is: only SSL objects carry OpenSSL's DANE. */
static SSL *dane_carrier(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl && SSL_dane_enable(ssl, NULL) == 1) {
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

/* One for all threads and all time: the making of it costs more than what it is used for. */
static SSL_CTX *context;

static void dane_make_context(void)
{
	context = SSL_CTX_new(TLS_client_method());
	if (context && SSL_CTX_dane_enable(context) != 1) {
		SSL_CTX_free(context);
		context = NULL;
	}
}

static SSL_CTX *dane_context(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, dane_make_context);
	return context;
}

/* How many of a target's records the library takes: 2 x 0 with a broken certificate in it it does
 * not. */
static int carrier_fill(SSL *ssl, const struct dane_records *r, int target)
{
	int n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct record *one = &r->records[i];

		if (one->target == target && SSL_dane_tlsa_add(ssl, one->usage, one->selector,
						     one->matching, one->data, one->len) > 0)
			n++;
	}
	ERR_clear_error();
	return n;
}

/* Which usage held; the library prefers those that need no name (it tries 3 before 2). */
static int carrier_usage(SSL *ssl)
{
	uint8_t usage, selector, matching;

	SSL_set_verify_result(ssl, X509_V_OK);
	return SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, NULL, NULL) < 0 ? -1 : usage;
}

struct question {
	X509 *leaf;
	STACK_OF(X509) * chain;
	X509_STORE *trust;
	const char *domain;
};

static const char *const words[] = { "dane-mismatch", "dane-chain", "dane-name" };
enum answer { MISMATCH, BAD_CHAIN, BAD_NAME, HOLDS };

/* One target's records against the chain: an answer, or -ENOMEM. */
static int target_verify(SSL *ssl, const struct question *q, const char *target)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	int r = -ENOMEM, usage;

	if (!store || X509_STORE_CTX_init(store, q->trust, q->leaf, q->chain) != 1)
		goto out;
	/* No purpose: what a server shows as a client is a server's certificate, often enough. */
	X509_VERIFY_PARAM_set_auth_level(
		X509_STORE_CTX_get0_param(store), SSL_get_security_level(ssl));
	X509_STORE_CTX_set0_dane(store, SSL_get0_dane(ssl));
	if (X509_verify_cert(store) == 1 && (usage = carrier_usage(ssl)) >= 0)
		r = usage == DANE_EE || identity_covers(q->leaf, q->domain, NULL) ||
				    identity_covers(q->leaf, target, NULL)
			    ? HOLDS
			    : BAD_NAME;
	else
		r = X509_STORE_CTX_get_error(store) == X509_V_ERR_DANE_NO_MATCH ? MISMATCH
										: BAD_CHAIN;
out:
	X509_STORE_CTX_free(store);
	ERR_clear_error();
	return r;
}

/* The nearest of the targets' answers: one that holds suffices. */
static int dane_verify_targets(SSL_CTX *ctx, const struct dane_records *r, const struct question *q)
{
	int best = MISMATCH, answer;

	for (size_t i = 0; i < r->n_targets && best != HOLDS; i++) {
		SSL *ssl = dane_carrier(ctx);

		if (!ssl)
			return -ENOMEM;
		if (carrier_fill(ssl, r, (int)i) > 0) {
			answer = target_verify(ssl, q, r->targets[i]);
			if (answer < 0 || answer > best)
				best = answer;
		}
		SSL_free(ssl);
		if (best < 0)
			return best;
	}
	return best;
}

int dane_verify(const struct dane_records *r, X509 *leaf, STACK_OF(X509) * chain, X509_STORE *trust,
	const char *domain, const char **why)
{
	X509_STORE *none = trust ? NULL : X509_STORE_new();
	struct question q = { leaf, chain, trust ? trust : none, domain };
	SSL_CTX *ctx = dane_context();
	int answer = -ENOMEM;

	if (ctx && q.trust)
		answer = r && leaf ? dane_verify_targets(ctx, r, &q) : MISMATCH;
	X509_STORE_free(none);
	*why = answer >= 0 && answer < HOLDS ? words[answer] : NULL;
	return answer < 0 ? answer : answer == HOLDS;
}
