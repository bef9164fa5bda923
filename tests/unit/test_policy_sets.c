/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of every type and what finds their entries; regular expressions and their limits. */
#include <time.h>

#include "judge_rig.h"

static bool body_hits(struct rig *r, const char *body)
{
	return rig_say(r, body)->kind == VERDICT_DROP;
}

static void load_set(struct rig *r, const char *set, const char *cond)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"set s { %s } chain test { hook any; policy accept; rule hit { %s drop } }", set,
		cond);
	rig_load(r, text);
}

/* ---- keywords ---- */

static void test_whole_words(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type keyword; elements = { cat, \"free money\", \"c++\" };",
		"body contains @s");
	assert_true(body_hits(&r, "cat"));
	assert_true(body_hits(&r, "a cat, a dog"));
	assert_true(body_hits(&r, "(cat)"));
	assert_true(body_hits(&r, "concatenate the cat")); /* the second occurrence counts */
	assert_false(body_hits(&r, "concatenate"));
	assert_false(body_hits(&r, "cats"));
	assert_false(body_hits(&r, "cat\xc3\xa9")); /* a letter of any script joins on */
	assert_false(body_hits(&r, "Cat"));
	assert_true(body_hits(&r, "free money"));
	assert_false(body_hits(&r, "free moneys"));
	assert_true(body_hits(&r, "we like c++."));
	assert_false(body_hits(&r, ""));
	rig_fini(&r);
}

static void test_substring(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type keyword; flags substring; elements = { cat };", "body contains @s");
	assert_true(body_hits(&r, "concatenate"));
	assert_false(body_hits(&r, "conCatenate"));
	assert_int_equal(body_hits(&r, "xxcatxx") ? r.verdict.matches[0].start : 0, 2);
	load_set(&r, "type keyword; flags substring, fold; elements = { \"c a\" };",
		"body contains @s");
	assert_true(body_hits(&r, "ecC\xc2\xa0 At"));
	rig_fini(&r);
}

static void test_fold_and_nocase(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type keyword; flags fold; elements = { Casino, \"STRASSE\" };",
		"body contains @s");
	assert_true(body_hits(&r, "CASINO"));
	assert_true(body_hits(&r, "c\xd0\xb0sino"));              /* Cyrillic a */
	assert_true(body_hits(&r, "ca\xe2\x80\x8bsi\xc2\xadno")); /* zero width, soft hyphen */
	assert_true(body_hits(&r, "\xf0\x9d\x90\x9c\xf0\x9d\x90\x9asino")); /* bold letters */
	assert_true(body_hits(&r, "stra\xc3\x9f"
				  "e"));
	assert_false(body_hits(&r, "casinos"));
	load_set(&r, "type keyword; flags nocase; elements = { Casino, \"\xc3\x84rger\" };",
		"body contains @s");
	assert_true(body_hits(&r, "CASINO"));
	assert_true(body_hits(&r, "\xc3\xa4rGER"));
	assert_false(body_hits(&r, "c\xd0\xb0sino"));
	rig_fini(&r);
}

/* Scripts written without spaces have no word edges. */
static void test_words_without_spaces(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type keyword; flags fold; elements = { \"\xe8\xb5\x8c\xe5\x9c\xba\" };",
		"body contains @s");
	assert_true(body_hits(&r, "\xe5\x8e\xbb\xe8\xb5\x8c\xe5\x9c\xba\xe5\x90\xa7"));
	rig_fini(&r);
}

/* "in" compares the whole value. */
static void test_keyword_in(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type keyword; flags fold; elements = { hello };", "body in @s");
	assert_true(body_hits(&r, "HELLO"));
	assert_false(body_hits(&r, "hello you"));
	load_set(&r, "type keyword; elements = { hello };", "body in @s");
	assert_true(body_hits(&r, "hello"));
	assert_false(body_hits(&r, "Hello"));
	rig_fini(&r);
}

/* One entry may be 1024 bytes of anything, and there may be many that begin alike. */
static void test_long_entries(void **state)
{
	static char text[400000], word[1100];
	size_t at;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	at = (size_t)sprintf(text, "set s { type keyword; flags fold; elements = { \"");
	for (int i = 0; i < 1024; i++)
		word[i] = "abcde fghij"[i % 11];
	word[1023] = 'z';
	at += (size_t)sprintf(text + at, "%s\"", word);
	for (int i = 0; i < 300; i++) {
		for (int k = 0; k < 341; k++)
			memcpy(word + 3 * k, i % 2 ? "\xe2\x82\xac" : "\xe6\xbc\xa2", 3);
		snprintf(word + 3 * 330, 10, "%d", i);
		at += (size_t)sprintf(text + at, ", \"%s\"", word);
	}
	sprintf(text + at, " }; } chain test { hook any; policy accept;"
			   " rule hit { text contains @s drop } }");
	rig_load(&r, text);
	assert_true(body_hits(&r, word));
	word[500 * 2 - 1] = '\0';
	assert_false(body_hits(&r, "abcde fghijabcde"));
	rig_fini(&r);
}

