/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts the inspector's rooms behind each other for a file: capture -> packet -> fragment -> order
 * -> flow -> inspect -> tell, tally. In: a descriptor and a policy. Out: lines and a summary. Time
 * is the capture's: both clocks stand at the packet being read, so that limits, windows and bans
 * run as they would have run. Memory is bounded whatever the size of the file; a file that ends in
 * the middle, or is damaged there, counts up to there. It opens nothing and asks nobody. */
#include "nfq-filter/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "nfq-filter/announce.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/capture.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/fragment.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/order.h"
#include "nfq-filter/resumed.h"
#include "nfq-filter/summary.h"
#include "nfq-filter/tally.h"

enum { MEMORY_MAX = 512 << 20, PROGRESS_MS = 200, START_NS = 1000000000 };

struct replay {
	const struct replay_options *options;
	struct policy *policy;
	FILE *out;
	struct counts counts;
	struct capture *capture;
	struct fragments *fragments;
	struct flow_limits limits;
	struct flow_table *flows;
	struct order *order;
	struct inspector inspector;
	struct mdns *mdns;
	struct announcer *announcer;
	struct tally *tally;
	struct tell tell;
	uint64_t first_ns, now_ns; /* of packets */
	uint64_t read;             /* bytes of the file */
	int64_t shown_ms;
	int error;
};

static void fail(struct replay *r, int error)
{
	if (r->error == 0 && error < 0)
		r->error = error;
}

/* ---- from the inspector ---- */

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct replay *r = arg;

	if (r->options->limit)
		return;
	fail(r, tally_verdict(r->tally, i, v, r->tell.wall_ms));
	fail(r, tell_verdict(&r->tell, i, v));
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	struct replay *r = arg;
	char detail[128];

	if (r->options->limit)
		return;
	snprintf(detail, sizeof(detail), "%s (%s)", stream_error_text(error), reason);
	fail(r, tally_broken(r->tally, i, side, error, reason));
	fail(r, tell_note(&r->tell, i, side, "broken", detail));
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	struct replay *r = arg;

	if (!r->options->limit && i->number)
		fail(r, tell_note(&r->tell, i, side, what, ""));
}

static void on_ended(void *arg, struct inspection *i)
{
	struct replay *r = arg;

	if (!r->options->limit)
		fail(r, tally_stream(r->tally, i, r->now_ns));
}

/* A line that ctl reads again: what cannot stand in one is masked. */
static void on_key(void *arg, struct span key, uint64_t events)
{
	struct replay *r = arg;

	fprintf(r->out, "%llu.%09llu", (unsigned long long)(r->now_ns / 1000000000u),
		(unsigned long long)(r->now_ns % 1000000000u));
	if (events != 1)
		fprintf(r->out, "*%llu", (unsigned long long)events);
	fputc(' ', r->out);
	for (size_t i = 0; i < key.len; i++)
		fputc((unsigned char)key.ptr[i] < 0x20 ? '?' : key.ptr[i], r->out);
	fputs(key.len ? "\n" : "all\n", r->out);
}

/* ---- from the flows ---- */

static bool on_serves(void *arg, const struct endpoint *where)
{
	struct replay *r = arg;

	return detect_is_served(r->policy, where->port) || mdns_serves(r->mdns, where, r->now_ns);
}

static void on_idle(void *arg, struct flow *f)
{
	(void)arg;
	if (f->user)
		inspection_shrink(f->user);
}

static void drain_side(struct replay *r, struct flow *f, enum flow_side side)
{
	struct flow_event ev;

	while (r->error == 0) {
		flow_next(r->flows, f, side, &ev);
		if (ev.kind == FLOW_NOTHING)
			return;
		if (!f->user && !(f->user = inspection_new(&r->inspector, f)))
			fail(r, -ENOMEM);
		else if (ev.kind == FLOW_BYTES)
			fail(r, inspection_push(f->user, side, ev.bytes, ev.position));
		else if (ev.kind == FLOW_GAP)
			inspection_gap(f->user, side);
		else
			fail(r, inspection_end(f->user, side));
	}
}

/* What still waits comes out with the other side's last words. */
static void on_forget(void *arg, struct flow *f)
{
	struct replay *r = arg;

	for (unsigned s = 0; s < FLOW_SIDES; s++)
		drain_side(r, f, s);
	if (!f->user)
		return;
	for (unsigned s = 0; s < FLOW_SIDES && r->error == 0; s++)
		fail(r, inspection_end(f->user, s));
	inspection_free(f->user);
	f->user = NULL;
}

/* ---- packets ---- */

