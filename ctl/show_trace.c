/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes what was tried on a stanza: behind "judge --trace" and "trace". In: the steps of
 * rules/trace.c. Out: one line a rule with how it went, below it one a test with the value that was
 * looked at. Text of peers is escaped and cut. It knows no policy. */
#include "ctl/show_trace.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/show.h"

enum { TRACE_VALUE_WIDTH = 60 };

static void show_values(FILE *out, const json_t *test)
{
	const json_t *values = json_object_get(test, "values"), *value;
	const json_t *bytes = json_object_get(test, "bytes");
	size_t i;

	if (json_is_integer(bytes) && json_array_size(values) == 0) {
		fprintf(out, "%" JSON_INTEGER_FORMAT " bytes", json_integer_value(bytes));
		return;
	}
	if (json_array_size(values) == 0)
		fprintf(out, "%s", json_object_get(test, "field") ? "nothing" : "");
	json_array_foreach(values, i, value) fprintf(out, "%s\"%s\"", i ? ", " : "",
		show_safe(json_string_value(value), TRACE_VALUE_WIDTH));
	if (json_is_true(json_object_get(test, "more")))
		fprintf(out, ", ...");
}

static void show_test(FILE *out, const json_t *test)
{
	bool held = json_is_true(json_object_get(test, "held"));

	fprintf(out, "      %-4s %s: ", held ? "yes" : "no", show_safe(show_text(test, "test"), 0));
	show_values(out, test);
	if (json_object_get(test, "entry")) {
		fprintf(out, "; \"%s\" is \"%s\"",
			show_safe(show_text(test, "text"), TRACE_VALUE_WIDTH),
			show_safe(show_text(test, "entry"), TRACE_VALUE_WIDTH));
		if (*show_text(test, "set"))
			fprintf(out, " of @%s", show_text(test, "set"));
	}
	putc('\n', out);
}

void show_steps(FILE *out, const json_t *steps, bool cut, bool colour)
{
	const json_t *step, *test;
	size_t i, k;

	json_array_foreach(steps, i, step)
	{
		bool held = json_is_true(json_object_get(step, "held"));

		if (!json_object_get(step, "rule")) {
			fprintf(out, "  %s: policy %s\n", show_text(step, "chain"),
				show_text(step, "policy"));
			continue;
		}
		fprintf(out, "  %s%s/%s: %s%s%s\n", colour && held ? "\033[1m" : "",
			show_text(step, "chain"), show_text(step, "rule"),
			held ? "holds" : "does not hold",
			json_is_true(json_object_get(step, "dry")) ? " (dry)" : "",
			colour && held ? "\033[0m" : "");
		json_array_foreach(json_object_get(step, "tests"), k, test) show_test(out, test);
	}
	if (cut)
		fprintf(out, "  ... and more rules\n");
}
