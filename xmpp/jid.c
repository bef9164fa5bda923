/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as servers compare them. In comes the text of a from, to, bind result or list entry;
 * out go its parts, prepared by the stringprep profiles of RFC 3920 (nodeprep, resourceprep, and
 * nameprep with IDNA 2003 label by label), in the arena. Most addresses are plain ASCII and never
 * reach ICU. It never asks whether an address exists or may be used, and never escapes or unescapes
 * (XEP-0106): two spellings a server tells apart stay apart. */
#include "xmpp/jid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unicode/uidna.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>
#include "base/err.h"

#define PART_MAX     1023 /* bytes, RFC 3920 3.1 */
#define UNITS_MAX    (4 * PART_MAX)
#define LABEL_MAX    63
#define NAME_MAX_DNS 253

/* Read-only once opened, so threads share them. */
static UStringPrepProfile *nodeprep, *nameprep, *resourceprep;
static UIDNA *idna;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ready;

static void profiles_open(void)
{
	UErrorCode e = U_ZERO_ERROR;

	nodeprep = usprep_openByType(USPREP_RFC3920_NODEPREP, &e);
	nameprep = usprep_openByType(USPREP_RFC3491_NAMEPREP, &e);
	resourceprep = usprep_openByType(USPREP_RFC3920_RESOURCEPREP, &e);
	idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_UNICODE | UIDNA_CHECK_BIDI, &e);
	if (U_FAILURE(e))
		ready = ERR_LIBRARY;
}

static int profiles_need(void)
{
	pthread_once(&once, profiles_open);
	return ready;
}

static bool is_ascii(struct span s)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < s.len; i++)
		bits |= (unsigned char)s.ptr[i];
	return bits < 0x80;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* text through a profile into bytes[PART_MAX + 1], NUL-terminated. Unassigned code points pass, as
 * in servers: stringprep's Unicode 3.2 knows no newer letter. */
static int prep_run(const UStringPrepProfile *profile, struct span text, char *bytes, size_t *len)
{
	UChar in[PART_MAX + 1], prepared[UNITS_MAX];
	UErrorCode e = U_ZERO_ERROR;
	int32_t n = 0, out = 0;

	u_strFromUTF8(in, PART_MAX + 1, &n, text.ptr, (int32_t)text.len, &e);
	if (U_FAILURE(e))
		return ERR_SYNTAX;
	n = usprep_prepare(profile, in, n, prepared, UNITS_MAX, USPREP_ALLOW_UNASSIGNED, NULL, &e);
	if (U_FAILURE(e))
		return e == U_MEMORY_ALLOCATION_ERROR ? -ENOMEM : ERR_SYNTAX;
	u_strToUTF8(bytes, PART_MAX, &out, prepared, n, &e);
	if (U_FAILURE(e) || out == 0)
		return ERR_SYNTAX;
	bytes[out] = '\0';
	*len = (size_t)out;
	return 0;
}

/* ---- local part and resource ---- */

enum { NOT_IN_LOCAL = 1, NOT_IN_LABEL = 2, PLAIN_IN_NAME = 4 };

/* What local parts (RFC 3920 appendix A.5) and labels may not hold once prepared. */
/* clang-format off */
static const unsigned char marks[256] = {
	[0 ... ' '] = NOT_IN_LOCAL | NOT_IN_LABEL, [0x7f] = NOT_IN_LOCAL | NOT_IN_LABEL,
	['"'] = NOT_IN_LOCAL | NOT_IN_LABEL, ['&'] = NOT_IN_LOCAL | NOT_IN_LABEL,
	['\''] = NOT_IN_LOCAL | NOT_IN_LABEL, ['/'] = NOT_IN_LOCAL | NOT_IN_LABEL,
	[':'] = NOT_IN_LOCAL | NOT_IN_LABEL, ['<'] = NOT_IN_LOCAL | NOT_IN_LABEL,
	['>'] = NOT_IN_LOCAL | NOT_IN_LABEL, ['@'] = NOT_IN_LOCAL | NOT_IN_LABEL,
	['['] = NOT_IN_LABEL, ['\\'] = NOT_IN_LABEL, [']'] = NOT_IN_LABEL, ['^'] = NOT_IN_LABEL,
	['`'] = NOT_IN_LABEL, ['{'] = NOT_IN_LABEL, ['|'] = NOT_IN_LABEL, ['}'] = NOT_IN_LABEL,
	['#'] = NOT_IN_LABEL, ['%'] = NOT_IN_LABEL, ['?'] = NOT_IN_LABEL,
	['a' ... 'z'] = PLAIN_IN_NAME, ['0' ... '9'] = PLAIN_IN_NAME, ['-'] = PLAIN_IN_NAME,
};
/* clang-format on */

