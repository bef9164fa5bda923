/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings as plain structs: what is written arrives, what is not has the default the manual names,
 * global blocks lie under a service's own, and files travel with the sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "rules/check.h"
#include "rules/options.h"
#include "rules/parse.h"
#include "rules/schema.h"

struct rig {
	struct source_set sources;
	struct diag_list diags;
	struct arena arena;
	struct options options;
};

static void rig_add(struct rig *g, const char *path, const char *text)
{
	assert_int_equal(source_add(&g->sources, path, text, strlen(text)), 0);
}

static void rig_init(struct rig *g)
{
	*g = (struct rig){ 0 };
	source_init(&g->sources, false);
	diag_init(&g->diags);
	arena_init(&g->arena, 0);
}

static void rig_load(struct rig *g, const char *text)
{
	struct ast *ast;
	int r;

	rig_add(g, "/t/main.conf", text);
	r = parse_policy(&g->sources, "/t/main.conf", &g->diags, &ast);
	if (r == 0)
		r = check_policy(ast, &g->sources, &g->diags);
	if (r == 0)
		r = options_collect(ast, &g->sources, &g->arena, &g->diags, &g->options);
	if (r < 0)
		diag_print(&g->diags, stderr, false);
	assert_int_equal(r, 0);
	/* Everything was copied. */
	ast_free(ast);
}

static void rig_fini(struct rig *g)
{
	arena_fini(&g->arena);
	diag_fini(&g->diags);
	source_fini(&g->sources);
}

/* ---- defaults ---- */

/* What cannot be left out of a block, for no default could be right. */
#define REPORTER                                                                                   \
	"component \"f.example\"; server 127.0.0.1:5347; secret-file \"s\"; to \"a@b.example\";"

#define PUT(s, member)      buf_putf(&b, #member "=%llu ", (unsigned long long)(s)->member)
#define PUT_TEXT(s, member) buf_putf(&b, #member "=%s ", (s)->member ? (s)->member : "")

/* All that has a default, as text; malloc'd. */
static char *snapshot(const char *text)
{
	struct rig g;
	struct buf b;
	const struct service *s;
	const struct xmpp_limits *l;
	const struct daemon_options *d;
	const struct federation_options *f;
	char *taken;

	rig_init(&g);
	rig_load(&g, text);
	buf_init(&b, 0);
	s = &g.options.services[0];
	l = &s->limits;
	d = &g.options.daemon;
	PUT(s, role), PUT(s, mode), PUT(s, intercept), PUT(s, tls), PUT(s, upstream_original);
	PUT(s, upstream_port), PUT(s, upstream_tls), PUT(s, verify), PUT(s, source_client);
	PUT(s, proxy_protocol), PUT(s, forward_verbatim), PUT(s, audit), PUT(s, fail_open), PUT(s, handshake_ms);
	PUT(s, login_ms), PUT(s, idle_ms), PUT(s, connect_ms), PUT(s, close_ms), PUT(s, stanza_ms);
	PUT(s, sessions_max), PUT(s, sessions_per_address), PUT(s, streams_preauth),
		PUT(s, streams_preauth_per_address), PUT(s, buffer_max), PUT(s, n_ports);
	PUT_TEXT(s, upstream_host), PUT_TEXT(s, verify_file), PUT_TEXT(s, verify_name);
	PUT(l, stanza_bytes), PUT(l, stanza_bytes_preauth), PUT(l, header_bytes),
		PUT(l, token_bytes);
	PUT(l, attribute_bytes), PUT(l, depth), PUT(l, elements), PUT(l, elements_preauth);
	PUT(l, attributes), PUT(l, namespaces), PUT(l, names_bytes), PUT(l, space_run);
	PUT(d, threads), PUT(d, mark), PUT(d, route_table), PUT(d, events_max_bytes), PUT(d, audit_max_bytes), PUT(d, drain_ms);
	PUT(d, defend.synproxy), PUT(d, defend.mss), PUT(d, defend.wscale), PUT(d, defend.entries);
	PUT(d, defend.n_classes), PUT(d, reporter.every_ms), PUT(d, reporter.keep);
	f = &g.options.federation;
	PUT(s, direction), PUT(f, authority), PUT(f, rest.require), PUT(f, rest.unverified), PUT(f, leaves);
	PUT(f, leaf_life_ms), PUT(f, pairs), PUT(f, dialback_open), PUT(f, dialback_rate), PUT(f, dialback_rate_ms);
	PUT_TEXT(f, rest.trust_file);
	PUT_TEXT(d, user), PUT_TEXT(d, log_level), PUT_TEXT(d, allow_set), PUT_TEXT(d, block_set);
	assert_non_null(taken = buf_take(&b));
	buf_fini(&b);
	rig_fini(&g);
	return taken;
}

