/* SPDX-License-Identifier: BSD-2-Clause */
/* The one processing instruction a stream may hold, before anything else. Comes in: the event's
 * bytes, of which "<?" are the first. Goes out: where it ends, or what is wrong with it. It is
 * short, so it is read from its beginning until it is whole. Nothing it says is kept: it may say
 * one thing only. */
#include <string.h>
#include <strings.h>

#include "xmpp/xml_char.h"
#include "xmpp/xml_int.h"

enum { DECLARATION_MAX = 128 };

static size_t skip_space(struct span text, size_t i)
{
	while (i < text.len && xml_is_space((uint8_t)text.ptr[i]))
		i++;
	return i;
}

/* Is "name='value'" or name="value" at text behind white space? Moves *at behind it. */
static bool item_read(struct span text, size_t *at, const char *name, struct span *value)
{
	size_t i = skip_space(text, *at), n = strlen(name);

	if (i == *at || text.len - i < n || memcmp(text.ptr + i, name, n) != 0)
		return false;
	i = skip_space(text, i + n);
	if (i >= text.len || text.ptr[i++] != '=')
		return false;
	i = skip_space(text, i);
	if (i >= text.len || (text.ptr[i] != '\'' && text.ptr[i] != '"'))
		return false;
	const char *end = memchr(text.ptr + i + 1, text.ptr[i], text.len - i - 1);
	if (!end)
		return false;
	*value = (struct span){ text.ptr + i + 1, (size_t)(end - text.ptr) - i - 1 };
	*at = (size_t)(end - text.ptr) + 1;
	return true;
}

static enum xml_result malformed(struct xml *x)
{
	return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.declaration");
}

/* text is what stands between "<?xml" and "?>". */
static enum xml_result declaration_check(struct xml *x, struct span text)
{
	struct span value;
	size_t at = 0;

	if (!item_read(text, &at, "version", &value))
		return malformed(x);
	if (!span_is(value, "1.0"))
		return xml_refuse(x, STREAM_ERROR_UNSUPPORTED_VERSION, "xml.version");
	if (item_read(text, &at, "encoding", &value) &&
		!(value.len == 5 && strncasecmp(value.ptr, "UTF-8", 5) == 0))
		return xml_refuse(x, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.encoding");
	if (item_read(text, &at, "standalone", &value) && !span_is(value, "yes"))
		return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.standalone");
	return skip_space(text, at) == text.len ? XML_AGAIN : malformed(x);
}

enum xml_result xml_scan_declaration(struct xml *x)
{
	static const char opens[] = "<?xml";
	size_t n = sizeof opens - 1;

	if (memcmp(x->bytes, opens, x->end < n ? x->end : n) != 0 ||
		(x->end > n && !xml_is_space((uint8_t)x->bytes[n])))
		return xml_refuse(x, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
	if (x->end <= n)
		return XML_MORE;
	for (size_t i = n + 1; i < x->end; i++) {
		if (x->bytes[i] == '>' && x->bytes[i - 1] == '?') {
			x->at = i + 1;
			return declaration_check(x, (struct span){ x->bytes + n, i - 1 - n });
		}
		if (i - 2 >= DECLARATION_MAX)
			return malformed(x);
	}
	return XML_MORE;
}
