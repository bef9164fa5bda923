/* SPDX-License-Identifier: BSD-2-Clause */
/* What a script looks at, in our fields: $<@from|bare> and its like, and stanza paths such as
 * {ns}x/y@z or body#. In: the script's text; out: a field's name, with its path where it has none
 * of its own. Decides nothing about what is asked of it. */
#include <stdio.h>
#include <string.h>

#include "ctl/import_int.h"

const char *import_expression_field(struct import *im, const char *expression, size_t len)
{
	static const struct {
		const char *text, *field;
	} known[] = {
		{ "@from", "from" },
		{ "@from|bare", "from.bare" },
		{ "@from|host", "from.domain" },
		{ "@from|bare|host", "from.domain" },
		{ "@from|node", "from.local" },
		{ "@from|resource", "from.resource" },
		{ "@to", "to" },
		{ "@to|bare", "to.bare" },
		{ "@to|host", "to.domain" },
		{ "@to|bare|host", "to.domain" },
		{ "@to|node", "to.local" },
		{ "@to|resource", "to.resource" },
		{ "@type", "type" },
		{ "@id", "id" },
		{ "@xml:lang", "lang" },
	};
	const char *fallback;
	struct span text;

	(void)im;
	if (len < 3 || strncmp(expression, "$<", 2) != 0 || expression[len - 1] != '>')
		return NULL;
	text = (struct span){ expression + 2, len - 3 };
	/* ||"default": what stands for a value that is not there. */
	fallback = memmem(text.ptr, text.len, "||\"", 3);
	if (fallback)
		text.len = (size_t)(fallback - text.ptr);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_is(text, known[i].text))
			return known[i].field;
	return NULL;
}

/* "{ns}name" of a step; one without a namespace has its parent's, kept in *ns. Returns what follows
 * the step. */
static const char *step_put(struct buf *out, const char *at, const char *end, struct span *ns)
{
	const char *close, *stop;

	if (at < end && *at == '{' && (close = memchr(at, '}', (size_t)(end - at)))) {
		*ns = (struct span){ at + 1, (size_t)(close - at) - 1 };
		at = close + 1;
	}
	for (stop = at; stop < end && !strchr("@/#", *stop); stop++)
		;
	if (ns->ptr)
		buf_putf(out, "{%.*s}", (int)ns->len, ns->ptr);
	if (stop == at)
		buf_puts(out, "*");
	else
		buf_put(out, at, (size_t)(stop - at));
	return stop;
}

static const char *root_attribute(const char *name)
{
	static const char *const same[] = { "from", "to", "type", "id" };

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (strcmp(same[i], name) == 0)
			return same[i];
	return strcmp(name, "xml:lang") == 0 ? "lang" : NULL;
}

static const char *root_text(const char *path)
{
	static const char *const same[] = { "body", "subject", "status", "thread" };

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (strcmp(same[i], path) == 0)
			return same[i];
	return NULL;
}

const char *import_path(struct import *im, const char *path, size_t len, bool loose, bool *text)
{
	const char *at = path, *end = path + len, *field = NULL;
	struct span ns = { NULL, 0 };
	struct buf out;

	*text = false;
	buf_init(&out, 0);
	for (;;) {
		if (at < end && *at == '@') {
			*text = true;
			buf_put(&out, at, (size_t)(end - at));
			break;
		}
		at = step_put(&out, at, end, &ns);
		if (at < end && *at == '#') {
			*text = at + 1 == end;
			break;
		}
		if (at == end || *at == '@')
			*text = false;
		if (at == end)
			break;
		if (*at == '/') {
			at++;
			buf_puts(&out, "/");
		}
	}
	if (len == 0 || len > 4096 || (at < end && *at == '#' && at + 1 < end)) {
		buf_fini(&out);
		return NULL;
	}
	path = buf_string(&out);
	if (path && *path == '@')
		field = root_attribute(path + 1);
	else if (path && loose && *text)
		field = root_text(path);
	if (!field)
		field = import_format(im, "xml %s", import_quote(im, path ? path : ""));
	buf_fini(&out);
	return field;
}
