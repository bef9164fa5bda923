/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * A component stream through the live gate, packet by packet, from senders who may lie: segments in
 * any order and size, sent again, sent again with other words of the same length, with wrong
 * checksums, old timestamps, resets from nowhere; between them time passes and receivers
 * acknowledge. Behind the gate stand two receivers, one who keeps the first copy of a byte and one
 * who prefers the last, who get exactly what it let through. Asserted: each packet gets one order;
 * lengths never change and checksums are right; both receivers read the same, and no whole stanza
 * with a forbidden word; what was not rejected arrives as it was sent; honest traffic without a
 * forbidden word is never harmed. The first byte chooses what there is to say, each four more are a
 * step. */
#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfq-filter/gate.h"
#include "tests/unit/policy_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	STREAM = 1 << 13,
	STANZAS = 12,
	STEP = 4,
	PACKETS = 1024,
	HEADERS = 52,
	MS = 1000000,
	ROUNDS = 400,
};

/* What a side says, and the lie: the same with other words. */
struct speaker {
	char truth[STREAM + 1], lie[STREAM + 1];
	size_t len, sent; /* sent: furthest, once */
	size_t start[STANZAS], end[STANZAS];
	bool forbidden[STANZAS];
	unsigned n;
	uint32_t isn;
};

/* What its other side has. */
struct receiver {
	bool known[STREAM];
	char bytes[STREAM + 1];
	size_t next;
	bool prefers_last;
};

struct waiting {
	bool ordered;
	unsigned side;
	size_t len;
	char bytes[HEADERS + 1400];
};

struct world {
	struct gate *gate;
	struct counts counts;
	struct speaker says[2];
	struct receiver first[2], last[2];
	unsigned n;
	uint64_t now;
	uint32_t stamp,
		newest[2]; /* newest: what a receiver remembers of the other's (RFC 7323 5) */
	bool lied, killed, reset;
	struct waiting packets[PACKETS]; /* last: not cleared */
};

static struct policy *policy;
static struct judge *judge;
static struct world w;

static void policy_make(void)
{
	static const char rules[] =
		"service component { listen tcp { 5347 }; mode inspect; tls none; }\n"
		"chain c { hook component; policy accept;\n"
		"rule no { message body contains \"forbidden\" reject policy-violation } }\n";

	policy = policy_of_text(rules, NULL);
	if (!(judge = judge_new()))
		abort();
}

/* ---- what is said ---- */

static void say(struct speaker *s, const char *truth, const char *lie)
{
	size_t len = strlen(truth);

	assert(len == strlen(lie) && s->len + len <= STREAM);
	memcpy(s->truth + s->len, truth, len + 1);
	memcpy(s->lie + s->len, lie, len + 1);
	s->len += len;
}

static void say_stanza(struct speaker *s, unsigned kind, unsigned number)
{
	static const char *const bodies[][2] = { { "harmless1", "forbidden" },
		{ "forbidden", "harmless1" }, { "harmless2", "har&lt;ss" },
		{ "harmless3", "</body>xx" } };
	char truth[1024], lie[1024];
	unsigned which = kind & 3, padding = (kind >> 2 & 7) * 80;

	if (kind & 32)
		say(s, " \n ", " \n ");
	s->start[s->n] = s->len;
	snprintf(truth, sizeof(truth),
		"<message to='a@b.example' id='%u'><body>%*s%s %u</body></message>", number,
		(int)padding, "", bodies[which][0], number);
	snprintf(lie, sizeof(lie),
		"<message to='a@b.example' id='%u'><body>%*s%s %u</body></message>", number,
		(int)padding, "", bodies[which][1], number);
	say(s, truth, lie);
	s->forbidden[s->n] = which == 1;
	s->end[s->n++] = s->len;
}

static const char *const logins[2][2] = {
	{ "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
	  "xmlns:stream='http://etherx.jabber.org/streams' to='c.example'>",
		"<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>" },
	{ "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
	  "xmlns:stream='http://etherx.jabber.org/streams' from='c.example' id='1'>",
		"<handshake/>" },
};

