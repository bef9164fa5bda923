/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose login a first SASL message is, told without looking at the rest of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/sasl_name.h"

static void encode(const char *bytes, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned left = n - i < 3 ? (unsigned)(n - i) : 3, v = 0;

		for (unsigned k = 0; k < 3; k++)
			v = v << 8 | (k < left ? (unsigned char)bytes[i + k] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[v & 63] : '=';
	}
	*out = '\0';
}

static struct sasl_name read_bytes(const char *mechanism, const char *bytes, size_t n)
{
	struct sasl_name out;
	char *text = malloc(n * 2 + 8);

	encode(bytes, n, text);
	sasl_name_read(mechanism, span_of(text), &out);
	free(text);
	return out;
}

#define NAME(mechanism, bytes) read_bytes(mechanism, bytes, sizeof(bytes) - 1).name
#define FLAG(mechanism, bytes) read_bytes(mechanism, bytes, sizeof(bytes) - 1).flag

static void plain_names(void **state)
{
	(void)state;
	assert_string_equal(NAME("PLAIN", "\0juliet\0balcony"), "juliet");
	assert_string_equal(NAME("plain", "other@x\0juliet\0balcony"), "juliet");
	assert_string_equal(NAME("PLAIN", "\0a@b.example\0c"), "a@b.example");
	assert_string_equal(NAME("PLAIN", "\0juliet"), "");
	assert_string_equal(NAME("PLAIN", "juliet"), "");
	assert_string_equal(NAME("PLAIN", ""), "");
}

static void scram_names(void **state)
{
	(void)state;
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,n=juliet,r=abc"), "juliet");
	assert_string_equal(NAME("SCRAM-SHA-256", "y,a=other,n=juliet,r=abc"), "juliet");
	assert_string_equal(NAME("SCRAM-SHA-1-PLUS", "p=tls-unique,,n=a=2Cb=3Dc,r=abc"), "a,b=c");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,m=ext,n=juliet,r=abc"), "juliet");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,n=a=2Xb,r=abc"), "");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,n=a=2,r=abc"), "");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,n=juliet"), "");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,n=juliet,r=abc"), "");
	assert_string_equal(NAME("SCRAM-SHA-1", "n,,n=jul\0iet,r=abc"), "");
	assert_int_equal(FLAG("SCRAM-SHA-1", "n,,n=juliet,r=abc"), 'n');
	assert_int_equal(FLAG("SCRAM-SHA-1", "y,,n=juliet,r=abc"), 'y');
	assert_int_equal(FLAG("SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=j,r=abc"), 'p');
	assert_int_equal(FLAG("SCRAM-SHA-1", "x,,n=juliet,r=abc"), 0);
}

static void others_are_not_looked_at(void **state)
{
	(void)state;
	assert_string_equal(NAME("HT-SHA-256-NONE", "juliet\0abc"), "");
	assert_string_equal(NAME("DIGEST-MD5", "\0juliet\0x"), "");
	assert_string_equal(NAME("", "\0juliet\0x"), "");
}

static void lengths_are_bounded(void **state)
{
	struct sasl_name out;
	char bytes[6000];

	(void)state;
	memset(bytes, 'j', sizeof(bytes));
	bytes[0] = '\0';
	bytes[1024] = '\0';
	out = read_bytes("PLAIN", bytes, sizeof(bytes));
	assert_int_equal(strlen(out.name), 1023);
	bytes[1024] = 'j';
	bytes[1025] = '\0';
	out = read_bytes("PLAIN", bytes, sizeof(bytes));
	assert_string_equal(out.name, "");
	memcpy(bytes, "n,,n=", 5);
	bytes[1024] = bytes[1025] = 'j';
	out = read_bytes("SCRAM-SHA-1", bytes, sizeof(bytes));
	assert_string_equal(out.name, "");
	/* No base64 at all. */
	sasl_name_read("PLAIN", span_of("\xff=!AGp1bGlldABi"), &out);
	assert_string_equal(out.name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names),
		cmocka_unit_test(scram_names),
		cmocka_unit_test(others_are_not_looked_at),
		cmocka_unit_test(lengths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
