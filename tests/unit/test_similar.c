/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Nearly the same texts: what spammers vary is one group, what people write is not; people counted
 * within a window that slides; bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/similar.h"
#include "xmpp/text.h"

static const uint64_t SALT[2] = { 0x243f6a8885a308d3, 0x13198a2e03707344 };
static const uint64_t SECOND = 1000000000;

static _Atomic uint64_t evicted;
static struct arena arena;

static bool sign_salted(const char *text, unsigned words, const uint64_t salt[2],
	struct signature *out)
{
	struct shingle s;
	struct folded folded;

	arena_reset(&arena);
	assert_int_equal(text_fold(&arena, span_of(text), &folded), 0);
	shingle_begin(&s, salt);
	shingle_add(&s, (struct span){ folded.text, folded.len });
	return shingle_end(&s, words, out);
}

static bool sign(const char *text, struct signature *out)
{
	return sign_salted(text, 8, SALT, out);
}

static unsigned agree(const char *a, const char *b)
{
	struct signature one, two;

	assert_true(sign(a, &one));
	assert_true(sign(b, &two));
	return signature_agree(&one, &two);
}

/* ---- what is one text ---- */

static const char *const families[][8] = {
	{ "Hello Anna, you have been selected to receive a bonus of 500 EUR in our casino! Claim it "
	  "now at http://win.example/a1",
		"Hello Peter, you have been selected to receive a bonus of 750 EUR in our casino! "
		"Claim it now at http://gold.example/xyz?u=9",
		"HELLO MARIE you have been selected to receive a bonus of 1.000 EUR in our casino... "
		"claim it NOW at www.lucky.example",
		"H\xd0\xb5llo J\xd0\xbehn, you h\xd0\xb0ve b\xd0\xb5\xd0\xb5n selected to "
		"r\xd0\xb5\xd1\x81"
		"eive \xd0\xb0 bonus of 500 EUR in our c\xd0\xb0sino! Cl\xd0\xb0im it now at win.example",
		"Hello   Kim ,, you  have been se lected to re ceive a bo nus of 20 EUR in our cas ino ! "
		"Claim it now at https://a.example/",
		"Hello Bob, you\xe2\x80\x8b have been\xe2\x80\x8b selected to receive a "
		"b\xe2\x80\x8bonus of 500 EUR in our casino!! Claim it now here: b.example/q",
		"hello zoe!! you have been selected to receive a bonus of 3 eur in our casino "
		"\xf0\x9f\x8e\x89 claim it now at x@y.example",
		NULL },
	{ "Guten Tag, wir suchen dringend Mitarbeiter im Homeoffice, bis zu 3000 Euro im Monat ohne "
	  "Vorkenntnisse. Schreib mir auf Telegram @chef1",
		"Guten Abend, wir suchen dringend Mitarbeiter im Homeoffice, bis zu 4500 Euro im "
		"Monat ohne Vorkenntnisse! Schreib mir auf Telegram @boss_22",
		"guten tag wir suchen dringend mitarbeiter im home office bis zu 3000 euro im monat "
		"ohne vorkenntnisse - schreib mir auf telegram",
		NULL },
	{ "\xd0\x97\xd0\xb0\xd1\x80\xd0\xb0\xd0\xb1\xd0\xb0\xd1\x82\xd1\x8b\xd0\xb2\xd0\xb0\xd0\xb9 "
	  "\xd0\xbe\xd1\x82 5000 \xd1\x80\xd1\x83\xd0\xb1\xd0\xbb\xd0\xb5\xd0\xb9 \xd0\xb2 "
	  "\xd0\xb4\xd0\xb5\xd0\xbd\xd1\x8c \xd0\xb1\xd0\xb5\xd0\xb7 "
	  "\xd0\xb2\xd0\xbb\xd0\xbe\xd0\xb6\xd0\xb5\xd0\xbd\xd0\xb8\xd0\xb9 \xd0\xbf\xd0\xb8\xd1\x88\xd0\xb8 "
	  "\xd0\xbc\xd0\xbd\xd0\xb5 \xd0\xb2 \xd0\xbb\xd0\xb8\xd1\x87\xd0\xba\xd1\x83 http://a.example/1",
		"\xd0\x97\xd0\xb0\xd1\x80\xd0\xb0\xd0\xb1\xd0\xb0\xd1\x82\xd1\x8b\xd0\xb2\xd0\xb0\xd0\xb9 "
		"\xd0\xbe\xd1\x82 9000 \xd1\x80\xd1\x83\xd0\xb1\xd0\xbb\xd0\xb5\xd0\xb9 \xd0\xb2 "
		"\xd0\xb4\xd0\xb5\xd0\xbd\xd1\x8c!!! \xd0\xb1\xd0\xb5\xd0\xb7 "
		"\xd0\xb2\xd0\xbb\xd0\xbe\xd0\xb6\xd0\xb5\xd0\xbd\xd0\xb8\xd0\xb9, \xd0\xbf\xd0\xb8\xd1\x88\xd0\xb8 "
		"\xd0\xbc\xd0\xbd\xd0\xb5 \xd0\xb2 \xd0\xbb\xd0\xb8\xd1\x87\xd0\xba\xd1\x83 b.example",
		NULL },
};