/* ---- packets ---- */

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
	const unsigned char *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (len)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t tcp_checksum(const unsigned char *ip, size_t len)
{
	uint32_t pseudo = 6 + (uint32_t)(len - 20);

	for (unsigned i = 12; i < 20; i += 2)
		pseudo += (uint32_t)ip[i] << 8 | ip[i + 1];
	return checksum(ip + 20, len - 20, pseudo);
}

static void put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static void put32(unsigned char *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum trick { TRICK_NONE, TRICK_CHECKSUM, TRICK_STAMP, TRICK_URGENT };

static void push(
	unsigned side, uint32_t seq, unsigned flags, const char *data, size_t len, enum trick trick)
{
	static const unsigned char ends[2][6] = { { 192, 0, 2, 11, 0x9c, 0x40 },
		{ 198, 51, 100, 10, 0x14, 0xe3 } };
	struct waiting *p = &w.packets[w.n];
	unsigned char *b = (unsigned char *)p->bytes;
	uint32_t ack = w.says[!side].isn + 1 + (uint32_t)w.first[!side].next;

	if (w.n == PACKETS)
		return;
	assert(len <= sizeof(p->bytes) - HEADERS);
	*p = (struct waiting){ .side = side, .len = HEADERS + len };
	b[0] = 0x45;
	put16(b + 2, (unsigned)p->len);
	b[6] = 0x40;
	b[8] = 64;
	b[9] = 6;
	memcpy(b + 12, ends[side], 4);
	memcpy(b + 16, ends[!side], 4);
	put16(b + 10, checksum(b, 20, 0));
	memcpy(b + 20, ends[side] + 4, 2);
	memcpy(b + 22, ends[!side] + 4, 2);
	put32(b + 24, seq);
	put32(b + 28, flags & 16 ? ack : 0);
	b[32] = 8 << 4;
	b[33] = (unsigned char)(flags | (trick == TRICK_URGENT ? 32 : 0));
	put16(b + 34, 65535);
	put16(b + 38, trick == TRICK_URGENT ? (unsigned)len / 2 : 0);
	memcpy(b + 40, "\1\1\10\12", 4);
	put32(b + 44, trick == TRICK_STAMP ? w.stamp - 100000 : ++w.stamp);
	memcpy(b + HEADERS, data, len);
	put16(b + 36, tcp_checksum(b, p->len) ^ (trick == TRICK_CHECKSUM ? 0x55 : 0));
	w.n++;
	assert(gate_push(w.gate, &(struct gate_packet){ .id = w.n - 1,
					 .bytes = p->bytes,
					 .len = p->len,
					 .now_ns = w.now }) >= 0);
}

/* ---- behind the gate ---- */

static void receive(struct receiver *v, size_t at, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && at + i < STREAM; i++) {
		if (at + i < v->next || (v->known[at + i] && !v->prefers_last))
			continue;
		v->known[at + i] = true;
		v->bytes[at + i] = bytes[i];
	}
	while (v->next < STREAM && v->known[v->next])
		v->next++;
}

/* What a receiver does with a packet: nothing where the checksum is wrong or the timestamp old. */
static void deliver(const struct waiting *p, const unsigned char *b, size_t len)
{
	uint32_t seq = get32(b + 24), start = w.says[p->side].isn + 1;
	size_t at = seq - start;

	if (tcp_checksum(b, len) != 0 || w.reset)
		return;
	if (b[33] & 4) {
		w.reset = w.reset || at == w.first[p->side].next;
		return;
	}
	if ((int32_t)(get32(b + 44) - w.newest[p->side]) < 0)
		return;
	if ((int32_t)(seq - start - (uint32_t)w.first[p->side].next) <= 0)
		w.newest[p->side] = get32(b + 44);
	if (b[33] & 2)
		return;
	/* A receiver would cut a byte out of the stream. */
	assert(!(b[33] & 32));
	receive(&w.first[p->side], at, (const char *)b + HEADERS, len - HEADERS);
	receive(&w.last[p->side], at, (const char *)b + HEADERS, len - HEADERS);
}