/* ---- domains and JIDs ---- */

static bool host_hits(struct rig *r, const char *url)
{
	return body_hits(r, url);
}

static void test_domains(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r,
		"type domain; elements = { bad.example, \"B\xc3\xbc"
		"cher.example\" };",
		"url.host in @s");
	assert_true(host_hits(&r, "see http://bad.example/x"));
	assert_true(host_hits(&r, "see HTTPS://BAD.EXAMPLE."));
	assert_false(host_hits(&r, "see http://www.bad.example/"));
	assert_true(host_hits(&r, "http://xn--bcher-kva.example/"));
	load_set(&r,
		"type domain; flags suffix; elements = { bad.example, \"*.worse.example\","
		" \".org.example\" };",
		"url.host in @s");
	assert_true(host_hits(&r, "http://bad.example/"));
	assert_true(host_hits(&r, "http://a.b.c.bad.example/"));
	assert_string_equal(r.verdict.matches[0].text, "a.b.c.bad.example");
	assert_string_equal(r.verdict.matches[0].entry, "bad.example");
	assert_false(host_hits(&r, "http://notbad.example/"));
	assert_false(host_hits(&r, "http://bad.example.good.test/"));
	assert_true(host_hits(&r, "http://x.worse.example/"));
	assert_true(host_hits(&r, "http://y.org.example/"));
	assert_true(host_hits(&r, "http://good.test/ and http://x.bad.example/"));
	/* JIDs count by their domain; a session of its own would be believed before "from" */
	r.subject.session_jid = NULL;
	load_set(&r, "type domain; flags suffix; elements = { bad.example };", "from in @s");
	assert_true(rig_judge(&r, "<message from='a@x.bad.example/r'/>")->kind == VERDICT_DROP);
	assert_true(rig_judge(&r, "<message from='bad.example'/>")->kind == VERDICT_DROP);
	assert_true(rig_judge(&r, "<message from='bad.example/a@b'/>")->kind == VERDICT_DROP);
	assert_false(rig_judge(&r, "<message from='bad.example@good.test/bad.example'/>")->kind ==
		     VERDICT_DROP);
	rig_fini(&r);
}

static bool from_hits(struct rig *r, const char *from)
{
	char xml[512];

	/* the session of a client would be believed before what it writes */
	r->subject.session_jid = NULL;
	snprintf(xml, sizeof(xml), "<message from='%s'/>", from);
	return rig_judge(r, xml)->kind == VERDICT_DROP;
}

static void test_jids(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r,
		"type jid; elements = { Mallory@Evil.example, \"eve@evil.example/home\","
		" spam.example };",
		"from in @s");
	assert_true(from_hits(&r, "mallory@evil.example"));
	assert_true(from_hits(&r, "MALLORY@evil.EXAMPLE/anything"));
	assert_false(from_hits(&r, "xmallory@evil.example"));
	assert_true(from_hits(&r, "eve@evil.example/home"));
	assert_false(from_hits(&r, "eve@evil.example"));
	assert_false(from_hits(&r, "eve@evil.example/Home")); /* resources keep their case */
	assert_true(from_hits(&r, "spam.example"));
	assert_true(from_hits(&r, "spam.example/x"));
	assert_false(from_hits(&r, "a@spam.example")); /* a set of domain would */
	load_set(&r, "type jid; elements = { a@b.example };", "from is a@b.example");
	assert_true(from_hits(&r, "A@B.example/r"));
	assert_false(from_hits(&r, "a@b.example.org"));
	rig_fini(&r);
}

/* ---- addresses ---- */

static bool peer_hits(struct rig *r, const char *address)
{
	rig_peer(r, address);
	return body_hits(r, "x");
}

