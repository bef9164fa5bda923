/* SPDX-License-Identifier: BSD-2-Clause */
/* link: rules */
/* Labels of a message, its ESS labels and what a clearance says: the input is what stands in a
 * message, and, once more, DER. Nothing is released unless each thing in it that is called a label
 * bears a released marking, byte for byte; and a label that reads as DER is written that way. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rules/clearance.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char header[] =
	"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0'><message>";

static struct span displays[] = { { "UNCLASSIFIED", 12 }, { "RELEASABLE TO LOW", 17 } };
static struct clearance_policy policies[] = {
	{ { "1.3.6.1.4.1.99999.7", 19 }, { NULL, 0 }, 0, 1 },
	{ { "urn:m", 5 }, { "M1", 2 }, 0, 0 },
};
static const struct clearance by_display = { .displays = displays, .n_displays = 2 }, by_policy = {
	.displays = displays, .n_displays = 2, .policies = policies, .n_policies = 2
};

/* ---- the same once more, plainly ---- */

static bool is_released_text(const char *text)
{
	size_t lead = strspn(text, " \t\r\n"), len = strlen(text);

	while (len > lead && strchr(" \t\r\n", text[len - 1]))
		len--;
	for (size_t i = 0; i < 2; i++)
		if (len - lead == displays[i].len &&
			memcmp(text + lead, displays[i].ptr, displays[i].len) == 0)
			return true;
	return false;
}

/* Is each thing below that anybody could take for a label marked as released, once and plainly? */
static void check_released(struct arena *a, const struct xml_element *e, unsigned *n)
{
	unsigned markings = 0;

	for (const struct xml_node *c = e->children; c; c = c->next)
		if (c->element)
			check_released(a, c->element, n);
	if (strcmp(e->name, "securitylabel") != 0 || strcmp(e->ns, NS_LABEL) != 0)
		return;
	++*n;
	for (const struct xml_node *c = e->children; c; c = c->next) {
		if (!c->element || strcmp(c->element->name, "displaymarking") != 0)
			continue;
		markings++;
		assert(strcmp(c->element->ns, NS_LABEL) == 0 && !element_first(c->element));
		assert(is_released_text(element_text(c->element, a)));
	}
	assert(markings == 1 && element_child(e, NS_LABEL, "label"));
}

static void check_parts(struct arena *a, const struct labels *labels)
{
	struct span bytes;

	for (const struct label *l = labels->first; l; l = l->next)
		for (const struct label_part *p = l->parts; p; p = p->next) {
			assert(label_part_bytes(a, p, &bytes) == 0);
			assert(p->kind == LABEL_ESS || (!p->has_class && !p->categories));
			assert(!p->policy.len || p->kind >= LABEL_ESS);
		}
}

static void check_message(const uint8_t *data, size_t size)
{
	struct stream *in = stream_new(&xmpp_limits_default);
	struct stream_event e;
	struct labels labels;
	unsigned n = 0;

	assert(in);
	stream_set_authenticated(in, true);
	stream_push(in, header, sizeof(header) - 1);
	stream_push(in, (const char *)data, size);
	stream_push(in, "</message>", 10);
	while (stream_next(in, &e) == 0 && e.kind != STREAM_MORE && e.kind != STREAM_BAD &&
		e.kind != STREAM_CLOSE) {
		if (e.kind != STREAM_STANZA)
			continue;
		n = 0;
		assert(label_read(e.stanza.arena, &e.stanza, &labels) == 0);
		check_parts(e.stanza.arena, &labels);
		if (clearance_ask(&by_display, &e.stanza, &labels) == CLEARANCE_RELEASED) {
			check_released(e.stanza.arena, e.stanza.root, &n);
			assert(n > 0 && n == labels.n && labels.covered);
		}
		if (clearance_ask(&by_policy, &e.stanza, &labels) == CLEARANCE_RELEASED)
			for (const struct label *l = labels.first; l; l = l->next)
				assert(!l->odd && (!l->parts->has_class || l->parts->categories ||
							  l->parts->class <= 1 ||
							  strcmp(l->parts->policy.ptr,
								  policies[0].policy.ptr)));
	}
	stream_free(in);
}

/* ---- DER ---- */

static size_t put_arc(uint8_t *out, uint64_t arc)
{
	size_t n = 1;

	for (uint64_t rest = arc >> 7; rest; rest >>= 7)
		n++;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)((arc >> 7 * (n - 1 - i) & 0x7f) | (i + 1 < n ? 0x80 : 0));
	return n;
}

/* What was read, written again, is how the bytes begin behind the SET's head. */
static void check_der(const uint8_t *data, size_t size)
{
	uint8_t again[512] = { 0 };
	struct ess_label ess;
	size_t n = 0, oid, head;
	uint64_t top, second;
	char *at;

	if (!ess_parse(data, size, &ess))
		return;
	head = data[1] < 0x80 ? 2 : 2 + (data[1] & 0x7fu);
	if (ess.has_class) {
		assert(ess.class <= ESS_CLASS_MAX);
		again[n++] = 2;
		again[n++] = ess.class < 0x80 ? 1 : 2;
		if (ess.class >= 0x80)
			again[n++] = (uint8_t)(ess.class >> 8);
		again[n++] = (uint8_t)ess.class;
	}
	again[n++] = 6;
	oid = n++;
	top = strtoull(ess.policy, &at, 10);
	second = strtoull(at + 1, &at, 10);
	n += put_arc(again + n, top * 40 + second);
	while (*at == '.')
		n += put_arc(again + n, strtoull(at + 1, &at, 10));
	again[oid] = (uint8_t)(n - oid - 1);
	assert(head + n <= size && memcmp(data + head, again, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[ESS_BYTES_MAX];
	size_t len;

	check_message(data, size);
	check_der(data, size);
	if (ess_decode((struct span){ (const char *)data, size }, bytes, sizeof(bytes), &len))
		check_der(bytes, len);
	return 0;
}
