/* SPDX-License-Identifier: BSD-2-Clause */
/* Hosts of URLs, for url.c. In comes what stood between scheme and path, already case-folded; out
 * goes the one form lists are kept in: decoded, dotted decimal, canonical IPv6, or a name prepared
 * by jid.c (so that lists of domains and URLs in text agree). Every step is linear in the host,
 * whose length is bounded; nothing is looked up in the network. What no browser or client could
 * make a host of comes out as none. */
#include "xmpp/url_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/err.h"
#include "xmpp/jid.h"
#include "xmpp/text.h"

#define RAW_MAX 4096 /* bytes of a host as written, percent signs and all */

bool url_is_unseen(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} unseen[] = {
		{ 0xad, 0xad },
		{ 0x34f, 0x34f },
		{ 0x61c, 0x61c },
		{ 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },
		{ 0x200b, 0x200f },
		{ 0x202a, 0x202e },
		{ 0x2060, 0x206f },
		{ 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	if (cp < 0xad)
		return false;
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		if (cp >= unseen[i].first && cp <= unseen[i].last)
			return true;
	return false;
}

/* ---- decoding ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes again and again in one go: each byte put may complete an escape with those before it. */
static size_t percent_decode(struct span raw, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		out[n++] = raw.ptr[i];
		while (n >= 3 && out[n - 3] == '%' && hex_value(out[n - 2]) >= 0 &&
			hex_value(out[n - 1]) >= 0) {
			out[n - 3] = (char)(hex_value(out[n - 2]) << 4 | hex_value(out[n - 1]));
			n -= 2;
		}
	}
	return n;
}

/* Takes characters that are drawn as nothing out of s, in place. */
static size_t unseen_remove(char *s, size_t len)
{
	struct span all = { s, len };
	size_t kept = 0, n;
	uint32_t cp;

	for (size_t i = 0; i < len; i += n) {
		if ((n = text_decode(all, i, &cp)) == 0)
			return 0;
		if (url_is_unseen(cp))
			continue;
		memmove(s + kept, s + i, n);
		kept += n;
	}
	return kept;
}

/* What an escape hid may be a path, a port or a user: only the host stays. */
static struct span host_only(struct span s)
{
	const char *at = memrchr(s.ptr, '@', s.len);
	size_t end = 0;

	if (at)
		s = (struct span){ at + 1, s.len - (size_t)(at + 1 - s.ptr) };
	while (end < s.len && !strchr("/\\?#:", s.ptr[end]))
		end++;
	s.len = end;
	return s;
}

/* 0, ERR_SYNTAX (no host) or -ENOMEM. */
static int host_decode(struct arena *a, struct span raw, struct span *out)
{
	struct folded f;
	char *bytes;
	size_t n;
	int r;

	if (!(bytes = arena_alloc(a, raw.len + 1)))
		return -ENOMEM;
	n = percent_decode(raw, bytes);
	if (text_valid(bytes, n, NULL) != n)
		return ERR_SYNTAX;
	n = unseen_remove(bytes, n);
	if ((r = text_casefold(a, (struct span){ bytes, n }, &f)) < 0)
		return r;
	*out = host_only((struct span){ f.text, f.len });
	return 0;
}

/* ---- addresses ---- */

/* One part of an old-style IPv4 address: 10, 012, 0xa. False if it is none or exceeds 32 bits. */
static bool ipv4_part(struct span s, uint64_t *value)
{
	unsigned base = 10;
	size_t i = 0;

	if (s.len >= 2 && s.ptr[0] == '0' && s.ptr[1] == 'x') {
		base = 16;
		i = 2;
	} else if (s.len >= 2 && s.ptr[0] == '0') {
		base = 8;
		i = 1;
	}
	*value = 0;
	if (s.len == 0)
		return false;
	for (; i < s.len; i++) {
		int digit = hex_value(s.ptr[i]);

		if (digit < 0 || (unsigned)digit >= base)
			return false;
		*value = *value * base + (unsigned)digit;
		if (*value > UINT32_MAX)
			return false;
	}
	return true;
}

