/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/jid: spellings of one address, and what is no address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "xmpp/jid.h"

static struct arena arena;

static const char *full(const char *text)
{
	struct jid j;
	const char *out;
	int r = jid_parse(&arena, span_of(text), &j);

	if (r == ERR_SYNTAX)
		return "no";
	assert_int_equal(r, 0);
	out = jid_full(&arena, &j);
	assert_non_null(out);
	return out;
}

static const char *domain(const char *text)
{
	const char *out, *again;
	int r = jid_prep_domain(&arena, span_of(text), &out);

	if (r == ERR_SYNTAX)
		return "no";
	assert_int_equal(r, 0);
	assert_int_equal(jid_prep_domain(&arena, span_of(out), &again), 0);
	assert_string_equal(again, out);
	return out;
}

static void test_parts(void **state)
{
	struct jid j;
	(void)state;

	assert_int_equal(jid_parse(&arena, span_of("Romeo@Example.NET/Orchard @/x"), &j), 0);
	assert_string_equal(j.local, "romeo");
	assert_string_equal(j.domain, "example.net");
	assert_string_equal(j.resource, "Orchard @/x");
	assert_string_equal(jid_bare(&arena, &j), "romeo@example.net");
	assert_string_equal(jid_full(&arena, &j), "romeo@example.net/Orchard @/x");
	assert_int_equal(jid_parse(&arena, span_of("Example.net"), &j), 0);
	assert_string_equal(j.local, "");
	assert_string_equal(j.resource, "");
	assert_string_equal(jid_bare(&arena, &j), "example.net");
	assert_string_equal(full("example.net/a@b"), "example.net/a@b");
}

static void test_spellings(void **state)
{
	(void)state;

	assert_string_equal(full("ＲＯＭＥＯ@example.net"), "romeo@example.net"); /* NFKC */
	assert_string_equal(full("Ж@example.net"), "ж@example.net");
	assert_string_equal(full("stra\u00dfe@example.net"), "strasse@example.net"); /* B.2 */
	assert_string_equal(full("ro\u00admeo@example.net"), "romeo@example.net");   /* B.1 */
	assert_string_equal(full("e\u0301@example.net"), full("\u00c9@example.net"));
	assert_string_equal(full("a@example.net/E\u0301 X"), "a@example.net/\u00c9 X");
	assert_string_equal(full("a@example.net/\u2168"), "a@example.net/IX"); /* case is kept */
	assert_string_equal(full("a@\u1d07xample.net"), "a@\u1d07xample.net"); /* no look-alikes */
	assert_string_equal(full("juliet\\40x@example.net"), "juliet\\40x@example.net");
}

static void test_domains(void **state)
{
	(void)state;

	assert_string_equal(domain("EXAMPLE.net."), "example.net");
	assert_string_equal(domain("localhost"), "localhost");
	assert_string_equal(domain("_xmpp.a_b.example"), "_xmpp.a_b.example");
	assert_string_equal(domain("B\u00dcCHER.example"), "b\u00fccher.example");
	assert_string_equal(domain("xn--bcher-kva.example"), "b\u00fccher.example");
	assert_string_equal(domain("XN--BCHER-KVA.example."), "b\u00fccher.example");
	assert_string_equal(domain("a\u3002b\uff0ec\uff61d"), "a.b.c.d");
	assert_string_equal(domain("a\u2024xn--bcher-kva"), "a.b\u00fccher");
	assert_string_equal(domain("ｅｘａｍｐｌｅ.com"), "example.com");
	assert_string_equal(domain("xn--fiqs8s"), "中国");
	assert_string_equal(domain("ישראל.example"), "ישראל.example");
	/* Not the one spelling of anything: stays. */
	assert_string_equal(domain("xn--a"), "xn--a");
	assert_string_equal(domain("xn--strae-oqa.de"), "xn--strae-oqa.de"); /* IDNA 2008 sharp s */
	assert_string_equal(domain("192.0.2.1"), "192.0.2.1");
	assert_string_equal(domain("2001:DB8:0:0::1"), "2001:db8::1");
	assert_string_equal(domain("[2001:DB8::01]"), "[2001:db8::1]");
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "@", "@example.net", "a@", "a@/x", "/x",
		"a@example.net/", "a b@x", "a\"b@x", "a&b@x", "a'b@x", "a:b@x", "a<b@x", "a>b@x",
		"a@b@c", "a@exa mple", "a@.example", "a@ex..ample", ".", "..", "a@x\u00a0y",
		"a\u2003b@x", "\u200b@x", "a@x/\x01", "a@[::1", "a@::g",
		"\u05d0a@x", /* both directions in one part */
		"\xff@x", "a@\xc3", "a@x/\xed\xa0\x80", "a@x:5222", "a@x#y", "a\x7f@x" };
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(full(bad[i]), "no") != 0)
			fail_msg("'%s' became '%s'", bad[i], full(bad[i]));
	assert_string_equal(domain("a@b"), "no");
	assert_string_equal(domain("a/b"), "no");
	assert_int_equal(
		jid_prep_domain(&arena, (struct span){ "a\0b", 3 }, &(const char *){ NULL }),
		ERR_SYNTAX);
}

