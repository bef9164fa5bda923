/* SPDX-License-Identifier: BSD-2-Clause */
/* link: xmpp */
/* A whole small world around stream management's ledger: a client and a server that follow XEP-0198
 * to the letter, each with a queue of what is not acknowledged; between them the two ledgers of the
 * proxy, which forwards, drops, answers with errors and injects as the input says; connections that
 * lose what is under way at any point, and a proxy that is killed and takes its ledgers up from
 * their memory. After every input: nothing that was not dropped is lost, nothing comes twice, each
 * error comes once, no h is ever refused. Half of the inputs damage the memory instead: then it is
 * refused or reads as before, and nothing else happens. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "xmpp/acks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STANZAS_MAX = 600, WIRE_MAX = 4096, NUMBERS = 2 };
enum fate { FATE_FORWARD, FATE_DROP, FATE_BOUNCE };
enum what { STANZA, BOUNCE, INJECTED, ACK };

/* On the wire, in order. */
struct thing {
	enum what what;
	unsigned number; /* the stanza (of its writer's), the stanza a bounce answers, an h */
};

struct wire {
	struct thing things[WIRE_MAX];
	size_t first, n;
};

/* One end: [0] the client, [1] the server. */
struct end {
	uint32_t sent, acked;         /* its own stanzas, by number; acked ones leave its queue */
	uint32_t handled;             /* its h */
	uint8_t got[STANZAS_MAX];     /* of the other's stanzas */
	uint8_t error[STANZAS_MAX];   /* for its own stanzas */
	struct wire to, from;         /* to the proxy, from the proxy */
	uint32_t next;                /* its stanza to be sent (again) */
	uint32_t queued[STANZAS_MAX]; /* what number the i-th of its counted stanzas is: i + 1 */
};

struct world {
	struct end ends[2];
	struct acks_log logs[2][NUMBERS]; /* by direction; the second after a resumption */
	struct acks acks[2];
	uint64_t salt;
	unsigned now[2]; /* which log is in use */
	uint8_t fates[2][STANZAS_MAX];
	uint8_t charged[2][STANZAS_MAX];
	bool exact;    /* no run has blurred so far */
	uint32_t told; /* the server, of what the client has handled */
	const uint8_t *data;
	size_t left;
};

static unsigned take(struct world *w)
{
	if (w->left == 0)
		return 0;
	w->left--;
	return *w->data++;
}

static void wire_put(struct wire *wire, enum what what, unsigned number)
{
	assert(wire->first + wire->n < WIRE_MAX);
	wire->things[wire->first + wire->n++] = (struct thing){ what, number };
}

static bool wire_get(struct wire *wire, struct thing *thing)
{
	if (wire->n == 0)
		return false;
	*thing = wire->things[wire->first++];
	if (--wire->n == 0)
		wire->first = 0;
	return true;
}

/* ---- the proxy ---- */

/* Within its bounds the ledger forgets nothing. */
static void world_look(struct world *w)
{
	w->exact &= w->acks[0].n < ACKS_RUNS - 1 && w->acks[1].n < ACKS_RUNS - 1 &&
		    w->acks[0].head.n_past < ACKS_PAST - 3 &&
		    w->acks[1].head.n_past < ACKS_PAST - 3;
}

static void proxy_take_stanza(struct world *w, unsigned d, unsigned number)
{
	struct acks *up = &w->acks[d], *down = &w->acks[!d];
	unsigned condition, fate = w->fates[d][number];
	enum acks_again again = acks_again(up, &condition);

	switch (again) {
	case ACKS_NEW:
		assert(w->charged[d][number]++ == 0);
		break;
	case ACKS_AGAIN:
		assert(fate == FATE_FORWARD || !w->exact);
		break;
	case ACKS_HANDLED:
		fate = FATE_DROP;
		break;
	case ACKS_BOUNCE:
		assert(fate == FATE_BOUNCE && condition == number % 23);
		break;
	}
	if (fate == FATE_FORWARD) {
		wire_put(&w->ends[!d].from, STANZA, number);
		assert(acks_forwarded(up) == 0);
		return;
	}
	if (fate == FATE_BOUNCE) {
		wire_put(&w->ends[d].from, BOUNCE, number);
		assert(acks_bounced(down, acks_source(up) + 1, number % 23) == 0);
	}
	assert(acks_dropped(up) == 0);
}