/* As inet_aton: the last part fills what is left. */
static bool ipv4_parse(struct span s, uint32_t *address)
{
	uint64_t parts[4], whole = 0;
	size_t n = 0, at = 0;

	for (;;) {
		const char *dot = memchr(s.ptr + at, '.', s.len - at);
		size_t end = dot ? (size_t)(dot - s.ptr) : s.len;

		if (n == 4 || !ipv4_part((struct span){ s.ptr + at, end - at }, &parts[n++]))
			return false;
		if (!dot)
			break;
		at = end + 1;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (parts[i] > 255)
			return false;
		whole |= parts[i] << (24 - 8 * i);
	}
	if (parts[n - 1] >= (uint64_t)1 << (32 - 8 * (n - 1)))
		return false;
	*address = (uint32_t)(whole | parts[n - 1]);
	return true;
}

static const char *ipv4_format(struct arena *a, uint32_t address)
{
	char text[INET_ADDRSTRLEN];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		address >> 8 & 255, address & 255);
	return arena_strdup(a, text);
}

/* "[...]": 0 with *out NULL if it is no address. An IPv4 address in IPv6 clothes is given as IPv4.
 */
static int ipv6_prep(struct arena *a, struct span raw, const char **out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = 0;
	uint32_t v4;

	*out = NULL;
	while (len + 2 < raw.len && raw.ptr[len + 1] != '%') /* a zone is not part of the address */
		len++;
	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, raw.ptr + 1, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, &address) != 1)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&address)) {
		memcpy(&v4, address.s6_addr + 12, sizeof(v4));
		*out = ipv4_format(a, ntohl(v4));
	} else {
		inet_ntop(AF_INET6, &address, text, sizeof(text));
		*out = arena_strdup(a, text);
	}
	return *out ? 0 : -ENOMEM;
}

/* ---- the whole ---- */

static struct span dots_trim(struct span s)
{
	while (s.len && (s.ptr[s.len - 1] == '.' || s.ptr[s.len - 1] == '-'))
		s.len--;
	while (s.len >= 3 && memcmp(s.ptr + s.len - 3, "\u3002", 3) == 0)
		s.len -= 3;
	while (s.len && (s.ptr[0] == '.' || s.ptr[0] == '-')) {
		s.ptr++;
		s.len--;
	}
	return s;
}