static bool local_forbids(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (marks[(unsigned char)s[i]] & NOT_IN_LOCAL)
			return true;
	return false;
}

static int prep_local(struct arena *a, struct span text, const char **out)
{
	char bytes[PART_MAX + 1], *copy;
	size_t len = text.len;
	int r;

	if (text.len == 0 || text.len > PART_MAX)
		return ERR_SYNTAX;
	if (is_ascii(text)) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = lower(text.ptr[i]);
	} else if ((r = prep_run(nodeprep, text, bytes, &len)) < 0) {
		return r;
	}
	if (local_forbids(bytes, len))
		return ERR_SYNTAX;
	if (!(copy = arena_strndup(a, bytes, len)))
		return -ENOMEM;
	*out = copy;
	return 0;
}

static bool ascii_has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return true;
	return false;
}

static int prep_resource(struct arena *a, struct span text, const char **out)
{
	char bytes[PART_MAX + 1], *copy;
	size_t len;
	int r;

	if (text.len == 0 || text.len > PART_MAX)
		return ERR_SYNTAX;
	if (is_ascii(text)) {
		if (ascii_has_control(text))
			return ERR_SYNTAX;
		copy = arena_strndup(a, text.ptr, text.len);
	} else {
		if ((r = prep_run(resourceprep, text, bytes, &len)) < 0)
			return r;
		copy = arena_strndup(a, bytes, len);
	}
	if (!copy)
		return -ENOMEM;
	*out = copy;
	return 0;
}

/* ---- domain ---- */

