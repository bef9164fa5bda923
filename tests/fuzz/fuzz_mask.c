/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * A capture from anybody through mask and capture_write, and back through our own inspector: the
 * same packets in shape and order, the same stanzas in kind and size as long as none of them broke
 * a rule, and in what is left no text and no value but those that docs/CONTROL.md names. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/capture.h"
#include "nfq-filter/capture_write.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/inspect.h"
#include "nfq-filter/mask.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/order.h"
#include "nfq-filter/packet.h"
#include "tests/unit/policy_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] = "chain all { hook any; policy accept; }\n";
static struct policy *policy;


/* ---- a capture, read ---- */

struct reading {
	struct counts counts;
	struct flow_table *flows;
	struct inspector inspector;
	struct buf said; /* kind and size of each stanza, in their order, by stream */
	bool masked, broken;
};

static bool is_kept(const char *name)
{
	static const char *const kept[] = { "to", "from", "by", "jid", "id", "previd", "sid",
		"stream", "type", "version", "lang", "mechanism", "h", "max", "resume", "location",
		"affiliation", "role", "code", "subscription", "ask", "action", "rid", "ack",
		"wait", "hold", "requests", "polling", "inactivity", "maxpause", "secure", "ver",
		"restart", "restartlogic", "condition", "encoding", NULL };

	for (const char *const *k = kept; *k; k++)
		if (strcmp(*k, name) == 0)
			return true;
	return false;
}

static void check_masked(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && strchr(" \t\r\n", text[at]) && text[at])
		at++;
	for (; at < len; at++)
		if (text[at] != 'x' && text[at] != ']')
			abort();
}

static void check_element(const struct xml_element *e)
{
	static const char *const words[] = { "mechanism", "priority", "show", "method", "jid" };
	bool word = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		word = word || strcmp(e->name, words[i]) == 0;
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		if (!is_kept(a->name))
			check_masked(a->value, strlen(a->value));
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (n->element)
			check_element(n->element);
		else if (!word)
			check_masked(n->text, n->len);
	}
}

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct reading *r = arg;
	const struct stanza *st = v->subject->stanza;
	uint64_t row[] = { i->number, (uint64_t)v->side, (uint64_t)st->kind, st->raw.len };

	if (buf_put(&r->said, row, sizeof(row)) < 0)
		abort();
	if (r->masked)
		check_element(st->root);
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	(void)i;
	(void)side;
	(void)error;
	(void)reason;
	((struct reading *)arg)->broken = true;
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	(void)what;
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static bool on_serves(void *arg, const struct endpoint *where)
{
	(void)arg;
	return detect_is_usual(where->port);
}

static void on_idle(void *arg, struct flow *f)
{
	(void)arg;
	if (f->user)
		inspection_shrink(f->user);
}

static void drain(struct reading *r, struct flow *f)
{
	struct flow_event ev;

	for (unsigned s = 0; s < FLOW_SIDES; s++)
		for (flow_next(r->flows, f, s, &ev); ev.kind != FLOW_NOTHING;
			flow_next(r->flows, f, s, &ev)) {
			if (!f->user && !(f->user = inspection_new(&r->inspector, f)))
				abort();
			if (ev.kind == FLOW_BYTES)
				inspection_push(f->user, s, ev.bytes, ev.position);
			else if (ev.kind == FLOW_GAP)
				inspection_gap(f->user, s);
			else
				inspection_end(f->user, s);
		}
}

static void on_forget(void *arg, struct flow *f)
{
	struct reading *r = arg;

	drain(r, f);
	for (unsigned s = 0; f->user && s < FLOW_SIDES; s++)
		inspection_end(f->user, s);
	inspection_free(f->user);
	f->user = NULL;
}

static void on_packet(void *arg, const struct packet *p, void *user)
{
	struct reading *r = arg;
	struct flow_taken taken;

	(void)user;
	if (flow_push(r->flows, p, &taken) < 0)
		abort();
	if (taken.fate != FLOW_TAKEN)
		return;
	drain(r, taken.flow);
	flow_settle(r->flows, taken.flow);
}

/* ---- files ---- */

struct file {
	struct capture *capture;
	const char *at;
	size_t len;
};

static bool next_packet(struct file *f, struct capture_packet *out)
{
	enum capture_result result;

	while ((result = capture_next(f->capture, out)) == CAPTURE_MORE && f->len > 0) {
		size_t n;
		char *where;

		if (capture_room(f->capture, &n, &where) < 0)
			abort();
		n = n < f->len ? n : f->len;
		memcpy(where, f->at, n);
		capture_filled(f->capture, n);
		f->at += n;
		f->len -= n;
	}
	return result == CAPTURE_PACKET;
}

static struct file file_open(const void *data, size_t len)
{
	struct file f = { capture_new(), data, len };

	if (!f.capture)
		abort();
	return f;
}

