/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a capture and its copy for others' eyes: packets whose words are masked.
 * In: captured packets. Out: those of TCP and mDNS, in their order, each byte of payload either
 * masked by mask_stream.c, which sees each direction in order, or 'x'. First copy wins: a later
 * copy says what the first one says, masked. A packet behind a hole waits until the hole is filled,
 * or for so long and so many bytes as the ceilings say, and then goes without a readable byte.
 * Checksums that were right are right again, those that were wrong or left to the network card stay
 * so. It opens nothing, and no byte of a payload leaves it that mask_xml.c or mask_stream.c did not
 * let. */
#include "nfq-filter/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/flow.h"
#include "nfq-filter/mask_dns.h"
#include "nfq-filter/mask_stream.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/order.h"

enum {
	RECORD_KEPT = 32 << 10, /* a direction: what later copies are compared with */
	RECORD_MAX = 16 << 20,
	RECORDS_MAX = 256 << 20, /* all directions */
	URGENT_MAX = 64,
};

struct waiting;

/* What a direction's bytes became: those of positions at .. at + buf_len(done). */
struct mask_side {
	struct mask_stream stream;
	struct buf record;
	size_t charged;
	uint64_t at;
	struct waiting *waits; /* packets of this direction, as they came */
	bool is_stream;
};

struct mask_flow {
	struct mask_side sides[FLOW_SIDES];
};

struct waiting {
	struct waiting *next;   /* of all */
	struct waiting *later;  /* of its direction */
	struct mask_side *side; /* NULL: it waits for nothing */
	struct capture_packet packet;
	enum packet_checksum checksum;
	size_t field;        /* where the checksum stands in bytes[]; 0: leave it */
	size_t payload, len; /* in bytes[] */
	bool ordered;        /* order.c has let it go */
	size_t done;         /* bytes of the payload that are masked */
	int64_t position;    /* of its first byte */
	uint32_t sum;        /* of the payload as it was */
	unsigned char bytes[];
};

struct mask {
	struct mask_options options;
	struct counts counts;
	struct flow_limits limits;
	struct flow_table *flows;
	struct order *order;
	struct waiting *first, *last;
	size_t waiting_bytes, record_bytes;
	uint64_t now_ns;
	struct mask_sums sums;
	int error;
};

static bool on_serves(void *arg, const struct endpoint *where)
{
	(void)arg;
	return detect_is_usual(where->port);
}

/* ---- checksums (RFC 1624) ---- */

static uint32_t sum_of(const unsigned char *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len % 2)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

/* The field as it was differs from the right one by as much as before. */
static void set_checksum(struct waiting *w)
{
	unsigned char *field = w->bytes + w->field;
	uint32_t sum = (uint16_t) ~((uint32_t)field[0] << 8 | field[1]);

	if (w->field == 0 || w->checksum == CHECKSUM_OFFLOADED)
		return;
	sum += (uint16_t)~w->sum;
	sum += sum_of(w->bytes + w->payload, w->len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t)~sum;
	field[0] = (unsigned char)(sum >> 8);
	field[1] = (unsigned char)sum;
}

/* ---- packets that wait ---- */

static size_t checksum_field(const struct capture_packet *c, const struct packet *p)
{
	const unsigned char *udp = p->payload - 2;

	if (p->tcp)
		return (size_t)(p->tcp - c->data) + 16;
	/* None, as IPv4 allows. */
	return udp[0] || udp[1] ? (size_t)(udp - c->data) : 0;
}

static struct waiting *waiting_new(const struct capture_packet *c, const struct packet *p)
{
	struct waiting *w = malloc(sizeof(*w) + c->len);

	if (!w)
		return NULL;
	*w = (struct waiting){ .packet = *c,
		.checksum = p->checksum,
		.field = checksum_field(c, p),
		.payload = (size_t)(p->payload - c->data),
		.len = p->len };
	memcpy(w->bytes, c->data, c->len);
	w->packet.data = w->bytes;
	w->sum = sum_of(w->bytes + w->payload, w->len);
	return w;
}

/* What nobody explained is overwritten. */
static void waiting_close(struct mask *m, struct waiting *w)
{
	struct waiting **at;

	memset(w->bytes + w->payload + w->done, 'x', w->len - w->done);
	m->sums.opaque += w->len - w->done;
	w->done = w->len;
	if (!w->side)
		return;
	for (at = &w->side->waits; *at != w; at = &(*at)->later)
		;
	*at = w->later;
	w->side = NULL;
}

static void give_first(struct mask *m)
{
	struct waiting *w = m->first;
	size_t end = w->payload + w->len;
	int r;

	m->first = w->next;
	if (!m->first)
		m->last = NULL;
	m->waiting_bytes -= sizeof(*w) + w->packet.len;
	/* Behind the packet, in the frame, may be anything. */
	memset(w->bytes + end, 0, w->packet.len - end);
	set_checksum(w);
	if (m->error == 0 && (r = m->options.give(m->options.arg, &w->packet)) < 0)
		m->error = r;
	free(w);
}

