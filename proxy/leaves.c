/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a session that has verified a remote domain and the handshake with our own server, which
 * is shown a leaf for exactly that domain. In: what is wanted, from any worker's thread; the
 * daemon's answers, on the main one. Out: a leaf that is kept, or a key pair made here whose public
 * half goes to the daemon; then "done" on the thread that asked. Equal wishes share one answer;
 * nothing waits for longer than LEAVES_WAIT_MS. A private key never leaves this process, and the
 * authority's is never here. It verifies no peer: who asks has. */
#include "proxy/leaves.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "door/hub.h"
#include "door/json.h"
#include "proxy/counters.h"
#include "proxy/identity.h"
#include "proxy/worker.h"

enum {
	LEAVES_DEFAULT = 1000,
	MINTING_MAX = 256,
	LEAVES_WAIT_MS = 10000,
	WHY_SIZE = 96,
	CHAIN_MAX = 8,
	AUTHORITY_SIZE = 128
};

/* As ctl/link.h has them. */
static const char *const verified_texts[] = {
	[REMOTE_VERIFIED_NONE] = NULL,
	[REMOTE_VERIFIED_DIALBACK] = "dialback",
	[REMOTE_VERIFIED_PKIX] = "pkix",
	[REMOTE_VERIFIED_DANE] = "dane",
	[REMOTE_VERIFIED_PIN] = "pin",
};

/* A leaf that is kept. */
struct kept_leaf {
	TAILQ_ENTRY(kept_leaf) link;
	struct leaf *leaf;
	char domain[];
};

/* Somebody whom an answer is for. */
struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct worker *worker;
	leaf_done done;
	void *arg;
	struct leaf *leaf; /* once settled; NULL: why */
	char why[WHY_SIZE];
};
TAILQ_HEAD(waiters, waiter);

/* What the daemon was asked for. */
struct minting {
	TAILQ_ENTRY(minting) link;
	struct waiters waiters;
	json_int_t seq;
	uint64_t since_mono_ms;
	int64_t not_after_ms;
	EVP_PKEY *key;
	char domain[];
};

static struct {
	pthread_mutex_t lock;
	bool ready;
	unsigned max;
	struct map by_domain;                    /* -> struct kept_leaf */
	TAILQ_HEAD(kept_order, kept_leaf) order; /* used last: the first */
	TAILQ_HEAD(mintings, minting) mintings;  /* the oldest first */
	unsigned n_mintings;
	struct waiters settled;   /* with an answer that was not delivered yet */
	_Atomic unsigned waiting; /* waiters there are */
	json_int_t seq;
	char authority[AUTHORITY_SIZE]; /* who signed what is kept */
} leaves = { .lock = PTHREAD_MUTEX_INITIALIZER, .max = LEAVES_DEFAULT };

static void leaves_lock(void)
{
	pthread_mutex_lock(&leaves.lock);
	if (leaves.ready)
		return;
	map_init(&leaves.by_domain);
	TAILQ_INIT(&leaves.order);
	TAILQ_INIT(&leaves.mintings);
	TAILQ_INIT(&leaves.settled);
	leaves.ready = true;
}

static void leaves_unlock(void)
{
	pthread_mutex_unlock(&leaves.lock);
}

/* ---- one leaf ---- */

struct leaf *leaf_ref(struct leaf *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void leaf_unref(struct leaf *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	X509_free(l->cert);
	EVP_PKEY_free(l->key);
	sk_X509_pop_free(l->chain, X509_free);
	free(l);
}

static X509 *cert_of(const char *pem)
{
	BIO *in = *pem ? BIO_new_mem_buf(pem, -1) : NULL;
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, (void *)"") : NULL;

	BIO_free(in);
	ERR_clear_error();
	return cert;
}