static void read_file(struct reading *r, const void *data, size_t len)
{
	struct flow_limits limits = flow_limits_default;
	struct flow_hooks hooks = { r, on_serves, on_idle, on_forget };
	struct file f = file_open(data, len);
	struct capture_packet c;
	struct order *order;
	uint64_t now = 0;

	limits.any_checksum = true;
	buf_init(&r->said, (size_t)64 << 20);
	r->inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &r->counts,
		.hooks = { r, on_judged, on_broken, on_noted, on_ended, NULL, NULL },
		.bosh = bosh_table_new(0),
		.memory_max = (size_t)64 << 20 };
	r->flows = flow_table_new(&limits, &hooks, &r->counts);
	order = order_new(r->flows, on_packet, r);
	if (!r->inspector.judge || !r->inspector.bosh || !r->flows || !order)
		abort();
	while (next_packet(&f, &c)) {
		struct packet p = { .time_ns = 0 };

		if (packet_parse_frame(c.link, c.data, c.len, c.wire_len, &p) != PACKET_TCP)
			continue;
		/* What is left out does not tell the time, either. */
		now = c.time_ns > now ? c.time_ns : now;
		p.time_ns = r->inspector.now_ns = now;
		if (order_push(order, &p, NULL) < 0)
			abort();
	}
	order_finish(order);
	flow_table_clear(r->flows);
	order_free(order);
	flow_table_free(r->flows);
	bosh_table_free(r->inspector.bosh);
	judge_free(r->inspector.judge);
	capture_free(f.capture);
}

/* ---- masking ---- */

struct masking {
	struct capture_writer *writer;
	struct buf file;
	unsigned links;
};

static int on_put(void *arg, const void *bytes, size_t len)
{
	return buf_put(&((struct masking *)arg)->file, bytes, len);
}

static int on_give(void *arg, const struct capture_packet *p)
{
	return capture_write(((struct masking *)arg)->writer, p);
}

static void mask_file(struct masking *m, const void *data, size_t len)
{
	struct mask_options options = { .any_checksum = true, .arg = m, .give = on_give };
	struct file f = file_open(data, len);
	struct capture_packet c;
	struct mask *mask = mask_new(&options);

	buf_init(&m->file, (size_t)256 << 20);
	m->writer = capture_writer_new(on_put, m, "fuzz", NULL);
	if (!mask || !m->writer)
		abort();
	while (next_packet(&f, &c))
		if (mask_push(mask, &c) < 0)
			abort();
	if (mask_finish(mask) < 0)
		abort();
	mask_free(mask);
	capture_writer_free(m->writer);
	capture_free(f.capture);
}

/* The same packets, but for those that are left out: headers as they were, checksums no worse. */
static void compare_files(const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct file before = file_open(a, a_len), after = file_open(b, b_len);
	struct capture_packet x, y;

	while (next_packet(&before, &x)) {
		struct packet p = { .time_ns = 0 }, q = { .time_ns = 0 };
		enum packet_kind kind = packet_parse_frame(x.link, x.data, x.len, x.wire_len, &p);

		if (kind != PACKET_TCP && (kind != PACKET_UDP || !mdns_is_for(&p)))
			continue;
		if (!next_packet(&after, &y))
			abort();
		assert(x.time_ns == y.time_ns && x.link == y.link && x.len == y.len &&
			x.wire_len == y.wire_len);
		assert(packet_parse_frame(y.link, y.data, y.len, y.wire_len, &q) == kind);
		assert(p.seq == q.seq && p.ack == q.ack && p.flags == q.flags && p.len == q.len);
		assert(p.checksum != CHECKSUM_GOOD || q.checksum == CHECKSUM_GOOD);
	}
	assert(!next_packet(&after, &y));
	capture_free(before.capture);
	capture_free(after.capture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading before = { .masked = false }, after = { .masked = true };
	struct masking m = { .writer = NULL };

	if (!policy)
		policy = policy_of_text(rules, NULL);
	mask_file(&m, data, size);
	compare_files(data, size, buf_ptr(&m.file), buf_len(&m.file));
	read_file(&before, data, size);
	read_file(&after, buf_ptr(&m.file), buf_len(&m.file));
	/* What breaks a rule may do so by a byte that is masked; joined in the middle, that is not
	 * even told. */
	if (!before.broken && before.counts.n[COUNT_STREAM_OTHER] == 0 &&
		before.counts.n[COUNT_STREAM_PICKED_UP] == 0)
		assert(buf_len(&before.said) == buf_len(&after.said) &&
			(buf_len(&before.said) == 0 ||
				memcmp(buf_ptr(&before.said), buf_ptr(&after.said),
					buf_len(&after.said)) == 0));
	buf_fini(&before.said);
	buf_fini(&after.said);
	buf_fini(&m.file);
	return 0;
}