static void give_done(struct mask *m)
{
	while (m->first && m->first->ordered &&
		(!m->first->side || m->waiting_bytes > MASK_WAITING_BYTES)) {
		m->sums.late += m->first->side != NULL;
		waiting_close(m, m->first);
		give_first(m);
	}
}

/* ---- a direction ---- */

static void side_charge(struct mask *m, struct mask_side *s)
{
	m->record_bytes += s->record.cap - s->charged;
	s->charged = s->record.cap;
}

static void side_close_packets(struct mask *m, struct mask_side *s)
{
	while (s->waits)
		waiting_close(m, s->waits);
}

static void side_fini(struct mask *m, struct mask_side *s)
{
	side_close_packets(m, s);
	m->sums.opaque += s->stream.opaque;
	buf_fini(&s->record);
	m->record_bytes -= s->charged;
}

/* The packet's bytes that are known by now. False: there are others. */
static bool side_explain(const struct mask_side *s, struct waiting *w)
{
	int64_t known = (int64_t)s->at, end = known + (int64_t)buf_len(&s->record);

	while (w->done < w->len && w->position + (int64_t)w->done < end) {
		int64_t at = w->position + (int64_t)w->done;
		unsigned char *to = w->bytes + w->payload + w->done;
		size_t n = 1;

		if (at < known) {
			*to = 'x';
		} else {
			n = w->len - w->done;
			n = n < (size_t)(end - at) ? n : (size_t)(end - at);
			memcpy(to, buf_ptr(&s->record) + (at - known), n);
		}
		w->done += n;
	}
	return w->done == w->len;
}

static void side_explain_all(struct mask *m, struct mask_side *s)
{
	struct waiting *later;

	for (struct waiting *w = s->waits; w; w = later) {
		later = w->later;
		if (side_explain(s, w))
			waiting_close(m, w);
	}
}

static void side_trim(struct mask *m, struct mask_side *s)
{
	size_t keep = m->record_bytes > RECORDS_MAX ? 0 : RECORD_KEPT, len = buf_len(&s->record);

	if (len > keep) {
		s->at += len - keep;
		buf_pull(&s->record, len - keep);
	}
	if (keep == 0)
		buf_shrink(&s->record);
	side_charge(m, s);
}

/* What stands between is not of the stream: urgent bytes, or what was never seen. */
static int side_skip(struct mask_side *s, uint64_t position)
{
	uint64_t end = s->at + buf_len(&s->record);
	int r = 0;

	if (position == end)
		return 0;
	if (position > end && position - end <= URGENT_MAX) {
		while (r == 0 && end++ < position)
			r = buf_put(&s->record, "x", 1);
		return r;
	}
	buf_clear(&s->record);
	s->at = position;
	return 0;
}

static int side_take(struct mask *m, struct mask_side *s, const struct flow_event *ev)
{
	char *copy;
	int r;

	if ((r = side_skip(s, ev->position)) < 0 ||
		(r = buf_reserve(&s->record, ev->bytes.len, &copy)) < 0)
		return r;
	memcpy(copy, ev->bytes.ptr, ev->bytes.len);
	mask_stream_push(&s->stream, m->options.names, copy, ev->bytes.len);
	buf_commit(&s->record, ev->bytes.len);
	s->is_stream = s->is_stream || (s->stream.mode == MASK_XML && s->stream.xml.depth > 0) ||
		       (s->stream.mode == MASK_HTTP && s->stream.http.bosh);
	side_explain_all(m, s);
	side_trim(m, s);
	return 0;
}

static struct mask_flow *mask_flow_new(const struct flow *f)
{
	struct mask_flow *mf = calloc(1, sizeof(*mf));

	for (unsigned i = 0; mf && i < FLOW_SIDES; i++) {
		mask_stream_init(&mf->sides[i].stream, f->midstream);
		buf_init(&mf->sides[i].record, RECORD_MAX);
	}
	return mf;
}

static void drain(struct mask *m, struct flow *f, enum flow_side side)
{
	struct mask_flow *mf = f->user;
	struct flow_event ev;
	int r = 0;

	for (;;) {
		flow_next(m->flows, f, side, &ev);
		if (ev.kind == FLOW_NOTHING || r < 0)
			break;
		if (ev.kind == FLOW_BYTES)
			r = side_take(m, &mf->sides[side], &ev);
		else if (ev.kind == FLOW_GAP)
			mask_stream_gap(&mf->sides[side].stream);
	}
	/* Nothing is missing, and yet it was not handed out: it never will be. */
	if (f->half[side].in.n_held == 0 || r < 0)
		side_close_packets(m, &mf->sides[side]);
	if (m->error == 0 && r < 0)
		m->error = r;
}

