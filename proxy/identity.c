/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom a certificate names: behind a handshake, before remote.c and what certs.c shows.
 * In: a leaf, as a stranger sent it, and a domain. Out: whether one of its names covers it, and of
 * which kind: dNSName (a wildcard is the whole left-most label), SRV-ID "_xmpp-server.", xmppAddr;
 * the common name only where there is no subjectAltName at all, since certificates for mail or
 * people carry names there that nobody checked. Names are compared as addresses are, prepared
 * (xmpp/jid.h): A-labels in the certificate meet U-labels asked for, and no other decoder of
 * punycode is involved. What is not plainly a name is none: it is counted, and others still count.
 * It never asks who signed: that is remote.c's. */
#include "proxy/identity.h"

#include <string.h>
#include <strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "base/arena.h"
#include "proxy/counters.h"
#include "xmpp/jid.h"

enum { NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63, JID_MAX_LEN = 1023 };

#define SRV_SERVICE "_xmpp-server."

struct walk {
	struct arena arena;
	void (*each)(void *arg, const char *name, bool wildcard, enum identity_by by);
	void *arg;
	unsigned refused;
};

const char *identity_by_text(enum identity_by by)
{
	static const char *const words[] = { "none", "dns", "srv", "xmppaddr", "cn" };

	return words[by];
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Preferred name syntax (RFC 5280 4.2.1.6) and the underscore of private networks, no root's dot;
 * the number of labels, 0 if it is no name. What ends in a number is an address (RFC 9525 6.3). */
static unsigned host_labels(struct span s)
{
	unsigned labels = 0;
	size_t at = 0, end;
	bool number = true;

	if (s.len == 0 || s.len > NAME_MAX_LEN)
		return 0;
	for (; at <= s.len; at = end + 1, labels++) {
		number = true;
		for (end = at; end < s.len && s.ptr[end] != '.'; end++) {
			if (!is_name_char(s.ptr[end]))
				return 0;
			number &= s.ptr[end] >= '0' && s.ptr[end] <= '9';
		}
		if (end == at || end - at > LABEL_MAX_LEN)
			return 0;
	}
	return number ? 0 : labels;
}

static void walk_prepared(struct walk *w, struct span text, bool wildcard, enum identity_by by)
{
	const char *name;

	if (jid_prep_domain(&w->arena, text, &name) < 0)
		w->refused++;
	else
		w->each(w->arg, name, wildcard, by);
}

/* A wildcard stands for one label of a name below at least two: "*.com" would be anybody. */
static void walk_host(struct walk *w, struct span text, bool may_wild, enum identity_by by)
{
	bool wildcard = may_wild && text.len > 2 && text.ptr[0] == '*' && text.ptr[1] == '.';
	unsigned labels;

	if (wildcard)
		text = (struct span){ text.ptr + 2, text.len - 2 };
	labels = host_labels(text);
	if (labels == 0 || (wildcard && labels < 2))
		w->refused++;
	else
		walk_prepared(w, text, wildcard, by);
}

static struct span span_of_asn1(const ASN1_STRING *s)
{
	return (struct span){ (const char *)ASN1_STRING_get0_data(s),
		(size_t)ASN1_STRING_length(s) };
}

/* RFC 4985: "_Service.Name", an IA5String in A-labels, without wildcards. */
static void walk_srv(struct walk *w, const ASN1_TYPE *value)
{
	size_t len = strlen(SRV_SERVICE);
	struct span text;

	if (value->type != V_ASN1_IA5STRING) {
		w->refused++;
		return;
	}
	text = span_of_asn1(value->value.ia5string);
	if (text.len <= len || strncasecmp(text.ptr, SRV_SERVICE, len) != 0)
		return; /* another service */
	walk_host(w, (struct span){ text.ptr + len, text.len - len }, false, IDENTITY_SRV);
}

/* RFC 6120 13.7.1.4: a JID in a UTF8String; a server's is a domain and nothing else. */
static void walk_xmppaddr(struct walk *w, const ASN1_TYPE *value)
{
	struct span text;
	struct jid j;

	if (value->type != V_ASN1_UTF8STRING) {
		w->refused++;
		return;
	}
	text = span_of_asn1(value->value.utf8string);
	if (text.len == 0 || text.len > JID_MAX_LEN || memchr(text.ptr, '\0', text.len) ||
		memchr(text.ptr, '*', text.len) || jid_parse(&w->arena, text, &j) < 0)
		w->refused++;
	else if (!*j.local && !*j.resource) /* else a person's */
		w->each(w->arg, j.domain, false, IDENTITY_XMPPADDR);
}

static void walk_general(struct walk *w, const GENERAL_NAME *one)
{
	if (one->type == GEN_DNS) {
		walk_host(w, span_of_asn1(one->d.dNSName), true, IDENTITY_DNS);
		return;
	}
	if (one->type != GEN_OTHERNAME)
		return;
	if (OBJ_obj2nid(one->d.otherName->type_id) == NID_SRVName)
		walk_srv(w, one->d.otherName->value);
	else if (OBJ_obj2nid(one->d.otherName->type_id) == NID_XmppAddr)
		walk_xmppaddr(w, one->d.otherName->value);
}

/* The one common name, exactly: no wildcard, and not one out of several. */
static void walk_common_name(struct walk *w, X509 *leaf)
{
	const X509_NAME *subject = X509_get_subject_name(leaf);
	int at = subject ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
	const ASN1_STRING *value;

	if (at < 0)
		return;
	value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0 ||
		(ASN1_STRING_type(value) != V_ASN1_PRINTABLESTRING &&
			ASN1_STRING_type(value) != V_ASN1_UTF8STRING &&
			ASN1_STRING_type(value) != V_ASN1_IA5STRING))
		w->refused++;
	else
		walk_host(w, span_of_asn1(value), false, IDENTITY_CN);
}

