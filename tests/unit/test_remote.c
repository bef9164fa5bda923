/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/remote: chains, names, dates, purposes and pins, good ones and all that is wrong with
 * others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "certs_made.h"
#include "proxy/remote.h"

enum { DAY = 86400 };

static struct made root, middle, stranger;
static X509_STORE *trust;

static GENERAL_NAMES *verona(void)
{
	return made_dns(made_names(), "verona.example", 14);
}

static int make_authorities(void **state)
{
	(void)state;
	root = made_authority("Root", NULL);
	middle = made_authority("Middle", &root);
	stranger = made_authority("Stranger", NULL);
	trust = X509_STORE_new();
	return trust && X509_STORE_add_cert(trust, root.leaf) == 1 ? 0 : -1;
}

static int free_authorities(void **state)
{
	(void)state;
	made_free(&root);
	made_free(&middle);
	made_free(&stranger);
	X509_STORE_free(trust);
	return 0;
}

/* What is found of a leaf (taken) with up to two certificates beside it; pin may be NULL. */
static struct remote_found find(struct made m, X509 *one, X509 *two, const uint8_t *pin)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct remote_found found;
	struct remote_check check = {
		.leaf = m.leaf,
		.chain = chain,
		.domain = "verona.example",
		.trust = trust,
		.pins = (const uint8_t(*)[REMOTE_PIN_SIZE])pin,
		.n_pins = pin ? 1 : 0,
		.now = time(NULL),
	};
	enum remote_verified verified;

	if (one)
		sk_X509_push(chain, one);
	if (two)
		sk_X509_push(chain, two);
	verified = remote_verify(&check, &found);
	assert_int_equal(verified, found.verified);
	assert_int_equal(verified == REMOTE_VERIFIED_NONE, found.ways == 0);
	assert_int_equal(verified == REMOTE_VERIFIED_NONE, *found.why != '\0');
	sk_X509_free(chain);
	made_free(&m);
	return found;
}

/* Only the word; "" is pkix. */
static const char *why(struct made_like like)
{
	like.names = like.names ? like.names : verona();
	return find(made_new(like), middle.leaf, NULL, NULL).why;
}

static void chains(void **state)
{
	struct remote_found f;

	(void)state;
	f = find(made_new((struct made_like){ .names = verona(), .by = &middle }), middle.leaf,
		root.leaf, NULL);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PKIX);
	assert_int_equal(f.ways, REMOTE_PKIX);
	assert_int_equal(f.by, IDENTITY_DNS);
	assert_in_range(f.not_after, time(NULL) + DAY - 60, time(NULL) + DAY);
	/* Any order, the root left out, strangers in between. */
	f = find(made_new((struct made_like){ .names = verona(), .by = &middle }), root.leaf,
		middle.leaf, NULL);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PKIX);
	f = find(made_new((struct made_like){ .names = verona(), .by = &middle }), stranger.leaf,
		middle.leaf, NULL);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PKIX);
	f = find(made_new((struct made_like){ .names = verona(), .by = &root }), NULL, NULL, NULL);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PKIX);
	/* The middle is missing. */
	f = find(
		made_new((struct made_like){ .names = verona(), .by = &middle }), NULL, NULL, NULL);
	assert_string_equal(f.why, "unknown-ca");
	assert_int_equal(f.by, IDENTITY_DNS);
	f = find((struct made){ NULL, NULL }, NULL, NULL, NULL);
	assert_string_equal(f.why, "no-certificate");
	assert_int_equal(f.not_after, 0);
}

static void strangers(void **state)
{
	struct made forged = made_authority("Root", NULL); /* the name is anybody's */
	struct made person = made_new((struct made_like){ .cn = "person", .by = &root });

	(void)state;
	assert_string_equal(why((struct made_like){ 0 }), "self-signed");
	assert_string_equal(why((struct made_like){ .by = &stranger }), "unknown-ca");
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &stranger }),
				    stranger.leaf, NULL, NULL)
				    .why,
		"unknown-ca");
	assert_int_not_equal(find(made_new((struct made_like){ .names = verona(), .by = &forged }),
				     forged.leaf, NULL, NULL)
				     .why[0],
		'\0');
	/* A leaf signs a leaf. */
	assert_int_not_equal(find(made_new((struct made_like){ .names = verona(), .by = &person }),
				     person.leaf, NULL, NULL)
				     .why[0],
		'\0');
	made_free(&forged);
	made_free(&person);
}

