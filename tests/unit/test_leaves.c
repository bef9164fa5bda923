/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/leaves: who wants a leaf gets the kept one or a new one, on the thread that asked; and what
 * a daemon may answer instead. The daemon is the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
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

/* ---- cases ---- */

static void test_minted_once(void **state)
{
	struct wish one, two, three;
	json_t *asked;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 1, "a.example"), 0);
	asked = question();
	no_question();
	assert_string_equal(json_string_value(json_object_get(asked, "m")), "mint");
	assert_string_equal(json_string_value(json_object_get(asked, "domain")), "a.example");
	assert_string_equal(json_string_value(json_object_get(asked, "verified")), "pkix");
	assert_int_equal(json_integer_value(json_object_get(asked, "not_after")), 0);
	assert_null(strstr(json_string_value(json_object_get(asked, "key")), "PRIVATE"));
	answer(asked, (struct signing){ 0 });
	assert_non_null(settled(&one));
	assert_ptr_equal(settled(&two), one.leaf);
	assert_int_equal(X509_check_private_key(one.leaf->cert, one.leaf->key), 1);
	assert_int_equal(one.leaf->until_ms, NOW_MS + DAY_S * INT64_C(1000));
	assert_int_equal(want(&three, 1, "a.example"), 1);
	assert_ptr_equal(three.leaf, one.leaf);
	assert_int_equal(three.done, 0);
	leaf_unref(one.leaf);
	leaf_unref(two.leaf);
	leaf_unref(three.leaf);
}

static void test_a_sooner_end(void **state)
{
	struct leaf *day = kept("a.example");
	time_t soon = NOW_MS / 1000 + 3600, later = NOW_MS / 1000 + 10 * DAY_S;
	struct wish one, two;
	json_t *asked;

	(void)state;
	assert_int_equal(want_until(&one, 0, "a.example", later), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want_until(&one, 0, "a.example", soon), 0);
	/* What ends sooner serves who may go on for longer, but not the other way round. */
	assert_int_equal(want_until(&two, 0, "a.example", soon - 60), 0);
	asked = question();
	assert_int_equal(json_integer_value(json_object_get(asked, "not_after")), soon * 1000);
	answer(asked, (struct signing){ .life_s = 3600 });
	assert_non_null(settled(&one));
	assert_int_equal(one.leaf->until_ms, soon * 1000);
	answer(question(), (struct signing){ .life_s = 3540 });
	assert_non_null(settled(&two));
	leaf_unref(one.leaf);
	leaf_unref(two.leaf);
	/* One per domain: the one before is gone. */
	assert_int_equal(want(&one, 0, "a.example"), 1);
	assert_int_equal(one.leaf->until_ms, (soon - 60) * 1000);
	leaf_unref(one.leaf);
	leaf_unref(day);
	assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000 - 1), ERR_RANGE);
	assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000), ERR_RANGE);
	no_question();
}

static void test_renewed_in_time(void **state)
{
	struct leaf *first = kept("a.example");
	struct wish one;

	(void)state;
	clock_advance(UINT64_C(1000000000) * (DAY_S * 3 / 4 - 300));
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	clock_advance(UINT64_C(1000000000) * 400);
	/* It is still good for whoever must have one. */
	assert_int_equal(want(&one, 0, "a.example"), 0);
	refuse(question(), "no authority");
	assert_ptr_equal(settled(&one), first);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	answer(question(), (struct signing){ 0 });
	assert_ptr_not_equal(settled(&one), first);
	assert_non_null(one.leaf);
	leaf_unref(one.leaf);
	clock_advance(UINT64_C(1000000000) * 2 * DAY_S);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	refuse(question(), "no authority");
	assert_null(settled(&one));
	assert_string_equal(one.why, "no authority");
	leaf_unref(first);
}

static void test_answers_that_lie(void **state)
{
	static const char *const rubbish[] = { "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n" };
	struct made other = made_new((struct made_like){ .cn = "x" });
	struct signing lies[] = { { .domain = "b.example" }, { .domain = "*.example" },
		{ .key = other.key }, { .life_s = 2 * DAY_S } };
	struct wish one;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000 + DAY_S), 0);
		answer(question(), lies[i]);
		assert_null(settled(&one));
		assert_string_equal(one.why, "the leaf is not what was asked for");
	}
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++) {
		json_t *msg;

		assert_int_equal(want(&one, 0, "a.example"), 0);
		msg = json_pack("{s:s,s:O,s:b,s:s,s:[s],s:s}", "m", "minted", "seq",
			json_object_get(question(), "seq"), "ok", 1, "leaf", rubbish[i], "chain",
			rubbish[i], "authority", "AA");
		assert_int_equal(leaves_take(msg), 0);
		assert_null(settled(&one));
		json_decref(msg);
	}
	made_free(&other);
}

static void test_messages_that_are_none(void **state)
{
	static const char *const bad[] = { "{}", "{\"seq\":0}", "{\"seq\":\"1\"}", "{\"seq\":-1}" };
	json_t *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		msg = json_loads(bad[i], 0, NULL);
		assert_int_equal(leaves_take(msg), ERR_PROTO);
		json_decref(msg);
	}
	/* An answer to what nobody asks any more is none of these. */
	msg = json_pack("{s:I,s:b}", "seq", (json_int_t)77, "ok", 1);
	assert_int_equal(leaves_take(msg), 0);
	json_decref(msg);
}

