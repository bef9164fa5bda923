/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/url: links in their disguises, what is no link, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "xmpp/url.h"

static struct arena arena;

/* "scheme:host scheme:host ..." */
static const char *found(const char *text)
{
	static char out[4096];
	size_t len = 0;
	struct url *u;

	assert_int_equal(url_find(&arena, span_of(text), 64, &u), 0);
	out[0] = '\0';
	for (; u; u = u->next) {
		assert_true(u->start < u->end && u->end <= strlen(text));
		assert_int_equal(strlen(u->text), u->end - u->start);
		assert_memory_equal(u->text, text + u->start, u->end - u->start);
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s:%s", len ? " " : "",
			u->scheme, u->host);
	}
	return out;
}

static bool finds(const char *text, const char *host)
{
	struct url *u;

	assert_int_equal(url_find(&arena, span_of(text), 64, &u), 0);
	while (u && strcmp(u->host, host) != 0)
		u = u->next;
	return u != NULL;
}

struct expected {
	const char *text, *urls;
};

static void check(const struct expected *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(found(cases[i].text), cases[i].urls);
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_plain(void **state)
{
	static const struct expected cases[] = {
		{ "see http://login.bad.example/ now", "http:login.bad.example" },
		{ "HTTPS://EVIL.COM:443/X", "https:evil.com" },
		{ "www.foo.internal, then evil.com.", ":www.foo.internal :evil.com" },
		{ "evil.com", ":evil.com" },
		{ "(evil.org/a)", ":evil.org" },
		{ "\"evil.org\" <evil.net> 'evil.de'", ":evil.org :evil.net :evil.de" },
		{ "http://localhost:8080/x http://intranet", "http:localhost http:intranet" },
		{ "ftp://ftp.x.org/a.zip", "ftp:ftp.x.org" },
		{ "http://evil.com./", "http:evil.com" },
		{ "http://evil.com...", "http:evil.com" },
		{ "a.com/b.com", ":a.com" },
		{ "git+ssh://host.example/x", "ssh:host.example" },
		{ "//evil.com/x", ":evil.com" },
		{ "mail bob.smith@evil.com", ":evil.com" },
	};
	(void)state;

	CHECK(cases);
}

static void test_no_links(void **state)
{
	static const char *const cases[] = { "", "no link", "3.14 v1.2.3 1.2", "e.g. i.e. etc...",
		"file.txt a.pdf", "hello.Peter", "Ende.Danach geht", "x..y", ".", "...", "http://",
		"https:///", "http://.", "note:this", "mailto:nobody", "im:hello", "12:30:45",
		"a:b:c", "你好。世界", "привет.Как дела", "C:\\dir", "::", "http://%",
		"http://[::g]/", "main()", "-._-", "[.]", "x[.]" };
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (found(cases[i])[0])
			fail_msg("'%s': %s", cases[i], found(cases[i]));
}

static void test_authority(void **state)
{
	static const struct expected cases[] = {
		{ "http://paypal.com@evil.com/x", "http:evil.com" },
		{ "http://a:b@paypal.com@evil.com:80/", "http:evil.com" },
		{ "http://paypal.com%2F@evil.com", "http:evil.com" },
		{ "http:\\\\evil.com\\x", "http:evil.com" },
		{ "http:/evil.com http:///evil.com", "http:evil.com http:evil.com" },
		{ "http://good.com\\@evil.com",
			"http:good.com" }, /* as browsers: the backslash ends it */
		{ "http://good.com#@evil.com", "http:good.com" },
		{ "https://g.com/url?q=http://evil.com/", "https:g.com http:evil.com" },
		{ "https://g.com/?u=https%3A%2F%2Fevil.com%2Fx", "https:g.com https:evil.com" },
		{ "https://g.com/www.evil.com/", "https:g.com :www.evil.com" },
	};
	(void)state;

	CHECK(cases);
}

static void test_escapes_and_dots(void **state)
{
	static const struct expected cases[] = {
		{ "http://%65vil.com", "http:evil.com" },
		{ "http://%2565vil%252ecom/", "http:evil.com" },
		{ "http://%252525252565vil.com/", "http:evil.com" },
		{ "http://evil%E3%80%82com/", "http:evil.com" },
		{ "http://ev%C2%ADil.com/", "http:evil.com" },
		{ "http://evil.com%3a80", "http:evil.com" },
		{ "evil%2ecom", ":evil.com" },
		{ "http://evil\u3002com", "http:evil.com" },
		{ "evil\uff0ecom evil\uff61com evil\u3002com", ":evil.com :evil.com :evil.com" },
		{ "ｈｔｔｐ：／／ｅｖｉｌ．ｃｏｍ／", "http:evil.com" },
		{ "http://ⓔⓥⓘⓛ.ⓒⓞⓜ", "http:evil.com" },
		{ "http://𝐞𝐯𝐢𝐥.com", "http:evil.com" },
	};
	(void)state;

	CHECK(cases);
}

static void test_defanged(void **state)
{
	static const struct expected cases[] = {
		{ "hxxp://evil[.]com", "http:evil.com" },
		{ "hxxps[:]//evil(dot)com/x", "https:evil.com" },
		{ "hXXp[://]evil{.}com", "http:evil.com" },
		{ "evil [dot] com", ":evil.com" },
		{ "evil[ . ]com", ":evil.com" },
		{ "EVIL(DOT)COM", ":evil.com" },
	};
	(void)state;

	CHECK(cases);
}

static void test_addresses(void **state)
{
	static const struct expected cases[] = {
		{ "http://2130706433/", "http:127.0.0.1" },
		{ "http://0x7f000001/", "http:127.0.0.1" },
		{ "http://0x7f.1", "http:127.0.0.1" },
		{ "http://0177.0.0.01", "http:127.0.0.1" },
		{ "http://017700000001", "http:127.0.0.1" },
		{ "http://192.168.257", "http:192.168.1.1" },
		{ "http://１２７.０.０.１/", "http:127.0.0.1" },
		{ "http://①②⑦.⓪.⓪.①/", "http:127.0.0.1" },
		{ "10.0.0.1:80/x", ":10.0.0.1" },
		{ "http://[2001:DB8:0::1]:80/", "http:2001:db8::1" },
		{ "http://[::ffff:10.0.0.1]/", "http:10.0.0.1" },
		{ "http://[::ffff:0a00:1]/", "http:10.0.0.1" },
		{ "http://[fe80::1%25eth0]/", "http:fe80::1" },
		{ "http://user@[::1]", "http:::1" },
		{ "http://4294967296/", "http:4294967296" }, /* no address; as it stands */
		{ "http://1.2.3.256/", "http:1.2.3.256" },
	};
	(void)state;

	CHECK(cases);
}

static void test_schemes(void **state)
{
	static const struct expected cases[] = {
		{ "xmpp:room@conf.evil.com?join", "xmpp:conf.evil.com" },
		{ "xmpp:evil.com", "xmpp:evil.com" },
		{ "xmpp://guest@evil.com/x@y", "xmpp:evil.com" },
		{ "aesgcm://up.evil.com/x.jpg#00ff", "aesgcm:up.evil.com" },
		{ "mailto:a@x.com", "mailto:x.com" },
		{ "mailto:a@x.com,b@y.com", "mailto:x.com :y.com" },
		{ "javascript:alert(1)", "javascript:" },
		{ "data:text/html,http://evil.com", "data: http:evil.com" },
		{ "geo:37.78,-122.39", "geo:" },
		{ "wss://evil.com:443/ws", "wss:evil.com" },
	};
	(void)state;

	CHECK(cases);
}

static void test_international(void **state)
{
	static const struct expected cases[] = {
		{ "http://bücher.de", "http:bücher.de" },
		{ "http://xn--bcher-kva.de", "http:bücher.de" },
		{ "XN--BCHER-KVA.DE", ":bücher.de" },
		{ "пример.рф", ":пример.рф" },
		{ "http://例え.テスト/", "http:例え.テスト" },
	};
	(void)state;

	CHECK(cases);
	/* a look-alike is another host, and stays one */
	assert_true(finds("http://аpple.com", "аpple.com"));
	assert_false(finds("http://аpple.com", "apple.com"));
	/* beside scripts without spaces either reading counts */
	assert_true(finds("请看evil.com吧", "evil.com"));
	assert_true(finds("http://evil.com谢谢", "evil.com"));
	assert_true(finds("http://evil.com谢谢", "evil.com谢谢"));
	assert_true(finds("смотриevil.com", "evil.com"));
}

static void test_unseen(void **state)
{
	(void)state;

	assert_true(finds("http://ev\u200bil.com/", "evil.com"));
	assert_true(finds("evil\u200d.c\u2060om", "evil.com"));
	assert_true(finds("ht\u00adtp://evil.com", "evil.com"));
	assert_true(finds("http:/\u200b/evil.com", "evil.com"));
	assert_true(finds("\u202eevil.com\u202c", "evil.com"));
	assert_true(finds("evil.com\u200band", "evil.com")); /* the other reading: it ends there */
	assert_true(finds("evil.com\u200band", "evil.comand"));
	assert_string_equal(found("evil.com\ufeff"), ":evil.com"); /* once */
}

static void test_extent(void **state)
{
	static const struct {
		const char *text, *link;
	} cases[] = {
		{ "see http://a.com/x, and", "http://a.com/x" },
		{ "(http://a.com/x)", "http://a.com/x" },
		{ "http://a.com/x_(y)", "http://a.com/x_(y)" },
		{ "http://a.com/x?!", "http://a.com/x" },
		{ "<http://a.com/x>", "http://a.com/x" },
		{ "\"http://a.com/x\"", "http://a.com/x" },
		{ "a.com:80/x#y z", "a.com:80/x#y" },
		{ "é ｈttp://a.com/Ünï z", "ｈttp://a.com/Ünï" },
	};
	struct url *u;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(url_find(&arena, span_of(cases[i].text), 4, &u), 0);
		assert_non_null(u);
		assert_string_equal(u->text, cases[i].link);
		assert_null(u->next);
	}
}