static const char *const chat[] = {
	"Are you coming to the meeting at ten, or shall we start without you this time?",
	"I have put the slides on the server, please have a look before we talk tomorrow.",
	"The build is broken again since this morning, does anybody know what happened?",
	"Thanks for the recipe, the children loved it and want to have it again on Sunday.",
	"My train is late as usual, please order something for me, I will be there at eight.",
	"Did you see the game last night? I could not believe what happened in the end.",
	"You have been asked to review the change in our parser, could you do it today?",
	"Could you send me the address of the dentist you told me about some weeks ago?",
	"We have got the keys for the new flat and are going to move in at the weekend.",
	"Hello Peter, how are you doing? It has been a long time since we have met.",
};

enum { CHATS = sizeof chat / sizeof *chat };

static void test_spam_is_one_group(void **state)
{
	(void)state;
	for (size_t f = 0; f < sizeof families / sizeof *families; f++)
		for (size_t i = 0; families[f][i]; i++)
			if (agree(families[f][0], families[f][i]) < SIMILAR_AGREE_MIN)
				fail_msg("only %u of %d parts: %s", agree(families[f][0], families[f][i]),
					SIGNATURE_PARTS, families[f][i]);
}

static void test_chat_is_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < CHATS; i++) {
		for (size_t k = 0; k < i; k++)
			assert_true(agree(chat[i], chat[k]) < SIMILAR_AGREE_MIN / 2);
		for (size_t f = 0; f < sizeof families / sizeof *families; f++)
			assert_true(agree(chat[i], families[f][0]) < SIMILAR_AGREE_MIN / 2);
	}
}

static void test_short_texts(void **state)
{
	struct signature s;

	(void)state;
	assert_false(sign("", &s));
	assert_false(sign("ok", &s));
	assert_false(sign("good morning everybody, how are you?", &s));
	assert_false(sign("a b c d e f g h i", &s));
	assert_false(sign("http://a.example/ http://b.example/ http://c.example/ www.d.example e.example "
			  "f@g.example 1234 5678 9012 3456 7890 !!! ??? ...", &s));
	assert_false(sign("ha ha ha haaaaa hahahaha ha ha", &s));
	assert_true(sign_salted("we meet at the old station tonight", 5, SALT, &s));
	/* no spaces: two characters are a word */
	assert_true(sign("\xe6\x81\xad\xe5\x96\x9c\xe4\xbd\xa0\xe5\xb7\xb2\xe7\xbb\x8f\xe4\xb8\xad\xe5"
			 "\xa5\x96\xe8\xaf\xb7\xe7\xab\x8b\xe5\x8d\xb3\xe7\x82\xb9\xe5\x87\xbb\xe9\x93"
			 "\xbe\xe6\x8e\xa5\xe9\xa2\x86\xe5\x8f\x96\xe5\xa5\x96\xe9\x87\x91", &s));
}

/* Without the salt nobody can tell what falls together. */
static void test_salt(void **state)
{
	static const uint64_t other[2] = { 1, 2 };
	struct signature a, b;

	(void)state;
	assert_true(sign_salted(chat[0], 8, SALT, &a) && sign_salted(chat[0], 8, other, &b));
	assert_true(signature_agree(&a, &b) < 3);
}

/* Texts of random words, as far apart as such texts get; and the same with one word in eight
 * changed. Both kinds of error are counted. */
static void text_make(char *out, size_t size, unsigned words)
{
	static const char *const parts[] = { "ta", "ren", "mo", "li", "ster", "ka", "vin", "do", "ral",
		"es", "po", "gu", "nim", "ber", "su", "tor", "wa", "chi", "fel", "ro" };
	size_t len = 0;

	for (unsigned i = 0; i < words && len + 32 < size; i++) {
		for (long n = 1 + random() % 3; n >= 0; n--)
			len += (size_t)snprintf(out + len, size - len, "%s",
				parts[(unsigned long)random() % (sizeof parts / sizeof *parts)]);
		len += (size_t)snprintf(out + len, size - len, " ");
	}
}

static void word_change(char *text, size_t size)
{
	char changed[1024] = "";
	unsigned n = 0;

	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char fresh[64];

		text_make(fresh, sizeof fresh, 1);
		strcat(changed, n++ % 8 == 3 ? fresh : w);
		strcat(changed, " ");
	}
	snprintf(text, size, "%s", changed);
}

static void test_error_rates(void **state)
{
	enum { TEXTS = 400 };
	static struct signature all[TEXTS];
	unsigned falsely = 0, missed = 0, pairs = 0;
	char text[1024];

	(void)state;
	srandom(11);
	for (unsigned i = 0; i < TEXTS; i++) {
		struct signature changed;

		text_make(text, sizeof text, 12 + (unsigned)random() % 30);
		assert_true(sign(text, &all[i]));
		word_change(text, sizeof text);
		assert_true(sign(text, &changed));
		missed += signature_agree(&all[i], &changed) < SIMILAR_AGREE_MIN;
		for (unsigned k = 0; k < i; k++, pairs++)
			falsely += signature_agree(&all[i], &all[k]) >= SIMILAR_AGREE_MIN;
	}
	print_message("%u of %u pairs falsely alike, %u of %d changed texts missed\n", falsely, pairs,
		missed, TEXTS);
	assert_int_equal(falsely, 0);
	assert_in_range(missed, 0, TEXTS / 50);
}

