/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocks federation and remote as plain structs: what is written arrives, what a remote leaves out is as federation
 * says wherever it stands, the narrowest name is found, and files travel with the sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/rules.h"

#define PIN_A "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PIN_B "sha256://///////////////////////////////////////w8="

struct rig {
	struct source_set sources;
	struct diag_list diags;
	struct policy *policy;
};

static void rig_init(struct rig *g)
{
	*g = (struct rig){ 0 };
	source_init(&g->sources, false);
	diag_init(&g->diags);
	assert_int_equal(source_add(&g->sources, "/t/trust/roots.pem", "pem", 3), 0);
	assert_int_equal(source_add(&g->sources, "/t/root.key", "key", 3), 0);
}

static int rig_load(struct rig *g, const char *text)
{
	assert_int_equal(source_add(&g->sources, "/t/main.conf", text, strlen(text)), 0);
	return policy_load(&g->sources, "/t/main.conf", NULL, NULL, &g->diags, &g->policy);
}

static void rig_fini(struct rig *g)
{
	policy_unref(g->policy);
	diag_fini(&g->diags);
	source_fini(&g->sources);
}

static void test_defaults(void **state)
{
	const struct federation_options *f;
	struct rig g;

	(void)state;
	rig_init(&g);
	assert_int_equal(rig_load(&g, "service s2s { listen tcp 5269; tls none; }"), 0);
	f = policy_federation(g.policy);
	assert_int_equal(f->n_domains, 0);
	assert_int_equal(f->authority, AUTHORITY_DEFAULT);
	assert_null(f->resolver);
	assert_int_equal(f->resolver_port, 53);
	assert_null(f->anchor_file);
	assert_int_equal(f->rest.require, REMOTE_PIN | REMOTE_DANE | REMOTE_PKIX | REMOTE_DIALBACK);
	assert_int_equal(f->rest.unverified, UNVERIFIED_UNTRUSTED);
	assert_true(f->rest.bidi);
	assert_null(f->rest.trust_file);
	assert_int_equal(f->leaves, 1000);
	assert_int_equal(f->leaf_life_ms, 86400000);
	assert_int_equal(f->pairs, 100);
	assert_int_equal(f->dialback_open, 32);
	assert_int_equal(f->dialback_rate, 120);
	assert_int_equal(f->dialback_rate_ms, 60000);
	assert_null(policy_remote(g.policy, "a.example"));
	assert_ptr_equal(policy_remote_or_rest(g.policy, "a.example"), &f->rest);
	rig_fini(&g);
}

static void test_federation(void **state)
{
	const struct federation_options *f;
	struct rig g;

	(void)state;
	rig_init(&g);
	assert_int_equal(rig_load(&g,
		"set ours { type address; elements = { 192.0.2.1 }; }\n"
		"service outer { role s2s; direction out; from @ours; listen tcp 5269; tls none; }\n"
		"service s2s { listen tcp 5269; tls none; }\n"
		"federation { domains \"Example.org\", \"*.b\xc3\xbc" "cher.example\"; domains \"c.example.\"; authority off; "
		"trust file \"trust/roots.pem\"; resolver [2001:db8::53]:5353; anchor \"root.key\"; require dane, pkix; "
		"unverified refuse; leaves 7; leaf-life 2h; pairs 5; dialback-open 3; dialback-rate 10/second; }"), 0);
	f = policy_federation(g.policy);
	assert_int_equal(f->n_domains, 3);
	assert_string_equal(f->domains[0], "example.org");
	assert_string_equal(f->domains[1], "*.b\xc3\xbc" "cher.example");
	assert_string_equal(f->domains[2], "c.example");
	assert_int_equal(f->authority, AUTHORITY_OFF);
	assert_string_equal(f->rest.trust_file, "trust/roots.pem");
	assert_string_equal(f->resolver, "2001:db8::53");
	assert_int_equal(f->resolver_port, 5353);
	assert_string_equal(f->anchor_file, "root.key");
	assert_int_equal(f->rest.require, REMOTE_DANE | REMOTE_PKIX);
	assert_int_equal(f->rest.unverified, UNVERIFIED_REFUSE);
	assert_int_equal(f->leaves, 7);
	assert_int_equal(f->leaf_life_ms, 7200000);
	assert_int_equal(f->pairs, 5);
	assert_int_equal(f->dialback_open, 3);
	assert_int_equal(f->dialback_rate, 10);
	assert_int_equal(f->dialback_rate_ms, 1000);
	assert_int_equal(policy_services(g.policy, &(size_t){ 0 })[0].direction, SERVICE_OUT);
	assert_int_equal(policy_services(g.policy, &(size_t){ 0 })[1].direction, SERVICE_IN);
	assert_int_equal(g.diags.warnings, 0);
	rig_fini(&g);
}