static void test_refused(void **state)
{
	struct leaf_wanted none = { "a.example", REMOTE_VERIFIED_NONE, 0, on_done, NULL };
	struct leaf *leaf = NULL;
	struct wish one;
	char why[400];

	(void)state;
	assert_int_equal(leaves_want(t.workers[0], &none, &leaf), ERR_REFUSED);
	no_question();
	memset(why, 'w', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	assert_int_equal(want(&one, 1, "a.example"), 0);
	refuse(question(), why);
	assert_null(settled(&one));
	assert_int_equal(strspn(one.why, "w"), strlen(one.why));
	assert_int_equal(want(&one, 1, "a.example"), 0);
	refuse(question(), "");
	assert_null(settled(&one));
	assert_string_equal(one.why, "no reason given");
}

static void test_nobody_waits_for_ever(void **state)
{
	struct wish one, two;
	json_t *late;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 1, "a.example"), 0);
	late = question();
	clock_advance(UINT64_C(9999) * 1000000);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_int_equal(done_count(&one), 0);
	clock_advance(UINT64_C(1) * 1000000);
	assert_null(settled(&one));
	assert_null(settled(&two));
	assert_string_equal(one.why, "no answer in time");
	answer(late, (struct signing){ 0 });
	no_question();
}

static void test_forgotten(void **state)
{
	struct wish one, two, three;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 0, "a.example"), 0);
	leaves_forget(t.workers[1], &one); /* another thread's */
	leaves_forget(t.workers[0], &one);
	leaves_forget(t.workers[0], &one);
	answer(question(), (struct signing){ 0 });
	assert_non_null(settled(&two));
	assert_int_equal(done_count(&one), 0);
	/* All of them: it is kept for the next one. */
	assert_int_equal(want(&one, 0, "b.example"), 0);
	leaves_forget(t.workers[0], &one);
	answer(question(), (struct signing){ 0 });
	assert_int_equal(want(&three, 1, "b.example"), 1);
	assert_int_equal(done_count(&one), 0);
	leaf_unref(two.leaf);
	leaf_unref(three.leaf);
}

static void test_ceilings(void **state)
{
	static struct wish many[257];
	char domain[32];
	struct wish one;

	(void)state;
	leaves_configure(2);
	leaf_unref(kept("a.example"));
	leaf_unref(kept("b.example"));
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	leaf_unref(kept("c.example")); /* b was unused for longest */
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	leaves_configure(1);
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(domain, sizeof(domain), "d%u.example", i);
		assert_int_equal(want(&many[i], i % WORKERS, domain), 0);
	}
	assert_int_equal(want(&many[256], 0, "more.example"), ERR_LIMIT);
	assert_int_equal(want(&one, 0, "d7.example"), 0); /* which is under way */
	assert_int_equal(want(&many[256], 0, "a.example"), 1);
	leaf_unref(many[256].leaf);
	leaves_forget(t.workers[0], &one);
	for (unsigned i = 0; i < 256; i++)
		answer(question(), (struct signing){ 0 });
	for (unsigned i = 0; i < 256; i++) {
		assert_non_null(settled(&many[i]));
		leaf_unref(many[i].leaf);
	}
	no_question();
}

static void test_another_authority(void **state)
{
	struct wish one;

	(void)state;
	leaf_unref(kept("a.example"));
	assert_int_equal(want(&one, 0, "b.example"), 0);
	answer_by(question(), (struct signing){ 0 }, "BB");
	assert_non_null(settled(&one));
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "b.example"), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	answer_by(question(), (struct signing){ 0 }, "BB");
	assert_non_null(settled(&one));
	leaves_drop(); /* who has it holds on to it */
	assert_int_equal(X509_check_private_key(one.leaf->cert, one.leaf->key), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "b.example"), 0);
	leaves_forget(t.workers[0], &one);
	(void)question();
}

/* ---- all at once ---- */

enum { STORMERS = 4, WISHES = 200 };

static void *storm(void *arg)
{
	struct wish *wishes = arg;
	char domain[32];

	for (unsigned i = 0; i < WISHES; i++) {
		snprintf(domain, sizeof(domain), "s%u.example", i % 40);
		if (want(&wishes[i], i % WORKERS, domain) != 0)
			wishes[i].done = 1; /* there, or one too many */
	}
	return NULL;
}

static void test_storm(void **state)
{
	static struct wish wishes[STORMERS][WISHES];
	pthread_t threads[STORMERS];

	(void)state;
	leaves_configure(10);
	for (unsigned i = 0; i < STORMERS; i++)
		made_must(pthread_create(&threads[i], NULL, storm, wishes[i]) == 0);
	for (unsigned i = 0; i < STORMERS; i++)
		pthread_join(threads[i], NULL);
	for (time_t end = deadline();;) {
		unsigned left = 0;

		uv_run(&t.loop, UV_RUN_NOWAIT);
		while (t.n_taken < t.n_asked)
			answer(t.asked[t.n_taken++], (struct signing){ 0 });
		for (unsigned i = 0; i < STORMERS * WISHES; i++)
			left += done_count(&wishes[i / WISHES][i % WISHES]) == 0;
		if (left == 0)
			break;
		assert_false(is_late(end));
	}
	for (unsigned i = 0; i < STORMERS * WISHES; i++)
		leaf_unref(wishes[i / WISHES][i % WISHES].leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_minted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_sooner_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renewed_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_that_lie, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_waits_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ceilings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