/* IPv6, with or without brackets, in its one canonical text; false if it is none. */
static bool ip_literal(struct span text, char *out, size_t size)
{
	bool bracket = text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
	char plain[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (bracket)
		text = (struct span){ text.ptr + 1, text.len - 2 };
	if (text.len >= sizeof(plain) || !memchr(text.ptr, ':', text.len) ||
		memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(plain, text.ptr, text.len);
	plain[text.len] = '\0';
	if (inet_pton(AF_INET6, plain, &address) != 1)
		return false;
	inet_ntop(AF_INET6, &address, canonical, sizeof(canonical));
	snprintf(out, size, bracket ? "[%s]" : "%s", canonical);
	return true;
}

/* Decodes an "xn--" label where that is the one spelling of its Unicode form; else it stays. */
static void label_decode(char *label, size_t *len)
{
	char unicode[PART_MAX + 1], again[PART_MAX + 1];
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode e = U_ZERO_ERROR;
	size_t n;
	int32_t out;

	out = uidna_labelToUnicodeUTF8(idna, label, (int32_t)*len, unicode, PART_MAX, &info, &e);
	if (U_FAILURE(e) || info.errors || out <= 0)
		return;
	/* What nameprep would change (ß) cannot be written in Unicode without becoming another
	 * name. */
	if (prep_run(nameprep, (struct span){ unicode, (size_t)out }, again, &n) < 0 ||
		n != (size_t)out || memcmp(again, unicode, n) != 0)
		return;
	memcpy(label, unicode, n);
	*len = n;
}

static bool label_forbids(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (marks[(unsigned char)s[i]] & NOT_IN_LABEL)
			return true;
	return len == 0;
}

/* One label: label[PART_MAX + 1] gets it. A prepared label may hold dots (from compatibility
 * forms). */
static int label_prep(struct span text, char *label, size_t *len)
{
	int r;

	if (text.len == 0 || text.len > PART_MAX)
		return ERR_SYNTAX;
	*len = text.len;
	if (is_ascii(text)) {
		for (size_t i = 0; i < text.len; i++)
			label[i] = lower(text.ptr[i]);
	} else if ((r = prep_run(nameprep, text, label, len)) < 0) {
		return r;
	}
	if (*len > 4 && *len <= LABEL_MAX && memcmp(label, "xn--", 4) == 0)
		label_decode(label, len);
	return label_forbids(label, *len) ? ERR_SYNTAX : 0;
}

/* Bytes of a dot at s: '.', or the ideographic and full-width ones of IDNA (RFC 3490, 3.1). 0 if
 * none. */
static size_t dot_len(const char *s, size_t left)
{
	if (left && s[0] == '.')
		return 1;
	if (left >= 3 && (unsigned char)s[0] >= 0xe3 &&
		(memcmp(s, "\u3002", 3) == 0 || memcmp(s, "\uff0e", 3) == 0 ||
			memcmp(s, "\uff61", 3) == 0))
		return 3;
	return 0;
}

static size_t label_end(struct span text, size_t i)
{
	while (i < text.len && !dot_len(text.ptr + i, text.len - i))
		i++;
	return i;
}

/* A name being put together; bytes[PART_MAX + 1]. */
struct domain {
	char *bytes;
	size_t len;
};

static int domain_add(struct domain *d, const char *label, size_t len)
{
	if (d->len + (d->len > 0) + len > PART_MAX)
		return ERR_SYNTAX;
	if (d->len)
		d->bytes[d->len++] = '.';
	memcpy(d->bytes + d->len, label, len);
	d->len += len;
	return 0;
}

/* Prepares label by label. A compatibility form may bring new dots (U+2024): such a label is
 * taken once more; what it became holds none. */
static int domain_labels(struct domain *d, struct span text, bool again)
{
	char label[PART_MAX + 1];
	size_t at = 0, n, end;
	int r;

	do {
		end = label_end(text, at);
		if ((r = label_prep((struct span){ text.ptr + at, end - at }, label, &n)) < 0)
			return r;
		if (again && label_end((struct span){ label, n }, 0) < n)
			r = domain_labels(d, (struct span){ label, n }, false);
		else
			r = domain_add(d, label, n);
		if (r < 0)
			return r;
		at = end + dot_len(text.ptr + end, text.len - end);
	} while (at < text.len); /* a last dot is the root's */
	return 0;
}

/* Names in lower-case letters, digits, hyphens and single dots are what they become, but for
 * "xn--". */
static bool domain_is_prepared(struct span text)
{
	char last = '.';

	for (size_t i = 0; i < text.len; last = text.ptr[i++]) {
		char c = text.ptr[i];

		if (c == '.' ? last == '.' : !(marks[(unsigned char)c] & PLAIN_IN_NAME))
			return false;
		if (c == '-' && last == '-')
			return false;
	}
	return last != '.';
}

int jid_prep_domain(struct arena *a, struct span text, const char **out)
{
	char bytes[PART_MAX + 1], *copy;
	struct domain d = { bytes, 0 };
	int r;

	if (text.len == 0 || text.len > PART_MAX)
		return ERR_SYNTAX;
	if (domain_is_prepared(text)) {
		if (!(copy = arena_strndup(a, text.ptr, text.len)))
			return -ENOMEM;
		*out = copy;
		return 0;
	}
	if ((r = profiles_need()) < 0)
		return r;
	if (ip_literal(text, bytes, sizeof(bytes)))
		d.len = strlen(bytes);
	else if ((r = domain_labels(&d, text, true)) < 0)
		return r;
	if (!(copy = arena_strndup(a, bytes, d.len)))
		return -ENOMEM;
	*out = copy;
	return 0;
}

/* ---- as DNS has it ---- */

/* One label in ASCII; out[LABEL_MAX + 1]. */
static int label_encode(struct span text, char *out, size_t *len)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode e = U_ZERO_ERROR;

	if (is_ascii(text)) {
		if ((*len = text.len) > LABEL_MAX)
			return ERR_SYNTAX;
		memcpy(out, text.ptr, text.len);
	} else {
		*len = (size_t)uidna_labelToASCII_UTF8(
			idna, text.ptr, (int32_t)text.len, out, LABEL_MAX, &info, &e);
		if (U_FAILURE(e) || info.errors || *len > LABEL_MAX)
			return ERR_SYNTAX;
	}
	for (size_t i = 0; i < *len; i++) {
		out[i] = lower(out[i]);
		if (!(marks[(unsigned char)out[i]] & PLAIN_IN_NAME) && out[i] != '_')
			return ERR_SYNTAX;
	}
	return *len ? 0 : ERR_SYNTAX;
}

/* No top-level domain is a number, but the last part of an IPv4 address is. */
static bool is_number(const char *label)
{
	return label[strspn(label, "0123456789")] == '\0';
}

int jid_ascii_domain(struct arena *a, struct span domain, const char **out)
{
	char bytes[PART_MAX + 1], label[LABEL_MAX + 1];
	struct domain d = { bytes, 0 };
	size_t at = 0, end, n = 0;
	int r;

	if ((r = profiles_need()) < 0)
		return r;
	for (; at < domain.len; at = end + 1) {
		end = label_end(domain, at);
		if ((r = label_encode((struct span){ domain.ptr + at, end - at }, label, &n)) < 0 ||
			(r = domain_add(&d, label, n)) < 0)
			return r;
	}
	label[n] = '\0';
	if (n == 0 || d.len > NAME_MAX_DNS || is_number(label))
		return ERR_SYNTAX;
	return (*out = arena_strndup(a, bytes, d.len)) ? 0 : -ENOMEM;
}

/* ---- the whole ---- */

int jid_parse(struct arena *a, struct span text, struct jid *out)
{
	struct span bare = text;
	const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
	const char *at;
	struct jid j = { "", "", "" };
	int r;

	if ((r = profiles_need()) < 0)
		return r;
	if (slash) {
		size_t before = (size_t)(slash - text.ptr);

		bare.len = before;
		r = prep_resource(
			a, (struct span){ slash + 1, text.len - before - 1 }, &j.resource);
		if (r < 0)
			return r;
	}
	at = bare.len ? memchr(bare.ptr, '@', bare.len) : NULL;
	if (at) {
		size_t before = (size_t)(at - bare.ptr);

		if ((r = prep_local(a, (struct span){ bare.ptr, before }, &j.local)) < 0)
			return r;
		bare = (struct span){ at + 1, bare.len - before - 1 };
	}
	if ((r = jid_prep_domain(a, bare, &j.domain)) < 0)
		return r;
	*out = j;
	return 0;
}

static const char *jid_format(struct arena *a, const struct jid *j, bool full)
{
	size_t local = strlen(j->local), domain = strlen(j->domain);
	size_t resource = full ? strlen(j->resource) : 0;
	char *text = arena_alloc(a, local + domain + resource + 3), *p = text;

	if (!text)
		return NULL;
	if (local) {
		p = mempcpy(p, j->local, local);
		*p++ = '@';
	}
	p = mempcpy(p, j->domain, domain);
	if (resource) {
		*p++ = '/';
		p = mempcpy(p, j->resource, resource);
	}
	*p = '\0';
	return text;
}

const char *jid_bare(struct arena *a, const struct jid *j)
{
	return jid_format(a, j, false);
}

const char *jid_full(struct arena *a, const struct jid *j)
{
	return jid_format(a, j, true);
}

bool jid_is_named(const char *named, const char *jid)
{
	size_t len = strlen(named);

	return len && jid && strncmp(named, jid, len) == 0 &&
	       (jid[len] == '\0' || (!strchr(named, '/') && jid[len] == '/'));
}