static void test_remote(void **state)
{
	const struct remote_policy *r;
	struct rig g;

	(void)state;
	rig_init(&g);
	assert_int_equal(rig_load(&g,
		"remote a { domains \"a.example\"; require pin; pins \"" PIN_A "\", \"" PIN_B "\"; bidi off; trust system; }\n"
		"remote b { domains \"b.example\"; unverified untrusted; trust file \"root.key\"; }\n"
		"remote rest { domains \"c.example\"; }\n"
		"federation { require dane; unverified refuse; trust file \"trust/roots.pem\"; }\n"), 0);
	assert_non_null(r = policy_remote(g.policy, "a.example"));
	assert_string_equal(r->name, "a");
	assert_int_equal(r->require, REMOTE_PIN);
	assert_int_equal(r->n_pins, 2);
	for (unsigned i = 0; i < REMOTE_PIN_SIZE; i++)
		assert_int_equal(r->pins[0][i], i);
	assert_int_equal(r->pins[1][0], 0xff);
	assert_int_equal(r->pins[1][31], 0x0f);
	assert_false(r->bidi);
	assert_null(r->trust_file);
	assert_int_equal(r->unverified, UNVERIFIED_REFUSE);
	assert_non_null(r = policy_remote(g.policy, "b.example"));
	assert_int_equal(r->require, REMOTE_DANE);
	assert_int_equal(r->unverified, UNVERIFIED_UNTRUSTED);
	assert_string_equal(r->trust_file, "root.key");
	assert_true(r->bidi);
	assert_non_null(r = policy_remote_or_rest(g.policy, "c.example"));
	assert_string_equal(r->name, "rest");
	assert_string_equal(r->trust_file, "trust/roots.pem");
	assert_int_equal(r->unverified, UNVERIFIED_REFUSE);
	rig_fini(&g);
}

static void test_narrowest(void **state)
{
	static const struct {
		const char *domain, *remote; /* NULL: none */
	} cases[] = {
		{ "example", NULL },
		{ "partner.example", "exact" },
		{ "a.partner.example", "below" },
		{ "b.a.partner.example", "below" },
		{ "deep.partner.example", "deep" },
		{ "x.deep.partner.example", "deeper" },
		{ "y.x.deep.partner.example", "deeper" },
		{ "other.example", "wide" },
		{ "xpartner.example", "wide" },
		{ "*.partner.example", "below" },
		{ "*.example", "wide" },
		{ ".example", "wide" },
		{ "", NULL },
		{ ".", NULL },
	};
	char longest[2048];
	struct rig g;

	(void)state;
	rig_init(&g);
	assert_int_equal(rig_load(&g,
		"remote wide { domains \"*.example\"; } remote exact { domains \"partner.example\"; }\n"
		"remote deeper { domains \"*.deep.partner.example\"; } remote below { domains \"*.partner.example\"; }\n"
		"remote deep { domains \"q.example.org\", \"DEEP.Partner.example.\"; }\n"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct remote_policy *r = policy_remote(g.policy, cases[i].domain);

		assert_string_equal(r ? r->name : "none", cases[i].remote ? cases[i].remote : "none");
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - 9, ".example", 9);
	assert_null(policy_remote(g.policy, longest));
	rig_fini(&g);
}

/* Two want the same; too many of everything. */
static void test_too_many(void **state)
{
	static const struct {
		const char *block, *entry;
		unsigned fine;
	} cases[] = {
		{ "remote r { domains", "\"d%u.example\"", REMOTE_DOMAINS_MAX },
		{ "federation { domains", "\"d%u.example\"", FEDERATION_DOMAINS_MAX },
		{ "remote r { domains \"a.example\"; pins", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (unsigned more = 0; more < 2; more++) {
			char text[16384], format[64];
			size_t len = (size_t)sprintf(text, "%s", cases[i].block);
			unsigned n = cases[i].fine ? cases[i].fine : REMOTE_PINS_MAX;
			struct rig g;

			/* 42 digits and one of which two bits are spare. */
			snprintf(format, sizeof(format), "%%s %s", cases[i].fine ? cases[i].entry : "\"sha256:%042uA=\"");
			for (unsigned k = 0; k < n + more; k++)
				len += (size_t)sprintf(text + len, format, k ? "," : "", k);
			sprintf(text + len, "; }");
			rig_init(&g);
			assert_int_equal(rig_load(&g, text) == 0, more == 0);
			assert_true(more == 0 || g.diags.errors == 1);
			rig_fini(&g);
		}
}

/* The bundle that children get carries the files; a path in an included file starts there. */
static void test_files(void **state)
{
	static const char included[] = "remote a { domains \"a.example\"; trust file \"roots.pem\"; }";
	struct source_set child;
	const struct source_file *file;
	struct rig g;
	int fd;

	(void)state;
	rig_init(&g);
	assert_int_equal(source_add(&g.sources, "/t/trust/partner.conf", included, strlen(included)), 0);
	assert_int_equal(rig_load(&g, "include \"trust/partner.conf\"\nfederation { anchor \"root.key\"; }"), 0);
	assert_string_equal(policy_remote(g.policy, "a.example")->trust_file, "trust/roots.pem");
	assert_int_equal(source_bundle(&g.sources, &fd), 0);
	source_init(&child, false);
	assert_int_equal(source_unbundle(fd, &child), 0);
	assert_int_equal(source_find(&child, "/t/main.conf", policy_remote(g.policy, "a.example")->trust_file, &file), 0);
	assert_string_equal(file->bytes, "pem");
	assert_int_equal(source_find(&child, "/t/main.conf", policy_federation(g.policy)->anchor_file, &file), 0);
	assert_string_equal(file->bytes, "key");
	source_fini(&child);
	close(fd);
	rig_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_federation),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_narrowest),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
