/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * BOSH as the inspector reads it, on two connections of one server. The first byte says how the
 * bytes are cut, and whether it is live; 0xff changes the side that speaks, 0xfe ends it, 0xfd
 * changes the connection. Read twice, whole and cut: the same verdicts at the same places, each
 * stanza's bytes stand where it is said, what is decided only grows, and nothing of a stanza was
 * decided before. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/inspect.h"
#include "tests/unit/policy_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	INPUT_MAX = 1 << 15,
	LOG_MAX = 1 << 24,
	CONNS = 2,
	CHANGE = 0xff,
	END = 0xfe,
	OTHER = 0xfd,
	FIRST = 10
};

static const char rules[] =
	"service c2s { listen tcp { 5280 }; mode proxy; tls none; upstream 192.0.2.9 plain; }\n"
	"chain all { hook any; policy accept; rule spam { text contains \"casino\" drop } }\n";

struct conn {
	struct inspection *i;
	struct buf raw[FLOW_SIDES];
	uint64_t decided[FLOW_SIDES];
};

struct reader {
	struct inspector inspector;
	struct counts counts;
	struct conn conns[CONNS];
	struct buf log[CONNS][FLOW_SIDES];
	bool over;
};

static struct policy *policy;

static void put(struct buf *b, const void *data, size_t len)
{
	if (buf_put(b, data, len) < 0)
		abort();
}

static struct conn *conn_of(struct reader *r, const struct inspection *i)
{
	return r->conns[0].i == i ? &r->conns[0] : &r->conns[1];
}

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct reader *r = arg;
	struct conn *c = conn_of(r, i);
	const char *raw = buf_ptr(&c->raw[v->side]);
	struct span st = v->subject->stanza->raw;

	assert(v->start < v->end && v->end <= buf_len(&c->raw[v->side]));
	assert(c->decided[v->side] <= v->start);
	assert(raw[v->start] == '<' && raw[v->end - 1] == '>');
	assert(v->end - v->start >= st.len && v->scattered == (v->end - v->start != st.len));
	assert(v->scattered || memcmp(raw + v->start, st.ptr, st.len) == 0);
	buf_putf(&r->log[c == &r->conns[1]][v->side], "%d %llu %llu\n", v->verdict->kind,
		(unsigned long long)v->start, (unsigned long long)v->end);
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	struct reader *r = arg;

	(void)i;
	(void)side;
	assert(error != STREAM_ERROR_NONE && *reason);
	/* Live, the connection is over. */
	r->over = true;
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
	assert(i->number > 0);
}

static void on_rewrite(
	void *arg, struct inspection *i, enum flow_side side, uint64_t position, struct span bytes)
{
	struct conn *c = conn_of(arg, i);

	assert(c->decided[side] <= position);
	assert(position + bytes.len <= buf_len(&c->raw[side]));
}

static void take(struct conn *c, enum flow_side side, struct span bytes)
{
	uint64_t position = buf_len(&c->raw[side]);

	put(&c->raw[side], bytes.ptr, bytes.len);
	if (inspection_push(c->i, side, bytes, position) < 0)
		abort();
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		uint64_t decided = inspection_decided(c->i, s);

		if (c->i->half[s].stage != STAGE_HTTP)
			continue;
		assert(decided >= c->decided[s] && decided <= buf_len(&c->raw[s]));
		c->decided[s] = decided;
	}
	inspection_shrink(c->i);
}

static void begin(struct reader *r, bool live)
{
	struct flow flow = { .server = { .port = 5280 } };

	r->inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &r->counts,
		.live = live,
		.hooks = { r, on_judged, on_broken, on_noted, on_ended, on_rewrite, NULL },
		.memory_max = 64 << 20,
		.bosh = bosh_table_new(4) };
	for (unsigned n = 0; n < CONNS; n++) {
		r->conns[n].i = inspection_new(&r->inspector, &flow);
		for (unsigned s = 0; s < FLOW_SIDES; s++) {
			buf_init(&r->conns[n].raw[s], LOG_MAX);
			buf_init(&r->log[n][s], LOG_MAX);
		}
	}
}

static void finish(struct reader *r)
{
	for (unsigned n = 0; n < CONNS; n++) {
		inspection_free(r->conns[n].i);
		for (unsigned s = 0; s < FLOW_SIDES; s++)
			buf_fini(&r->conns[n].raw[s]);
	}
	assert(r->inspector.memory == 0);
	bosh_table_free(r->inspector.bosh);
	judge_free(r->inspector.judge);
}

static void read_all(struct reader *r, const uint8_t *data, size_t size, size_t step)
{
	enum flow_side side = FLOW_CLIENT;
	unsigned conn = 0;

	for (size_t at = 0; at < size && !r->over;) {
		struct conn *c = &r->conns[conn];
		bool first = buf_len(&c->raw[side]) == 0;
		size_t len = 0, most = first && step < FIRST ? FIRST : step;

		while (len < most && at + len < size && data[at + len] < OTHER)
			len++;
		/* One byte decides what it is, where there is one; here it is HTTP. */
		if (first && len > 0 && c->i->half[side].stage == STAGE_NEW &&
			!detect_is_http((struct span){ (const char *)data + at, len }))
			return;
		if (len > 0)
			take(c, side, (struct span){ (const char *)data + at, len });
		else if (data[at] == OTHER)
			conn = !conn;
		else if (data[at] == CHANGE)
			side = !side;
		else if (inspection_end(c->i, side) < 0)
			abort();
		at += len + (len == 0);
	}
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r[2] = { 0 };

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (!policy)
		policy = policy_of_text(rules, NULL);
	for (unsigned n = 0; n < 2; n++) {
		begin(&r[n], data[0] & 128);
		read_all(&r[n], data + 1, size - 1, n ? 1 + (data[0] & 31) : INPUT_MAX);
		finish(&r[n]);
	}
	assert(r[0].over == r[1].over);
	for (unsigned n = 0; n < CONNS * FLOW_SIDES; n++) {
		struct buf *one = &r[0].log[n / 2][n % 2], *other = &r[1].log[n / 2][n % 2];

		assert(r[0].over || span_equal(buf_span(one), buf_span(other)));
		buf_fini(one);
		buf_fini(other);
	}
	return 0;
}