static void test_addresses(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r,
		"type address; elements = { 192.0.2.0/24, 198.51.100.7, 203.0.113.5-203.0.113.9,"
		" 2001:db8::/32, 2001:db9::1 };",
		"peer.address in @s");
	assert_true(peer_hits(&r, "192.0.2.0"));
	assert_true(peer_hits(&r, "192.0.2.255"));
	assert_string_equal(r.verdict.matches[0].entry, "192.0.2.0/24");
	assert_string_equal(r.verdict.matches[0].text, "192.0.2.255");
	assert_false(peer_hits(&r, "192.0.3.0"));
	assert_true(peer_hits(&r, "::ffff:192.0.2.9")); /* a mapped address is that address */
	assert_true(peer_hits(&r, "198.51.100.7"));
	assert_false(peer_hits(&r, "198.51.100.6"));
	assert_false(peer_hits(&r, "203.0.113.4"));
	assert_true(peer_hits(&r, "203.0.113.5"));
	assert_true(peer_hits(&r, "203.0.113.9"));
	assert_false(peer_hits(&r, "203.0.113.10"));
	assert_true(peer_hits(&r, "2001:db8:ffff::1"));
	assert_false(peer_hits(&r, "2001:db9::2"));
	assert_true(peer_hits(&r, "2001:db9::1"));
	memset(&r.subject.peer, 0, sizeof(r.subject.peer)); /* unknown is in no set */
	assert_false(body_hits(&r, "x"));
	load_set(&r, "type address; elements = { ::/0 };", "peer.address in @s");
	assert_false(body_hits(&r, "x"));
	assert_true(peer_hits(&r, "2001:db8::1"));
	load_set(&r, "type address; elements = { 0.0.0.0/0 };", "peer.address in @s");
	assert_true(peer_hits(&r, "8.8.8.8"));
	assert_false(peer_hits(&r, "2001:db8::1"));
	load_set(&r, "type address; elements = { ::1 };",
		"peer.address is 10.0.0.0/8 or peer.address is not 10.0.0.0/7");
	assert_true(peer_hits(&r, "10.1.1.1"));
	assert_false(peer_hits(&r, "11.1.1.1"));
	assert_true(peer_hits(&r, "12.1.1.1"));
	rig_fini(&r);
}

static bool count_prefix(void *arg, const struct peer_address *a, unsigned len)
{
	char text[64], **out = arg;

	address_format(a, text, sizeof(text));
	*out += sprintf(*out, "%s/%u ", text, len);
	return true;
}

static void test_addresses_for_the_kernel(void **state)
{
	char out[512], *at = out;
	struct rig r;

	(void)state;
	rig_init(&r, "set a { type address; elements = { 192.0.2.8/29, 2001:db8::/32,"
		     " 10.0.0.1-10.0.0.3 }; } set k { type keyword; elements = { x }; }"
		     "chain test { hook any; policy accept; }");
	assert_int_equal(policy_addresses(r.policy, "a", count_prefix, &at), 0);
	assert_string_equal(out, "10.0.0.1/128 10.0.0.2/127 192.0.2.8/125 2001:db8::/32 ");
	assert_int_equal(policy_addresses(r.policy, "k", count_prefix, &at), ERR_NOTFOUND);
	assert_int_equal(policy_addresses(r.policy, "none", count_prefix, &at), ERR_NOTFOUND);
	rig_fini(&r);
}

static void test_namespaces(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type namespace; elements = { \"urn:bad\", \"{urn:x}y\" };",
		"payload.ns in @s or payload in @s");
	assert_true(rig_judge(&r, "<iq type='get' id='1'><q xmlns='urn:bad'/></iq>")->kind ==
		    VERDICT_DROP);
	assert_true(
		rig_judge(&r, "<message><a/><y xmlns='urn:x'/></message>")->kind == VERDICT_DROP);
	assert_false(rig_judge(&r, "<message><z xmlns='urn:x'/></message>")->kind == VERDICT_DROP);
	rig_fini(&r);
}

/* ---- regular expressions ---- */

