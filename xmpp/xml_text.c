/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run of text or an attribute's value says: references resolved, CDATA sections opened, line
 * ends made one (XML 1.0 2.11, 3.3.3). Comes in: bytes that xml.c has read and found good. Goes
 * out: never more bytes than came in, so a value may be decoded where it lies. Only what has
 * something to decode comes here. */
#include <string.h>

#include "xmpp/xml_char.h"
#include "xmpp/xml_int.h"

/* '&' is at from[*i]; moves *i behind the reference. */
static size_t reference_put(char *to, const char *from, size_t len, size_t *i)
{
	struct xml_reference r = { 0 };
	int n = xml_reference_read(from + *i, len - *i, &r);

	*i += n > 0 ? (size_t)n : 1;
	return xml_char_put(r.character, to);
}

/* A line end is at from[*i]; moves *i behind it: CR LF is one. */
static void line_end_skip(const char *from, size_t len, size_t *i)
{
	*i += from[*i] == '\r' && *i + 1 < len && from[*i + 1] == '\n' ? 2 : 1;
}

size_t xml_text_decode(char *to, const char *from, size_t len)
{
	static const char opens[] = "<![CDATA[";
	bool section = false;
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		char c = from[i];

		if (c == '\r') {
			line_end_skip(from, len, &i);
			to[n++] = '\n';
		} else if (c == '&' && !section) {
			n += reference_put(to + n, from, len, &i);
		} else if (c == '<' && !section) {
			section = true;
			i += sizeof opens - 1;
		} else if (section && c == ']' && len - i >= 3 && from[i + 1] == ']' &&
			   from[i + 2] == '>') {
			section = false;
			i += 3;
		} else {
			to[n++] = c;
			i++;
		}
	}
	return n;
}

size_t xml_value_decode(char *to, const char *from, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		char c = from[i];

		if (c == '&') {
			n += reference_put(to + n, from, len, &i);
		} else if (xml_is_space((uint8_t)c)) {
			line_end_skip(from, len, &i);
			to[n++] = ' ';
		} else {
			to[n++] = c;
			i++;
		}
	}
	return n;
}
