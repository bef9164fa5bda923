/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/identity: which names of a certificate cover a domain between servers, and which are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "certs_made.h"
#include "proxy/identity.h"

#define SRV "_xmpp-server."

/* How a certificate of these names (taken) covers the domain, as a word. */
static const char *by_names(GENERAL_NAMES *names, const char *domain)
{
	struct made m = made_new((struct made_like){ .names = names, .cn = "cn.example" });
	enum identity_by by;
	bool covers = identity_covers(m.leaf, domain, &by);

	assert_int_equal(covers, by != IDENTITY_NONE);
	made_free(&m);
	return identity_by_text(by);
}

static const char *by_dns(const char *name, const char *domain)
{
	return by_names(made_dns(made_names(), name, strlen(name)), domain);
}

static const char *by_other(int nid, int type, const char *name, const char *domain)
{
	return by_names(made_other(made_names(), nid, type, name, strlen(name)), domain);
}

static const char *by_srv(const char *name, const char *domain)
{
	return by_other(NID_SRVName, V_ASN1_IA5STRING, name, domain);
}

static const char *by_xmppaddr(const char *name, const char *domain)
{
	return by_other(NID_XmppAddr, V_ASN1_UTF8STRING, name, domain);
}

static const char *by_cn(const char *cn, int type, const char *domain)
{
	struct made m = made_new((struct made_like){ .cn = cn, .cn_type = type });
	enum identity_by by;

	identity_covers(m.leaf, domain, &by);
	made_free(&m);
	return identity_by_text(by);
}

static void dns_names(void **state)
{
	(void)state;
	assert_string_equal(by_dns("verona.example", "verona.example"), "dns");
	assert_string_equal(by_dns("VERONA.example", "Verona.EXAMPLE."), "dns");
	assert_string_equal(by_dns("verona.example", "mantua.example"), "none");
	assert_string_equal(by_dns("verona.example", "chat.verona.example"), "none");
	assert_string_equal(by_dns("chat.verona.example", "verona.example"), "none");
	assert_string_equal(by_dns("localhost", "localhost"), "dns");
	assert_string_equal(by_dns("my_host.example", "my_host.example"), "dns");
	/* Other bytes than a name's. */
	assert_string_equal(by_dns("verona.example.", "verona.example"), "none");
	assert_string_equal(by_dns(".verona.example", "verona.example"), "none");
	assert_string_equal(by_dns("verona..example", "verona.example"), "none");
	assert_string_equal(by_dns(" verona.example", "verona.example"), "none");
	assert_string_equal(by_dns("verona.example/x", "verona.example"), "none");
	assert_string_equal(by_dns("x@verona.example", "verona.example"), "none");
	assert_string_equal(by_dns("", "verona.example"), "none");
	/* An address is no dNSName (RFC 9525 6.3). */
	assert_string_equal(by_dns("192.0.2.1", "192.0.2.1"), "none");
	assert_string_equal(by_names(made_words("IP:192.0.2.1"), "192.0.2.1"), "none");
	assert_string_equal(by_dns("2001:db8::1", "2001:db8::1"), "none");
}

static void wildcards(void **state)
{
	(void)state;
	assert_string_equal(by_dns("*.verona.example", "chat.verona.example"), "dns");
	assert_string_equal(by_dns("*.verona.example", "CHAT.verona.example."), "dns");
	assert_string_equal(by_dns("*.verona.example", "verona.example"), "none");
	assert_string_equal(by_dns("*.verona.example", "a.b.verona.example"), "none");
	assert_string_equal(by_dns("*.verona.example", ".verona.example"), "none");
	assert_string_equal(by_dns("*.verona.example", "*.verona.example"), "none");
	assert_string_equal(by_dns("*.example", "verona.example"), "none");
	assert_string_equal(by_dns("*.", "verona"), "none");
	assert_string_equal(by_dns("*", "verona"), "none");
	assert_string_equal(by_dns("c*.verona.example", "chat.verona.example"), "none");
	assert_string_equal(by_dns("*t.verona.example", "chat.verona.example"), "none");
	assert_string_equal(by_dns("chat.*.example", "chat.verona.example"), "none");
	assert_string_equal(by_dns("*.*.example", "chat.verona.example"), "none");
	assert_string_equal(by_dns("**.verona.example", "chat.verona.example"), "none");
	/* A dot in a compatibility form is a dot. */
	assert_string_equal(by_dns("*.verona.example", "a\u2024b.verona.example"), "none");
	assert_string_equal(by_dns("*.verona.example", "chat\u3002verona.example"), "dns");
}

