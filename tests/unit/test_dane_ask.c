/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What of dane_ask.c and lookup.c needs no DNS: SRV records as bytes, settings, and being off. The
 * rest is tests/wire/test_dane.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "proxy/counters.h"
#include "proxy/dane_ask.h"
#include "proxy/lookup.h"
#include "proxy/worker.h"

#define ANCHOR                                                                                     \
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"

static int read_srv(const char *rest, size_t len, struct dane_srv *srv)
{
	unsigned char bytes[600] = { 0, 5, 1, 0, 0x14, 0x95 };

	memcpy(bytes + 6, rest, len);
	return dane_srv_read(bytes, len + 6, srv);
}

#define READ(text) read_srv(text, sizeof(text) - 1, &srv)

static void srv_records(void **state)
{
	struct dane_srv srv;
	char name[300];
	size_t n = 0;

	(void)state;
	assert_int_equal(READ("\4xmpp\7Example\0"), 0);
	assert_string_equal(srv.name, "xmpp.example");
	assert_int_equal(srv.priority, 5);
	assert_int_equal(srv.weight, 256);
	assert_int_equal(srv.port, 5269);
	assert_int_equal(READ("\0"), 0);
	assert_string_equal(srv.name, "");
	/* Cut off, more behind, compressed, not a host's. */
	assert_int_equal(READ(""), ERR_SYNTAX);
	assert_int_equal(READ("\4xmpp"), ERR_SYNTAX);
	assert_int_equal(READ("\5xmpp\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4xmpp\0\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4xmpp\xc0\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4x.pp\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4x\\pp\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4x\0pp\0"), ERR_SYNTAX);
	assert_int_equal(READ("\4x\xfcpp\0"), ERR_SYNTAX);
	for (size_t len = 0; len < 7; len++)
		assert_int_equal(dane_srv_read((const unsigned char *)"\0\0\0\0\0\0\0", len, &srv),
			ERR_SYNTAX);
	/* 253 bytes of text, and one more. */
	for (int label = 0; label < 4; label++) {
		size_t len = label < 3 ? 63 : 61;

		name[n++] = (char)len;
		memset(name + n, 'a', len);
		n += len;
	}
	name[n] = '\0';
	assert_int_equal(read_srv(name, n + 1, &srv), 0);
	assert_int_equal(strlen(srv.name), DNS_NAME_MAX);
	name[192] = 62;
	name[n++] = 'a';
	name[n] = '\0';
	assert_int_equal(read_srv(name, n + 1, &srv), ERR_SYNTAX);
}

static void settings(void **state)
{
	struct lookup_options options = { .resolver = "192.0.2.53", .anchors = span_of(ANCHOR) };
	struct lookup_settings *first, *again, *other;
	struct buf why;

	(void)state;
	buf_init(&why, 0);
	assert_int_equal(lookup_settings_new(&options, NULL, &why, &first), 0);
	assert_non_null(first);
	assert_int_equal(lookup_settings_new(&options, first, &why, &again), 0);
	assert_ptr_equal(again, first);
	options.port = 5353;
	assert_int_equal(lookup_settings_new(&options, first, &why, &other), 0);
	assert_ptr_not_equal(other, first);
	lookup_settings_unref(other);
	lookup_settings_unref(again);
	options.anchors = span_of("; of another day\r\n" ANCHOR "\n# and so on\n");
	assert_int_equal(lookup_settings_new(&options, first, &why, &other), 0);
	lookup_settings_unref(other);
	lookup_settings_unref(first);
	assert_int_equal(buf_len(&why), 0);
	/* Nothing read of the system: nothing is trusted, nobody asked. */
	options.anchors = (struct span){ NULL, 0 };
	assert_int_equal(lookup_settings_new(&options, NULL, &why, &other), 0);
	assert_null(other);
	options = (struct lookup_options){ .anchors = span_of(ANCHOR) };
	assert_int_equal(lookup_settings_new(&options, NULL, &why, &other), 0);
	assert_null(other);
	options = (struct lookup_options){ .resolver = "192.0.2.53",
		.anchors = span_of(". IN DS 1 8 2 00\n") };
	assert_int_equal(lookup_settings_new(&options, NULL, &why, &other), ERR_SYNTAX);
	assert_null(other);
	assert_true(buf_len(&why) > 0);
	buf_fini(&why);
}

static void on_done(void *arg, const struct dane_records *records, const char *why)
{
	assert_null(records);
	*(const char **)arg = why;
}

static void off(void **state)
{
	struct worker *w = calloc(1, sizeof(*w));
	const char *why = NULL;

	(void)state;
	assert_non_null(w);
	counters_init(NULL);
	uv_loop_init(&w->loop);
	pthread_mutex_init(&w->lock, NULL);
	dane_ask(w, "example.org", NULL, on_done, &why);
	assert_string_equal(why, "dns-off");
	dane_ask(w, "192.0.2.1", NULL, on_done, &why);
	assert_string_equal(why, "dns-name");
	dane_forget(w, &why);
	dane_tick(w, 1000000);
	assert_null(w->asks);
	uv_loop_close(&w->loop);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(srv_records),
		cmocka_unit_test(settings),
		cmocka_unit_test(off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
