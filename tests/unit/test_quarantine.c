/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept, for how long, and that nothing is given out twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "ctl/quarantine.h"

struct fixture {
	char folder[64], path[96];
	struct quarantine *q;
};

static void open_book(struct fixture *f)
{
	struct buf why;

	buf_init(&why, 0);
	assert_int_equal(quarantine_open(f->folder, &f->q, &why), 0);
	assert_int_equal(buf_len(&why), 0);
	buf_fini(&why);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/xmppwall-quarantine-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/quarantine.db", f->folder);
	open_book(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	quarantine_close(f->q);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int put(struct fixture *f, const char *id, const char *xml, int64_t now)
{
	json_t *stanza = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", id, "from",
		"a@b/c", "to", "d@e", "jid", "a@b/c", "service", "c2s", "direction", "in", "rule",
		"r", "chain", "inbound", "xml", xml);
	int r = quarantine_put(f->q, stanza, now);

	json_decref(stanza);
	return r;
}

/* The ids, newest first, joined by spaces. */
static const char *ids(struct fixture *f, int64_t now)
{
	static char text[4096];
	json_t *rows = quarantine_list(f->q, now), *row;
	size_t i;

	text[0] = '\0';
	json_array_foreach(rows, i, row)
	{
		strcat(text, i ? " " : "");
		strcat(text, json_string_value(json_object_get(row, "id")));
		assert_null(json_object_get(row, "xml"));
	}
	json_decref(rows);
	return text;
}

static const char *state_of(struct fixture *f, const char *id)
{
	static char text[32];
	json_t *row = quarantine_find(f->q, id, 1);

	assert_non_null(row);
	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(row, "state")));
	json_decref(row);
	return text;
}

static void kept_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	json_t *row;

	assert_int_equal(put(f, "k-1", "<message><body>ä</body></message>", 1000), 0);
	assert_int_equal(put(f, "k-2", "<message/>", 2000), 0);
	assert_int_equal(put(f, "k-1", "<message/>", 3000), -EEXIST);
	quarantine_close(f->q);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	open_book(f);
	assert_string_equal(ids(f, 5000), "k-2 k-1");
	row = quarantine_find(f->q, "k-1", 5000);
	assert_string_equal(json_string_value(json_object_get(row, "xml")),
		"<message><body>ä</body></message>");
	assert_string_equal(json_string_value(json_object_get(row, "from")), "a@b/c");
	assert_string_equal(json_string_value(json_object_get(row, "to")), "d@e");
	assert_string_equal(json_string_value(json_object_get(row, "rule")), "r");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "kept");
	assert_int_equal(json_integer_value(json_object_get(row, "time")), 1000);
	assert_int_equal(json_integer_value(json_object_get(row, "size")), 34);
	json_decref(row);
	assert_null(quarantine_find(f->q, "k-3", 5000));
	assert_int_equal(quarantine_delete(f->q, "k-1"), 0);
	assert_int_equal(quarantine_delete(f->q, "k-1"), ERR_NOTFOUND);
	assert_string_equal(ids(f, 5000), "k-2");
}

static void the_oldest_give_way(void **state)
{
	struct fixture *f = *state;
	char id[16];

	quarantine_configure(f->q, &(struct quarantine_ceilings){ 3, 1000, UINT64_MAX });
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "k-%d", i);
		assert_int_equal(put(f, id, "<message/>", 1000 + i), 0);
	}
	assert_string_equal(ids(f, 2000), "k-4 k-3 k-2");
	assert_int_equal(quarantine_evicted(f->q), 2);
	/* Bytes: 10 each are there, 15 fit. */
	quarantine_configure(f->q, &(struct quarantine_ceilings){ 10, 25, UINT64_MAX });
	assert_string_equal(ids(f, 2000), "k-4 k-3");
	assert_int_equal(put(f, "k-5", "<message></m>12", 3000), 0);
	assert_string_equal(ids(f, 3000), "k-5 k-4");
	assert_int_equal(put(f, "k-6", "<message>12345678901234567", 3000), ERR_LIMIT);
	assert_string_equal(ids(f, 3000), "k-5 k-4");
	quarantine_configure(f->q, &(struct quarantine_ceilings){ 0, 25, UINT64_MAX });
	assert_string_equal(ids(f, 3000), "");
	assert_int_equal(put(f, "k-7", "<m/>", 3000), ERR_LIMIT);
}