static unsigned count(const struct url *u)
{
	unsigned n = 0;

	for (; u; u = u->next)
		n++;
	return n;
}

static void test_max(void **state)
{
	struct url *u;
	(void)state;

	assert_int_equal(url_find(&arena, span_of("a.com b.com c.com"), 2, &u), 0);
	assert_int_equal(count(u), 2);
	assert_string_equal(u->next->host, "b.com");
	assert_int_equal(url_find(&arena, span_of("a.com"), 0, &u), 0);
	assert_null(u);
	assert_int_equal(url_find(&arena, span_of("a\u200b.com b.com c.com d.com"), 3, &u), 0);
	assert_int_equal(count(u), 3);
}

/* Hostile repetitions of 256 KiB: each must be as cheap as a plain text, so a quadratic walk
 * (minutes) fails. */
static void test_linear(void **state)
{
	static const char *const units[] = { "a", ".", "a.", "a.b", "http:", "http://", "http://a@",
		"@", "a@", "%25", "data:", "tel:a", "xmpp:", "xmpp:a@", "[", "[.]", "(dot)", ")",
		"http://a.b/)", "://", "a://", "\u200b", "a\u200b", "\u3002", "中.", "中a.com",
		"www.", "http://[", "%3a%2f%2f", "a.com/%3a%2f%2fb", "é\u0301", "x://a.b/",
		"-tel:", "a.b/www.c.d/", "http://a.b/?http%3a%2f%2f", "%3a%2f%2fa.b", "a.com ",
		"1.", "xn--", "-", ":", "a:", "mailto:a@b,", "\\", "e\u0301" };
	const size_t size = 256 * 1024;
	char *text = malloc(size);
	(void)state;

	assert_non_null(text);
	for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
		size_t len = 0, unit = strlen(units[k]);
		uint64_t start = clock_mono_ms();
		struct url *u;

		while (len + unit <= size) {
			memcpy(text + len, units[k], unit);
			len += unit;
		}
		assert_int_equal(url_find(&arena, (struct span){ text, len }, 65536, &u), 0);
		assert_true(count(u) <= 65536);
		assert_true(arena.used < 100 << 20);
		if (clock_mono_ms() - start > 5000)
			fail_msg("'%s' took %u ms", units[k], (unsigned)(clock_mono_ms() - start));
		arena_reset(&arena);
	}
	free(text);
}

static void test_out_of_memory(void **state)
{
	struct arena small;
	struct url *u;
	(void)state;

	for (size_t max = 16; max < 6000; max += 16) {
		arena_init(&small, max);
		if (url_find(&small, span_of("http://%65vil.com/ a\u200b.com"), 8, &u) == 0)
			assert_true(finds("http://evil.com", u->host));
		arena_fini(&small);
	}
}

static int setup(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, setup),
		cmocka_unit_test_setup(test_no_links, setup),
		cmocka_unit_test_setup(test_authority, setup),
		cmocka_unit_test_setup(test_escapes_and_dots, setup),
		cmocka_unit_test_setup(test_defanged, setup),
		cmocka_unit_test_setup(test_addresses, setup),
		cmocka_unit_test_setup(test_schemes, setup),
		cmocka_unit_test_setup(test_international, setup),
		cmocka_unit_test_setup(test_unseen, setup),
		cmocka_unit_test_setup(test_extent, setup),
		cmocka_unit_test_setup(test_max, setup),
		cmocka_unit_test_setup(test_linear, setup),
		cmocka_unit_test_setup(test_out_of_memory, setup),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
