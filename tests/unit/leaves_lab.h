/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of proxy/leaves.c stand on: workers that want leaves, and a daemon that is the test, with an authority of its own. After cmocka. */
#pragma once

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/err.h"
#include "door/hub.h"
#include "proxy/counters.h"
#include "proxy/leaves.h"
#include "proxy/worker.h"
#include "tests/unit/certs_made.h"
#include "tests/unit/gear_of.h"

enum { WORKERS = 2, ASKED_MAX = 4096, DEADLINE_S = 20, DAY_S = 86400 };
#define NOW_MS INT64_C(1800000000000)

static struct {
	uv_loop_t loop;
	struct hub *hub;
	struct gear *gear;
	struct worker *workers[WORKERS];
	json_t *asked[ASKED_MAX]; /* messages "mint", the oldest first */
	size_t n_asked, n_taken;
	struct made authority;
	unsigned gone;
} t;

/* ---- the main thread's side ---- */

static void on_event(void *arg, json_t *message)
{
	(void)arg;
	made_must(t.n_asked < ASKED_MAX);
	t.asked[t.n_asked++] = json_incref(message);
}

static void on_gone(void *arg)
{
	(void)arg;
	t.gone++;
}

static void on_rows(void *arg, json_int_t seq, json_t *rows)
{
	(void)arg, (void)seq, (void)rows;
}

static void on_delivery(void *arg, json_int_t seq, bool delivered)
{
	(void)arg, (void)seq, (void)delivered;
}

static const struct hub_handler handler = { on_event, on_rows, on_delivery, on_gone, on_gone };

static bool is_late(time_t end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* ours stands still */
	return now.tv_sec > end;
}

static time_t deadline(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + DEADLINE_S;
}

/* The next question, borrowed. */
static json_t *question(void)
{
	for (time_t end = deadline(); t.n_taken == t.n_asked;) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		assert_false(is_late(end));
	}
	return t.asked[t.n_taken++];
}

static void no_question(void)
{
	uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_int_equal(t.n_asked, t.n_taken);
}

static char *pem_of(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes, *pem;
	long len;

	made_must(PEM_write_bio_X509(out, cert) == 1);
	len = BIO_get_mem_data(out, &bytes);
	pem = strndup(bytes, (size_t)len);
	BIO_free(out);
	return pem;
}

struct signing {
	const char *domain; /* NULL: as asked */
	long life_s;        /* 0: a day */
	EVP_PKEY *key;      /* NULL: as asked */
};

static char *leaf_for(json_t *asked, struct signing how)
{
	const char *key_text = json_string_value(json_object_get(asked, "key"));
	const char *domain = json_string_value(json_object_get(asked, "domain"));
	BIO *in = BIO_new_mem_buf(key_text, -1);
	EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
	GENERAL_NAMES *names = made_names();
	X509 *leaf = X509_new();
	char *pem;

	made_must(key && leaf);
	domain = how.domain ? how.domain : domain;
	made_dns(names, domain, strlen(domain));
	X509_set_version(leaf, X509_VERSION_3);
	ASN1_TIME_set(X509_getm_notBefore(leaf), clock_wall_ms() / 1000 - 300);
	ASN1_TIME_set(X509_getm_notAfter(leaf),
		clock_wall_ms() / 1000 + (how.life_s ? how.life_s : DAY_S));
	X509_set_pubkey(leaf, how.key ? how.key : key);
	X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 1, 0);
	made_must(X509_sign(leaf, t.authority.key, EVP_sha256()) > 0);
	pem = pem_of(leaf);
	GENERAL_NAMES_free(names);
	X509_free(leaf);
	EVP_PKEY_free(key);
	BIO_free(in);
	return pem;
}