/* ---- who ---- */

static struct similar_count add(
	struct similar_table *t, const char *text, uint64_t from, uint64_t to, uint64_t now)
{
	struct similar_count count = { 0, 0 };
	struct signature s;

	assert_true(sign(text, &s));
	similar_table_add(t, &s, from * 0x9e3779b97f4a7c15u >> 7, to * 0xd1342543de82ef95u >> 9, now,
		&evicted, &count);
	return count;
}

static void test_distinct_people(void **state)
{
	struct similar_table *t = similar_table_new(1000, 600 * SECOND);
	struct similar_count count = { 0, 0 };

	(void)state;
	for (uint64_t i = 1; i <= 50; i++) /* the same two, again and again */
		count = add(t, families[0][i % 7], 1, 2, 1000 * SECOND + i);
	assert_int_equal(count.senders, 1);
	assert_int_equal(count.recipients, 1);
	for (uint64_t i = 1; i <= 100; i++)
		count = add(t, families[0][i % 7], i, i + 1000, 1001 * SECOND + i);
	assert_in_range(count.senders, 75, 130);
	assert_in_range(count.recipients, 75, 130);
	assert_int_equal(add(t, chat[0], 7, 8, 1002 * SECOND).senders, 1);
	assert_int_equal(similar_table_used(t, 1002 * SECOND), 2);
	similar_table_unref(t);
}

/* Small numbers are nearly exact. */
static void test_small_numbers(void **state)
{
	unsigned exact = 0;

	(void)state;
	srandom(5);
	for (int round = 0; round < 100; round++) {
		struct similar_table *t = similar_table_new(16, 600 * SECOND);
		struct similar_count count = { 0, 0 };

		for (int i = 0; i < 6; i++)
			count = add(t, chat[1], (uint64_t)random(), 1, 1000 * SECOND);
		exact += count.senders == 6;
		assert_in_range(count.senders, 4, 7);
		similar_table_unref(t);
	}
	assert_in_range(exact, 60, 100);
}

static void test_window_slides(void **state)
{
	struct similar_table *t = similar_table_new(1000, 600 * SECOND);
	uint64_t now = 100000 * SECOND;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++, now += 100 * SECOND)
		assert_int_equal(add(t, chat[2], i, i, now).senders, i);
	now += 250 * SECOND; /* the first is 650 seconds ago, the second 550 */
	assert_int_equal(add(t, chat[2], 4, 4, now).senders, 3);
	assert_int_equal(add(t, chat[2], 4, 4, now + 590 * SECOND).senders, 1);
	assert_int_equal(add(t, chat[2], 9, 9, now + 2000 * SECOND).senders, 1); /* begun anew */
	/* for a long time, over the end of the small clock in the bins */
	for (int i = 0; i < 100; i++, now += 500 * SECOND)
		assert_in_range(add(t, chat[3], 1 + (uint64_t)(i % 2), 3, now).senders, 1, 2);
	assert_int_equal(add(t, chat[3], 1, 3, now).senders, 2);
	similar_table_unref(t);
}

/* Full of texts nobody repeats: the oldest go and are counted; the one that is repeated stays. */
static void test_bound(void **state)
{
	struct similar_table *t = similar_table_new(64, 600 * SECOND);
	char text[512];

	(void)state;
	evicted = 0;
	srandom(3);
	for (uint64_t i = 1; i <= 1000; i++) {
		text_make(text, sizeof text, 20);
		(void)add(t, text, 1, i, 1000 * SECOND + i * 1000000);
		if (i % 4 == 0)
			assert_true(add(t, families[1][0], i, i, 1000 * SECOND + i * 1000000).senders >=
				    (i < 300 ? i / 8 : 30));
	}
	assert_int_equal(evicted, 1001 - 64);
	assert_in_range(similar_table_used(t, 1002 * SECOND), 60, 64);
	/* what is cold leaves without being counted */
	evicted = 0;
	for (uint64_t i = 0; i < 30; i++) {
		text_make(text, sizeof text, 20);
		(void)add(t, text, 1, i, 9000 * SECOND + i);
	}
	assert_int_equal(evicted, 0);
	similar_table_unref(t);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spam_is_one_group),
		cmocka_unit_test(test_chat_is_not),
		cmocka_unit_test(test_short_texts),
		cmocka_unit_test(test_salt),
		cmocka_unit_test(test_error_rates),
		cmocka_unit_test(test_distinct_people),
		cmocka_unit_test(test_small_numbers),
		cmocka_unit_test(test_window_slides),
		cmocka_unit_test(test_bound),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