static void set_time(struct replay *r, uint64_t time_ns)
{
	/* A capture's clock may jump back; ours do not. */
	if (time_ns <= r->now_ns && r->first_ns)
		return;
	if (!r->first_ns)
		r->first_ns = time_ns ? time_ns : 1;
	r->now_ns = time_ns;
	r->inspector.now_ns = time_ns;
	r->tell.wall_ms = (int64_t)(time_ns / 1000000u);
	clock_freeze(START_NS + (r->now_ns - r->first_ns), r->tell.wall_ms);
}

static void take_tcp(void *arg, const struct packet *p, void *none)
{
	struct flow_taken taken;
	struct replay *r = arg;

	(void)none;
	if (r->error)
		return;
	fail(r, flow_push(r->flows, p, &taken));
	if (r->error || taken.fate != FLOW_TAKEN)
		return;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		drain_side(r, taken.flow, s);
	flow_settle(r->flows, taken.flow);
}

/* What would have been held back is told, and learned from all the same. */
static void take_mdns(struct replay *r, const struct packet *p)
{
	if (mdns_learn(r->mdns, p, r->now_ns, &r->counts))
		fail(r, announcer_judge(r->announcer, &r->inspector, p, on_judged, r));
}

static enum packet_kind whole_datagram(struct replay *r, struct packet *p)
{
	const unsigned char *data;
	size_t len;
	int n = fragments_push(r->fragments, p, &data, &len);

	fail(r, n);
	return n > 0 ? packet_parse_transport(data, len, p) : PACKET_FRAGMENT;
}

static void take_packet(struct replay *r, const struct capture_packet *captured)
{
	struct packet p;
	enum packet_kind kind;

	set_time(r, captured->time_ns);
	kind = packet_parse_frame(
		captured->link, captured->data, captured->len, captured->wire_len, &p);
	p.time_ns = r->now_ns;
	counts_add(&r->counts, COUNT_PACKETS, 1);
	counts_add(&r->counts, COUNT_PACKET_BYTES, captured->len);
	if (kind == PACKET_FRAGMENT)
		kind = whole_datagram(r, &p);
	/* So short that not even its headers are there. */
	if (kind == PACKET_OTHER && captured->len < captured->wire_len)
		counts_add(&r->counts, COUNT_PACKET_CUT, 1);
	if (kind == PACKET_TCP)
		fail(r, order_push(r->order, &p, NULL));
	else if (kind == PACKET_UDP && mdns_is_for(&p))
		take_mdns(r, &p);
	else if (kind != PACKET_FRAGMENT)
		counts_add(&r->counts,
			kind == PACKET_BAD    ? COUNT_PACKET_BAD
			: kind == PACKET_LINK ? COUNT_PACKET_LINK
					      : COUNT_PACKET_OTHER,
			1);
}

/* ---- progress ---- */

