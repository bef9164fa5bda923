/* SPDX-License-Identifier: BSD-2-Clause */
/* Before anything a peer wrote meets a person's terminal.
 * In: any bytes. Out: text that moves no cursor, turns no line around and hides nothing. It is for
 * eyes: what is written to files and to other programs is JSON's affair. */
#include "xmpp/safe.h"

#include <inttypes.h>
#include <stdio.h>
#include "xmpp/text.h"

enum { BUFFERS = 4, SIZE = 2048 };

/* Steers, hides, joins or turns around: controls, line separators, bidi and format controls, fillers that
 * are blank, tags. */
static bool is_unseen(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0xe0000, 0xe0fff } };

	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	return false;
}

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
		} else if (is_unseen(cp)) {
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
