/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/audit: lines out of rings into a chain that goes on over rotation, crashes and restarts; each
 * way to forge it is found where it was done; a disk that takes nothing stops the rings and loses
 * no line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"
#include "base/spool.h"
#include "ctl/audit.h"
#include "ctl/audit_file.h"

enum { BIG = 1 << 30 };

static char folder[64], path[128];

static void command(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void command(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	assert_int_equal(system(text), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/audit-test-%d", (int)getpid());
	command("rm -rf %s", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(path, sizeof path, "%s/audit.log", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	command("rm -rf %s", folder);
	return 0;
}

/* ---- verifying ---- */

static char problems[4096];
static struct audit_check check;

static void on_problem(void *arg, const char *file, unsigned long line, const char *what)
{
	size_t len = strlen(problems);

	(void)arg;
	file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	snprintf(problems + len, sizeof problems - len, "%s:%lu: %s\n", file, line, what);
}

static void verify_one(const char *file)
{
	char *line = NULL;
	size_t size = 0;
	FILE *in = fopen(file, "r");
	ssize_t n;

	assert_non_null(in);
	audit_check_file(&check, file);
	while ((n = getline(&line, &size, in)) > 0)
		audit_check_line(&check, (struct span){ line, (size_t)n - (line[n - 1] == '\n') },
			line[n - 1] == '\n');
	free(line);
	fclose(in);
}

/* All files; "" when the chain is whole, else what is wrong. */
static const char *verify(const char *head)
{
	static char names[64][160];
	unsigned n = 0;

	*problems = '\0';
	audit_check_begin(&check, on_problem, NULL);
	snprintf(check.wanted, sizeof check.wanted, "%s", head ? head : "");
	for (unsigned i = 1; i < 63; i++) {
		snprintf(names[n], sizeof names[n], "%s.%u", path, i);
		if (access(names[n], F_OK) == 0)
			verify_one(names[n++]);
	}
	snprintf(names[n], sizeof names[n], "%s", path);
	if (access(path, F_OK) == 0)
		verify_one(names[n]);
	audit_check_end(&check);
	return problems;
}

static struct audit_file *opened(uint64_t max, const char *wanted_trouble)
{
	struct audit_file *f = NULL;
	char *trouble;

	assert_int_equal(audit_file_open(folder, max, NULL, &f, &trouble), 0);
	if (wanted_trouble)
		assert_non_null(strstr(trouble ? trouble : "", wanted_trouble));
	else
		assert_null(trouble);
	free(trouble);
	return f;
}

static void add(struct audit_file *f, int n)
{
	json_t *said = json_pack(
		"{s:s,s:i,s:i,s:s}", "event", "crossing", "n", n, "seq", 7, "prev", "mine");

	assert_int_equal(audit_file_add(f, said), 0);
	json_decref(said);
}

static void add_some(struct audit_file *f, int n)
{
	for (int i = 0; i < n; i++)
		add(f, i);
	assert_int_equal(audit_file_write(f), 0);
}

/* A trail of so many lines of ours behind its first one. */
static void trail(int n)
{
	struct audit_file *f = opened(BIG, NULL);

	add_some(f, n);
	audit_file_close(f);
}

static void test_chain(void **state)
{
	char line[4096], *rest;
	FILE *in;

	(void)state;
	trail(20);
	assert_string_equal(verify(NULL), "");
	assert_int_equal(check.lines, 21);
	in = fopen(path, "r");
	assert_non_null(fgets(line, sizeof line, in));
	assert_memory_equal(line, "{\"seq\":1,\"prev\":\"" AUDIT_HASH_NONE "\",", 17 + 64 + 2);
	assert_non_null(strstr(line, "\"event\":\"begin\""));
	assert_non_null(strstr(line, "\"format\":1"));
	rest = fgets(line, sizeof line, in);
	assert_non_null(rest);
	assert_null(strstr(line, "mine")); /* a child does not number lines */
	fclose(in);
	trail(3);
	assert_string_equal(verify(NULL), "");
	assert_int_equal(check.lines, 25); /* a line says that it was started again */
}

static void test_forged(void **state)
{
	static const struct {
		const char *how, *found;
	} ways[] = {
		{ "sed -i '5s/crossing/refusal/'",
			"audit.log:6: the line before it was changed: its hash is not the one that "
			"this one names\n" },
		{ "sed -i '5d'", "audit.log:5: lines 5 to 5 are missing before it\n" },
		{ "sed -i '5,8d'", "audit.log:5: lines 5 to 8 are missing before it\n" },
		{ "sed -i '5{h;d};6{G}'",
			"audit.log:5: lines 5 to 5 are missing before it\naudit.log:6: line 5 "
			"stands behind line 6: put in, repeated or moved\n"
			"audit.log:7: lines 6 to 6 are missing before it\n" },
		{ "sed -i '5p'",
			"audit.log:6: line 5 stands behind line 5: put in, repeated or moved\n" },
		{ "sed -i '5a {\"seq\":6}'", "audit.log:6: this is no line of an audit trail\n" },
		{ "sed -i '5a garbage'", "audit.log:6: this is no line of an audit trail\n" },
		{ "sed -i '5a\\\\'", "audit.log:6: this is no line of an audit trail\n" },
		{ "sed -i '5s/$/ /'", "audit.log:6: the line before it was changed: its hash is "
				      "not the one that this one names\n" },
		{ "truncate -s -5",
			"audit.log:21: the last line is torn, and none behind it says so\n" },
		{ "sed -i '1s/0000/1111/'", "audit.log:1: the first line names one before "
					    "it\naudit.log:2: the line before it was changed: its "
					    "hash is not the one that this one names\n" },
		{ "truncate -s 0", "audit.log:0: no line of an audit trail is here\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		(void)unlink(path);
		trail(20);
		command("%s %s", ways[i].how, path);
		assert_string_equal(verify(NULL), ways[i].found);
	}
}

/* Only the head tells. */
static void test_cut_at_a_line(void **state)
{
	char head[AUDIT_HASH_SIZE];
	struct audit_head known;
	struct audit_file *f;
	char *trouble;

	(void)state;
	trail(20);
	verify(NULL);
	strcpy(head, check.head.hash);
	known = check.head;
	assert_string_equal(verify(head), "");
	assert_int_equal(check.found, 21);
	command("sed -i '$d' %s", path);
	assert_string_equal(verify(NULL), "");
	assert_non_null(strstr(verify(head), "the end was cut off, or all of it made anew"));
	/* The daemon sees it, too, and writes it down. */
	assert_int_equal(audit_file_open(folder, BIG, &known, &f, &trouble), 0);
	assert_non_null(strstr(trouble, "its end is missing"));
	free(trouble);
	audit_file_close(f);
	assert_string_equal(verify(NULL), "");
	command("grep -q '\"event\":\"missing\",\"had\":21' %s", path);
}

static void test_torn(void **state)
{
	(void)state;
	trail(5);
	command("truncate -s -30 %s", path);
	audit_file_close(opened(BIG, "torn"));
	assert_string_equal(verify(NULL), "");
	assert_int_equal(check.torn, 1);
	/* What was torn stays, and cannot be changed. */
	command("sed -i '6s/prev/post/' %s", path);
	assert_string_equal(verify(NULL),
		"audit.log:6: the torn line was changed: its hash is not the one that is told\n");
	command("sed -i '6d' %s", path);
	assert_non_null(strstr(verify(NULL), "the torn line that it tells of is not before it"));
}

static void test_torn_many_ways(void **state)
{
	struct stat st;
	off_t whole, last;

	(void)state;
	trail(3);
	assert_int_equal(stat(path, &st), 0);
	last = st.st_size;
	command("cp %s %s.kept", path, folder);
	trail(0);
	assert_int_equal(stat(path, &st), 0);
	whole = st.st_size;
	command("cp %s %s.long", path, folder);
	/* Wherever the last line was cut. */
	for (off_t cut = last + 1; cut < whole; cut++) {
		command("cp %s.long %s", folder, path);
		assert_int_equal(truncate(path, cut), 0);
		/* Of a line that lacks its line feed nothing is lost. */
		audit_file_close(opened(BIG, cut + 1 < whole ? "torn" : NULL));
		assert_string_equal(verify(NULL), "");
		assert_int_equal(check.torn, cut + 1 < whole);
	}
	/* Torn again while that was written down. */
	for (off_t more = 1; more < 60; more += 7) {
		command("cp %s.long %s", folder, path);
		assert_int_equal(truncate(path, whole - 20), 0);
		audit_file_close(opened(BIG, "torn"));
		assert_int_equal(truncate(path, whole - 20 + more), 0);
		audit_file_close(opened(BIG, "torn"));
		assert_string_equal(verify(NULL), "");
	}
	command("rm %s.long %s.kept", folder, folder);
}

static void test_rotated(void **state)
{
	struct audit_file *f = opened(4096, NULL);

	(void)state;
	for (int i = 0; i < 150; i++)
		add_some(f, 1);
	assert_true(audit_file_turns(f) > 2);
	audit_file_close(f);
	assert_string_equal(verify(NULL), "");
	command("test -e %s.1 -a -e %s.2 -a -e %s.3", path, path, path);
	assert_string_equal(verify(NULL), "");
	/* A file that is gone. */
	command("mv %s.2 %s/kept", path, folder);
	assert_non_null(strstr(verify(NULL), "audit.log.3:1: lines "));
	command("mv %s/kept %s.2", folder, path);
	/* The oldest were taken elsewhere: what is left begins where it begins. */
	command("rm %s.1", path);
	assert_string_equal(verify(NULL), "");
	assert_true(check.first > 1);
	/* Renamed away, the chain goes on. */
	command("mv %s %s.77", path, path);
	audit_file_close(opened(BIG, NULL));
	command("mv %s.77 %s.62", path, path);
	assert_string_equal(verify(NULL), "");
}

/* ---- rings ---- */

static uv_loop_t loop;
static struct audit *audit;
static struct spool *ring;

static void audit_begin_at(const char *log)
{
	struct audit_spec spec = { log, folder, folder };

	assert_int_equal(audit_new(&loop, &spec, BIG, &audit), 0);
	audit_configure(audit, true, BIG);
}

static void loop_begin(void)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	audit_begin_at(folder);
}

static void loop_end(void)
{
	audit_close(audit);
	while (uv_run(&loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void ring_begin(pid_t pid)
{
	int fd;

	assert_int_equal(audit_ring(audit, pid, true, &fd), 0);
	assert_true(fd >= 0);
	assert_int_equal(spool_map(fd, &ring), 0);
}

static int put(int n)
{
	char text[128];

	snprintf(text, sizeof text, "{\"event\":\"crossing\",\"n\":%d}", n);
	return spool_put(ring, span_of(text));
}

/* Lines in audit.log that hold this. */
static int count(const char *what)
{
	char line[4096];
	FILE *in = fopen(path, "r");
	int n = 0;

	while (in && fgets(line, sizeof line, in))
		n += strstr(line, what) != NULL;
	if (in)
		fclose(in);
	return n;
}

static void turn_until(bool (*done)(void))
{
	for (int i = 0; i < 2000 && !done(); i++)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(done());
}

static bool has_1000(void)
{
	return count("crossing") == 1000;
}

static bool has_1010(void)
{
	return count("crossing") == 1010;
}

static void test_rings(void **state)
{
	int fd;

	(void)state;
	loop_begin();
	ring_begin(getpid());
	assert_int_equal(audit_ring(audit, getpid(), false, &fd), 0);
	assert_int_equal(fd, -1); /* it has one */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(put(i), 0);
	assert_int_equal(spool_put(ring, span_of("no object")), 0);
	assert_int_equal(spool_put(ring, span_of("{\"a\":1,\"a\":2}")), 0);
	turn_until(has_1000);
	/* Left by a daemon that ends: the next one has it. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(put(i), 0);
	loop_end();
	assert_true(has_1010());
	for (int i = 0; i < 10; i++)
		assert_int_equal(put(i), 0);
	loop_begin();
	loop_end();
	assert_int_equal(count("crossing"), 1020);
	assert_int_equal(count("unreadable"), 2);
	assert_int_equal(count("\"event\":\"stop\""), 2);
	assert_string_equal(verify(NULL), "");
	spool_unmap(ring);
}

static bool no_ring(void)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof name, "ls %s | grep -q ring", folder);
	(void)st;
	return system(name) != 0;
}

/* A child that was killed: what it had handed over is written down, and its ring goes. */
static void test_dead_child(void **state)
{
	int ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	loop_begin();
	assert_int_equal(pipe(ready), 0);
	ring_begin(getpid()); /* the parent's, to be mapped by the child below */
	spool_unmap(ring);
	if ((pid = fork()) == 0) {
		int fd;
		char name[128];

		close(ready[0]);
		snprintf(name, sizeof name, "%s/audit-%d.ring", folder, (int)getpid());
		if (spool_create(name, 1 << 20, &fd) < 0 || spool_map(fd, &ring) < 0)
			_exit(1);
		for (int i = 0; i < 1000; i++)
			if (put(i) < 0)
				_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	loop_end();
	/* The next daemon finds the ring of the dead. */
	loop_begin();
	turn_until(has_1000);
	command("rm -f %s/audit-%d.ring", folder, (int)getpid());
	loop_end();
	assert_true(no_ring());
	assert_string_equal(verify(NULL), "");
}

static bool is_stopped(void)
{
	json_t *status = audit_status(audit);
	bool stopped = json_is_true(json_object_get(status, "stopped"));

	json_decref(status);
	return stopped;
}

static bool is_running(void)
{
	return !is_stopped();
}

/* A file system of 64 KiB: it fills, the ring stops, room comes, and no line is missing. */
static void test_disk_full(void **state)
{
	char disk[96], filler[128];
	int n = 0, r, lines;
	json_t *attention = json_array();

	(void)state;
	snprintf(disk, sizeof disk, "%s/disk", folder);
	snprintf(filler, sizeof filler, "%s/filler", disk);
	assert_int_equal(mkdir(disk, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", disk, "tmpfs", 0, "size=256k") < 0) {
		json_decref(attention);
		skip();
	}
	command("head -c 160k /dev/zero > %s", filler);
	snprintf(path, sizeof path, "%s/audit.log", disk);
	assert_int_equal(uv_loop_init(&loop), 0);
	audit_begin_at(disk);
	ring_begin(getpid());
	/* Far more than there is room for. */
	for (; n < 2000; n++)
		assert_int_equal(put(n), 0);
	turn_until(is_stopped);
	assert_int_equal(put(n), -EAGAIN);
	audit_attention(audit, attention);
	assert_non_null(
		strstr(json_string_value(json_array_get(attention, 0)), "cannot be written"));
	json_decref(attention);
	assert_string_equal(verify(NULL), ""); /* nothing half-written */
	command("rm %s; mount -o remount,size=4m %s", filler, disk);
	turn_until(is_running);
	r = put(n);
	assert_int_equal(r, 0);
	loop_end();
	lines = count("crossing");
	assert_string_equal(verify(NULL), "");
	assert_int_equal(lines, n + 1);
	spool_unmap(ring);
	assert_int_equal(umount(disk), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_at_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_many_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