static void dates_and_names(void **state)
{
	(void)state;
	assert_string_equal(why((struct made_like){ .by = &middle }), "");
	assert_string_equal(
		why((struct made_like){ .by = &middle, .from_s = -2 * DAY, .to_s = -10 }),
		"expired");
	assert_string_equal(why((struct made_like){ .by = &middle, .from_s = 60, .to_s = DAY }),
		"not-yet-valid");
	assert_string_equal(why((struct made_like){ .by = &middle,
				    .names = made_dns(made_names(), "mantua.example", 14) }),
		"name");
	assert_string_equal(why((struct made_like){ .by = &middle, .group = "rsa1024" }), "weak");
	assert_string_equal(why((struct made_like){ .by = &middle, .group = "P-384" }), "");
}

static void authorities_that_are_none(void **state)
{
	struct made old = made_new((struct made_like){ .cn = "Old",
		.by = &root,
		.basic = "critical,CA:TRUE",
		.from_s = -2 * DAY,
		.to_s = -DAY });
	struct made weak = made_new((struct made_like){
		.cn = "Weak", .by = &root, .basic = "critical,CA:TRUE", .group = "rsa1024" });

	(void)state;
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &old }),
				    old.leaf, NULL, NULL)
				    .why,
		"expired");
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &weak }),
				    weak.leaf, NULL, NULL)
				    .why,
		"weak");
	made_free(&old);
	made_free(&weak);
}

static void purposes(void **state)
{
	struct made mail = made_new((struct made_like){ .cn = "Mail",
		.by = &root,
		.basic = "critical,CA:TRUE",
		.extended = "emailProtection" });
	struct made client = made_new((struct made_like){ .cn = "Client",
		.by = &root,
		.basic = "critical,CA:TRUE",
		.extended = "clientAuth" });

	(void)state;
	assert_string_equal(why((struct made_like){ .by = &middle, .extended = "serverAuth" }), "");
	assert_string_equal(why((struct made_like){ .by = &middle, .extended = "clientAuth" }), "");
	assert_string_equal(
		why((struct made_like){ .by = &middle, .extended = "serverAuth,clientAuth" }), "");
	assert_string_equal(
		why((struct made_like){ .by = &middle, .extended = "emailProtection" }), "purpose");
	assert_string_equal(
		why((struct made_like){ .by = &middle, .extended = "codeSigning" }), "purpose");
	/* The authority was made for something else, or for the other half only. */
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &mail }),
				    mail.leaf, NULL, NULL)
				    .why,
		"purpose");
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &client }),
				    client.leaf, NULL, NULL)
				    .why,
		"");
	assert_string_equal(
		find(made_new((struct made_like){
			     .names = verona(), .by = &client, .extended = "serverAuth" }),
			client.leaf, NULL, NULL)
			.why,
		"purpose");
	made_free(&mail);
	made_free(&client);
}

/* An authority for names below corp.example signs for others in words the library does not compare.
 */
static void constrained_authorities(void **state)
{
	struct made corp = made_new((struct made_like){ .cn = "Corp",
		.by = &root,
		.basic = "critical,CA:TRUE",
		.constraints = "critical,permitted;DNS:corp.example" });
	struct made here = made_new((struct made_like){ .cn = "Here",
		.by = &root,
		.basic = "critical,CA:TRUE",
		.constraints = "critical,permitted;DNS:verona.example" });
	GENERAL_NAMES *srv = made_other(
		made_names(), NID_SRVName, V_ASN1_IA5STRING, "_xmpp-server.verona.example", 27);
	GENERAL_NAMES *addr =
		made_other(made_names(), NID_XmppAddr, V_ASN1_UTF8STRING, "verona.example", 14);
	struct made_like likes[] = {
		{ .names = verona(), .by = &corp },
		{ .names = srv, .by = &corp },
		{ .names = addr, .by = &corp },
		{ .cn = "verona.example", .by = &corp },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(likes) / sizeof(likes[0]); i++)
		assert_string_equal(
			find(made_new(likes[i]), corp.leaf, NULL, NULL).why, "name-constraint");
	assert_string_equal(find(made_new((struct made_like){ .names = verona(), .by = &here }),
				    here.leaf, NULL, NULL)
				    .why,
		"");
	made_free(&corp);
	made_free(&here);
}

