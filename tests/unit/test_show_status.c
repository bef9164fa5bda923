/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/show_status.c: attention first, all of it on one screen, all of it where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ctl/show_status.h"

static json_t *status_of(int attention, int services, int workers)
{
	json_t *s = json_pack("{s:s,s:s,s:i,s:{s:b},s:{s:i,s:i,s:i},s:i,s:{s:{s:i,s:i,s:i,s:i}},s:{s:i,s:s,s:i}}", "version", "1.2", "policy", "abc",
		"uptime_ms", 7500000, "firewall", "loaded", 1, "counters", "session.active", 3, "verdict.drop", 7, "login.failed", 12, "bans", 5,
		"defend", "others", "rate", 4, "penalty", 3, "concurrent", 1, "full", 100, "reports", "delivered", 1, "to", "a@b\x1b[2J", "waiting", 0);
	json_t *lines = json_array(), *all = json_array(), *each = json_array();

	for (int i = 0; i < attention; i++)
		json_array_append_new(lines, json_sprintf("trouble %d \x1b[2J%0*d", i, i * 37 % 200, 0));
	for (int i = 0; i < services; i++)
		json_array_append_new(all, json_pack("{s:o,s:[i,i],s:s,s:s,s:s,s:b}", "name", json_sprintf("service%d", i), "ports", 5222, i, "mode",
						   "proxy", "tls", "required", "upstream", "some.host.with.a.long.name.example:5222 starttls",
						   "fail_open", i % 2));
	for (int i = 0; i < workers; i++)
		json_array_append_new(each, json_pack("{s:s,s:i,s:s,s:s}", "name", "xmppwall-proxy", "pid", i, "sandbox", "seccomp", "state",
						    i ? "down" : "ready"));
	json_object_set_new(s, "attention", lines);
	json_object_set_new(s, "services", all);
	json_object_set_new(s, "workers", each);
	return s;
}

static char *shown(json_t *status, bool colour, unsigned rows, unsigned columns)
{
	size_t len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	show_status(out, status, colour, rows, columns);
	fclose(out);
	json_decref(status);
	return text;
}

static unsigned lines_of(const char *text, unsigned columns)
{
	unsigned n = 0;

	for (size_t len; *text; text += len + (text[len] == '\n'), n++) {
		len = strcspn(text, "\n");
		if (columns && len > columns)
			fail_msg("%zu columns: %.*s", len, (int)len, text);
	}
	return n;
}

static void everything(void **state)
{
	char *text = shown(status_of(40, 30, 20), false, 0, 0);

	(void)state;
	assert_int_equal(strncmp(text, "! trouble 0 \\u{1b}[2J0\n", 23), 0);
	assert_non_null(strstr(text, "trouble 39"));
	assert_non_null(strstr(text, "service29"));
	assert_non_null(strstr(text, "FAIL OPEN"));
	assert_non_null(strstr(text, "pid 19"));
	assert_non_null(strstr(text, "up 2h 5m"));
	assert_non_null(strstr(text, "table inet xmppwall is loaded, 5 bans"));
	assert_non_null(strstr(text, "8 connections refused by the kernel, 12 failed logins"));
	assert_non_null(strstr(text, "a@b\\u{1b}[2J"));
	assert_null(strstr(text, "more"));
	assert_null(strchr(text, '\x1b'));
	free(text);
	text = shown(json_object(), false, 24, 80); /* a daemon of which we understand nothing */
	assert_true(lines_of(text, 80) >= 5);
	free(text);
}

static void fits(void **state)
{
	static const int counts[] = { 0, 1, 2, 5, 9, 40 };

	(void)state;
	for (unsigned a = 0; a < 6; a++)
		for (unsigned s = 0; s < 6; s++)
			for (unsigned w = 0; w < 6; w++) {
				char *text = shown(status_of(counts[a], counts[s], counts[w]), false, 22, 80);
				unsigned n = lines_of(text, 80);

				if (n > 22)
					fail_msg("%u lines:\n%s", n, text);
				assert_int_equal(strncmp(text, counts[a] ? "! trouble" : "xmppwall", 8), 0);
				if (a < 3 || a == 5)
					assert_int_equal(strstr(text, "more lines") != NULL, a == 5);
				assert_int_equal(strstr(text, "service") != NULL, counts[s] > 0);
				free(text);
			}
	free(shown(status_of(9, 9, 9), true, 1, 1)); /* no room at all */
	free(shown(status_of(9, 9, 9), true, 5, 13));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(everything), cmocka_unit_test(fits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
