/* SPDX-License-Identifier: BSD-2-Clause */
/* "ban --batch" of Suricata's fast.log and Snort's alert_fast. In comes a line,
 *   TIME  [Drop] [**] [1:2001219:20] SIGNATURE [**] [Classification: ..] [Priority: 2] {TCP}
 * FROM:PORT -> TO:PORT out goes who sent it. The signature is free text, so the line is read from
 * its end. Both write ports behind addresses of IPv6, too, without brackets: what is a port is told
 * by the protocol and by counting. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/batch_int.h"

enum { SIGNATURE_MAX = 140, PROTOCOL_MAX = 16 };

/* The last place of a word in a text, NULL if there is none. */
static const char *find_last(struct span text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = text.len; i >= n && text.len; i--)
		if (memcmp(text.ptr + i - n, word, n) == 0)
			return text.ptr + i - n;
	return NULL;
}

static bool has_ports(struct span protocol)
{
	return span_is(protocol, "TCP") || span_is(protocol, "UDP") || span_is(protocol, "SCTP");
}

/* ADDR or ADDR:PORT to ADDR. */
static struct span port_cut(struct span text, struct span protocol)
{
	unsigned colons = 0;
	size_t last = 0;
	bool gap = false;

	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == ':') {
			gap |= i > 0 && text.ptr[i - 1] == ':';
			last = i;
			colons++;
		}
	/* One: IPv4. Eight, none of them a gap: an address written out and a port. */
	if (colons == 1 || (colons == 8 && !gap) || (colons > 1 && has_ports(protocol)))
		text.len = last;
	return text;
}

/* "... [Priority: 2] ..." */
static unsigned priority_of(struct span head)
{
	const char *at = find_last(head, "[Priority: ");
	unsigned long n;

	if (!at)
		return 0;
	n = strtoul(at + strlen("[Priority: "), NULL, 10); /* ends at ']' or '{' at the latest */
	return n < 1000 ? (unsigned)n : 1000;
}

/* "[1:2001219:20] SIGNATURE" between the marks, shown as SIGNATURE [1:2001219:20]. */
static void signature_show(struct span head, char *text, size_t size)
{
	const char *begin = head.len ? memmem(head.ptr, head.len, "[**]", 4) : NULL;
	const char *end = find_last(head, "[**]"), *id_end;
	struct span name;
	size_t id;

	*text = '\0';
	if (!begin || begin + 5 > end)
		return;
	name = (struct span){ begin + 5, (size_t)(end - begin - 5) };
	id_end = memchr(name.ptr, ']', name.len);
	id = id_end && *name.ptr == '[' ? (size_t)(id_end - name.ptr) + 1 : 0;
	struct span words = { name.ptr + id, name.len - id };
	while (words.len && *words.ptr == ' ')
		words.ptr++, words.len--;
	while (words.len && words.ptr[words.len - 1] == ' ')
		words.len--;
	snprintf(text, size, "%.*s%s%.*s", (int)span_cut(words, SIGNATURE_MAX - 40), words.ptr,
		id && words.len ? " " : "", (int)(id < 40 ? id : 0), name.ptr);
}

enum batch_verdict batch_read_fast(const struct batch *b, struct span line, struct batch_item *item)
{
	const char *arrow = find_last(line, " -> "), *from = arrow;
	char signature[SIGNATURE_MAX];
	struct span head, protocol;
	unsigned priority;
	json_t *valid;

	while (from && from > line.ptr && from[-1] != ' ')
		from--;
	if (!from || from - line.ptr < 4 || from[-2] != '}')
		return batch_bad(item, "no alert: there is no '{PROTOCOL} ADDR -> ADDR'");
	head = (struct span){ line.ptr, (size_t)(from - line.ptr) - 2 };
	protocol.ptr = find_last(head, "{");
	if (!protocol.ptr || head.ptr + head.len - protocol.ptr > PROTOCOL_MAX)
		return batch_bad(item, "no alert: there is no '{PROTOCOL} ADDR -> ADDR'");
	protocol.ptr++;
	protocol.len = (size_t)(head.ptr + head.len - protocol.ptr);
	priority = priority_of(head);
	if (b->spec.severity && (priority == 0 || priority > b->spec.severity))
		return BATCH_SKIP;
	signature_show(head, signature, sizeof signature);
	valid = json_string(signature);
	batch_set_why(b, "alert", valid ? signature : "", item);
	json_decref(valid);
	return batch_set_address(
		b, port_cut((struct span){ from, (size_t)(arrow - from) }, protocol), item);
}