static void answer_by(json_t *asked, struct signing how, const char *authority)
{
	char *pem = leaf_for(asked, how);
	json_t *msg = json_pack("{s:s,s:O,s:b,s:s,s:[],s:s}", "m", "minted", "seq",
		json_object_get(asked, "seq"), "ok", 1, "leaf", pem, "chain", "authority",
		authority);

	assert_int_equal(leaves_take(msg), 0);
	json_decref(msg);
	free(pem);
}

static void answer(json_t *asked, struct signing how)
{
	answer_by(asked, how, "AA");
}

static void refuse(json_t *asked, const char *why)
{
	json_t *msg = json_pack("{s:s,s:O,s:b,s:s}", "m", "minted", "seq",
		json_object_get(asked, "seq"), "ok", 0, "error", why);

	assert_int_equal(leaves_take(msg), 0);
	json_decref(msg);
}

/* ---- who wants one ---- */

struct wish {
	pthread_mutex_t lock;
	struct worker *worker;
	unsigned done;
	struct leaf *leaf;
	char why[128];
	bool elsewhere; /* done came on another thread than the worker's own */
};

static void on_done(void *arg, struct leaf *leaf, const char *why)
{
	struct wish *w = arg;

	pthread_mutex_lock(&w->lock);
	w->done++;
	w->leaf = leaf;
	w->elsewhere = !pthread_equal(pthread_self(), w->worker->thread);
	snprintf(w->why, sizeof(w->why), "%s", why);
	pthread_mutex_unlock(&w->lock);
}

static int want_until(struct wish *wish, unsigned worker, const char *domain, time_t not_after)
{
	struct leaf_wanted wanted = { domain, REMOTE_VERIFIED_PKIX, not_after, on_done, wish };

	*wish = (struct wish){ .lock = PTHREAD_MUTEX_INITIALIZER, .worker = t.workers[worker] };
	return leaves_want(wish->worker, &wanted, &wish->leaf);
}

static int want(struct wish *wish, unsigned worker, const char *domain)
{
	return want_until(wish, worker, domain, 0);
}

static unsigned done_count(struct wish *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->done;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* Waits for done: the leaf, or NULL. */
static struct leaf *settled(struct wish *w)
{
	for (time_t end = deadline(); done_count(w) == 0;) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		assert_false(is_late(end));
	}
	assert_int_equal(done_count(w), 1);
	assert_false(w->elsewhere);
	return w->leaf;
}

/* A leaf for that domain is kept from now on; the caller's. */
static struct leaf *kept(const char *domain)
{
	struct wish wish;

	assert_int_equal(want(&wish, 0, domain), 0);
	answer(question(), (struct signing){ 0 });
	assert_non_null(settled(&wish));
	return wish.leaf;
}

/* ---- the lab ---- */

static int setup(void **state)
{
	struct source_set sources;

	(void)state;
	memset(&t, 0, sizeof(t));
	counters_init(NULL);
	clock_freeze(1000000000, NOW_MS);
	t.authority = made_authority("authority", NULL);
	source_init(&sources, false);
	t.gear = gear_of(&sources, "service c2s { listen tcp { 5222 }; mode proxy; intercept none; "
				   "tls none; upstream 127.0.0.1:9 plain; }\n");
	made_must(uv_loop_init(&t.loop) == 0 &&
		  hub_new(&t.loop, &handler, NULL, counters.event_lost, &t.hub) == 0);
	for (unsigned i = 0; i < WORKERS; i++)
		made_must(worker_new(t.hub, i, t.gear, &t.workers[i]) == 0);
	leaves_configure(1000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		worker_stop(t.workers[i]);
	while (t.gone < WORKERS)
		uv_run(&t.loop, UV_RUN_ONCE);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_join(t.workers[i]);
	leaves_fini();
	hub_free(t.hub);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	uv_loop_close(&t.loop);
	for (size_t i = 0; i < t.n_asked; i++)
		json_decref(t.asked[i]);
	made_free(&t.authority);
	gear_unref(t.gear);
	clock_thaw();
	return 0;
}