static void on_order(void *arg, const struct gate_order *o)
{
	struct waiting *p = &w.packets[o->id];
	const unsigned char *b = o->bytes, *old = (const unsigned char *)p->bytes;

	(void)arg;
	assert(o->id < w.n + 1 && !p->ordered);
	p->ordered = true;
	if (o->bytes && (o->fate == GATE_ACCEPT || o->fate == GATE_PASS)) {
		assert(o->len == p->len || (b[33] & 4 && o->len >= 40 && o->len <= p->len));
		assert(checksum(b, 20, 0) == 0 && tcp_checksum(b, o->len) == 0);
		/* Addresses, ports, sequence numbers and options stay the peers' own. */
		assert(memcmp(b + 12, old + 12, 12) == 0);
		if (!(b[33] & 4))
			assert(memcmp(b, old, 33) == 0 && b[33] == (old[33] & ~32) &&
				memcmp(b + 34, old + 34, 2) == 0 &&
				memcmp(b + 40, old + 40, 12) == 0);
	}
	if (o->fate == GATE_ACCEPT || o->fate == GATE_PASS)
		deliver(p, b ? b : old, b ? o->len : p->len);
	assert(o->fate != GATE_PASS);
}

static void on_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act)
{
	(void)arg;
	(void)i;
	(void)v;
	w.killed = w.killed || act == GATE_KILLED;
}

