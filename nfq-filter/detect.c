/* SPDX-License-Identifier: BSD-2-Clause */
/* In front of inspect.c's parsers: what are these bytes?
 * In: the first bytes of a direction, or bytes from its middle, and the port. Out: XML, TLS, HTTP
 * or something else; where a stanza begins; the service of the policy. Ports say what is expected,
 * bytes say what is. It keeps nothing. */
#include "nfq-filter/detect.h"

#include "xmpp/ns.h"

static struct span skip_space(struct span s)
{
	while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t' || *s.ptr == '\r' || *s.ptr == '\n')) {
		s.ptr++;
		s.len--;
	}
	return s;
}

static bool starts_with(struct span s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.ptr, text, len) == 0;
}

bool detect_is_tls(struct span bytes)
{
	unsigned char first = bytes.len > 0 ? (unsigned char)bytes.ptr[0] : 0;

	return first >= 20 && first <= 24 && (bytes.len < 2 || bytes.ptr[1] == 3);
}

/* One byte must do: who sends them one by one is not to get by. */
static bool is_http_start(struct span s)
{
	static const char *const words[] = { "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ",
		"DELETE ", "CONNECT ", "PATCH ", "TRACE ", "HTTP/1." };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		if (memcmp(s.ptr, words[i], s.len < len ? s.len : len) == 0)
			return true;
	}
	return false;
}

bool detect_is_http(struct span bytes)
{
	return bytes.len >= 8 && is_http_start(bytes);
}

enum detect_kind detect_first(struct span bytes)
{
	struct span s = skip_space(bytes);
	unsigned char first;

	if (s.len == 0)
		return DETECT_MORE;
	first = (unsigned char)*s.ptr;
	/* Byte order marks and UTF-16 are for the stream machine to refuse. */
	if (first == '<' || first == 0xef || first == 0xfe || first == 0xff)
		return DETECT_XML;
	if (s.len == bytes.len && detect_is_tls(bytes))
		return DETECT_TLS;
	return is_http_start(s) ? DETECT_HTTP : DETECT_OTHER;
}

bool detect_is_header(struct span bytes, bool *maybe)
{
	static const char *const starts[] = { "<?xml", "<stream:stream" };
	struct span s = skip_space(bytes);

	*maybe = s.len == 0;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (starts_with(s, starts[i]))
			return true;
		*maybe = *maybe ||
			 (s.len < strlen(starts[i]) && memcmp(s.ptr, starts[i], s.len) == 0);
	}
	return false;
}

/* "<message " and so on at the front. */
static bool is_stanza_start(struct span s)
{
	static const char *const names[] = { "<message", "<presence", "<iq" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i]);

		if (starts_with(s, names[i]) && s.len > len && strchr(" \t\r\n/>", s.ptr[len]))
			return true;
	}
	return false;
}

/* Behind the end tag of one stanza another begins: inside of one, nothing looks like that. */
static size_t find_boundary(struct span s)
{
	static const char *const ends[] = { "</message>", "</presence>", "</iq>" };

	for (size_t at = 0; at + 2 < s.len; at++) {
		const char *next = memchr(s.ptr + at, '/', s.len - at);

		if (!next)
			break;
		at = (size_t)(next - s.ptr);
		if (at == 0)
			continue;
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			struct span tail = { next - 1, s.len - at + 1 }, behind;

			if (!starts_with(tail, ends[i]))
				continue;
			behind = skip_space((struct span){
				tail.ptr + strlen(ends[i]), tail.len - strlen(ends[i]) });
			if (is_stanza_start(behind))
				return (size_t)(behind.ptr - s.ptr);
		}
	}
	return s.len;
}

size_t detect_stanza(struct span bytes)
{
	struct span s = skip_space(bytes);

	return is_stanza_start(s) ? (size_t)(s.ptr - bytes.ptr) : find_boundary(bytes);
}

#define HEADER(ns)                                                                                 \
	"<stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "' xmlns:db='" NS_DIALBACK        \
	"' version='1.0'>"

const char *detect_header(enum service_role role)
{
	static const char *const headers[] = {
		[ROLE_C2S] = HEADER(NS_CLIENT),
		[ROLE_S2S] = HEADER(NS_SERVER),
		[ROLE_COMPONENT] = HEADER(NS_COMPONENT),
		[ROLE_SERVERLESS] = HEADER(NS_CLIENT),
	};

	return headers[role];
}

const struct service *detect_service(const struct policy *p, uint16_t port)
{
	size_t n;
	const struct service *all = policy_services(p, &n);

	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < all[i].n_ports; k++)
			if (all[i].ports[k] == port)
				return &all[i];
	return NULL;
}

const struct service *detect_service_role(const struct policy *p, enum service_role role)
{
	size_t n;
	const struct service *all = policy_services(p, &n);

	for (size_t i = 0; i < n; i++)
		if (all[i].role == role)
			return &all[i];
	return NULL;
}

bool detect_is_bosh(uint16_t port)
{
	return port == 5280 || port == 7070;
}

bool detect_is_usual(uint16_t port)
{
	static const uint16_t usual[] = { 5222, 5223, 5269, 5270, 5275, 5276, 5280, 5298, 5347,
		7070 };

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (usual[i] == port)
			return true;
	return false;
}

bool detect_is_served(const struct policy *p, uint16_t port)
{
	return detect_is_usual(port) || detect_service(p, port);
}

enum service_role detect_role(const struct policy *p, uint16_t port)
{
	const struct service *s = detect_service(p, port);

	if (s)
		return s->role;
	if (port == 5269 || port == 5270)
		return ROLE_S2S;
	/* Serverless peers choose any port: where they are looked for, what is no other's is
	 * theirs. */
	if (port == 5298 || (!detect_is_usual(port) && detect_service_role(p, ROLE_SERVERLESS)))
		return ROLE_SERVERLESS;
	return port == 5275 || port == 5276 || port == 5347 ? ROLE_COMPONENT : ROLE_C2S;
}
