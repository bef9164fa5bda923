/* SPDX-License-Identifier: BSD-2-Clause */
/* Before anything a peer wrote meets a person's terminal.
 * In: any bytes. Out: text that moves no cursor, turns no line around and hides nothing. It is for
 * eyes: what is written to files and to other programs is JSON's affair. */
#include "xmpp/safe.h"

#include <inttypes.h>
#include <stdio.h>
#include "xmpp/text.h"

enum { BUFFERS = 4, SIZE = 2048 };

const char *safe_text(const char *text, size_t width)
{
	static char buffers[BUFFERS][SIZE];
	static unsigned turn;
	char *out = buffers[turn++ % BUFFERS], *o = out;
	struct span all = span_of(text);
	size_t used = 0;

	for (size_t i = 0; i < all.len && o < out + SIZE - 16;) {
		uint32_t cp = 0;
		size_t n = text_decode(all, i, &cp);

		if (width && used >= width) {
			o = stpcpy(o, "…");
			break;
		}
		if (n == 0) {
			o += sprintf(o, "\\x%02x", (unsigned char)text[i]);
			n = 1;
		} else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
			   (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x202a && cp <= 0x202e) ||
			   (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || cp == 0xad) {
			o += sprintf(o, "\\u{%" PRIx32 "}", cp); /* unseen, and bidi could lie */
		} else {
			memcpy(o, text + i, n);
			o += n;
		}
		i += n;
		used++;
	}
	*o = '\0';
	return out;
}