static void kinds_of_names(void **state)
{
	struct remote_found f;

	(void)state;
	f = find(made_new((struct made_like){ .by = &root,
			 .names = made_other(made_names(), NID_XmppAddr, V_ASN1_UTF8STRING,
				 "verona.example", 14) }),
		NULL, NULL, NULL);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PKIX);
	assert_int_equal(f.by, IDENTITY_XMPPADDR);
	f = find(made_new((struct made_like){ .by = &root, .cn = "verona.example" }), NULL, NULL,
		NULL);
	assert_int_equal(f.by, IDENTITY_CN);
	assert_string_equal(f.why, "");
}

static void pins(void **state)
{
	struct made own = made_new((struct made_like){ .cn = "whoever" });
	struct made old = made_new((struct made_like){ .from_s = -DAY, .to_s = -1 });
	struct made weak = made_new((struct made_like){ .group = "rsa1024" });
	struct made good = made_new((struct made_like){ .names = verona(), .by = &root });
	uint8_t pin[REMOTE_PIN_SIZE], other[REMOTE_PIN_SIZE];
	struct remote_found f;

	(void)state;
	assert_true(remote_pin(old.leaf, other));
	f = find(old, NULL, NULL, other);
	assert_string_equal(f.why, "expired");
	assert_true(remote_pin(weak.leaf, other));
	f = find(weak, NULL, NULL, other);
	assert_string_equal(f.why, "weak");
	assert_true(remote_pin(own.leaf, pin));
	memcpy(other, pin, sizeof(other));
	other[31] ^= 1;
	X509_up_ref(own.leaf);
	EVP_PKEY_up_ref(own.key);
	f = find(own, NULL, NULL, pin); /* neither chain nor name */
	assert_int_equal(f.verified, REMOTE_VERIFIED_PIN);
	assert_int_equal(f.ways, REMOTE_PIN);
	assert_int_equal(f.by, IDENTITY_NONE);
	f = find(own, NULL, NULL, other);
	assert_string_equal(f.why, "self-signed");
	assert_true(remote_pin(good.leaf, pin));
	f = find(good, NULL, NULL, pin);
	assert_int_equal(f.verified, REMOTE_VERIFIED_PIN);
	assert_int_equal(f.ways, REMOTE_PIN | REMOTE_PKIX);
}

/* 3 1 1 (RFC 7671 5.1): key and record, no chain, no name, no dates. */
static struct remote_found find_dane(struct made m, const struct made *of, int wrong)
{
	unsigned char record[3 + REMOTE_PIN_SIZE] = { 3, 1, 1 };
	struct dane_records *records = dane_records_new();
	struct remote_check check = { .leaf = m.leaf,
		.domain = "verona.example",
		.trust = trust,
		.dane = records,
		.now = time(NULL) };
	struct remote_found found;

	assert_true(remote_pin(of->leaf, record + 3));
	record[3] ^= (unsigned char)wrong;
	assert_int_equal(dane_records_add_target(records, "xmpp.verona.example"), 0);
	assert_int_equal(dane_records_add(records, 0, record, sizeof(record)), 0);
	remote_verify(&check, &found);
	dane_records_unref(records);
	made_free(&m);
	return found;
}

static void signed_records(void **state)
{
	struct made own = made_new((struct made_like){ .cn = "whoever" });
	struct made old = made_new((struct made_like){ .from_s = -2 * DAY, .to_s = -DAY });
	struct made weak = made_new((struct made_like){ .group = "rsa1024" });
	struct made good = made_new((struct made_like){ .names = verona(), .by = &root });
	struct remote_found f;

	(void)state;
	X509_up_ref(own.leaf);
	EVP_PKEY_up_ref(own.key);
	f = find_dane(own, &own, 0);
	assert_int_equal(f.verified, REMOTE_VERIFIED_DANE);
	assert_int_equal(f.ways, REMOTE_DANE);
	f = find_dane(own, &own, 1);
	assert_string_equal(f.why, "dane-mismatch");
	assert_int_equal(f.ways, 0);
	f = find_dane(old, &old, 0);
	assert_int_equal(f.verified, REMOTE_VERIFIED_DANE);
	assert_in_range(f.not_after, time(NULL) + DAY - 60, time(NULL) + DAY);
	f = find_dane(weak, &weak, 0);
	assert_string_equal(f.why, "weak");
	X509_up_ref(good.leaf);
	EVP_PKEY_up_ref(good.key);
	f = find_dane(good, &good, 0);
	assert_int_equal(f.ways, REMOTE_DANE | REMOTE_PKIX);
	assert_int_equal(f.verified, REMOTE_VERIFIED_DANE);
	f = find_dane(good, &good, 1); /* who names others there does not mean this one */
	assert_int_equal(f.ways, 0);
	assert_string_equal(f.why, "dane-mismatch");
}