static void on_forget(void *arg, struct flow *f)
{
	struct mask_flow *mf = f->user;
	struct mask *m = arg;

	if (!mf)
		return;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		drain(m, f, s);
	m->sums.streams += mf->sides[0].is_stream || mf->sides[1].is_stream;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		side_fini(m, &mf->sides[s]);
	free(mf);
	f->user = NULL;
}

static void on_idle(void *arg, struct flow *f)
{
	struct mask_flow *mf = f->user;

	for (unsigned s = 0; mf && s < FLOW_SIDES; s++) {
		mf->sides[s].at += buf_len(&mf->sides[s].record);
		buf_shrink(&mf->sides[s].record);
		side_charge(arg, &mf->sides[s]);
	}
}

/* ---- the whole ---- */

static void append(struct mask *m, struct waiting *w)
{
	if (m->last)
		m->last->next = w;
	else
		m->first = w;
	m->last = w;
	m->waiting_bytes += sizeof(*w) + w->packet.len;
}

static int take_packet(struct mask *m, const struct packet *p, struct waiting *w)
{
	struct flow_taken taken;
	struct mask_flow *mf;
	struct waiting **at;
	struct flow *f;
	int r;

	if ((r = flow_push(m->flows, p, &taken)) < 0)
		return r;
	if (taken.fate != FLOW_TAKEN) {
		waiting_close(m, w);
		return 0;
	}
	f = taken.flow;
	if (!f->user && !(f->user = mask_flow_new(f)))
		return -ENOMEM;
	mf = f->user;
	w->side = &mf->sides[taken.side];
	w->position = reassembly_position(&f->half[taken.side].in, p->seq + !!(p->flags & TCP_SYN));
	for (at = &w->side->waits; *at; at = &(*at)->later)
		;
	*at = w;
	/* It may be a copy of what is known. */
	if (side_explain(w->side, w))
		waiting_close(m, w);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		drain(m, f, s);
	flow_settle(m->flows, f);
	return 0;
}

static void on_ordered(void *arg, const struct packet *p, void *user)
{
	struct mask *m = arg;
	struct waiting *w = user;
	int r;

	w->ordered = true;
	r = m->error ? 0 : take_packet(m, p, w);
	if (m->error == 0 && r < 0)
		m->error = r;
}

struct mask *mask_new(const struct mask_options *options)
{
	struct mask *m = calloc(1, sizeof(*m));
	struct flow_hooks hooks = { m, on_serves, on_idle, on_forget };

	if (!m)
		return NULL;
	m->options = *options;
	m->limits = flow_limits_default;
	m->limits.any_checksum = options->any_checksum;
	m->flows = flow_table_new(&m->limits, &hooks, &m->counts);
	m->order = m->flows ? order_new(m->flows, on_ordered, m) : NULL;
	if (!m->order) {
		mask_free(m);
		return NULL;
	}
	return m;
}

void mask_free(struct mask *m)
{
	struct waiting *next;

	if (!m)
		return;
	order_free(m->order);
	flow_table_free(m->flows);
	for (struct waiting *w = m->first; w; w = next) {
		next = w->next;
		free(w);
	}
	free(m);
}

static int take_datagram(struct mask *m, struct waiting *w)
{
	w->ordered = true;
	if (!mask_dns(m->options.names, w->bytes + w->payload, w->len))
		m->sums.opaque += w->len;
	w->done = w->len;
	return 0;
}

int mask_push(struct mask *m, const struct capture_packet *c)
{
	enum packet_kind kind;
	struct packet p;
	struct waiting *w;
	int r;

	if (c->time_ns > m->now_ns)
		m->now_ns = c->time_ns;
	kind = packet_parse_frame(c->link, c->data, c->len, c->wire_len, &p);
	if (kind != PACKET_TCP && (kind != PACKET_UDP || !mdns_is_for(&p))) {
		m->sums.left_out++;
		return m->error;
	}
	p.time_ns = m->now_ns;
	if (!(w = waiting_new(c, &p)))
		return -ENOMEM;
	append(m, w);
	r = kind == PACKET_TCP ? order_push(m->order, &p, w) : take_datagram(m, w);
	if (m->error == 0 && r < 0)
		m->error = r;
	give_done(m);
	return m->error;
}

int mask_finish(struct mask *m)
{
	order_finish(m->order);
	flow_table_clear(m->flows);
	while (m->first) {
		waiting_close(m, m->first);
		give_first(m);
	}
	return m->error;
}

const struct mask_sums *mask_sums(const struct mask *m)
{
	return &m->sums;
}