static int parse_lengths(size_t local, size_t name, size_t resource)
{
	char *text = malloc(local + name + resource + 2);
	struct jid j;
	int r;

	assert_non_null(text);
	memset(text, 'l', local);
	text[local] = '@';
	memset(text + local + 1, 'd', name);
	text[local + 1 + name] = '/';
	memset(text + local + name + 2, 'r', resource);
	r = jid_parse(&arena, (struct span){ text, local + name + resource + 2 }, &j);
	free(text);
	return r;
}

/* RFC 3920, 3.1: "Each allowable portion of a JID MUST NOT be more than 1023 bytes in length". */
static void test_lengths(void **state)
{
	char wide[3 * 1023 + 3];
	(void)state;

	assert_int_equal(parse_lengths(1023, 1023, 1023), 0);
	assert_int_equal(parse_lengths(1024, 10, 10), ERR_SYNTAX);
	assert_int_equal(parse_lengths(10, 1024, 10), ERR_SYNTAX);
	assert_int_equal(parse_lengths(10, 10, 1024), ERR_SYNTAX);
	for (size_t i = 0; i < 341; i++) /* one ligature of 18 letters, 3 bytes each */
		memcpy(wide + 3 * i, "\ufdfa", 3);
	assert_int_equal(
		jid_prep_domain(&arena, (struct span){ wide, 1023 }, &(const char *){ NULL }),
		ERR_SYNTAX);
}

/* Every byte in each part: no crash, and prepared addresses stay what they are. */
static void test_every_byte(void **state)
{
	char text[] = "a?b@c?d/e?f";
	(void)state;

	for (unsigned byte = 1; byte < 256; byte++)
		for (size_t at = 1; at < sizeof(text) - 1; at += 4) {
			char copy[sizeof(text)];
			const char *once;

			memcpy(copy, "aXb@cXd/eXf", sizeof(copy));
			copy[at] = (char)byte;
			once = full(copy);
			if (strcmp(once, "no") != 0)
				assert_string_equal(full(once), once);
		}
}

static void test_out_of_memory(void **state)
{
	struct arena small;
	struct jid j;
	(void)state;

	arena_init(&small, 16);
	assert_int_equal(jid_parse(&small, span_of("a@b/c"), &j), -12);
	arena_fini(&small);
}

static const char *ascii(const char *text)
{
	const char *out;
	int r = jid_ascii_domain(&arena, span_of(text), &out);

	if (r == ERR_SYNTAX)
		return "no";
	assert_int_equal(r, 0);
	return out;
}

static void test_ascii(void **state)
{
	char label[65], name[300] = "";

	(void)state;
	assert_string_equal(ascii("example.org"), "example.org");
	assert_string_equal(ascii("b\u00fccher.example"), "xn--bcher-kva.example");
	assert_string_equal(ascii("\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444"),
		"xn--e1afmkfd.xn--p1ai");
	assert_string_equal(ascii("xn--bcher-kva.example"), "xn--bcher-kva.example");
	assert_string_equal(ascii("_x.example"), "_x.example");
	/* Addresses, and what DNS would read as something else. */
	assert_string_equal(ascii("192.0.2.1"), "no");
	assert_string_equal(ascii("[2001:db8::1]"), "no");
	assert_string_equal(ascii("2001:db8::1"), "no");
	assert_string_equal(ascii(""), "no");
	assert_string_equal(ascii("."), "no");
	assert_string_equal(ascii("a..b"), "no");
	assert_string_equal(ascii("a\\.example"), "no");
	assert_string_equal(ascii("*.example"), "no");
	assert_string_equal(ascii("a b.example"), "no");
	memset(label, 'a', 64);
	label[63] = label[64] = '\0';
	assert_string_equal(ascii(label), label);
	label[63] = 'a';
	assert_string_equal(ascii(label), "no");
	for (int i = 0; i < 127; i++)
		strcat(name, i ? ".a" : "a");
	assert_string_equal(ascii(name), name);
	strcat(name, "a");
	assert_string_equal(ascii(name), "no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_out_of_memory),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
