/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What was compiled is found again, by the next policy, by the next start and by children that get
 * no text; files of the cache that are not as they were written are refused, told and made anew. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge_rig.h"
#include "rules/cache.h"
#include "rules/list_look.h"

#define REMARK " # a remark, so that few entries make a long file"

enum { MANY = 3000 };

static const char policy[] = "set people { type jid; file \"people.txt\"; }\n"
			     "set words { type keyword; flags fold; file \"words.txt\"; }\n"
			     "set fed { type domain; feed f { url \"http://feeds.example/f\"; } }\n"
			     "chain c { hook any; policy accept;\n"
			     "  rule a { from in @people drop }\n"
			     "  rule b { text contains @words drop }\n"
			     "  rule f { url.host in @fed drop }\n"
			     "}\n";

struct fixture {
	char dir[64];
	struct metrics *metrics;
	struct cache *cache;
	char *people, *words, *fed;
};

static char *lines(const char *format)
{
	char *text = malloc(MANY * 100), *at = text;

	assert_non_null(text);
	for (int i = 0; i < MANY; i++)
		at += sprintf(at, format, i);
	return text;
}

static void cache_begin(struct fixture *f)
{
	int fd;

	assert_int_equal(metrics_new(&f->metrics, &fd), 0);
	close(fd);
	assert_int_equal(cache_open(f->dir, f->metrics, &f->cache), 0);
	assert_int_equal(cache_write(f->cache), 0);
}

static void cache_end(struct fixture *f)
{
	cache_close(f->cache);
	metrics_free(f->metrics);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/xmppwall-cache-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->people = lines("user%d@people.example" REMARK "\n");
	f->words = lines("wordnumber%d" REMARK "\n");
	f->fed = lines("host%d.fed.example" REMARK "\n");
	cache_begin(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct part_set none = { 0 };

	cache_prune(f->cache, &none);
	cache_end(f);
	assert_int_equal(rmdir(f->dir), 0);
	free(f->people);
	free(f->words);
	free(f->fed);
	free(f);
	return 0;
}

static uint64_t counted(struct fixture *f, const char *name)
{
	return metric_get(metrics_find(f->metrics, name));
}

static void sources_fill(struct fixture *f, struct source_set *sources)
{
	source_init(sources, false);
	sources->cache = f->cache;
	assert_int_equal(source_add(sources, "test.rules", policy, strlen(policy)), 0);
	assert_int_equal(source_add(sources, "people.txt", f->people, strlen(f->people)), 0);
	assert_int_equal(source_add(sources, "words.txt", f->words, strlen(f->words)), 0);
	assert_int_equal(source_add(sources, "/:feed/fed.f", f->fed, strlen(f->fed)), 0);
}

static struct policy *load(struct source_set *sources)
{
	struct policy *p = NULL;
	struct diag_list diags;

	diag_init(&diags);
	if (policy_load(sources, "test.rules", NULL, NULL, &diags, &p) < 0) {
		diag_print(&diags, stderr, false);
		fail_msg("this policy should load");
	}
	diag_fini(&diags);
	return p;
}

static bool drops(struct policy *p, const char *stanza)
{
	struct rig r;
	bool drop;

	rig_init(&r, NULL);
	r.policy = policy_ref(p);
	r.subject.session_jid = NULL;
	drop = rig_judge(&r, stanza)->kind == VERDICT_DROP;
	rig_fini(&r);
	return drop;
}

static void check(struct policy *p)
{
	assert_true(
		drops(p, "<message from='user2999@people.example/x'><body>hi</body></message>"));
	assert_false(
		drops(p, "<message from='user3000@people.example/x'><body>hi</body></message>"));
	assert_true(drops(p, "<message from='a@b'><body>a WordNumber77</body></message>"));
	assert_false(drops(p, "<message from='a@b'><body>a wordnumber3000</body></message>"));
	assert_true(
		drops(p, "<message from='a@b'><body>http://host5.fed.example/</body></message>"));
	assert_false(drops(p, "<message from='a@b'><body>http://fed.example/</body></message>"));
}

/* Three sets and the words' database. */
enum { PARTS = 4 };

static void load_expecting(struct fixture *f, uint64_t found, uint64_t compiled, uint64_t refused)
{
	uint64_t before[] = { counted(f, "cache.found"), counted(f, "cache.compiled"),
		counted(f, "cache.refused") };
	struct source_set sources;
	struct policy *p;

	sources_fill(f, &sources);
	p = load(&sources);
	source_fini(&sources);
	check(p);
	policy_unref(p);
	assert_int_equal(counted(f, "cache.found") - before[0], found);
	assert_int_equal(counted(f, "cache.compiled") - before[1], compiled);
	assert_int_equal(counted(f, "cache.refused") - before[2], refused);
}

static void test_found_again(void **state)
{
	struct fixture *f = *state;

	load_expecting(f, 0, PARTS, 0);
	load_expecting(f, PARTS, 0, 0);
	cache_end(f);
	cache_begin(f); /* another start */
	load_expecting(f, PARTS, 0, 0);
	f->people[0] = 'U'; /* other bytes, though they mean the same */
	load_expecting(f, PARTS - 1, 1, 0);
	f->people[0] = 'u';
}

static void path_of_people(struct fixture *f, char path[256])
{
	struct source_set sources;
	struct policy *p;
	struct part_set keep = { 0 };
	FILE *ls;

	/* Of all files only that of one set stays. */
	sources_fill(f, &sources);
	p = load(&sources);
	for (size_t i = 0; i < policy_parts(p)->n && !keep.n; i++)
		if (policy_parts(p)->all[i]->kind == PART_SET)
			assert_int_equal(part_set_add(&keep, policy_parts(p)->all[i]), 0);
	cache_prune(f->cache, &keep);
	part_set_fini(&keep);
	policy_unref(p);
	source_fini(&sources);
	snprintf(path, 256, "ls -d %s/*", f->dir);
	ls = popen(path, "r");
	assert_non_null(fgets(path, 256, ls));
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(fgetc(ls), EOF);
	pclose(ls);
}

static void patch(const char *path, off_t at, uint8_t byte)
{
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0 && pwrite(fd, &byte, 1, at) == 1);
	close(fd);
}

