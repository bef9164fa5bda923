/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/trust, proxy/gear: whom a policy believes about which remote server, and how its services
 * speak TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/err.h"
#include "base/log.h"
#include "certs_made.h"
#include "gear_of.h"
#include "proxy/remote.h"
#include "proxy/tls.h"

#define SERVICES                                                                                   \
	"service from_others { role s2s; mode proxy; listen tcp { 5269 }; certificates \"/c\"; "   \
	"upstream 127.0.0.1:5269 starttls; }\n"                                                    \
	"set ours { type address; elements = { 192.0.2.1 }; }"                                      \
	"service to_others { role s2s; direction out; from @ours; mode proxy; listen tcp { 5270 }; "           \
	"intercept redirect; certificates \"/c\"; upstream original starttls; }\n"                 \
	"service c2s { mode proxy; listen tcp { 5222 }; certificates \"/c\"; "                     \
	"upstream 127.0.0.1:5222 starttls; verify off; }\n"

static const char text[] =
	SERVICES "federation { domains \"own.example\"; require pkix; }\n"
		 "remote one { domains \"one.example\"; trust file \"one.pem\"; }\n"
		 "remote again { domains \"again.example\"; trust file \"one.pem\"; }\n"
		 "remote two { domains \"two.example\"; trust file \"/else/two.pem\"; }\n"
		 "chain inbound { hook s2s; policy accept; }\n";

static struct made one, two, middle;

static void sources_make(struct source_set *set)
{
	struct made own = made_new((struct made_like){ .cn = "own.example" });

	source_init(set, false);
	made_add(set, "/c/own.example.crt", &own, false);
	made_add(set, "/c/own.example.key", &own, true);
	made_add(set, "/one.pem", &one, false);
	made_add(set, "/else/two.pem", &middle, false);
	made_free(&own);
}

static X509_STORE *trusted(const struct gear *g, const char *domain)
{
	return gear_trust(g, policy_remote_or_rest(g->policy, domain));
}

static const char *judged(const struct gear *g, const char *domain, const struct made *by)
{
	struct made m = made_new((struct made_like){
		.names = made_dns(made_names(), domain, strlen(domain)), .by = by });
	struct remote_check check = {
		.leaf = m.leaf, .domain = domain, .trust = trusted(g, domain), .now = time(NULL)
	};
	struct remote_found found;

	remote_verify(&check, &found);
	made_free(&m);
	return found.why;
}

static void each_has_its_own(void **state)
{
	struct source_set set;
	struct gear *g;

	(void)state;
	sources_make(&set);
	g = gear_of(&set, text);
	assert_ptr_equal(trusted(g, "one.example"), trusted(g, "again.example"));
	assert_ptr_not_equal(trusted(g, "one.example"), trusted(g, "two.example"));
	assert_ptr_equal(trusted(g, "other.example"), tls_system_trust());
	assert_string_equal(judged(g, "one.example", &one), "");
	assert_string_equal(judged(g, "one.example", &two), "unknown-ca");
	assert_string_equal(judged(g, "other.example", &one), "unknown-ca");
	/* An authority below a root nobody has may be what is trusted. */
	assert_string_equal(judged(g, "two.example", &middle), "");
	assert_string_equal(judged(g, "two.example", &two), "unknown-ca");
	gear_unref(g);
}

/* What is trusted may be the server's own certificate, signed by itself or by others; its dates and
 * its names count all the same. */
static void a_server_is_trusted_itself(void **state)
{
	struct made leaves[] = {
		made_new((struct made_like){ .names = made_dns(made_names(), "a.example", 9) }),
		made_new((struct made_like){
			.names = made_dns(made_names(), "a.example", 9), .by = &two }),
		made_new((struct made_like){ .names = made_dns(made_names(), "a.example", 9),
			.from_s = -1000,
			.to_s = -10 }),
		made_new((struct made_like){ .names = made_dns(made_names(), "b.example", 9) }),
	};
	static const char *const words[] = { "", "", "expired", "name" };
	struct remote_check check = { .domain = "a.example", .now = time(NULL) };
	struct remote_found found;
	char *bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		size_t len;

		PEM_write_bio_X509(bio, leaves[i].leaf);
		len = (size_t)BIO_get_mem_data(bio, &bytes);
		check.leaf = leaves[i].leaf;
		check.trust = tls_trust_store((struct span){ bytes, len });
		remote_verify(&check, &found);
		assert_string_equal(found.why, words[i]);
		X509_STORE_free(check.trust);
		BIO_free(bio);
		made_free(&leaves[i]);
	}
}

static void files_that_do_not_serve(void **state)
{
	static const char *const files[] = { NULL, "", "no certificate\n" };
	struct source_set set;
	struct buf why;
	struct gear *g;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		buf_init(&why, 0);
		source_init(&set, false);
		assert_int_equal(source_add(&set, "/t.conf",
					 "federation { trust file \"f.pem\"; }\n"
					 "chain c { hook s2s; }\n",
					 strlen("federation { trust file \"f.pem\"; }\n"
						"chain c { hook s2s; }\n")),
			0);
		if (files[i])
			assert_int_equal(source_add(&set, "/f.pem", files[i], strlen(files[i])), 0);
		assert_true(gear_load(&set, "/t.conf", NULL, NULL, &why, &g) < 0);
		assert_non_null(strstr(buf_string(&why), "f.pem"));
		source_fini(&set);
		buf_fini(&why);
	}
}

static void services_ask_servers(void **state)
{
	struct source_set set;
	struct gear *g;

	(void)state;
	sources_make(&set);
	g = gear_of(&set, text);
	assert_int_equal(
		SSL_CTX_get_verify_mode(gear_find(g, "from_others")->server_ctx), SSL_VERIFY_PEER);
	assert_int_equal(
		SSL_CTX_get_verify_mode(gear_find(g, "to_others")->server_ctx), SSL_VERIFY_PEER);
	assert_int_equal(SSL_CTX_get_verify_mode(gear_find(g, "c2s")->server_ctx), SSL_VERIFY_NONE);
	assert_int_equal(SSL_CTX_get_num_tickets(gear_find(g, "from_others")->server_ctx), 0);
	assert_non_null(gear_find(g, "from_others")->client_ctx);
	assert_non_null(gear_find(g, "to_others")->client_ctx);
	gear_unref(g);
}

static int make_authorities(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	one = made_authority("One", NULL);
	two = made_authority("Two", NULL);
	middle = made_authority("Middle", &two);
	return tls_init();
}

static int free_authorities(void **state)
{
	(void)state;
	made_free(&one);
	made_free(&two);
	made_free(&middle);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own),
		cmocka_unit_test(a_server_is_trusted_itself),
		cmocka_unit_test(files_that_do_not_serve),
		cmocka_unit_test(services_ask_servers),
	};

	return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