static void on_killed(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *why)
{
	(void)arg;
	(void)f;
	(void)i;
	(void)side;
	(void)error;
	assert(why && *why);
	w.killed = true;
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

/* ---- steps ---- */

static void send_part(unsigned side, size_t at, size_t len, bool lie, enum trick trick)
{
	struct speaker *s = &w.says[side];

	if (at >= s->len)
		return;
	len = at + len > s->len ? s->len - at : len;
	push(side, s->isn + 1 + (uint32_t)at, 16 | 8, (lie ? s->lie : s->truth) + at, len, trick);
	if (at + len > s->sent && (trick == TRICK_NONE || trick == TRICK_URGENT))
		s->sent = at + len;
}

static void begin(void)
{
	for (unsigned i = 0; i < 2; i++) {
		push(0, w.says[0].isn, 2, "", 0, TRICK_NONE);
		push(1, w.says[1].isn, 2 | 16, "", 0, TRICK_NONE);
		push(0, w.says[0].isn + 1, 16, "", 0, TRICK_NONE);
	}
	for (unsigned turn = 0; turn < 4; turn++) {
		size_t at = w.says[turn & 1].sent, len = strlen(logins[turn & 1][turn / 2]);

		send_part(turn & 1, at, len, false, TRICK_NONE);
		assert(w.first[turn & 1].next == at + len);
		push(!(turn & 1), w.says[!(turn & 1)].isn + 1 + (uint32_t)w.says[!(turn & 1)].sent,
			16, "", 0, TRICK_NONE);
	}
}

static void step(const uint8_t *op)
{
	unsigned side = op[0] >> 7;
	struct speaker *s = &w.says[side];
	/* Near what was said last, or near what its receiver lacks. */
	size_t base = op[0] & 64 ? w.first[side].next : s->sent;
	int64_t at = (int64_t)base + (op[0] & 32 ? (int8_t)op[1] * 4 : 0);
	size_t len = 1 + (op[0] & 16 ? op[2] * 5u : op[2]);

	at = at < 0 ? 0 : at;
	switch (op[0] & 15) {
	case 0 ... 5:
		send_part(side, (size_t)at, len, false, TRICK_NONE);
		break;
	case 6:
	case 7:
		w.lied = true;
		send_part(side, (size_t)at, len, true, TRICK_NONE);
		break;
	case 8:
		send_part(side, (size_t)at, len, op[3] & 1, TRICK_CHECKSUM);
		break;
	case 9:
		send_part(side, (size_t)at, len, op[3] & 1, TRICK_STAMP);
		break;
	case 10: /* out of nowhere; at exactly the next byte it would be believed */
		push(side, s->isn + 1 + (uint32_t)w.first[side].next + 1 + op[1] * (op[2] & 7u),
			4 | 16, "", 0, TRICK_NONE);
		break;
	case 12:
		send_part(side, (size_t)at, len, false, TRICK_URGENT);
		break;
	case 11:
		w.now += (uint64_t)op[1] * MS;
		gate_tick(w.gate, w.now);
		break;
	default: /* its receiver acknowledges what it has */
		push(!side, w.says[!side].isn + 1 + (uint32_t)w.says[!side].sent, 16, "", 0,
			TRICK_NONE);
	}
}

/* In the end everybody sends what is not acknowledged until it is, in segments as they come. */
static void finish(void)
{
	for (unsigned round = 0; round < ROUNDS && !w.killed && !w.reset; round++) {
		bool done = true;

		for (unsigned side = 0; side < 2; side++) {
			size_t next = w.first[side].next, end = w.says[side].len;

			for (size_t at = next, k = 0; at < end && k < 10; at += 500, k++)
				send_part(side, at, 500, false, TRICK_NONE);
			push(!side, w.says[!side].isn + 1 + (uint32_t)w.says[!side].sent, 16, "", 0,
				TRICK_NONE);
			done = done && w.first[side].next == end;
		}
		for (unsigned side = 0; side < 2 && done; side++)
			push(side, w.says[side].isn + 1 + (uint32_t)w.says[side].len, 16 | 1, "", 0,
				TRICK_NONE);
		w.now += 60 * MS;
		gate_tick(w.gate, w.now);
		if (done || w.n > PACKETS - 64)
			break;
	}
}

/* ---- what came of it ---- */

static void check_side(unsigned side)
{
	const struct speaker *s = &w.says[side];
	struct receiver *v = &w.first[side];
	char *end, *last = NULL;

	assert(v->next == w.last[side].next);
	assert(memcmp(v->bytes, w.last[side].bytes, v->next) == 0);
	v->bytes[v->next] = '\0';
	for (end = v->bytes; (end = strstr(end, "</message>")); end++)
		last = end;
	if (last) { /* a stanza that never ends is none */
		*last = '\0';
		assert(!strstr(v->bytes, "forbidden"));
		*last = '<';
	}
	if (w.lied)
		return;
	for (size_t i = 0, k = 0; i < v->next; i++) {
		while (k < s->n && i >= s->end[k])
			k++;
		if (k < s->n && s->forbidden[k] && i >= s->start[k])
			assert(strchr(" \t\r\n", v->bytes[i]) || w.killed);
		else
			assert(v->bytes[i] == s->truth[i]);
	}
	if (!w.killed && w.n <= PACKETS - 64)
		assert(v->next == s->len);
}

static void world_make(uint8_t seed, const uint8_t *kinds)
{
	struct gate_spec spec = { .policy = policy,
		.judge = judge,
		.counts = &w.counts,
		.hooks = { NULL, on_order, on_judged, on_killed, on_noted, on_ended, NULL } };

	memset(&w, 0, offsetof(struct world, packets));
	w.now = 1000000000;
	w.stamp = 500000;
	for (unsigned side = 0; side < 2; side++) {
		w.says[side].isn = seed & (1u << side) ? 0xffffffffu - seed * 4u : seed;
		w.last[side].prefers_last = true;
		say(&w.says[side], logins[side][0], logins[side][0]);
		say(&w.says[side], logins[side][1], logins[side][1]);
		for (unsigned i = 0; i < 6; i++)
			say_stanza(&w.says[side], kinds[side ? 5 - i : i], i);
	}
	assert((w.gate = gate_new(&spec)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool harmless = true;

	if (size < 7)
		return 0;
	if (!policy)
		policy_make();
	world_make(data[0], data + 1);
	begin();
	for (size_t i = 7; i + STEP <= size && !w.killed && !w.reset; i += STEP)
		step(data + i);
	finish();
	gate_free(w.gate);
	for (unsigned i = 0; i < w.n; i++)
		assert(w.packets[i].ordered);
	for (unsigned side = 0; side < 2; side++) {
		check_side(side);
		for (unsigned i = 0; i < w.says[side].n; i++)
			harmless = harmless && !w.says[side].forbidden[i];
	}
	assert(!harmless || w.lied || (!w.killed && !w.reset));
	return 0;
}