unsigned identity_names(X509 *leaf,
	void (*each)(void *arg, const char *name, bool wildcard, enum identity_by by), void *arg)
{
	struct walk w = { .each = each, .arg = arg };
	GENERAL_NAMES *all;
	int critical;

	all = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	ERR_clear_error();
	/* Unreadable, two of them, or more than anybody has. */
	if ((!all && critical != -1) || sk_GENERAL_NAME_num(all) > IDENTITY_NAMES_MAX) {
		GENERAL_NAMES_free(all);
		return 1;
	}
	arena_init(&w.arena, 0);
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
		walk_general(&w, sk_GENERAL_NAME_value(all, i));
	if (!all)
		walk_common_name(&w, leaf);
	arena_fini(&w.arena);
	GENERAL_NAMES_free(all);
	return w.refused;
}

/* ---- one domain ---- */

struct asked {
	const char *domain;
	const char *parent; /* behind its first label; NULL if there is nothing */
	enum identity_by by;
};

static void asked_try(void *arg, const char *name, bool wildcard, enum identity_by by)
{
	struct asked *a = arg;
	const char *meant = wildcard ? a->parent : a->domain;

	if (!meant || strcmp(name, meant) != 0)
		return;
	if (a->by == IDENTITY_NONE || by < a->by)
		a->by = by;
}

bool identity_covers(X509 *leaf, const char *domain, enum identity_by *by)
{
	struct asked a = { .by = IDENTITY_NONE };
	unsigned refused = 0;
	struct arena arena;
	const char *dot;

	arena_init(&arena, 0);
	if (leaf && domain && !strchr(domain, '*') &&
		jid_prep_domain(&arena, span_of(domain), &a.domain) == 0) {
		dot = strchr(a.domain, '.');
		a.parent = dot ? dot + 1 : NULL;
		refused = identity_names(leaf, asked_try, &a);
	}
	arena_fini(&arena);
	if (refused > 0)
		counters_add("identity", "refused");
	if (by)
		*by = a.by;
	return a.by != IDENTITY_NONE;
}
