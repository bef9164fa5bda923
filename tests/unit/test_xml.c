/* link: xmpp expat */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser beside expat, over every stream case and every evasion, cut in several ways; what is
 * forwarded as it came; what is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <dirent.h>
#include <time.h>

#include "tests/fuzz/expat_reference.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"xmlns:h='urn:h'>"

static void compare(const char *bytes, size_t len)
{
	static const unsigned steps[] = { 1, 2, 3, 17, 400 };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		reference_compare(&xmpp_limits_default, bytes, len, steps[i]);
}

/* What is quoted on a line of a stream case, so many times. */
static void put_quoted(struct buf *out, const char *line, unsigned long times)
{
	struct buf once;

	buf_init(&once, 0);
	for (const char *at = strchr(line, '"') + 1; *at && *at != '"'; at++) {
		char c = *at, digits[3] = { 0 };

		if (c == '\\') {
			c = *++at;
			if (c == 'x') {
				memcpy(digits, at + 1, 2);
				c = (char)strtoul(digits, NULL, 16);
				at += 2;
			} else {
				c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
			}
		}
		buf_put(&once, &c, 1);
	}
	while (times-- > 0 && buf_len(out) < 100000)
		buf_put_span(out, buf_span(&once));
	buf_fini(&once);
}

static unsigned compare_streams(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long times;
	unsigned n = 0;
	char *line = NULL;
	size_t cap = 0;
	struct buf bytes;

	assert_non_null(f);
	buf_init(&bytes, 0);
	for (;;) {
		bool more = getline(&line, &cap, f) >= 0;

		/* Each stream for itself. */
		if ((!more || strncmp(line, "case ", 5) == 0 || strncmp(line, "restart", 7) == 0) &&
			buf_len(&bytes) > 0) {
			compare(buf_ptr(&bytes), buf_len(&bytes));
			buf_clear(&bytes);
			n++;
		}
		if (!more)
			break;
		if (strncmp(line, "push ", 5) == 0)
			put_quoted(&bytes, line, 1);
		else if (sscanf(line, "repeat %lu", &times) == 1)
			put_quoted(&bytes, line, times);
	}
	buf_fini(&bytes);
	free(line);
	fclose(f);
	return n;
}

static void test_streams(void **state)
{
	DIR *folder = opendir(TEST_SOURCE_DIR "/streams");
	char path[4096];
	unsigned n = 0;

	(void)state;
	assert_non_null(folder);
	for (struct dirent *d; (d = readdir(folder));) {
		if (!strstr(d->d_name, ".stream"))
			continue;
		snprintf(path, sizeof path, TEST_SOURCE_DIR "/streams/%s", d->d_name);
		n += compare_streams(path);
	}
	closedir(folder);
	assert_true(n > 100);
}

static void test_evasions(void **state)
{
	FILE *f = fopen(TEST_SOURCE_DIR "/evasion/cases.txt", "r");
	char *line = NULL, *begin, *end;
	size_t cap = 0;
	unsigned n = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &cap, f) >= 0) {
		struct buf bytes;

		if (line[0] == '#' || !(begin = strchr(line, '<')) || !(end = strrchr(line, ';')))
			continue;
		buf_init(&bytes, 0);
		buf_puts(&bytes, HEADER);
		buf_put(&bytes, begin, (size_t)(end - begin));
		compare(buf_ptr(&bytes), buf_len(&bytes));
		buf_fini(&bytes);
		n++;
	}
	free(line);
	fclose(f);
	assert_true(n > 50);
}