/* The server hears of what the client has handled when it has our errors before that. */
static void proxy_tell_server(struct world *w, uint32_t h)
{
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	size_t n = acks_lost(&w->acks[0], w->acks[0].head.destination, lost);

	w->told = acks_below(h, lost, n);
	wire_put(&w->ends[1].from, ACK, w->told);
}

static void proxy_take(struct world *w, unsigned d)
{
	struct thing thing;
	uint32_t out;

	world_look(w);
	if (!wire_get(&w->ends[d].to, &thing))
		return;
	if (thing.what == STANZA) {
		proxy_take_stanza(w, d, thing.number);
		return;
	}
	/* An ack: of the other direction's stanzas. */
	assert(acks_translate(&w->acks[!d], thing.number, &out) == 0);
	if (d == 0) {
		proxy_tell_server(w, out);
		return;
	}
	wire_put(&w->ends[0].from, ACK, out);
	if (w->told != w->acks[1].head.source)
		proxy_tell_server(w, w->acks[1].head.source);
}

/* ---- the ends ---- */

static void end_speak(struct world *w, unsigned d)
{
	struct end *e = &w->ends[d];

	if (e->next >= STANZAS_MAX - 1)
		return;
	e->next++;
	if (e->next > e->sent)
		e->sent = e->next;
	wire_put(&e->to, STANZA, e->next);
}

static void end_hear_ack(struct world *w, unsigned d, uint32_t h)
{
	struct end *e = &w->ends[d];

	assert((int32_t)(h - e->acked) >= 0 && h <= e->next);
	e->acked = h;
}

static void end_hear(struct world *w, unsigned d)
{
	struct end *e = &w->ends[d];
	struct thing thing;

	if (!wire_get(&e->from, &thing))
		return;
	switch (thing.what) {
	case STANZA:
		assert(e->got[thing.number]++ == 0);
		e->handled++;
		break;
	case BOUNCE:
		assert(e->error[thing.number]++ == 0 || !w->exact);
		e->handled++;
		break;
	case INJECTED:
		e->handled++;
		break;
	case ACK:
		end_hear_ack(w, d, thing.number);
		break;
	}
}

/* ---- breaking ---- */

static void wires_lose(struct world *w)
{
	for (unsigned d = 0; d < 2; d++)
		w->ends[d].to.n = w->ends[d].to.first = w->ends[d].from.n = w->ends[d].from.first =
			0;
}

/* A new process finds what the old one has left. */
static void proxy_take_up(struct world *w, struct acks_log copies[2], struct acks old[2])
{
	for (unsigned d = 0; d < 2; d++) {
		assert(acks_snapshot(&w->logs[d][w->now[d]], &copies[d]) == 0);
		assert(acks_load(&old[d], &copies[d], w->salt + w->now[d]) == 0);
		assert(acks_source(&old[d]) == acks_source(&w->acks[d]));
		assert(acks_destination(&old[d]) == acks_destination(&w->acks[d]));
	}
}

/* false: the ledger has lost the detail, and says so. */
static bool world_resume(struct world *w)
{
	struct end *client = &w->ends[0], *server = &w->ends[1];
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	static struct acks_log copies[2];
	struct acks old[2], next[2];
	uint32_t to_server, to_client;
	size_t n;

	wires_lose(w);
	proxy_take_up(w, copies, old);
	/* <resume h/>: what the server hears before it has said its own. */
	assert(acks_peek(&old[1], client->handled, &to_server) == 0);
	n = acks_lost(&old[0], old[0].head.destination, lost);
	w->told = to_server = acks_below(to_server, lost, n);
	n = acks_lost(&old[0], server->handled, lost);
	if (acks_resume(&next[1], &w->logs[1][!w->now[1]], w->salt + !w->now[1], &old[1],
		    client->handled, to_server, lost, n) < 0)
		return false;
	/* <resumed h/> */
	assert(acks_peek(&old[0], server->handled, &to_client) == 0);
	n = acks_lost(&old[1], client->handled, lost);
	to_client = acks_below(to_client, lost, n);
	if (acks_resume(&next[0], &w->logs[0][!w->now[0]], w->salt + !w->now[0], &old[0],
		    server->handled, to_client, lost, n) < 0)
		return false;
	for (unsigned d = 0; d < 2; d++) {
		w->now[d] = !w->now[d];
		w->acks[d] = next[d];
	}
	end_hear_ack(w, 1, to_server);
	assert((int32_t)(to_client - client->acked) >= 0 && to_client <= client->sent);
	client->acked = to_client;
	/* What is not acknowledged is sent again, in order, before anything else. */
	for (unsigned d = 0; d < 2; d++) {
		struct end *e = &w->ends[d];

		e->next = e->acked;
	}
	return true;
}

