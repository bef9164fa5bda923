/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The law of dialback, cell by cell: dialback.txt, a line a case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "dialback_lab.h"

/* The word at *at, cut out of the line; NULL at the end. */
static char *word(char **at)
{
	char *start = *at + strspn(*at, " ");
	char *end = strchrnul(start, ' ');

	*at = *end ? end + 1 : end;
	*end = '\0';
	return *start ? start : NULL;
}

/* A name, "far~" for "far.example", also with more behind it. */
static const char *name(char **at, char *out, size_t size)
{
	const char *text = word(at), *tail;

	assert_non_null(text);
	tail = strchr(text, '~');
	snprintf(out, size, "%.*s%s%s", (int)(tail ? tail - text : (long)strlen(text)), text,
		tail ? ".example" : "", tail ? tail + 1 : "");
	return out;
}

static void element_of(char *said, char *out, size_t size)
{
	const char *verb = word(&said);
	char from[128], to[128];
	const char *id, *type;

	assert_non_null(verb);
	if (strcmp(verb, "say") == 0) {
		snprintf(out, size, "%s", said);
		return;
	}
	name(&said, from, sizeof(from));
	name(&said, to, sizeof(to));
	if (strcmp(verb, "ask") == 0) {
		snprintf(out, size, "<db:result from='%s' to='%s'>key</db:result>", from, to);
	} else if (strcmp(verb, "tell") == 0) {
		snprintf(out, size, "<db:result from='%s' to='%s' type='%s'/>", from, to,
			word(&said));
	} else if (strcmp(verb, "verify") == 0) {
		snprintf(out, size, "<db:verify from='%s' to='%s' id='%s'>key</db:verify>", from,
			to, word(&said));
	} else {
		assert_string_equal(verb, "verified");
		id = word(&said);
		type = word(&said);
		snprintf(out, size, "<db:verify from='%s' to='%s' id='%s' type='%s'/>", from, to,
			id, type);
	}
}

static enum dialback_fate fate_of(const char *text)
{
	if (strcmp(text, "pass") == 0)
		return DIALBACK_FORWARD;
	if (strcmp(text, "eat") == 0)
		return DIALBACK_SWALLOW;
	assert_string_equal(text, "end");
	return DIALBACK_END;
}

/* "I ask far~ home~ -> eat dialback.policy <not-authorized" */
static void run_step(struct lab *lab, char *text)
{
	char *expected = strstr(text, " -> "), *side;
	char element[1024];
	struct step s = { .fate = DIALBACK_FORWARD, .text = element };
	const char *reason;

	if (expected) {
		*expected = '\0';
		expected += 4;
		s.fate = fate_of(word(&expected));
		reason = word(&expected);
		s.reason = reason && strcmp(reason, "-") != 0 ? reason : NULL;
		if (*expected)
			s.written = strcmp(expected, "nothing") == 0 ? "" : expected;
	}
	side = word(&text);
	assert_true(strcmp(side, "I") == 0 || strcmp(side, "R") == 0);
	s.by = *side == 'I' ? SIDE_INITIATOR : SIDE_RECEIVER;
	element_of(text, element, sizeof(element));
	step(lab, &s);
}

/* "in+bidi: STEP ; STEP" */
static void run_case(char *line)
{
	char *steps = strstr(line, ": "), *next;
	struct lab lab;

	assert_non_null(steps);
	lab_open(&lab, strncmp(line, "out", 3) == 0 ? SIDE_INITIATOR : SIDE_RECEIVER);
	lab.d.bidi = memmem(line, (size_t)(steps - line), "+bidi", 5) != NULL;
	for (steps += 2; steps; steps = next) {
		next = strstr(steps, " ; ");
		if (next) {
			*next = '\0';
			next += 3;
		}
		run_step(&lab, steps);
	}
	lab_close(&lab);
}

static void each_cell(void **state)
{
	FILE *f = fopen(TEST_SOURCE_DIR "/unit/dialback.txt", "r");
	char line[2048];
	unsigned cases = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		run_case(line);
		cases++;
	}
	fclose(f);
	assert_in_range(cases, 80, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_cell) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
