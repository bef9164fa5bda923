/* SPDX-License-Identifier: BSD-2-Clause */
/* The plain copy of a text in which url.c looks for URLs. In comes the case-folded text
 * (compatibility forms and full-width letters already plain); out goes a copy with defanged marks
 * mended ("[.]", "(dot)", "[://]") and characters that are drawn as nothing removed, or made
 * spaces, with the way back to the source. It never grows the text and judges nothing. */
#include "xmpp/url_plain.h"

#include <errno.h>
#include "xmpp/url_host.h"

/* Defanged marks and what they stand for; between any brackets, spaces around allowed. */
static const struct {
	const char *written, *meant;
} defanged[] = {
	{ ".", "." },
	{ "dot", "." },
	{ "punkt", "." },
	{ "point", "." },
	{ ":", ":" },
	{ "://", "://" },
	{ "@", "@" },
	{ "at", "@" },
};

/* Bytes of a defanged mark at text[i] (an opening bracket); 0 if it is none. */
static size_t defanged_at(const struct folded *f, size_t i, const char **meant)
{
	char close = f->text[i] == '[' ? ']' : f->text[i] == '(' ? ')' : '}';
	size_t start = i + 1;

	start += start < f->len && f->text[start] == ' ';
	for (size_t k = 0; k < sizeof(defanged) / sizeof(defanged[0]); k++) {
		size_t len = strlen(defanged[k].written), end = start + len;

		if (f->len - start < len || memcmp(f->text + start, defanged[k].written, len) != 0)
			continue;
		end += end < f->len && f->text[end] == ' ';
		if (end < f->len && f->text[end] == close) {
			*meant = defanged[k].meant;
			return end + 1 - i;
		}
	}
	return 0;
}

static void plain_put(struct url_plain *p, const char *bytes, size_t len, uint32_t from)
{
	for (size_t i = 0; i < len; i++) {
		p->source[p->len] = from;
		p->text[p->len++] = bytes[i];
	}
}

/* "evil [.] com": one space on either side belongs to the mark. */
static size_t plain_put_meant(
	struct url_plain *p, const struct folded *f, size_t i, size_t n, const char *meant)
{
	if (p->len && p->text[p->len - 1] == ' ' && *meant == '.')
		p->len--;
	plain_put(p, meant, strlen(meant), f->source[i]);
	i += n;
	return i < f->len && f->text[i] == ' ' && *meant == '.' ? i + 1 : i;
}

int url_plain_make(
	struct arena *a, struct span text, const struct folded *f, bool space, struct url_plain *p)
{
	struct span all = { f->text, f->len };
	const char *meant;
	uint32_t cp;
	size_t n;

	*p = (struct url_plain){ 0 };
	if (!(p->text = arena_alloc(a, f->len + 4)) ||
		!(p->source = arena_alloc(a, (f->len + 4) * sizeof(*p->source))))
		return -ENOMEM;
	for (size_t i = 0; i < f->len;) {
		char c = f->text[i];

		if ((c == '[' || c == '(' || c == '{') && (n = defanged_at(f, i, &meant)) > 0) {
			i = plain_put_meant(p, f, i, n, meant);
			continue;
		}
		n = (unsigned char)c < 0x80 ? 1 : text_decode(all, i, &cp);
		if (n > 1 && url_is_unseen(cp)) {
			p->unseen = true;
			if (space)
				plain_put(p, " ", 1, f->source[i]);
		} else {
			plain_put(p, f->text + i, n, f->source[i]);
		}
		i += n;
	}
	p->text[p->len] = '\0';
	p->source[p->len] = (uint32_t)text.len;
	return 0;
}