static void what_is_old_goes(void **state)
{
	struct fixture *f = *state;

	quarantine_configure(f->q, &(struct quarantine_ceilings){ 10, 1000, 60000 });
	assert_int_equal(put(f, "k-1", "<message/>", 100000), 0);
	assert_int_equal(put(f, "k-2", "<message/>", 130000), 0);
	assert_string_equal(ids(f, 159999), "k-2 k-1");
	assert_string_equal(ids(f, 160000), "k-2");
	assert_null(quarantine_find(f->q, "k-2", 190000));
	assert_string_equal(ids(f, 190000), "");
}

/* Whatever ends between the mark and the answer: it is not given out a second time. */
static void released_once(void **state)
{
	struct fixture *f = *state;

	put(f, "k-1", "<message/>", 1000);
	assert_int_equal(quarantine_mark(f->q, "k-0"), ERR_NOTFOUND);
	assert_int_equal(quarantine_mark(f->q, "k-1"), 0);
	assert_int_equal(quarantine_mark(f->q, "k-1"), ERR_NOTFOUND);
	assert_string_equal(state_of(f, "k-1"), "unsure");
	quarantine_close(f->q);
	open_book(f);
	assert_int_equal(quarantine_mark(f->q, "k-1"), ERR_NOTFOUND);
	/* Nobody was there: it may be tried again. */
	assert_int_equal(quarantine_settle(f->q, "k-1", QUARANTINE_KEPT), 0);
	assert_string_equal(state_of(f, "k-1"), "kept");
	assert_int_equal(quarantine_settle(f->q, "k-1", QUARANTINE_RELEASED), ERR_NOTFOUND);
	assert_int_equal(quarantine_mark(f->q, "k-1"), 0);
	assert_int_equal(quarantine_settle(f->q, "k-1", QUARANTINE_RELEASED), 0);
	assert_int_equal(quarantine_mark(f->q, "k-1"), ERR_NOTFOUND);
	assert_string_equal(state_of(f, "k-1"), "released");
	assert_int_equal(quarantine_delete(f->q, "k-1"), 0);
}

static void nonsense_is_not_kept(void **state)
{
	struct fixture *f = *state;
#define REST(xml)                                                                                  \
	"\"from\":\"\",\"to\":\"\",\"jid\":\"\",\"service\":\"\",\"direction\":\"\",\"rule\":\"\","           \
	"\"chain\":\"\",\"xml\":" xml "}"
	static const char *const bad[] = { "{}", "[]", "{\"id\":\"x\"}",
		"{\"id\":\"\"," REST("\"\""), "{\"id\":\"x\"," REST("7") };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *stanza = json_loads(bad[i], 0, NULL);

		assert_non_null(stanza);
		assert_int_equal(quarantine_put(f->q, stanza, 1000), ERR_PROTO);
		json_decref(stanza);
	}
	assert_string_equal(ids(f, 1000), "");
}

static void a_damaged_book_is_put_aside(void **state)
{
	struct fixture *f = *state;
	FILE *out;

	quarantine_close(f->q);
	f->q = NULL;
	out = fopen(f->path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", out);
	fclose(out);
	open_book(f);
	assert_int_equal(put(f, "k-1", "<message/>", 1000), 0);
	assert_string_equal(ids(f, 1000), "k-1");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(kept_over_a_restart),
		CASE(the_oldest_give_way),
		CASE(what_is_old_goes),
		CASE(released_once),
		CASE(nonsense_is_not_kept),
		CASE(a_damaged_book_is_put_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
