/* SPDX-License-Identifier: BSD-2-Clause */
/* URLs in running text. In comes the joined text of a stanza, out go links as a reader, a client or
 * a browser would take them, with the places where they stand. The words that could hold one
 * (url_window.c) are first brought into a plain copy (case-folded compatibility forms, defanged
 * dots mended, unseen characters gone) that keeps its offsets; then one walk over the copy finds
 * schemes and names. A text with unseen characters is walked twice, once as if they were not there
 * and once as if they were spaces, since clients differ. Hosts are judged by url_host.c. The walk
 * never goes back, so the work is linear; it fetches and resolves nothing. */
#include "xmpp/url.h"

#include <errno.h>
#include <stdint.h>
#include "xmpp/text.h"
#include "xmpp/url_host.h"
#include "xmpp/url_int.h"
#include "xmpp/url_plain.h"
#include "xmpp/url_window.h"

#define SCHEME_MAX 32

/* ---- the walk ---- */

struct walk {
	struct arena *arena;
	struct span text; /* the source */
	struct url_plain p;
	unsigned left; /* how many more may be found */
	struct url **tail;
	size_t path_end; /* bare names before it belong to the path of a URL already found */
	size_t link_end; /* where the furthest URL ends; those inside it end with their hosts */
};

static bool at(const struct walk *w, size_t i, const char *text)
{
	size_t len = strlen(text);

	return w->p.len - i >= len && memcmp(w->p.text + i, text, len) == 0;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Signs and spaces outside ASCII that end a name. */
static bool ends_name(uint32_t cp)
{
	return (cp < 0xc0 && cp != 0xaa && cp != 0xb5 && cp != 0xba) || cp == 0xd7 || cp == 0xf7 ||
	       (cp >= 0x2000 && cp <= 0x206f) || (cp >= 0x2e00 && cp <= 0x2e7f) ||
	       (cp >= 0x3000 && cp <= 0x3004) || (cp >= 0x3008 && cp <= 0x3020) || cp == 0x3030 ||
	       (cp >= 0xfe10 && cp <= 0xfe6f) || cp == 0x1680;
}

/* Bytes of a name character (not a dot) at i; 0 if none. */
static size_t name_char(const struct walk *w, size_t i)
{
	const char *s = w->p.text;
	uint32_t cp;
	size_t n;

	if (i >= w->p.len)
		return 0;
	if (is_alnum(s[i]) || s[i] == '-' || s[i] == '_')
		return 1;
	if (s[i] == '%')
		return i + 2 < w->p.len && is_hex(s[i + 1]) && is_hex(s[i + 2]) ? 3 : 0;
	if ((unsigned char)s[i] < 0x80)
		return 0;
	n = text_decode((struct span){ s, w->p.len }, i, &cp);
	return n && !ends_name(cp) ? n : 0;
}

static size_t name_dot(const struct walk *w, size_t i)
{
	return at(w, i, ".") ? 1 : at(w, i, "\u3002") ? 3 : 0;
}

/* A run of labels joined by single dots, from i on. */
struct run {
	size_t start, end;
	bool dots, wide, ascii, escaped;
	unsigned ascii_dots;
};

static struct run run_find(const struct walk *w, size_t i)
{
	struct run r = { .start = i, .end = i, .ascii = true };
	size_t n, dot;

	for (;;) {
		while ((n = name_char(w, r.end)) > 0) {
			r.ascii &= (unsigned char)w->p.text[r.end] < 0x80;
			r.escaped |= w->p.text[r.end] == '%';
			r.end += n;
		}
		dot = name_dot(w, r.end);
		if (!dot || r.end == i || !name_char(w, r.end + dot))
			return r;
		r.dots = true;
		r.wide |= dot > 1;
		r.ascii_dots += dot == 1;
		r.end += dot;
	}
}

/* ---- what was found ---- */

static bool is_path_end(char c)
{
	return (unsigned char)c <= ' ' || c == '<' || c == '>' || c == '"' || c == 0x7f;
}

/* Where a URL ends whose host ends at i: port, path, query; punctuation that closes the sentence is
 * not its own. A URL inside another ends with its host, or thousands in one path would each be
 * copied to its end. */
static size_t extent_end(struct walk *w, size_t start, size_t i)
{
	size_t end = i, next = at(w, i, ".") ? i + 1 : i; /* the root's dot is the host's */
	bool open;

	if (start < w->link_end)
		return i;
	if (!at(w, next, "/") && !at(w, next, "?") && !at(w, next, "#") && !at(w, next, ":") &&
		!at(w, next, "\\") && !at(w, next, "@"))
		return i;
	while (end < w->p.len && !is_path_end(w->p.text[end]))
		end++;
	open = memchr(w->p.text + start, '(', end - start) != NULL;
	while (end > i) {
		char c = w->p.text[end - 1];

		if (c == ')' && open)
			break;
		if (!strchr(".,;:!?'\")]}*_~", c))
			break;
		end--;
	}
	w->link_end = end;
	return end;
}

static int url_add(struct walk *w, const char *scheme, const char *host, size_t start, size_t end)
{
	struct url *u;

	if (w->left == 0)
		return 0;
	if (!(u = arena_zalloc(w->arena, sizeof(*u))))
		return -ENOMEM;
	u->scheme = scheme;
	u->host = host;
	u->start = w->p.source[start];
	u->end = w->p.source[end];
	if (!(u->text = arena_strndup(w->arena, w->text.ptr + u->start, u->end - u->start)))
		return -ENOMEM;
	*w->tail = u;
	w->tail = &u->next;
	w->left--;
	return 0;
}

/* Is "word.Word" more likely the end of a sentence? The source still has its capitals. */
static bool ends_sentence(const struct walk *w, const struct run *r)
{
	size_t last = r->end;
	char before, after;

	while (last > r->start && w->p.text[last - 1] != '.')
		last--;
	if (last <= r->start + 1)
		return false;
	before = w->text.ptr[w->p.source[last - 2]];
	after = w->text.ptr[w->p.source[last]];
	return after >= 'A' && after <= 'Z' && before >= 'a' && before <= 'z';
}

/* A name without scheme: a host if it looks like one. */
static int bare_name(struct walk *w, const struct run *r, const char **host)
{
	struct span raw = { w->p.text + r->start, r->end - r->start };
	bool www = raw.len > 5 && memcmp(raw.ptr, "www.", 4) == 0;
	const char *last;
	int e;

	*host = NULL;
	if (!r->dots && !r->escaped)
		return 0;
	if ((e = url_host_prep(w->arena, raw, host)) < 0 || !*host)
		return e;
	last = strrchr(*host, '.');
	if (last && last[1] >= '0' && last[1] <= '9' && r->ascii_dots < 3 && !r->escaped)
		*host = NULL; /* 3.14 is no address */
	else if (!www && !url_host_plausible(*host, r->wide || ends_sentence(w, r)))
		*host = NULL;
	return 0;
}

/* Could a link begin or end beside the character whose first byte this is? Not beside Latin letters
 * (bücher.de), but in scripts written without spaces, and where another script meets ASCII. */
static bool parts_beside(const struct walk *w, size_t i)
{
	while (i > 0 && ((unsigned char)w->p.text[i] & 0xc0) == 0x80)
		i--;
	return (unsigned char)w->p.text[i] >= 0xcd;
}

/* The next ASCII part of a mixed run from *i on; false at its end. */
static bool ascii_next(const struct walk *w, const struct run *whole, size_t *i, struct run *r)
{
	const char *s = w->p.text;

	while (*i < whole->end && (unsigned char)s[*i] >= 0x80)
		++*i;
	*r = (struct run){ .start = *i, .end = *i, .ascii = true };
	for (; r->end < whole->end && (unsigned char)s[r->end] < 0x80; r->end++) {
		r->dots |= s[r->end] == '.' && r->end > *i && r->end + 1 < whole->end &&
			   (unsigned char)s[r->end + 1] < 0x80;
		r->ascii_dots += s[r->end] == '.';
		r->escaped |= s[r->end] == '%';
	}
	*i = r->end;
	return r->end > r->start;
}

/* In "看evil.com吧" the ASCII part alone may be the link: each such part with a dot in it. */
static int ascii_parts(struct walk *w, const struct run *whole, const char *scheme, bool *found)
{
	size_t i = whole->start;
	const char *host;
	struct run r;
	int e;

	while (ascii_next(w, whole, &i, &r)) {
		if (!r.dots || (r.start > whole->start && !parts_beside(w, r.start - 1)) ||
			(r.end < whole->end && !parts_beside(w, r.end)))
			continue;
		if ((e = bare_name(w, &r, &host)) < 0)
			return e;
		if (host && (e = url_add(w, scheme, host, r.start, r.end)) < 0)
			return e;
		*found |= host != NULL;
	}
	return 0;
}

/* A whole URL as an argument of another, "?to=http%3a%2f%2fevil.example%2f": its host. */
static int escaped_url(struct walk *w, const struct run *r)
{
	static const char mark[] = "%3a%2f%2f";
	size_t len = sizeof(mark) - 1, i = r->start, start, end;
	const char *found, *host, *scheme;
	int e;

	while ((found = memmem(w->p.text + i, r->end - i, mark, len))) {
		start = i = (size_t)(found - w->p.text);
		while (start > r->start && is_alnum(w->p.text[start - 1]))
			start--;
		end = i += len;
		while (end < r->end && !at(w, end, "%2f") && !at(w, end, "%3f") &&
			!at(w, end, "%3a") && !at(w, end, "%23") && !at(w, end, "%26"))
			end++;
		if ((e = url_host_prep(w->arena, (struct span){ w->p.text + i, end - i }, &host)) <
			0)
			return e;
		if (!host)
			continue;
		scheme = arena_strndup(w->arena, w->p.text + start, i - len - start);
		if (!scheme)
			return -ENOMEM;
		if ((e = url_add(w, scheme, host, start, end)) < 0)
			return e;
	}
	return 0;
}

static int bare_run(struct walk *w, const struct run *r)
{
	const char *host;
	bool found;
	size_t end;
	int e;

	if (r->start < w->path_end && r->escaped)
		return escaped_url(w, r);
	if (r->start < w->path_end && !at(w, r->start, "www."))
		return 0;
	if (at(w, r->end, "@") && name_char(w, r->end + 1))
		return 0; /* a user; the host follows */
	if ((e = bare_name(w, r, &host)) < 0)
		return e;
	found = host != NULL;
	if (host) {
		end = extent_end(w, r->start, r->end);
		if ((e = url_add(w, "", host, r->start, end)) < 0)
			return e;
		if (end > w->path_end)
			w->path_end = end;
	}
	if (r->ascii)
		return 0;
	if ((e = ascii_parts(w, r, "", &found)) < 0)
		return e;
	if (found && (end = extent_end(w, r->start, r->end)) > w->path_end)
		w->path_end = end;
	return 0;
}

/* ---- with scheme ---- */

static const struct {
	const char *written, *meant;
	unsigned slashes; /* at least so many; other schemes need two */
	bool address;     /* what follows is user@host */
} schemes[] = {
	{ "http", "http", 1, false },
	{ "https", "https", 1, false },
	{ "hxxp", "http", 1, false },
	{ "hxxps", "https", 1, false },
	{ "htxp", "http", 1, false },
	{ "fxp", "ftp", 1, false },
	{ "ftp", "ftp", 1, false },
	{ "ws", "ws", 1, false },
	{ "wss", "wss", 1, false },
	{ "xmpp", "xmpp", 0, true },
	{ "mailto", "mailto", 0, true },
	{ "sip", "sip", 0, true },
	{ "sips", "sips", 0, true },
	{ "im", "im", 0, true },
	{ "pres", "pres", 0, true },
};

/* Schemes that carry no host and are still links. */
static const char *const hostless[] = { "javascript", "data", "geo", "tel", "sms", "magnet", "file",
	"vbscript", "blob", "bitcoin", "ethereum", "monero" };

struct authority {
	const char *scheme;
	size_t start;  /* of the scheme */
	size_t at;     /* first byte after the slashes */
	bool address;  /* user@host */
	bool hostless; /* what follows is no host */
};

/* The scheme that ends at the colon at i; false if none. */
static bool scheme_find(struct walk *w, const struct run *r, size_t colon, struct authority *out)
{
	size_t start = colon, slashes = 0, i = colon + 1;
	unsigned need = 2;
	struct span name;

	while (start > r->start && colon - start < SCHEME_MAX &&
		(is_alnum(w->p.text[start - 1]) || strchr("-.", w->p.text[start - 1])))
		start--;
	while (start < colon && (w->p.text[start] < 'a' || w->p.text[start] > 'z'))
		start++;
	if (start == colon)
		return false;
	name = (struct span){ w->p.text + start, colon - start };
	*out = (struct authority){ .start = start };
	for (size_t k = 0; k < sizeof(schemes) / sizeof(schemes[0]); k++)
		if (span_is(name, schemes[k].written)) {
			out->scheme = schemes[k].meant;
			out->address = schemes[k].address;
			need = schemes[k].slashes;
		}
	for (size_t k = 0; k < sizeof(hostless) / sizeof(hostless[0]); k++)
		out->hostless |= span_is(name, hostless[k]);
	while (i < w->p.len && (w->p.text[i] == '/' || w->p.text[i] == '\\')) {
		slashes++;
		i++;
	}
	out->at = i;
	return slashes >= need || out->hostless;
}

/* Where the authority ends, and where its host starts: after the last '@', in an address the first.
 */
static size_t authority_end(const struct walk *w, const struct authority *a, size_t *host)
{
	size_t i = a->at;

	*host = i;
	for (; i < w->p.len; i++) {
		char c = w->p.text[i];

		if (is_path_end(c) || strchr("/\\?#`{}|^", c) || (a->address && c == ':'))
			break;
		if (c == '@' && !(a->address && *host > a->at))
			*host = i + 1;
	}
	return i;
}

/* The host at i: a bracketed address or a run. */
static struct run host_run(const struct walk *w, size_t i, size_t limit)
{
	struct run r;
	const char *close;

	if (i < limit && w->p.text[i] == '[' && (close = memchr(w->p.text + i, ']', limit - i)))
		return (struct run){
			.start = i, .end = (size_t)(close + 1 - w->p.text), .ascii = true
		};
	r = run_find(w, i);
	if (r.end > limit)
		r.end = limit;
	return r;
}

/* Code, numbers, files: a link without a host. The walk goes on inside, where others may hide. */
static int hostless_add(struct walk *w, const struct authority *a, size_t colon, size_t *next)
{
	size_t end = extent_end(w, a->start, colon);
	char *scheme;

	*next = colon + 1;
	if (end <= *next)
		return 0;
	scheme = arena_strndup(w->arena, w->p.text + a->start, colon - a->start);
	return scheme ? url_add(w, scheme, "", a->start, end) : -ENOMEM;
}

/* *next: where the walk goes on, never before the colon. */
static int with_scheme(struct walk *w, const struct authority *a, size_t colon, size_t *next)
{
	size_t from, limit = authority_end(w, a, &from), end;
	struct run r = host_run(w, from, limit);
	const char *scheme = a->scheme, *host = NULL;
	bool found = false;
	int e;

	*next = colon + 1;
	if (a->address && from == a->at && strcmp(a->scheme, "xmpp") != 0)
		return 0; /* "mailto:" and its like need a user; xmpp: may name a server */
	if (r.end > r.start &&
		(e = url_host_prep(w->arena, (struct span){ w->p.text + r.start, r.end - r.start },
			 &host)) < 0)
		return e;
	if (!host)
		return 0;
	if (!scheme && !(scheme = arena_strndup(w->arena, w->p.text + a->start, colon - a->start)))
		return -ENOMEM;
	end = extent_end(w, a->start, r.end);
	if ((e = url_add(w, scheme, host, a->start, end)) < 0)
		return e;
	if (!r.ascii && (e = ascii_parts(w, &r, scheme, &found)) < 0)
		return e;
	if (end > w->path_end)
		w->path_end = end;
	*next = r.end > *next ? r.end : *next;
	return 0;
}

static int walk_run(struct walk *w)
{
	struct authority a;
	size_t i = 0;
	int e = 0;

	while (i < w->p.len && w->left > 0 && e == 0) {
		struct run r;

		if (!name_char(w, i)) {
			i++;
			continue;
		}
		r = run_find(w, i);
		i = r.end;
		if (at(w, r.end, ":") && scheme_find(w, &r, r.end, &a)) {
			size_t next;

			e = a.hostless ? hostless_add(w, &a, r.end, &next)
				       : with_scheme(w, &a, r.end, &next);
			i = next;
		} else {
			e = bare_run(w, &r);
		}
	}
	return e;
}

/* ---- the whole ---- */

/* Adds those of more that are not in *list yet; both are in order of start, and so is the outcome.
 */
static void merge(struct url **list, struct url *more, unsigned room)
{
	while (more) {
		struct url *next = more->next, *same;

		while (*list && (*list)->start < more->start)
			list = &(*list)->next;
		for (same = *list; same && same->start == more->start; same = same->next)
			if (strcmp(same->host, more->host) == 0)
				break;
		if (room > 0 && !(same && same->start == more->start)) {
			more->next = *list;
			*list = more;
			room--;
		}
		more = next;
	}
}

static int walk_as(struct arena *a, struct span text, const struct folded *f, bool space,
	unsigned max, struct url **out, bool *unseen, unsigned *left)
{
	struct walk w = { .arena = a, .text = text, .left = max, .tail = out };
	int e;

	*out = NULL;
	if ((e = url_plain_make(a, text, f, space, &w.p)) < 0)
		return e;
	*unseen = w.p.unseen;
	e = walk_run(&w);
	*left = w.left;
	return e;
}

int url_find_in(struct arena *a, struct span text, unsigned max, struct url **out)
{
	struct url *spaced = NULL;
	struct folded f;
	unsigned left, ignored;
	bool unseen;
	int e;

	*out = NULL;
	if ((e = text_casefold(a, text, &f)) < 0 ||
		(e = walk_as(a, text, &f, false, max, out, &unseen, &left)) < 0)
		return e;
	if (!unseen || left == 0)
		return 0;
	if ((e = walk_as(a, text, &f, true, max, &spaced, &unseen, &ignored)) < 0)
		return e;
	merge(out, spaced, left);
	return 0;
}

int url_find(struct arena *a, struct span text, unsigned max, struct url **out)
{
	struct url_windows windows;
	struct url_window w;
	int e;

	*out = NULL;
	url_windows_init(&windows, text);
	while (max > 0 && url_windows_next(&windows, &w)) {
		struct span part = { text.ptr + w.start, w.end - w.start };

		if ((e = url_find_in(a, part, max, out)) < 0)
			return e;
		for (; *out; out = &(*out)->next, max--) {
			(*out)->start += w.start;
			(*out)->end += w.start;
		}
	}
	return 0;
}