static void test_tampered(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[256], moved[300];

	for (int how = 0; how < 10; how++) {
		path_of_people(f, path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		snprintf(moved, sizeof(moved), "%s.moved", path);
		switch (how) {
		case 0: /* nothing: it is found */
			load_expecting(f, 1, PARTS - 1, 0);
			continue;
		case 1:
			assert_int_equal(truncate(path, st.st_size - 1), 0);
			break;
		case 2:
			assert_int_equal(truncate(path, 40), 0);
			break;
		case 3:
			assert_int_equal(truncate(path, 0), 0);
			break;
		case 4: /* a bit of a text */
			patch(path, st.st_size - 3, 'X');
			break;
		case 5: /* the magic */
			patch(path, 0, 'X');
			break;
		case 6: /* the build */
			patch(path, 64, (uint8_t)~0x5a);
			patch(path, 65, 0x5a);
			break;
		case 7:
			assert_int_equal(chmod(path, 0620), 0);
			break;
		case 8: /* a link to a good one */
			assert_int_equal(rename(path, moved), 0);
			assert_int_equal(symlink(moved, path), 0);
			break;
		case 9: /* longer than it says */
			assert_int_equal(truncate(path, st.st_size + 1), 0);
			break;
		}
		load_expecting(f, 0, PARTS, 1);
		load_expecting(f, PARTS, 0, 0); /* and now it is good again */
		unlink(moved);
	}
	if (geteuid() == 0) {
		path_of_people(f, path);
		assert_int_equal(chown(path, 12345, 0), 0);
		load_expecting(f, 0, PARTS, 1);
	}
}

/* A directory others may write to is none. */
static void test_open_directory(void **state)
{
	struct fixture *f = *state;
	struct cache *c;

	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_int_equal(cache_open(f->dir, NULL, &c), -EPERM);
	assert_int_equal(chmod(f->dir, 0700), 0);
}

/* ---- children ---- */

static void child_sources(
	struct source_set *daemon, struct policy *p, bool parts, struct source_set *child)
{
	int fd;

	assert_int_equal(source_bundle(daemon, &fd), 0);
	source_init(child, false);
	assert_int_equal(source_unbundle(fd, child), 0);
	close(fd);
	for (size_t i = 0; parts && i < policy_parts(p)->n; i++) {
		struct part *part;

		assert_int_equal(part_open(policy_parts(p)->all[i]->fd, &part), 0);
		assert_int_equal(part_set_add(&child->parts, part), 0);
		part_unref(part);
	}
}

static void test_child(void **state)
{
	struct fixture *f = *state;
	struct source_set sources, child;
	struct policy *p, *q = NULL;
	struct diag_list diags;

	sources_fill(f, &sources);
	p = load(&sources);
	child_sources(&sources, p, true, &child);
	/* Lists do not travel as text. */
	assert_true(child.total < 2000);
	assert_true(source_peek(&child, "people.txt")->elided);
	q = load(&child);
	assert_string_equal(policy_version(p), policy_version(q));
	assert_int_equal(policy_parts(q)->n, PARTS);
	check(q);
	policy_unref(q);
	source_fini(&child);
	/* Without the parts there is nothing to judge by, and that is said. */
	child_sources(&sources, p, false, &child);
	diag_init(&diags);
	q = NULL;
	assert_int_equal(policy_load(&child, "test.rules", NULL, NULL, &diags, &q), ERR_PROTO);
	assert_null(q);
	diag_fini(&diags);
	source_fini(&child);
	policy_unref(p);
	source_fini(&sources);
}

struct edits {
	char text[400];
	size_t n;
};

static bool visit(void *arg, bool add, const struct list_look *look)
{
	struct edits *e = arg;

	e->n += (size_t)snprintf(
		e->text + e->n, sizeof(e->text) - e->n, "%c%s\n", add ? '+' : '-', look->text);
	return true;
}

/* A child that starts later gets the pack and what was edited since. */
static void test_child_after_edits(void **state)
{
	struct fixture *f = *state;
	struct span add[] = { span_of("new@people.example"), span_of("USER5@people.example") },
		    del[] = { span_of("user2999@people.example"), span_of("user7@people.example") },
		    word = span_of("fresh"), old = span_of("wordnumber77");
	struct source_set sources, child;
	char path[LIST_EDITS_PATH_MAX];
	struct edits e = { .n = 0 };
	struct policy *p, *q;

	sources_fill(f, &sources);
	p = load(&sources);
	assert_int_equal(policy_list_edit(p, "people", add, 2, del, 2), 0);
	assert_int_equal(policy_list_edit(p, "people", NULL, 0, add, 1), 0);
	assert_int_equal(policy_list_edit(p, "people", &del[1], 1, NULL, 0), 0);
	assert_int_equal(policy_list_edit(p, "words", &word, 1, &old, 1), 0);
	assert_true(drops(p, "<message><body>fresh</body></message>"));
	assert_false(drops(p, "<message><body>wordnumber77</body></message>"));
	assert_int_equal(policy_list_edits(p, "people", visit, &e), 0);
	assert_string_equal(e.text, "+user7@people.example\n-user2999@people.example\n");
	child_sources(&sources, p, true, &child);
	list_edits_path("people", path);
	assert_int_equal(source_add(&child, path, e.text, e.n), 0);
	list_edits_path("words", path);
	assert_int_equal(source_add(&child, path, "+fresh\n-wordnumber77\n", 21), 0);
	q = load(&child);
	assert_false(drops(q, "<message from='user2999@people.example'><body>x</body></message>"));
	assert_true(drops(q, "<message from='user7@people.example'><body>x</body></message>"));
	assert_true(drops(q, "<message><body>fresh</body></message>"));
	assert_false(drops(q, "<message><body>wordnumber77</body></message>"));
	assert_true(drops(q, "<message><body>wordnumber78</body></message>"));
	assert_int_equal(policy_list_settle(q), 0);
	assert_true(drops(q, "<message><body>fresh</body></message>"));
	policy_unref(q);
	source_fini(&child);
	policy_unref(p);
	source_fini(&sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tampered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_after_edits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