static void world_settle(struct world *w)
{
	for (unsigned d = 0; d < 2; d++)
		while (w->ends[d].next < w->ends[d].sent)
			end_speak(w, d);
	for (bool more = true; more;) {
		more = false;
		for (unsigned d = 0; d < 2; d++) {
			more |= w->ends[d].to.n || w->ends[d].from.n;
			proxy_take(w, d);
			end_hear(w, d);
		}
	}
}

static void world_check(const struct world *w)
{
	for (unsigned d = 0; d < 2; d++)
		for (unsigned i = 1; i <= w->ends[d].sent; i++) {
			unsigned fate = w->fates[d][i];

			assert(w->ends[!d].got[i] == (fate == FATE_FORWARD));
			assert(!w->ends[d].error[i] || fate == FATE_BOUNCE);
			assert(!w->exact || w->ends[d].error[i] == (fate == FATE_BOUNCE));
		}
}

static void world_step(struct world *w, unsigned what)
{
	unsigned d = what & 1;
	struct end *e = &w->ends[d];

	switch (what >> 1 & 7) {
	case 0:
	case 1:
		end_speak(w, d);
		break;
	case 2:
	case 3:
		proxy_take(w, d);
		break;
	case 4:
		end_hear(w, d);
		break;
	case 5:
		if (e->to.n < 100)
			wire_put(&e->to, ACK, e->handled);
		break;
	case 6:
		if (e->from.n > 100)
			break;
		wire_put(&e->from, INJECTED, 0);
		assert(acks_injected(&w->acks[!d]) == 0);
		break;
	case 7:
		for (unsigned i = what >> 4; i > 0; i--) {
			end_speak(w, d);
			proxy_take(w, d);
			end_hear(w, !d);
		}
		break;
	}
	world_look(w);
}

static void world_run(struct world *w)
{
	w->exact = true;
	for (unsigned d = 0; d < 2; d++) {
		acks_init(&w->acks[d], &w->logs[d][0], w->salt);
		for (unsigned i = 0, mix = take(w); i < STANZAS_MAX; i++) {
			unsigned roll = (mix + i * 7u + (i * i >> (mix & 3))) % 11;

			w->fates[d][i] = roll < 6   ? FATE_FORWARD
					 : roll < 8 ? FATE_DROP
						    : FATE_BOUNCE;
		}
	}
	while (w->left > 0) {
		unsigned what = take(w);

		if (what != 0xff)
			world_step(w, what);
		else if (!world_resume(w))
			return;
		world_look(w);
	}
	world_settle(w);
	if (!world_resume(w))
		return;
	world_look(w);
	world_settle(w);
	world_check(w);
}

/* ---- damage ---- */

static void damage_run(struct world *w)
{
	struct acks_log *log = &w->logs[0][0], before;
	struct acks a;
	uint32_t source, destination, out;
	unsigned condition;

	acks_init(&w->acks[0], log, w->salt);
	for (unsigned i = take(w); i > 0; i--)
		(void)(take(w) & 1 ? acks_forwarded(&w->acks[0]) : acks_dropped(&w->acks[0]));
	source = acks_source(&w->acks[0]);
	destination = acks_destination(&w->acks[0]);
	memcpy(&before, log, sizeof(before));
	while (w->left >= 3) {
		unsigned at = take(w) << 8 | take(w);

		((uint8_t *)log)[at % sizeof(*log)] ^= (uint8_t)take(w);
	}
	if (acks_load(&a, log, w->salt) < 0)
		return;
	if (memcmp(&before, log, sizeof(before)) == 0)
		assert(acks_source(&a) == source && acks_destination(&a) == destination);
	(void)acks_again(&a, &condition);
	(void)acks_peek(&a, acks_destination(&a), &out);
	(void)acks_translate(&a, acks_destination(&a), &out);
	(void)acks_forwarded(&a);
	(void)acks_bounced(&a, 5, 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w;

	if (size < 3 || size > 4096 || !(w = calloc(1, sizeof(*w))))
		return 0;
	w->data = data + 1;
	w->left = size - 1;
	w->salt = UINT64_C(0x123456789abcdef) * data[0];
	if (data[0] & 1)
		damage_run(w);
	else
		world_run(w);
	free(w);
	return 0;
}