static void srv_names(void **state)
{
	(void)state;
	assert_string_equal(by_srv(SRV "verona.example", "verona.example"), "srv");
	assert_string_equal(by_srv("_XMPP-Server.verona.example", "verona.example"), "srv");
	assert_string_equal(by_srv(SRV "mantua.example", "verona.example"), "none");
	assert_string_equal(by_srv("_xmpp-client.verona.example", "verona.example"), "none");
	assert_string_equal(by_srv("_imap.verona.example", "verona.example"), "none");
	assert_string_equal(by_srv("verona.example", "verona.example"), "none");
	assert_string_equal(by_srv(SRV, "verona.example"), "none");
	assert_string_equal(by_srv(SRV "*.verona.example", "chat.verona.example"), "none");
	assert_string_equal(
		by_other(NID_SRVName, V_ASN1_UTF8STRING, SRV "verona.example", "verona.example"),
		"none");
}

static void xmpp_addresses(void **state)
{
	(void)state;
	assert_string_equal(by_xmppaddr("verona.example", "verona.example"), "xmppaddr");
	assert_string_equal(by_xmppaddr("Verona.example", "VERONA.example"), "xmppaddr");
	assert_string_equal(by_xmppaddr("mantua.example", "verona.example"), "none");
	assert_string_equal(by_xmppaddr("*.verona.example", "chat.verona.example"), "none");
	assert_string_equal(by_xmppaddr("*.verona.example", "*.verona.example"), "none");
	assert_string_equal(by_xmppaddr("romeo@verona.example", "verona.example"), "none");
	assert_string_equal(by_xmppaddr("verona.example/x", "verona.example"), "none");
	assert_string_equal(by_xmppaddr("@verona.example", "verona.example"), "none");
	assert_string_equal(by_xmppaddr("", "verona.example"), "none");
	assert_string_equal(by_xmppaddr("ver\xc3ona.example", "verona.example"), "none");
	assert_string_equal(
		by_other(NID_XmppAddr, V_ASN1_IA5STRING, "verona.example", "verona.example"),
		"none");
	assert_string_equal(
		by_other(NID_XmppAddr, V_ASN1_BMPSTRING, "verona.example", "verona.example"),
		"none");
	/* The same string under another name's number. */
	assert_string_equal(
		by_other(NID_ms_upn, V_ASN1_UTF8STRING, "verona.example", "verona.example"),
		"none");
}

static void international(void **state)
{
	(void)state;
	assert_string_equal(by_dns("xn--bcher-kva.example", "bücher.example"), "dns");
	assert_string_equal(by_dns("xn--bcher-kva.example", "BÜCHER.example"), "dns");
	assert_string_equal(by_dns("XN--BCHER-KVA.example", "xn--bcher-kva.example"), "dns");
	assert_string_equal(by_dns("*.xn--bcher-kva.example", "chat.bücher.example"), "dns");
	assert_string_equal(by_dns("*.bcher.example", "xn--bcher-kva.bcher.example"), "dns");
	assert_string_equal(by_dns("xn--*-kva.example", "bücher.example"), "none");
	assert_string_equal(by_srv(SRV "xn--bcher-kva.example", "bücher.example"), "srv");
	assert_string_equal(by_xmppaddr("bücher.example", "xn--bcher-kva.example"), "xmppaddr");
	/* No U-labels where ASCII belongs. */
	assert_string_equal(by_dns("bücher.example", "bücher.example"), "none");
	assert_string_equal(by_dns("b\xfc"
				   "cher.example",
				    "bücher.example"),
		"none");
	assert_string_equal(by_srv(SRV "bücher.example", "bücher.example"), "none");
	/* Not the one spelling of anything: no name but its own letters (CVE-2022-3602, -3786). */
	assert_string_equal(by_dns("xn--a.example", "a.example"), "none");
	assert_string_equal(by_dns("xn--verona-.example", "verona.example"), "none");
	assert_string_equal(by_dns("xn--99999999999999999999999999999999999999999999.example",
				    "verona.example"),
		"none");
	assert_string_equal(
		by_xmppaddr("xn--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
			"verona.example"),
		"none");
}

static void bytes_that_end_names(void **state)
{
	static const char name[] = "verona.example\0.evil.example";
	static const char srv[] = SRV "verona.example\0.evil.example";

	(void)state;
	assert_string_equal(
		by_names(made_dns(made_names(), name, sizeof(name) - 1), "verona.example"), "none");
	assert_string_equal(by_names(made_other(made_names(), NID_SRVName, V_ASN1_IA5STRING, srv,
					     sizeof(srv) - 1),
				    "verona.example"),
		"none");
	assert_string_equal(by_names(made_other(made_names(), NID_XmppAddr, V_ASN1_UTF8STRING, name,
					     sizeof(name) - 1),
				    "verona.example"),
		"none");
}

