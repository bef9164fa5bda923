/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Three threads judge while one edits lists, one settles and one swaps policies, for some two
 * seconds. What is always in is always found, what is never in never, an edit is seen by whoever
 * asks after it returned. Made for a build with -fsanitize=thread. */
#include <pthread.h>
#include <stdatomic.h>

#include "judge_rig.h"

enum { JUDGES = 3, RUN_MS = 2000 };

static const char rules[] =
	"set words { type keyword; flags fold; elements = { always, poker }; }"
	"set hosts { type domain; flags suffix; elements = { bad.example }; }"
	"set nets  { type address; elements = { 192.0.2.0/24 }; }"
	"set exprs { type regex; elements = { /alw[a]ys\\d/ }; }"
	"limit l { rate 1000000/second; key from.bare; entries 100; }"
	"chain test { hook c2s; policy accept;"
	" rule flood { limit l exceeded mark flood }"
	" rule word  { text contains @words mark word }"
	" rule host  { url.host in @hosts mark host }"
	" rule net   { peer.address in @nets mark net }"
	" rule expr  { body matches @exprs or subject matches @exprs mark expr }"
	" rule cold  { stranger mark cold }"
	" rule edit  { text contains @edited or url.host in @edithosts drop } }"
	"set edited { type keyword; flags fold; } set edithosts { type domain; }";

static struct rig rig;
static pthread_mutex_t swap = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool over;
static atomic_uint judged, edited, settled, swapped;

/* The policy in force, as a door takes it. */
static struct policy *policy_now(void)
{
	struct policy *p;

	pthread_mutex_lock(&swap);
	p = policy_ref(rig.policy);
	pthread_mutex_unlock(&swap);
	return p;
}

struct door {
	struct judge *judge;
	struct stream *stream;
	struct subject subject;
	struct verdict verdict;
};

static void door_judge(struct door *d, struct policy *p, const char *xml)
{
	struct stream_event event;

	assert_int_equal(stream_push(d->stream, xml, strlen(xml)), 0);
	assert_int_equal(stream_next(d->stream, &event), 0);
	assert_int_equal(event.kind, STREAM_STANZA);
	d->subject.stanza = &event.stanza;
	assert_int_equal(judge_stanza(d->judge, p, &d->subject, &d->verdict), 0);
}

static bool door_marked(const struct door *d, const char *mark)
{
	for (unsigned i = 0; i < d->verdict.n_marks; i++)
		if (strcmp(d->verdict.marks[i], mark) == 0)
			return true;
	return false;
}

static void door_init(struct door *d)
{
	struct rig own;

	memset(&own, 0, sizeof(own));
	rig_stream(&own);
	memset(d, 0, sizeof(*d));
	d->stream = own.stream;
	assert_non_null(d->judge = judge_new());
	d->subject = (struct subject){ .service = "c2s", .session_jid = "a@b.example/c" };
	assert_int_equal(address_parse(span_of("192.0.2.77"), &d->subject.peer), 0);
}

static void door_fini(struct door *d)
{
	judge_free(d->judge);
	stream_free(d->stream);
}

static void *judge_main(void *arg)
{
	struct door d;

	(void)arg;
	door_init(&d);
	while (!over) {
		struct policy *p = policy_now();

		door_judge(&d, p,
			"<message to='x@y.example'><body>say ALWAYS always1 http://www.bad.example/"
			"</body></message>");
		assert_true(door_marked(&d, "word") && door_marked(&d, "host") &&
			    door_marked(&d, "net") && door_marked(&d, "expr"));
		assert_string_equal(d.verdict.rule, "");
		assert_true(d.verdict.n_matches > 0 && *d.verdict.matches[0].entry);
		door_judge(&d, p, "<message to='x@y.example'><body>never nothing</body></message>");
		assert_false(door_marked(&d, "word") || door_marked(&d, "host"));
		policy_unref(p);
		judged += 2;
	}
	door_fini(&d);
	return NULL;
}

static void edit(struct policy *p, const char *set, const char *format, unsigned i, bool in)
{
	char text[64];
	struct span s;

	snprintf(text, sizeof(text), format, i);
	s = span_of(text);
	assert_int_equal(policy_list_edit(p, set, &s, in ? 1 : 0, &s, in ? 0 : 1), 0);
}