static int name_prep(struct arena *a, struct span raw, const char **out)
{
	uint32_t address;
	int r;

	if (raw.len == 0)
		return 0;
	if ((r = jid_prep_domain(a, raw, out)) == ERR_SYNTAX) {
		*out = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	if (ipv4_parse(span_of(*out), &address))
		*out = ipv4_format(a, address);
	return *out ? 0 : -ENOMEM;
}

int url_host_prep(struct arena *a, struct span raw, const char **out)
{
	int r;

	*out = NULL;
	if (raw.len == 0 || raw.len > RAW_MAX)
		return 0;
	if (raw.ptr[0] == '[' && raw.ptr[raw.len - 1] == ']')
		return ipv6_prep(a, raw, out);
	if (memchr(raw.ptr, '%', raw.len) && (r = host_decode(a, raw, &raw)) < 0)
		return r == ERR_SYNTAX ? 0 : r;
	return name_prep(a, dots_trim(raw), out);
}

/* ---- plausible names ---- */

/* Country codes, in one string of pairs. */
static const char countries[] =
	"acadaeafagaialamaoaqarasatauawaxazbabbbdbebfbgbhbibjbmbnbobrbsbtbvbwbybzcacccdcfcgchcickcl"
	"cmcncocrcucv"
	"cwcxcyczdedjdkdmdodzeceeegereseteufifjfkfmfofrgagbgdgegfggghgiglgmgngpgqgrgsgtgugwgyhkhmhn"
	"hrhthuidieil"
	"iminioiqirisitjejmjojpkekgkhkikmknkpkrkwkykzlalblclilklrlsltlulvlymamcmdmemgmhmkmlmmmnmomp"
	"mqmrmsmtmumv"
	"mwmxmymznancnenfngninlnonpnrnunzompapepfpgphpkplpmpnprpsptpwpyqarerorsrurwsasbscsdsesgshsi"
	"skslsmsnso"
	"srssstsusvsxsysztctdtftgthtjtktltmtntotrtttvtwtzuaugukusuyuzvavcvevgvivnvuwfwsyeytzazmzw";

static const char *const generic[] = { "com", "net", "org", "info", "biz", "edu", "gov", "mil",
	"int", "name", "pro", "mobi", "asia", "tel", "xxx", "app", "dev", "xyz", "top", "online",
	"site", "shop", "store", "club", "live", "life", "link", "click", "icu", "vip", "win",
	"bid", "loan", "work", "world", "space", "tech", "website", "cloud", "host", "fun", "today",
	"news", "blog", "chat", "email", "page", "group", "team", "agency", "digital", "casino",
	"bet", "poker", "porn", "sex", "cam", "date", "dating", "money", "cash", "finance", "bank",
	"exchange", "trade", "trading", "monster", "rest", "quest", "cyou", "buzz", "sbs", "cfd",
	"bond", "best", "lol", "one", "zip", "mov", "onion", "test", "example", "local", "internal",
	"lan", "рф", "срб", "укр", "бел", "мкд", "мон", "қаз", "рус", "москва", "дети", "онлайн",
	"сайт", "орг", "ком", "бг", "ею", "ελ", "ευ", "中国", "中國", "香港", "台湾", "台灣",
	"新加坡", "澳门", "公司", "网络", "網絡", "网址", "网站", "在线", "中文网", "商城", "商店",
	"手机", "移动", "信息", "政务", "公益", "我爱你", "游戏", "娱乐", "みんな", "コム", "한국",
	"닷컴", "닷넷", "삼성", "भारत", "कॉम", "ไทย", "คอม", "ایران", "السعودية", "امارات", "مصر",
	"عرب", "كوم", "شبكة", "موقع", "ישראל", "קום", "հայ", "გე" };

/* Names of files, which nobody clicks as hosts. */
static const char *const extensions[] = { "txt", "pdf", "jpg", "jpeg", "png", "gif", "svg", "webp",
	"bmp", "ico", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf",
	"csv", "json", "xml", "yaml", "yml", "toml", "ini", "conf", "cfg", "log", "html", "htm",
	"xhtml", "php", "asp", "aspx", "jsp", "css", "exe", "dll", "msi", "dmg", "apk", "ipa",
	"iso", "img", "deb", "rpm", "tar", "tgz", "rar", "mpg", "mpeg", "avi", "mkv", "mp", "wav",
	"ogg", "flac", "opus", "webm", "cpp", "hpp", "java", "class", "jar", "bat", "cmd", "lua",
	"sql", "bak", "tmp", "swp", "lock", "pem", "crt", "key", "asc", "sig", "etc" };

static bool is_country(struct span s)
{
	for (size_t i = 0; i + 1 < sizeof(countries); i += 2)
		if (countries[i] == s.ptr[0] && countries[i + 1] == s.ptr[1])
			return true;
	return false;
}

static bool is_listed(const char *const *list, size_t n, struct span s)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(s, list[i]))
			return true;
	return false;
}

static bool is_letters(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 'a' || s.ptr[i] > 'z')
			return false;
	return true;
}

/* Four decimal parts, as people write them. */
static bool is_dotted(const char *host)
{
	struct in_addr address;

	return inet_pton(AF_INET, host, &address) == 1;
}

bool url_host_plausible(const char *host, bool strict)
{
	const char *dot = strrchr(host, '.');
	struct span last;

	if (!dot || dot == host)
		return false;
	last = span_of(dot + 1);
	if (is_dotted(host))
		return true;
	if (last.len < 2 || last.len > 63)
		return false;
	if (last.len > 4 && memcmp(last.ptr, "xn--", 4) == 0)
		return true;
	if (is_letters(last) && last.len == 2)
		return is_country(last);
	if (is_listed(generic, sizeof(generic) / sizeof(generic[0]), last))
		return true;
	return !strict && is_letters(last) && last.len <= 24 &&
	       !is_listed(extensions, sizeof(extensions) / sizeof(extensions[0]), last);
}