/* Is the default a value one could write, and not words about it? */
static bool is_writable(const struct schema_setting *s)
{
	static const char *const told[] = { "listen", "role", "intercept", "user",
		"streams-preauth",
		"domains", "authority", "resolver", "anchor" };

	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		if (strcmp(s->name, told[i]) == 0)
			return false;
	return *s->initial;
}

static void test_defaults(void **state)
{
	char *plain = snapshot(
		"service c2s { listen tcp 5222; certificates \"x\"; } reporter { " REPORTER " }");
	unsigned compared = 0;

	(void)state;
	for (size_t i = 0; i < schema_block_count; i++) {
		const struct schema_block *b = &schema_blocks[i];
		bool service = b->item == ITEM_SERVICE;

		if ((b->item != ITEM_OPTIONS || b->named) && !service)
			continue;
		for (size_t k = 0; k < b->n; k++) {
			const struct schema_setting *s = &b->settings[k];
			char text[512], *written;

			if (!is_writable(s))
				continue;
			snprintf(text, sizeof(text),
				"service c2s { listen tcp 5222; certificates \"x\"; %s%s %s%s } %s "
				"{ %s %s; } reporter { " REPORTER " }",
				service ? s->name : "", "", service ? s->initial : "",
				service ? ";" : "", service ? "daemon" : b->name,
				service ? "threads" : s->name, service ? "0" : s->initial);
			if (strcmp(b->name, "reporter") == 0)
				snprintf(text, sizeof(text),
					"service c2s { listen tcp 5222; certificates \"x\"; } "
					"reporter { %s %s; " REPORTER " }",
					s->name, s->initial);
			written = snapshot(text);
			assert_string_equal(plain, written);
			free(written);
			compared++;
		}
	}
	assert_true(compared >= 30);
	free(plain);
}

/* ---- what is written ---- */

static void test_service(void **state)
{
	struct rig g;
	const struct service *s;

	(void)state;
	rig_init(&g);
	rig_add(&g, "/t/ca.pem", "ca");
	rig_load(&g,
		"timeouts { login 30s; idle 5; }\n"
		"service outer { role s2s; listen tcp { 5269, 5270 }; listen tcp 5271; listen on "
		"127.0.0.1, ::1;\n"
		"  tls none; upstream [2001:db8::7]:5299 tls; verify file \"ca.pem\" name "
		"\"x.example\";\n"
		"  proxy-protocol v2; forward verbatim; fail open; sessions 7; "
		"sessions-per-address 0;\n"
		"  buffer 64k; timeouts { login 2m; } stream-limits { depth 9; stanza 20k; } }\n"
		"service component { listen tcp 5347; tls none; upstream 192.0.2.1 plain; }\n"
		"stream-limits { depth 10; attributes 11; }\n");
	assert_int_equal(g.options.n_services, 2);
	s = &g.options.services[0];
	assert_string_equal(s->name, "outer");
	assert_int_equal(s->role, ROLE_S2S);
	assert_int_equal(s->n_ports, 3);
	assert_int_equal(s->ports[2], 5271);
	assert_int_equal(s->n_addresses, 2);
	assert_string_equal(s->addresses[1], "::1");
	assert_int_equal(s->intercept, INTERCEPT_NONE);
	assert_int_equal(s->tls, TLS_NONE);
	assert_false(s->upstream_original);
	assert_string_equal(s->upstream_host, "2001:db8::7");
	assert_int_equal(s->upstream_port, 5299);
	assert_int_equal(s->upstream_tls, UPSTREAM_TLS);
	assert_int_equal(s->verify, VERIFY_FILE);
	assert_string_equal(s->verify_file, "ca.pem");
	assert_string_equal(s->verify_name, "x.example");
	assert_true(s->proxy_protocol && s->forward_verbatim && s->fail_open && !s->source_client);
	assert_int_equal(s->sessions_max, 7);
	assert_int_equal(s->sessions_per_address, 0);
	assert_int_equal(s->streams_preauth, 4); /* half */
	assert_int_equal(s->streams_preauth_per_address, 0);
	assert_int_equal(s->buffer_max, 65536);
	assert_int_equal(s->login_ms, 120000);
	assert_int_equal(s->idle_ms, 5000);
	assert_int_equal(s->limits.depth, 9);
	assert_int_equal(s->limits.attributes, 11);
	assert_int_equal(s->limits.stanza_bytes, 20480);
	s = &g.options.services[1];
	assert_int_equal(s->role, ROLE_COMPONENT);
	assert_int_equal(s->login_ms, 30000);
	assert_int_equal(s->limits.depth, 10);
	assert_int_equal(s->upstream_port, 0);
	rig_fini(&g);
}