static int64_t real_ms(void)
{
	struct timespec t;

	/* The other clocks stand still. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void show_progress(struct replay *r, bool last)
{
	int64_t now;

	if (!r->options->progress)
		return;
	now = real_ms();
	if (!last && now - r->shown_ms < PROGRESS_MS)
		return;
	r->shown_ms = now;
	if (last)
		fprintf(stderr, "\r\033[K");
	else if (r->options->size)
		fprintf(stderr, "\r\033[K%3.0f %%  %llu packets  %llu streams",
			(double)r->read * 100 / (double)r->options->size,
			(unsigned long long)r->counts.n[COUNT_PACKETS],
			(unsigned long long)r->counts.n[COUNT_STREAM]);
	else
		fprintf(stderr, "\r\033[K%llu packets  %llu streams",
			(unsigned long long)r->counts.n[COUNT_PACKETS],
			(unsigned long long)r->counts.n[COUNT_STREAM]);
}

/* ---- the whole ---- */

static enum capture_result drain_capture(struct replay *r)
{
	struct capture_packet captured;
	enum capture_result result = CAPTURE_MORE;

	while (r->error == 0 && (result = capture_next(r->capture, &captured)) == CAPTURE_PACKET)
		take_packet(r, &captured);
	return result;
}

static void read_all(struct replay *r, int fd)
{
	enum capture_result result = CAPTURE_MORE;
	char *where;
	size_t len;
	ssize_t n = 1;

	while (r->error == 0 && n > 0 && result != CAPTURE_BAD) {
		int e = capture_room(r->capture, &len, &where);

		if (e < 0) {
			fail(r, e);
			return;
		}
		do
			n = read(fd, where, len);
		while (n < 0 && errno == EINTR);
		if (n < 0) {
			fail(r, -errno);
			return;
		}
		capture_filled(r->capture, (size_t)n);
		r->read += (uint64_t)n;
		result = drain_capture(r);
		show_progress(r, false);
	}
	capture_finish(r->capture);
	if (r->error == 0) {
		order_finish(r->order);
		flow_table_clear(r->flows);
	}
	show_progress(r, true);
}

static json_t *capture_json(const struct replay *r)
{
	char when[40];
	json_t *o = json_pack("{s:s, s:I, s:I, s:b}", "format", capture_format(r->capture),
		"packets", (json_int_t)r->counts.n[COUNT_PACKETS], "bytes",
		(json_int_t)r->counts.n[COUNT_PACKET_BYTES], "cut", capture_is_cut(r->capture));

	if (o && *capture_reason(r->capture)) {
		json_object_set_new(o, "damaged", json_string(capture_reason(r->capture)));
		json_object_set_new(
			o, "damaged_at", json_integer((json_int_t)capture_offset(r->capture)));
	}
	if (!o || !r->first_ns)
		return o;
	clock_format_wall((int64_t)(r->first_ns / 1000000u), when, sizeof(when));
	json_object_set_new(o, "from", json_string(when));
	clock_format_wall((int64_t)(r->now_ns / 1000000u), when, sizeof(when));
	json_object_set_new(o, "until", json_string(when));
	return o;
}

static int tell_summary(struct replay *r)
{
	json_t *all = tally_json(r->tally, r->options->json ? r->options->top : SUMMARY_TOP),
	       *counters = json_object(), *line;

	if (!all || !counters) {
		json_decref(all);
		json_decref(counters);
		return -ENOMEM;
	}
	for (unsigned c = 0; c < COUNT_MAX; c++)
		json_object_set_new(counters, count_name((enum count)c),
			json_integer((json_int_t)r->counts.n[c]));
	json_object_set_new(all, "capture", capture_json(r));
	json_object_set_new(all, "counters", counters);
	if (r->options->json) {
		line = json_pack("{s:O}", "summary", all);
		json_dumpf(line, r->out, JSON_COMPACT);
		fputc('\n', r->out);
		json_decref(line);
	} else {
		if (r->options->lines != TELL_NOTHING && r->counts.n[COUNT_STREAM])
			fputc('\n', r->out);
		summary_print(r->out, all);
	}
	json_decref(all);
	return 0;
}

static int replay_begin(struct replay *r)
{
	struct flow_hooks hooks = { r, on_serves, on_idle, on_forget };

	r->limits = flow_limits_default;
	r->limits.any_checksum = r->options->any_checksum;
	r->tell = (struct tell){
		.out = r->out, .json = r->options->json, .lines = r->options->lines
	};
	r->inspector = (struct inspector){ .policy = r->policy,
		.judge = judge_new(),
		.counts = &r->counts,
		.hooks = { r, on_judged, on_broken, on_noted, on_ended, NULL, NULL },
		.memory_max = MEMORY_MAX,
		.bosh = bosh_table_new(0),
		.resumed = resumed_new(),
		.inside = r->options->inside };
	r->capture = capture_new();
	r->fragments = fragments_new(&r->counts);
	r->flows = flow_table_new(&r->limits, &hooks, &r->counts);
	r->order = r->flows ? order_new(r->flows, take_tcp, r) : NULL;
	r->tally = tally_new(r->policy);
	r->inspector.mdns = r->mdns = mdns_new();
	r->announcer = announcer_new();
	if (!r->inspector.judge || !r->capture || !r->fragments || !r->order || !r->tally ||
		!r->mdns || !r->inspector.bosh || !r->inspector.resumed || !r->announcer)
		return -ENOMEM;
	if (r->options->limit)
		judge_watch_limit(r->inspector.judge, r->options->limit, on_key, r);
	return 0;
}

static void replay_end(struct replay *r)
{
	/* After an error, the rest is only freed. */
	order_free(r->order);
	flow_table_free(r->flows);
	fragments_free(r->fragments);
	capture_free(r->capture);
	bosh_table_free(r->inspector.bosh);
	resumed_free(r->inspector.resumed);
	judge_free(r->inspector.judge);
	tally_free(r->tally);
	announcer_free(r->announcer);
	mdns_free(r->mdns);
	clock_thaw();
}

int replay_run(const struct replay_options *options, struct policy *policy, int fd, FILE *out)
{
	struct replay r = { .options = options, .policy = policy, .out = out };
	int result;

	if ((r.error = replay_begin(&r)) == 0) {
		read_all(&r, fd);
		if (r.error == 0 && !options->limit)
			fail(&r, tell_summary(&r));
	}
	if (fflush(out) != 0)
		fail(&r, -errno);
	result = r.capture && *capture_reason(r.capture) ? REPLAY_DAMAGED : REPLAY_DONE;
	replay_end(&r);
	return r.error < 0 ? r.error : result;
}