/* Cases for each rule of XML that expat also has. */
static const char *const oddities[] = {
	"<a b='1' b='2'/>",
	"<a h:b='1' h:b='2'/>",
	"<a xmlns:p='urn:h' p:b='1' h:b='2'/>",
	"<a xmlns:p='urn:p' xmlns:p='urn:q'/>",
	"<a xmlns='urn:p' xmlns='urn:q'/>",
	"<a xmlns:p='urn:p'><p:b p:c='1' c='2'/></a><p:d/>",
	"<a xmlns:p='urn:p'><b xmlns:p='urn:q'><p:c/></b><p:c/></a>",
	"<a xmlns=''><b/></a><c/>",
	"<a xmlns:p=''/>",
	"<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:b='c'/>",
	"<a xmlns:xml='urn:x'/>",
	"<a xmlns:b='http://www.w3.org/XML/1998/namespace'/>",
	"<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
	"<a xmlns:xmlns='urn:x'/>",
	"<a xmlns:b='http://www.w3.org/2000/xmlns/'/>",
	"<a xmlns='http://www.w3.org/2000/xmlns/'/>",
	"<xmlns:a/>",
	"<xml:a/>",
	"<a:b:c/>",
	"<:a/>",
	"<a:/>",
	"<h:1/>",
	"<h:b></h:b ><c></h:c>",
	"<a b:='1'/>",
	"<a xmlns:='1'/>",
	"<a q:b='1'/>",
	"<q:a/>",
	"<a b='&#9;&#10;&#13; \t\n\r\r\n&lt;&#x1F642;'/>",
	"<a>\r\n\r&#13;\n&#xD;&#10;]]&gt;<![CDATA[\r\n]]]]>&gt;<![CDATA[]]><b/><![CDATA[]]></a>",
	"<a>]]></a>",
	"<a>]]<![CDATA[]]>></a>",
	"<a b=']]>'/>",
	"<a><![CDATA[]]]></a>]]></a>",
	"<a b=\"'\" c='\"'/>",
	"<a b='<'/>",
	"<a b='1'c='2'/>",
	"<a>&#0;</a>",
	"<a>&#x110000;</a>",
	"<a>&#xD800;</a>",
	"<a>&#xFFFE;</a>",
	"<a>&#;</a>",
	"<a>& </a>",
	"<a>\x7f\xc2\x80\xef\xbf\xbd</a>",
	"<\xc3\xa9\xcc\x81/>",
	"<\xcc\x81/>",
	"<a\xc2\xb7/>",
	"<a\xc3\x97/>",
	"<\xf0\x90\x80\x80/>",
	"<h:\xc3\xa9/>",
	"<h:\xc2\xb7/>",
	"<a \xc3\xa9='1'/>",
	"<a></a\n><b\n/>",
	"<a></ a>",
	"<a/ >",
	"<a></a/>",
};

static void test_oddities(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
		int n = snprintf(text, sizeof text, "%s%s", HEADER, oddities[i]);

		/* Each beginning too: what is not whole is no fault. */
		for (int len = (int)sizeof HEADER; len <= n; len++)
			compare(text, (size_t)len);
	}
}

static void put_utf8(struct buf *out, unsigned c)
{
	char text[3] = { (char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)),
		(char)(0x80 | (c & 0x3f)) };

	if (c < 0x800) {
		text[0] = (char)(0xc0 | c >> 6);
		text[1] = text[2];
	}
	buf_put(out, text, c < 0x800 ? 2 : 3);
}

/* Every character of the first plane, first and second in a name. */
static void test_names(void **state)
{
	(void)state;
	for (unsigned c = 0x80; c < 0x10000; c++)
		for (unsigned second = 0; second < 2; second++) {
			struct reference r;
			struct reference_ours o;
			struct buf bytes;

			if (c >= 0xd800 && c < 0xe000)
				continue;
			buf_init(&bytes, 0);
			buf_puts(&bytes, second ? HEADER "<a" : HEADER "<");
			put_utf8(&bytes, c);
			buf_puts(&bytes, "/>");
			reference_read(&r, buf_ptr(&bytes), buf_len(&bytes), "");
			reference_read_ours(&o, &xmpp_limits_default, buf_ptr(&bytes),
				buf_len(&bytes), 0, NULL);
			assert_int_equal(r.bad, o.reason != NULL);
			reference_fini(&r);
			buf_fini(&o.events);
			buf_fini(&bytes);
		}
}

struct spelling {
	const char *stanza;
	bool canonical;
};

static const struct spelling spellings[] = {
	{ "<message to=\"a\"><body>Hi &amp; &lt;all&gt;\n\t&#13;</body></message>", true },
	{ "<iq type=\"get\"><query xmlns=\"urn:q\" a=\"&quot;&#9;&#10;&#13;&gt;\"/></iq>", true },
	{ "<message xml:lang=\"de\"><body xml:lang=\"en\">é🙂</body><x xmlns=\"\"/></message>",
		true },
	{ "<message xmlns=\"jabber:server\"><b xmlns=\"jabber:client\"/></message>", true },
	{ "<message><stream:a><b/></stream:a></message>", true },
	{ "<message to='a'/>", false },
	{ "<message  to=\"a\"/>", false },
	{ "<message\tto=\"a\"/>", false },
	{ "<message to =\"a\"/>", false },
	{ "<message to= \"a\"/>", false },
	{ "<message to=\"a\" />", false },
	{ "<message to=\"a\" ><a/></message>", false },
	{ "<message to=\"a\"></message>", false },
	{ "<message><a/></message >", false },
	{ "<message to=\"a>b\"/>", false },
	{ "<message to=\"a\nb\"/>", false },
	{ "<message to=\"&apos;\"/>", false },
	{ "<message to=\"&#x9;\"/>", false },
	{ "<message><a>b>c</a></message>", false },
	{ "<message><a>&quot;</a></message>", false },
	{ "<message><a>&#10;</a></message>", false },
	{ "<message><a>\r\n</a></message>", false },
	{ "<message><a><![CDATA[b]]></a></message>", false },
	{ "<message xmlns=\"jabber:client\"/>", false },
	{ "<message><a b=\"1\" xmlns=\"urn:a\"/></message>", false },
	{ "<message><a xmlns=\"urn:a\"><b xmlns=\"urn:a\"/></a></message>", false },
	{ "<message><h:a/></message>", false },
	{ "<message h:a=\"1\"/>", false },
	{ "<message xmlns:p=\"urn:p\"/>", false },
	{ "<message><a xmlns=\"http://etherx.jabber.org/streams\"/></message>", false },
	{ "<message><stream:a xmlns=\"urn:a\"/></message>", false },
};