static void test_intercept(void **state)
{
	static const struct {
		const char *settings;
		enum intercept wanted;
	} cases[] = {
		{ "", INTERCEPT_TPROXY },
		{ "upstream original plain;", INTERCEPT_TPROXY },
		{ "upstream original; intercept redirect;", INTERCEPT_REDIRECT },
		{ "upstream 192.0.2.1;", INTERCEPT_NONE },
		{ "upstream 192.0.2.1; intercept tproxy;", INTERCEPT_TPROXY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig g;
		char text[256];

		rig_init(&g);
		snprintf(text, sizeof(text), "service c2s { listen tcp 5222; tls none; %s }",
			cases[i].settings);
		rig_load(&g, text);
		assert_int_equal(g.options.services[0].intercept, cases[i].wanted);
		rig_fini(&g);
	}
}

static void test_rest(void **state)
{
	struct rig g;

	(void)state;
	rig_init(&g);
	rig_load(&g, "daemon { threads 3; user bob; log warn; events-max 2M; }\n"
		     "firewall { mark 0x10000; table 7; allow @a; block @b; }\n"
		     "set a { type address; } set b { type address; }\n"
		     "punish p { 5 strikes within 10m; ban 1h; escalate x3 to 7d; spare shared; }\n"
		     "punish q { 2 strikes within 1s; ban 90; }\n");
	assert_int_equal(g.options.daemon.threads, 3);
	assert_string_equal(g.options.daemon.user, "bob");
	assert_string_equal(g.options.daemon.log_level, "warn");
	assert_int_equal(g.options.daemon.events_max_bytes, 2 << 20);
	assert_int_equal(g.options.daemon.mark, 0x10000);
	assert_int_equal(g.options.daemon.route_table, 7);
	assert_string_equal(g.options.daemon.allow_set, "a");
	assert_string_equal(g.options.daemon.block_set, "b");
	assert_int_equal(g.options.n_punishes, 2);
	assert_int_equal(g.options.punishes[0].strikes, 5);
	assert_int_equal(g.options.punishes[0].within_ms, 600000);
	assert_int_equal(g.options.punishes[0].ban_ms, 3600000);
	assert_int_equal(g.options.punishes[0].escalate, 3);
	assert_int_equal(g.options.punishes[0].escalate_max_ms, 604800000);
	assert_true(g.options.punishes[0].spare_shared);
	assert_int_equal(g.options.punishes[1].ban_ms, 90000);
	assert_int_equal(g.options.punishes[1].escalate, 1);
	assert_false(g.options.punishes[1].spare_shared);
	rig_fini(&g);
}

/* ---- files ---- */

/* A path of an included file is told as the first file would have written it: who reads it starts
 * there. */
static void test_paths(void **state)
{
	static const struct {
		const char *written, *wanted;
	} cases[] = {
		{ "certs", "sub/certs" },
		{ "../certs", "certs" },
		{ "/etc/certs", "/etc/certs" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig g;
		char text[256];

		rig_init(&g);
		snprintf(text, sizeof(text),
			"service c2s { listen tcp 5222; certificates \"%s\"; }", cases[i].written);
		rig_add(&g, "/t/sub/c2s.conf", text);
		rig_load(&g, "include \"sub/c2s.conf\"");
		assert_string_equal(g.options.services[0].certificates, cases[i].wanted);
		assert_int_equal(g.diags.warnings, 1); /* there are none in it */
		rig_fini(&g);
	}
}

static void test_certificates(void **state)
{
	struct rig g;

	(void)state;
	rig_init(&g);
	rig_add(&g, "/t/certs/a.crt", "a");
	rig_add(&g, "/t/certs/a.key", "k");
	rig_add(&g, "/t/certs/b.crt", "b");
	rig_load(&g, "service c2s { listen tcp 5222; certificates \"certs\"; }");
	assert_string_equal(g.options.services[0].certificates, "certs");
	assert_int_equal(g.diags.warnings, 1);
	assert_non_null(strstr(g.diags.first->message, "b.key"));
	rig_fini(&g);
}

static void test_split_port(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		unsigned port;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", 0 },
		{ "192.0.2.1:5222", "192.0.2.1", 5222 },
		{ "2001:db8::1", "2001:db8::1", 0 },
		{ "[2001:db8::1]", "2001:db8::1", 0 },
		{ "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		{ "192.0.2.1:", NULL, 0 },
		{ "192.0.2.1:0", NULL, 0 },
		{ "192.0.2.1:65536", NULL, 0 },
		{ "192.0.2.1:5222x", NULL, 0 },
		{ "192.0.2.1:+5", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[::1]5222", NULL, 0 },
		{ "[]:5222", NULL, 0 },
		{ "", NULL, 0 },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789", NULL,
			0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char host[64];
		uint16_t port;
		bool good = options_split_port(cases[i].text, host, sizeof(host), &port);

		assert_int_equal(good, cases[i].host != NULL);
		if (!good)
			continue;
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_intercept),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_split_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