static void test_regexes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load_set(&r, "type regex; elements = { /^\\d{4}-\\d{4}$/, /casino/if, /(?<=a)b\\1?(x)/ };",
		"body matches @s");
	assert_true(body_hits(&r, "1234-5678"));
	assert_string_equal(r.verdict.matches[0].entry, "/^\\d{4}-\\d{4}$/");
	assert_string_equal(r.verdict.matches[0].set, "s");
	assert_false(body_hits(&r, "1234-56789"));
	assert_true(body_hits(&r, "a c\xd0\xb0sin\xc2\xadO"));
	assert_string_equal(r.verdict.matches[0].text, "c\xd0\xb0sin\xc2\xadO");
	assert_true(body_hits(&r, "abx")); /* a look-behind, beyond Vectorscan */
	assert_false(body_hits(&r, "bx"));
	load_set(&r, "type regex; elements = { /x/ };",
		"body matches /^b.c/s and body matches /^c$/m and body matches /e f/x");
	assert_true(body_hits(&r, "b\nc\nefd"));
	assert_false(body_hits(&r, "b\nc\ne fd"));
	/* Flags of one expression are not those of another. */
	load_set(&r, "type regex; elements = { /aaa/i, /bbb/ };", "body matches @s");
	assert_true(body_hits(&r, "AAA"));
	assert_false(body_hits(&r, "BBB"));
	/* Folded text has no capitals; an expression may. */
	load_set(&r, "type regex; elements = { /CASINO/f };", "body matches @s");
	assert_true(body_hits(&r, "c\xd0\xb0sino") && body_hits(&r, "CASINO"));
	load_set(&r, "type regex; elements = { /^a b$/ };", "body in @s");
	assert_true(body_hits(&r, "a b"));
	/* words and names, too */
	load_set(&r, "type regex; elements = { /^bot\\d+@/ };",
		"from matches @s or url.host matches /\\.zip$/");
	assert_true(from_hits(&r, "bot77@evil.example/x"));
	assert_true(body_hits(&r, "http://setup.zip/"));
	rig_fini(&r);
}

static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* An expression that explodes ends at its limits, is counted, and counts as a match. */
static void test_catastrophic(void **state)
{
	static const char *const bad[] = {
		"/^(a+)+$/",
		"/(a|aa)+$/",
		"/(.*?,){20}P/",
		"/^(([a-z])+.)+[A-Z]([a-z])+$/",
		"/(?=(a+))(?:a*b\\1)+c/",
		"/(x+x+)+y/",
	};
	static char body[60001];
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		for (size_t n = 30; n < sizeof(body); n *= 40) {
			uint64_t began;
			char cond[128];

			memset(body, i == 2 ? ',' : i == 6 ? 'x' : 'a', n);
			strcpy(body + n, i == 2 ? ",,x" : "!");
			snprintf(cond, sizeof(cond), "body matches %s", bad[i]);
			load_set(&r, "type keyword; elements = { x };", cond);
			began = cpu_ms();
			rig_say(&r, body);
			assert_true(cpu_ms() - began < 1000);
		}
	load_set(&r, "type keyword; elements = { x };", "body matches /^(a+)+(?=b)/");
	memset(body, 'a', 50);
	strcpy(body + 50, "!");
	assert_true(body_hits(&r, body));
	assert_true(rig_metric(&r, "limit.regex-match") > 0);
	assert_string_equal(r.verdict.matches[0].entry, "/^(a+)+(?=b)/ (match limit)");
	/* the same expression still works on what is harmless */
	assert_true(body_hits(&r, "aaaab"));
	assert_string_equal(r.verdict.matches[0].entry, "/^(a+)+(?=b)/");
	assert_false(body_hits(&r, "baa"));
	rig_fini(&r);
}

/* Forty expressions on two thousand values, each kept just below the limits of one match. */
static void test_catastrophic_many(void **state)
{
	static char text[1 << 16], xml[1 << 18];
	size_t at = 0;
	uint64_t began, limited;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	at += (size_t)sprintf(text + at, "chain test { hook any; policy accept;");
	for (int i = 0; i < 40; i++)
		at += (size_t)sprintf(text + at,
			" rule r%d { xml \"{*}a\" matches /(a+)+(?=[b-y]{1,%d})/ log }", i, i + 1);
	sprintf(text + at, "}");
	rig_load(&r, text);
	at = (size_t)sprintf(xml, "<message>");
	for (int i = 0; i < 2000; i++)
		at += (size_t)sprintf(xml + at, "<a>aaaaaaaaaaaaaa!</a>");
	sprintf(xml + at, "</message>");
	began = cpu_ms();
	rig_judge(&r, xml);
	assert_true(cpu_ms() - began < 1000);
	limited = rig_metric(&r, "limit.regex-match");
	assert_true(limited > 0);
	/* the next stanza has its time again */
	rig_judge(&r, "<message><a>aaaaaaaa!</a></message>");
	assert_int_equal(rig_metric(&r, "limit.regex-match"), limited);
	assert_false(r.verdict.log);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_words),
		cmocka_unit_test(test_substring),
		cmocka_unit_test(test_fold_and_nocase),
		cmocka_unit_test(test_words_without_spaces),
		cmocka_unit_test(test_keyword_in),
		cmocka_unit_test(test_long_entries),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_jids),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_for_the_kernel),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_regexes),
		cmocka_unit_test(test_catastrophic),
		cmocka_unit_test(test_catastrophic_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