/* A good chain is no answer to a policy that asks for a pin. */
static void only_what_is_asked(void **state)
{
	struct made m = made_new((struct made_like){ .names = verona(), .by = &root });
	uint8_t pin[REMOTE_PIN_SIZE], other[REMOTE_PIN_SIZE] = { 0 };
	struct remote_check check = { .leaf = m.leaf,
		.domain = "verona.example",
		.trust = trust,
		.pins = (const uint8_t(*)[REMOTE_PIN_SIZE])other,
		.n_pins = 1,
		.now = time(NULL) };
	struct remote_found f;

	(void)state;
	assert_true(remote_pin(m.leaf, pin));
	check.require = REMOTE_PIN | REMOTE_DIALBACK;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_NONE);
	assert_string_equal(f.why, "pin");
	check.require = REMOTE_PIN | REMOTE_PKIX;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_PKIX);
	check.pins = (const uint8_t(*)[REMOTE_PIN_SIZE])pin;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_PIN);
	assert_int_equal(f.ways, REMOTE_PIN | REMOTE_PKIX);
	check.require = REMOTE_PKIX;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_PKIX);
	assert_int_equal(f.ways, REMOTE_PKIX);
	check.require = REMOTE_DIALBACK;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_NONE);
	assert_string_equal(f.why, "not-asked");
	made_free(&m);
}

static void nobody_is_trusted(void **state)
{
	struct made m = made_new((struct made_like){ .names = verona(), .by = &root });
	struct remote_check check = {
		.leaf = m.leaf, .domain = "verona.example", .now = time(NULL)
	};
	struct remote_found f;

	(void)state;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_NONE);
	assert_string_equal(f.why, "unknown-ca");
	check.trust = trust;
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_PKIX); /* no stack of others */
	check.domain = "";
	assert_int_equal(remote_verify(&check, &f), REMOTE_VERIFIED_NONE);
	assert_string_equal(f.why, "name");
	made_free(&m);
}

static void long_chains(void **state)
{
	struct made tower[REMOTE_CHAIN_MAX + 1];
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct remote_check check = {
		.chain = chain, .domain = "verona.example", .trust = trust, .now = time(NULL)
	};
	struct remote_found f;
	struct made m;

	(void)state;
	for (int i = 0; i <= REMOTE_CHAIN_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "Floor %d", i);
		tower[i] = made_authority(name, i > 0 ? &tower[i - 1] : &root);
		sk_X509_push(chain, tower[i].leaf);
		m = made_new((struct made_like){ .names = verona(), .by = &tower[i] });
		check.leaf = m.leaf;
		remote_verify(&check, &f);
		if (i < REMOTE_DEPTH_MAX)
			assert_string_equal(f.why, "");
		else if (i == REMOTE_CHAIN_MAX)
			assert_string_equal(f.why, "chain-too-long");
		else
			assert_int_equal(f.verified, REMOTE_VERIFIED_NONE);
		made_free(&m);
	}
	sk_X509_free(chain);
	for (int i = 0; i <= REMOTE_CHAIN_MAX; i++)
		made_free(&tower[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains),
		cmocka_unit_test(strangers),
		cmocka_unit_test(dates_and_names),
		cmocka_unit_test(authorities_that_are_none),
		cmocka_unit_test(purposes),
		cmocka_unit_test(constrained_authorities),
		cmocka_unit_test(kinds_of_names),
		cmocka_unit_test(pins),
		cmocka_unit_test(signed_records),
		cmocka_unit_test(only_what_is_asked),
		cmocka_unit_test(nobody_is_trusted),
		cmocka_unit_test(long_chains),
	};

	return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