static struct stream *opened(void)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;

	stream_set_authenticated(s, true);
	assert_int_equal(stream_push(s, HEADER, strlen(HEADER)), 0);
	assert_int_equal(stream_next(s, &e), 0);
	assert_int_equal(e.kind, STREAM_OPEN);
	return s;
}

/* Its own bytes are sent on if, and only if, they are what would be written. */
static void test_spellings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		const char *text = spellings[i].stanza;
		struct stream *s = opened();
		struct stream_event e;
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(stream_push(s, text, strlen(text)), 0);
		assert_int_equal(stream_next(s, &e), 0);
		if (!!e.stanza.canonical_ns != spellings[i].canonical)
			fail_msg("%s", text);
		reference_check_canonical(&e.stanza);
		assert_int_equal(write_element(&out, e.stanza.root, NS_CLIENT), 0);
		assert_int_equal(strcmp(buf_string(&out), text) == 0, spellings[i].canonical);
		buf_clear(&out);
		assert_int_equal(write_stanza(&out, &e.stanza, NS_SERVER), 0);
		assert_true(strstr(buf_string(&out), "xmlns=\"jabber:client\"") ||
			    strncmp(text, "<message xmlns=\"jabber:server\"", 30) == 0);
		buf_fini(&out);
		stream_free(s);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The most costly a stanza can be: byte by byte, many attributes, long chains of declarations. */
static void test_costs(void **state)
{
	struct buf deep, wide;
	struct stream_event e;
	struct stream *s;
	double begun;

	(void)state;
	buf_init(&deep, 0);
	for (unsigned d = 0; d < 60; d++) {
		buf_puts(&deep, "<a");
		for (unsigned n = 0; n < 16; n++)
			buf_putf(&deep, " xmlns:p%u-%u='u'", d, n);
		buf_puts(&deep, ">");
	}
	while (buf_len(&deep) < 250000) {
		buf_puts(&deep, "<b");
		for (unsigned n = 0; n < 60; n++)
			buf_putf(&deep, " p0-0:a%u=''", n);
		buf_puts(&deep, "/>");
	}
	s = opened();
	begun = seconds();
	stream_push(s, buf_ptr(&deep), buf_len(&deep));
	assert_int_equal(stream_next(s, &e), 0);
	assert_int_equal(e.kind, STREAM_BAD);
	assert_string_equal(e.reason, "limit.namespaces");
	assert_true(seconds() - begun < 0.5);
	stream_free(s);

	buf_init(&wide, 0);
	buf_puts(&wide, "<message a='");
	while (buf_len(&wide) < 32000)
		buf_puts(&wide, "&amp;\xc3\xa9 x");
	buf_puts(&wide, "'");
	while (buf_len(&wide) < 65000)
		buf_puts(&wide, " ");
	buf_puts(&wide, ">");
	while (buf_len(&wide) < 200000)
		buf_puts(&wide, "]] &amp; \xe2\x82\xac");
	buf_puts(&wide, "</message>");
	s = opened();
	begun = seconds();
	for (size_t i = 0; i < buf_len(&wide); i++) {
		stream_push(s, buf_ptr(&wide) + i, 1);
		assert_int_equal(stream_next(s, &e), 0);
	}
	assert_int_equal(e.kind, STREAM_STANZA);
	assert_true(seconds() - begun < 2);
	stream_free(s);
	buf_fini(&deep);
	buf_fini(&wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_evasions),
		cmocka_unit_test(test_oddities),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_costs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