static int64_t ms_of(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static bool chain_take(struct leaf *l, const json_t *chain)
{
	const json_t *one;
	size_t i;

	if (!(l->chain = sk_X509_new_null()) || json_array_size(chain) > CHAIN_MAX)
		return false;
	json_array_foreach(chain, i, one)
	{
		const char *pem = json_string_value(one);
		X509 *cert = pem ? cert_of(pem) : NULL;

		if (!cert || !sk_X509_push(l->chain, cert)) {
			X509_free(cert);
			return false;
		}
	}
	return true;
}

/* Is it for the key that was made here, for that domain, and does it end in time? */
static bool leaf_fits(const struct leaf *l, EVP_PKEY *key, const char *domain, int64_t not_after_ms)
{
	enum identity_by by;

	return X509_check_private_key(l->cert, key) == 1 && identity_covers(l->cert, domain, &by) &&
	       by == IDENTITY_DNS && (!not_after_ms || l->until_ms <= not_after_ms);
}

/* Of the daemon's answer; NULL if it is not what was asked for. */
static struct leaf *leaf_make(json_t *msg, const struct minting *m)
{
	struct leaf *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	atomic_init(&l->refs, 1);
	if ((l->cert = cert_of(text_of(msg, "leaf")))) {
		l->since_ms = ms_of(X509_get0_notBefore(l->cert));
		l->until_ms = ms_of(X509_get0_notAfter(l->cert));
	}
	if (!l->cert || !chain_take(l, json_object_get(msg, "chain")) ||
		!leaf_fits(l, m->key, m->domain, m->not_after_ms)) {
		ERR_clear_error();
		leaf_unref(l);
		return NULL;
	}
	EVP_PKEY_up_ref(m->key);
	l->key = m->key;
	return l;
}

/* ---- what is kept; under the lock ---- */

static void kept_drop(struct kept_leaf *k)
{
	map_take(&leaves.by_domain, k->domain, strlen(k->domain));
	TAILQ_REMOVE(&leaves.order, k, link);
	leaf_unref(k->leaf);
	free(k);
}

static void kept_trim(size_t max)
{
	struct kept_leaf *k;

	while (leaves.by_domain.count > max && (k = TAILQ_LAST(&leaves.order, kept_order)))
		kept_drop(k);
}

/* A reference of the leaf. Out of memory it is not kept. */
static void kept_put(const char *domain, struct leaf *leaf)
{
	size_t len = strlen(domain);
	struct kept_leaf *k = map_find(&leaves.by_domain, domain, len);

	if (k)
		kept_drop(k);
	if (leaves.max == 0 || !(k = calloc(1, sizeof(*k) + len + 1)))
		return;
	memcpy(k->domain, domain, len);
	k->leaf = leaf_ref(leaf);
	if (map_put(&leaves.by_domain, domain, len, k, NULL) < 0) {
		leaf_unref(k->leaf);
		free(k);
		return;
	}
	TAILQ_INSERT_HEAD(&leaves.order, k, link);
	kept_trim(leaves.max);
}

/* Borrowed; NULL if there is none that ends in time. fresh: nor one that will end soon. */
static struct leaf *kept_find(const char *domain, int64_t not_after_ms, bool fresh)
{
	struct kept_leaf *k = map_find(&leaves.by_domain, domain, strlen(domain));
	int64_t now = clock_wall_ms(), left;

	if (!k)
		return NULL;
	left = k->leaf->until_ms - now;
	if (left <= 0 || now < k->leaf->since_ms) {
		kept_drop(k);
		return NULL;
	}
	if ((not_after_ms && k->leaf->until_ms > not_after_ms) ||
		(fresh && left < (k->leaf->until_ms - k->leaf->since_ms) / 4))
		return NULL;
	TAILQ_REMOVE(&leaves.order, k, link);
	TAILQ_INSERT_HEAD(&leaves.order, k, link);
	return k->leaf;
}

/* ---- what is asked for; under the lock ---- */

/* It has an answer: leaf (borrowed) or why. Its worker is told by the caller. */
static void waiter_settle(struct waiter *one, struct leaf *leaf, const char *why)
{
	one->leaf = leaf ? leaf_ref(leaf) : NULL;
	strncpy(one->why, leaf ? "" : why, sizeof(one->why) - 1);
	TAILQ_INSERT_TAIL(&leaves.settled, one, link);
	/* Should the order be lost, its next tick finds it. */
	worker_leaves(one->worker);
}

/* Frees m. Who waits gets the leaf (borrowed), else what is kept, else why. */
static void minting_end(struct minting *m, struct leaf *leaf, const char *why)
{
	struct waiter *one;

	if (!leaf)
		leaf = kept_find(m->domain, m->not_after_ms, false);
	TAILQ_REMOVE(&leaves.mintings, m, link);
	leaves.n_mintings--;
	while ((one = TAILQ_FIRST(&m->waiters))) {
		TAILQ_REMOVE(&m->waiters, one, link);
		waiter_settle(one, leaf, why);
	}
	EVP_PKEY_free(m->key);
	free(m);
}

static char *public_pem(EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes, *pem = NULL;
	long len;

	if (out && PEM_write_bio_PUBKEY(out, key) == 1 && (len = BIO_get_mem_data(out, &bytes)) > 0)
		pem = strndup(bytes, (size_t)len);
	BIO_free(out);
	return pem;
}

static bool minting_ask(const struct minting *m, struct hub *hub, const char *verified)
{
	char *pem = public_pem(m->key);
	bool asked =
		pem && hub_ask(hub, json_pack("{s:s, s:I, s:s, s:s, s:s, s:I}", "m", "mint", "seq",
					    m->seq, "domain", m->domain, "verified", verified,
					    "key", pem, "not_after", (json_int_t)m->not_after_ms));

	free(pem);
	return asked;
}

/* Does one that is under way end soon enough? */
static bool minting_suits(const struct minting *m, const char *domain, int64_t not_after_ms)
{
	return strcmp(m->domain, domain) == 0 &&
	       (!not_after_ms || (m->not_after_ms && m->not_after_ms <= not_after_ms));
}

/* One that is under way, or a new one. 0 or a negative code. */
static int minting_need(struct worker *w, const struct leaf_wanted *wanted, struct minting **out)
{
	int64_t not_after_ms = (int64_t)wanted->not_after * 1000;
	size_t len = strlen(wanted->domain);
	struct minting *m;
	int r = 0;

	TAILQ_FOREACH(m, &leaves.mintings, link)
	{
		if (minting_suits(m, wanted->domain, not_after_ms)) {
			*out = m;
			return 0;
		}
	}
	if (leaves.n_mintings >= MINTING_MAX)
		return ERR_LIMIT;
	if (!(m = calloc(1, sizeof(*m) + len + 1)))
		return -ENOMEM;
	memcpy(m->domain, wanted->domain, len);
	m->seq = ++leaves.seq;
	m->since_mono_ms = clock_mono_ms();
	m->not_after_ms = not_after_ms;
	TAILQ_INIT(&m->waiters);
	if (!(m->key = EVP_EC_gen("P-256")))
		r = ERR_TLS;
	else if (!minting_ask(m, w->hub, verified_texts[wanted->verified]))
		r = ERR_LIMIT;
	if (r < 0) {
		ERR_clear_error();
		EVP_PKEY_free(m->key);
		free(m);
		return r;
	}
	TAILQ_INSERT_TAIL(&leaves.mintings, m, link);
	leaves.n_mintings++;
	*out = m;
	return 0;
}

static int want_minted(struct worker *w, const struct leaf_wanted *wanted)
{
	struct waiter *one = calloc(1, sizeof(*one));
	struct minting *m;
	int r = one ? minting_need(w, wanted, &m) : -ENOMEM;

	if (r < 0) {
		free(one);
		return r;
	}
	one->worker = w;
	one->done = wanted->done;
	one->arg = wanted->arg;
	TAILQ_INSERT_TAIL(&m->waiters, one, link);
	atomic_fetch_add(&leaves.waiting, 1);
	return 0;
}

int leaves_want(struct worker *w, const struct leaf_wanted *wanted, struct leaf **out)
{
	int64_t not_after_ms = (int64_t)wanted->not_after * 1000;
	struct leaf *leaf;
	int r = 1;

	if (!verified_texts[wanted->verified])
		return ERR_REFUSED;
	if (not_after_ms && not_after_ms <= clock_wall_ms())
		return ERR_RANGE;
	leaves_lock();
	leaf = kept_find(wanted->domain, not_after_ms, true);
	if (!leaf && (r = want_minted(w, wanted)) < 0)
		leaf = kept_find(wanted->domain, not_after_ms, false);
	if (leaf) {
		*out = leaf_ref(leaf);
		r = 1;
	}
	leaves_unlock();
	metric_add(r == 1 ? counters.leaf_kept : counters.leaf_wanted, 1);
	return r;
}

/* ---- answers ---- */

static void authority_is(const char *authority)
{
	if (strcmp(leaves.authority, authority) == 0)
		return;
	kept_trim(0);
	strncpy(leaves.authority, authority, sizeof(leaves.authority) - 1);
}

int leaves_take(json_t *msg)
{
	bool ok = json_is_true(json_object_get(msg, "ok"));
	json_int_t seq = number_of(msg, "seq");
	const char *why = text_of(msg, "error");
	struct leaf *leaf = NULL;
	struct minting *m;

	if (seq < 1 || strlen(text_of(msg, "authority")) >= AUTHORITY_SIZE)
		return ERR_PROTO;
	leaves_lock();
	TAILQ_FOREACH(m, &leaves.mintings, link)
	{
		if (m->seq == seq)
			break;
	}
	if (m) { /* else it came too late */
		if (ok && !(leaf = leaf_make(msg, m)))
			why = "the leaf is not what was asked for";
		if (leaf) {
			authority_is(text_of(msg, "authority"));
			kept_put(m->domain, leaf);
		}
		metric_add(leaf ? counters.leaf_minted : counters.leaf_failed, 1);
		minting_end(m, leaf, *why ? why : "no reason given");
	}
	leaves_unlock();
	leaf_unref(leaf);
	return 0;
}

void leaves_drop(void)
{
	leaves_lock();
	authority_is("");
	kept_trim(0);
	leaves_unlock();
}

/* ---- the worker's thread ---- */

static void mintings_expire(uint64_t now)
{
	struct minting *m;

	while ((m = TAILQ_FIRST(&leaves.mintings)) && now - m->since_mono_ms >= LEAVES_WAIT_MS) {
		metric_add(counters.leaf_failed, 1);
		minting_end(m, NULL, "no answer in time");
	}
}

/* The next answer for somebody of w; NULL if there is none. */
static struct waiter *settled_next(const struct worker *w)
{
	struct waiter *one;

	leaves_lock();
	mintings_expire(clock_mono_ms());
	TAILQ_FOREACH(one, &leaves.settled, link)
	{
		if (one->worker == w) {
			TAILQ_REMOVE(&leaves.settled, one, link);
			atomic_fetch_sub(&leaves.waiting, 1);
			break;
		}
	}
	leaves_unlock();
	return one;
}

void leaves_tick(struct worker *w)
{
	struct waiter *one;

	/* One at a time: what done does may change who else waits. */
	while (atomic_load(&leaves.waiting) > 0 && (one = settled_next(w))) {
		one->done(one->arg, one->leaf, one->why);
		free(one);
	}
}

static void waiters_forget(struct waiters *list, const struct worker *w, const void *arg)
{
	struct waiter *one = TAILQ_FIRST(list), *next;

	for (; one; one = next) {
		next = TAILQ_NEXT(one, link);
		if (one->worker != w || (arg && one->arg != arg))
			continue;
		TAILQ_REMOVE(list, one, link);
		atomic_fetch_sub(&leaves.waiting, 1);
		leaf_unref(one->leaf);
		free(one);
	}
}

void leaves_forget(struct worker *w, const void *arg)
{
	struct minting *m;

	if (atomic_load(&leaves.waiting) == 0)
		return;
	leaves_lock();
	/* What is being minted for nobody is kept once it is there. */
	TAILQ_FOREACH(m, &leaves.mintings, link) waiters_forget(&m->waiters, w, arg);
	waiters_forget(&leaves.settled, w, arg);
	leaves_unlock();
}

/* ---- life ---- */

void leaves_configure(unsigned max)
{
	leaves_lock();
	leaves.max = max ? max : LEAVES_DEFAULT;
	kept_trim(leaves.max);
	leaves_unlock();
}

void leaves_fini(void)
{
	struct minting *m;
	struct waiter *one;

	leaves_lock();
	while ((m = TAILQ_FIRST(&leaves.mintings))) {
		while ((one = TAILQ_FIRST(&m->waiters)))
			waiters_forget(&m->waiters, one->worker, NULL);
		minting_end(m, NULL, "");
	}
	while ((one = TAILQ_FIRST(&leaves.settled)))
		waiters_forget(&leaves.settled, one->worker, NULL);
	kept_trim(0);
	map_fini(&leaves.by_domain, NULL);
	leaves.ready = false;
	*leaves.authority = '\0';
	leaves_unlock();
}