static void common_names(void **state)
{
	struct made m = made_new((struct made_like){ .cn = "verona.example" });

	(void)state;
	assert_string_equal(by_cn("verona.example", 0, "verona.example"), "cn");
	assert_string_equal(
		by_cn("Verona.example", V_ASN1_PRINTABLESTRING, "verona.example"), "cn");
	assert_string_equal(by_cn("verona.example", V_ASN1_T61STRING, "verona.example"), "none");
	assert_string_equal(by_cn("verona.example", V_ASN1_BMPSTRING, "verona.example"), "none");
	assert_string_equal(by_cn("*.verona.example", 0, "chat.verona.example"), "none");
	assert_string_equal(by_cn("Verona Server", 0, "verona"), "none");
	/* Any subjectAltName silences it. */
	assert_string_equal(by_dns("verona.example", "cn.example"), "none");
	assert_string_equal(by_xmppaddr("romeo@verona.example", "cn.example"), "none");
	assert_string_equal(by_names(made_words("email:a@verona.example"), "cn.example"), "none");
	assert_string_equal(by_names(made_words("URI:xmpp:verona.example"), "cn.example"), "none");
	assert_string_equal(by_names(made_names(), "cn.example"), "none");
	/* Of two, which one did somebody check? */
	X509_NAME_add_entry_by_txt(X509_get_subject_name(m.leaf), "CN", MBSTRING_ASC,
		(const unsigned char *)"evil.example", -1, -1, 0);
	assert_false(identity_covers(m.leaf, "verona.example", NULL));
	assert_false(identity_covers(m.leaf, "evil.example", NULL));
	made_free(&m);
}

static void several_names(void **state)
{
	GENERAL_NAMES *names = made_names();

	(void)state;
	made_other(names, NID_XmppAddr, V_ASN1_UTF8STRING, "verona.example", 14);
	made_other(names, NID_SRVName, V_ASN1_IA5STRING, SRV "verona.example",
		strlen(SRV "verona.example"));
	made_dns(names, "bad\0name.example", 16);
	made_dns(names, "verona.example", 14);
	/* The kind that most rules apply to is named; a bad one beside it does no harm. */
	assert_string_equal(by_names(names, "verona.example"), "dns");
}

static void too_many_names(void **state)
{
	GENERAL_NAMES *names;
	char text[64];

	(void)state;
	for (int n = IDENTITY_NAMES_MAX; n <= IDENTITY_NAMES_MAX + 1; n++) {
		names = made_names();
		for (int i = 0; i < n; i++) {
			int len = snprintf(text, sizeof(text), "h%d.verona.example", i);

			made_dns(names, text, (size_t)len);
		}
		assert_string_equal(by_names(names, "h7.verona.example"),
			n <= IDENTITY_NAMES_MAX ? "dns" : "none");
	}
}

static void unreadable_extensions(void **state)
{
	static const unsigned char noise[] = { 0x30, 0x05, 0x82, 0x09, 'a', '.', 'b' };
	struct made twice = made_new((struct made_like){
		.names = made_dns(made_names(), "verona.example", 14), .cn = "verona.example" });
	struct made broken = made_new((struct made_like){ .cn = "verona.example" });
	X509_EXTENSION *again =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:verona.example");
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *odd;

	(void)state;
	assert_true(identity_covers(twice.leaf, "verona.example", NULL));
	X509_add_ext(twice.leaf, again, -1);
	assert_false(identity_covers(twice.leaf, "verona.example", NULL));
	ASN1_OCTET_STRING_set(value, noise, sizeof(noise));
	odd = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	X509_add_ext(broken.leaf, odd, -1);
	assert_false(identity_covers(broken.leaf, "verona.example", NULL));
	X509_EXTENSION_free(again);
	X509_EXTENSION_free(odd);
	ASN1_OCTET_STRING_free(value);
	made_free(&twice);
	made_free(&broken);
}

static void odd_questions(void **state)
{
	struct made m = made_new(
		(struct made_like){ .names = made_dns(made_names(), "verona.example", 14) });
	char wide[1100];

	(void)state;
	assert_false(identity_covers(NULL, "verona.example", NULL));
	assert_false(identity_covers(m.leaf, NULL, NULL));
	assert_false(identity_covers(m.leaf, "", NULL));
	assert_false(identity_covers(m.leaf, "romeo@verona.example", NULL));
	memset(wide, 'a', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	assert_false(identity_covers(m.leaf, wide, NULL));
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dns_names),
		cmocka_unit_test(wildcards),
		cmocka_unit_test(srv_names),
		cmocka_unit_test(xmpp_addresses),
		cmocka_unit_test(international),
		cmocka_unit_test(bytes_that_end_names),
		cmocka_unit_test(common_names),
		cmocka_unit_test(several_names),
		cmocka_unit_test(too_many_names),
		cmocka_unit_test(unreadable_extensions),
		cmocka_unit_test(odd_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