static bool door_drops(struct door *d, struct policy *p, const char *format, unsigned i)
{
	char xml[256], text[96];

	snprintf(text, sizeof(text), format, i);
	snprintf(xml, sizeof(xml), "<message><body>%s</body></message>", text);
	door_judge(d, p, xml);
	return d->verdict.kind == VERDICT_DROP;
}

/* What comes, is seen and goes; and traffic in the sets the others judge by. */
static void *edit_main(void *arg)
{
	struct door d;

	(void)arg;
	door_init(&d);
	for (unsigned i = 0; !over; i++) {
		struct policy *p = policy_now();

		edit(p, "edited", "word%u", i, true);
		edit(p, "edithosts", "h%u.example", i, true);
		edit(p, "words", "more%u", i, true);
		edit(p, "nets", "2001:db8::%u", i % 10000, true);
		edit(p, "exprs", "/expr%u\\d+/", i % 7, i % 2 == 0);
		assert_true(door_drops(&d, p, "word%u", i));
		assert_true(door_drops(&d, p, "http://h%u.example/", i));
		edit(p, "edited", "word%u", i, false);
		edit(p, "edithosts", "h%u.example", i, false);
		edit(p, "words", "more%u", i / 2, false);
		assert_false(door_drops(&d, p, "word%u", i));
		assert_false(door_drops(&d, p, "http://h%u.example/", i));
		policy_unref(p);
		edited++;
	}
	door_fini(&d);
	return NULL;
}

/* Now and then with a change that is big enough for a new base. */
static void *settle_main(void *arg)
{
	enum { MANY = 2100 };
	static char texts[MANY][16];
	struct span all[MANY];

	(void)arg;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(texts[i], sizeof(texts[i]), "bulk%u", i);
		all[i] = span_of(texts[i]);
	}
	for (unsigned i = 0; !over; i++) {
		struct policy *p = policy_now();

		if (i % 64 == 0)
			assert_int_equal(policy_list_edit(p, "words", all, MANY, NULL, 0), 0);
		assert_int_equal(policy_list_settle(p), 0);
		if (i % 64 == 8)
			assert_int_equal(policy_list_edit(p, "words", NULL, 0, all, MANY), 0);
		policy_unref(p);
		settled++;
	}
	return NULL;
}

static void *swap_main(void *arg)
{
	(void)arg;
	while (!over) {
		struct policy *old = policy_now(), *loaded = NULL;
		const struct set_info *sets;
		struct diag_list diags;

		diag_init(&diags);
		assert_int_equal(
			policy_load(&rig.sources, "test.rules", old, rig.metrics, &diags, &loaded),
			0);
		diag_fini(&diags);
		for (size_t n = policy_sets(old, &sets), i = 0; i < n; i++)
			assert_true(sets[i].type != NULL);
		pthread_mutex_lock(&swap);
		rig.policy = loaded;
		pthread_mutex_unlock(&swap);
		policy_unref(old); /* ours, and the one that was in force */
		policy_unref(old);
		swapped++;
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	pthread_t threads[JUDGES + 3];
	uint64_t end = clock_mono_ms() + RUN_MS;
	size_t n = 0;

	(void)state;
	rig_init(&rig, rules);
	for (; n < JUDGES; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, judge_main, NULL), 0);
	assert_int_equal(pthread_create(&threads[n++], NULL, edit_main, NULL), 0);
	assert_int_equal(pthread_create(&threads[n++], NULL, settle_main, NULL), 0);
	assert_int_equal(pthread_create(&threads[n++], NULL, swap_main, NULL), 0);
	/* until all had a turn and the time is over, but not for ever */
	while ((clock_mono_ms() < end || !judged || !edited || !settled || !swapped) &&
		clock_mono_ms() < end + 30000)
		sched_yield();
	over = true;
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	print_message(
		"judged %u, edited %u, settled %u, swapped %u\n", judged, edited, settled, swapped);
	assert_true(judged && edited && settled && swapped);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
