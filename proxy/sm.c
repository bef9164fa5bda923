/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps XEP-0198 counters true though stanzas vanish or appear in between: beside relay.c and
 * apply.c. In: what happened to each stanza, every h that passes. Out: the h the other side must
 * hear, what had become of a stanza that comes again. The arithmetic is xmpp/acks; here is whose
 * ledger it is. It lies in a slot that one session writes; who resumes copies it into a slot of its
 * own and ousts the other, wherever that one lives: on this connection's thread, on another, in a
 * child that retires or one that was killed. Nothing changes hands before the server has said
 * <resumed/>, so a stranger's <resume/> does no harm. It never answers a peer and never reads a
 * stanza. */
#include "proxy/sm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/siphash.h"
#include "ctl/link.h"
#include "proxy/counters.h"
#include "xmpp/ns.h"

/* What a slot holds. */
enum { SM_JID_MAX = LINK_SM_SLOT - SHELF_HEAD - 2 * sizeof(struct acks_log) - sizeof(uint64_t) };

struct sm_body {
	struct acks_log up, down;
	uint64_t jid_check;
	char jid[SM_JID_MAX]; /* full, of the session; "": unknown */
};
_Static_assert(sizeof(struct sm_body) == LINK_SM_SLOT - SHELF_HEAD, "a slot of the daemon's shelf");

struct sm_resuming {
	struct shelf_ref ref; /* of the ledger as it was found */
	uint64_t key[2], keep_ms;
	bool foreign; /* another process's */
	struct acks up, down;
	struct sm_body body; /* a copy, which they are in */
	uint32_t h, told;    /* the client's, and what the server was told of it */
};

static struct shelf *shelf;

/* ---- the shelf ---- */

int sm_open(int fd)
{
	struct shelf_metrics metrics = { counters.sm_slots, counters.sm_evicted, counters.sm_full,
		counters.sm_orphaned, counters.sm_damaged };
	bool kept;
	int r;

	if (shelf)
		sm_close();
	if (fd < 0 && (r = shelf_create(
			       NULL, LINK_SM_VERSION, LINK_SM_SLOT, SM_OWN_SLOTS, &fd, &kept)) < 0)
		return r;
	return shelf_open(fd, LINK_SM_VERSION, LINK_SM_SLOT, &metrics, &shelf);
}

bool sm_is_open(void)
{
	return shelf != NULL;
}

void sm_close(void)
{
	shelf_close(shelf);
	shelf = NULL;
}

void sm_beat(uint64_t now_ms)
{
	if (shelf)
		shelf_beat(shelf, now_ms);
}

void sm_expire(uint64_t now_ms)
{
	if (shelf)
		shelf_sweep(shelf, now_ms);
}

size_t sm_records(void)
{
	return shelf ? shelf_used(shelf) : 0;
}

/* Ids are a server's own: the same one of another domain is another session. */
static bool sm_key(const char *domain, const char *id, uint64_t key[2])
{
	char text[256 + SM_ID_MAX];
	size_t n = strlen(domain), len = strlen(id);

	if (!shelf || n >= 256 || len == 0 || len >= SM_ID_MAX)
		return false;
	memcpy(text, domain, n + 1);
	for (char *c = text; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	memcpy(text + n + 1, id, len);
	shelf_hash(shelf, text, n + 1 + len, key);
	return true;
}

/* Sessions of one account are one group. */
static uint64_t sm_group(const char *jid)
{
	uint64_t key[2];

	shelf_hash(shelf, jid, strcspn(jid, "/"), key);
	return key[0];
}

static uint64_t salt_of(struct shelf_ref ref, enum way way)
{
	uint64_t salt = shelf_salt(shelf, ref);

	return way == WAY_UP ? salt : ~salt;
}

static uint64_t jid_check(const char jid[SM_JID_MAX], struct shelf_ref ref)
{
	uint64_t salt[2] = { shelf_salt(shelf, ref), 0 };

	return siphash24((const uint8_t *)salt, jid, strnlen(jid, SM_JID_MAX));
}

static void jid_write(struct sm_body *body, struct shelf_ref ref, const char *jid)
{
	memset(body->jid, 0, SM_JID_MAX);
	memcpy(body->jid, jid, strlen(jid));
	body->jid_check = jid_check(body->jid, ref);
}

/* ---- life ---- */

void sm_init(struct sm *sm)
{
	*sm = (struct sm){ 0 };
}

static void sm_end_resuming(struct sm *sm)
{
	free(sm->resuming);
	sm->resuming = NULL;
}

void sm_fini(struct sm *sm, bool resumable)
{
	if (sm->ref.generation && resumable)
		shelf_park(shelf, sm->ref);
	else if (sm->ref.generation)
		shelf_drop(shelf, sm->ref);
	sm_end_resuming(sm);
	free(sm->own);
	sm_init(sm);
}

bool sm_is_on(const struct sm *sm)
{
	return sm->on;
}

bool sm_is_resumable(const struct sm *sm)
{
	return sm->on && sm->ref.generation && !sm->lost;
}

bool sm_is_lost(struct sm *sm)
{
	if (sm->on && sm->ref.generation && !sm->lost)
		sm->lost = !shelf_holds(shelf, sm->ref);
	return sm->lost;
}

const char *sm_namespace(const struct sm *sm)
{
	return sm->old ? NS_SM2 : NS_SM;
}

int sm_enable(struct sm *sm)
{
	if (sm->pending || sm->on)
		return 0;
	if (!(sm->own = calloc(2, sizeof(*sm->own))))
		return -ENOMEM;
	acks_init(&sm->up, &sm->own[0], 0);
	sm->pending = true;
	return 0;
}

void sm_failed(struct sm *sm)
{
	if (!sm->pending)
		return;
	sm->pending = false;
	free(sm->own);
	sm->own = NULL;
}

/* A slot for it, if there is one. */
static void sm_share(
	struct sm *sm, const char *domain, const char *id, uint64_t keep_ms, const char *jid)
{
	struct sm_body *body;
	struct acks up;
	uint64_t key[2];

	if (strlen(jid) >= SM_JID_MAX || !sm_key(domain, id, key) ||
		shelf_claim(shelf, key, sm_group(jid), keep_ms, &sm->ref) < 0)
		return;
	body = shelf_body(shelf, sm->ref);
	acks_move(&up, &body->up, salt_of(sm->ref, WAY_UP), &sm->up);
	acks_init(&sm->down, &body->down, salt_of(sm->ref, WAY_DOWN));
	jid_write(body, sm->ref, jid);
	shelf_publish(shelf, sm->ref);
	sm->up = up;
	free(sm->own);
	sm->own = NULL;
}

int sm_enabled(struct sm *sm, const char *domain, const char *id, uint64_t max_s, const char *jid)
{
	/* The longest of: what we keep anyway, what the server promised (to a day). */
	uint64_t keep_ms = max_s > SM_KEEP_MAX_MS / 1000 ? SM_KEEP_MAX_MS : max_s * 1000;

	if (sm->on || !sm->pending)
		return 0;
	if (keep_ms < SM_KEEP_MS)
		keep_ms = SM_KEEP_MS;
	if (id && *id)
		sm_share(sm, domain ? domain : "", id, keep_ms, jid ? jid : "");
	if (!sm->ref.generation)
		acks_init(&sm->down, &sm->own[1], 0);
	sm->pending = false;
	sm->on = true;
	return 0;
}

/* ---- counting ---- */

/* The ledger of a way, while it is ours to write; NULL: nothing is counted. */
static struct acks *sm_acks(struct sm *sm, enum way way)
{
	if (sm->pending && way == WAY_UP)
		return &sm->up;
	if (!sm->on || sm_is_lost(sm))
		return NULL;
	return way == WAY_UP ? &sm->up : &sm->down;
}

int sm_forwarded(struct sm *sm, enum way way)
{
	struct acks *a = sm_acks(sm, way);

	return a ? acks_forwarded(a) : 0;
}

int sm_dropped(struct sm *sm, enum way way)
{
	struct acks *a = sm_acks(sm, way);

	return a ? acks_dropped(a) : 0;
}

int sm_injected(struct sm *sm, enum way way)
{
	struct acks *a = sm_acks(sm, way);

	return a ? acks_injected(a) : 0;
}

int sm_bounced(struct sm *sm, enum way way, unsigned condition)
{
	struct acks *a = sm_acks(sm, way);
	struct acks *back = sm_acks(sm, way == WAY_UP ? WAY_DOWN : WAY_UP);
	int r = 0;

	/* The answer first: killed in between, we take the stanza for one that never came. */
	if (back)
		r = a ? acks_bounced(back, acks_source(a) + 1, condition) : acks_injected(back);
	return r < 0 || !a ? r : acks_dropped(a);
}

enum acks_again sm_again(struct sm *sm, enum way way, unsigned *condition)
{
	struct acks *a = sm->on ? sm_acks(sm, way) : NULL;

	return a ? acks_again(a, condition) : ACKS_NEW;
}

bool sm_wants_ack(struct sm *sm, enum way way)
{
	struct acks *a = sm->on ? sm_acks(sm, way) : NULL;

	if (a && way == WAY_UP && sm->held)
		return acks_ask(a);
	return a && acks_wants_ack(a);
}

/* To the client errors and acks go by one stream, in this order: who has the ack has the error. The
 * server's acks are written by its peer, the client, who knows nothing of our errors. */
static void sm_hold(struct sm *sm, uint32_t *h)
{
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	size_t n = acks_lost(&sm->up, sm->up.head.destination, lost);

	sm->told = acks_below(*h, lost, n);
	sm->held = sm->told != *h;
	*h = sm->told;
}

bool sm_release(struct sm *sm, uint32_t *h)
{
	uint32_t told = sm->told;

	if (!sm->held || sm_is_lost(sm))
		return false;
	*h = sm->down.head.source;
	sm_hold(sm, h);
	return *h != told;
}

int sm_translate(struct sm *sm, enum way way, uint32_t h, uint32_t *out)
{
	struct acks *a = sm->on ? sm_acks(sm, way) : NULL;
	int r = 0;

	*out = h;
	if (a)
		r = acks_translate(a, h, out);
	if (r == 0 && a && way == WAY_DOWN)
		sm_hold(sm, out);
	if (r == 0 && *out != h)
		metric_add(counters.sm_translated, 1);
	return r;
}

uint32_t sm_sent(const struct sm *sm, enum way way)
{
	return sm->on ? acks_destination(way == WAY_UP ? &sm->up : &sm->down) : 0;
}

/* ---- resuming ---- */

/* A copy of what the slot holds at this moment, checked. */
static int resuming_read(struct sm_resuming *r)
{
	struct sm_body *body = shelf_body(shelf, r->ref);

	memcpy(r->body.jid, body->jid, SM_JID_MAX);
	r->body.jid_check = body->jid_check;
	if (acks_snapshot(&body->up, &r->body.up) < 0 ||
		acks_snapshot(&body->down, &r->body.down) < 0 ||
		acks_load(&r->up, &r->body.up, salt_of(r->ref, WAY_UP)) < 0 ||
		acks_load(&r->down, &r->body.down, salt_of(r->ref, WAY_DOWN)) < 0 ||
		r->body.jid[SM_JID_MAX - 1] != '\0' ||
		r->body.jid_check != jid_check(r->body.jid, r->ref))
		return shelf_has(shelf, r->ref) ? ERR_SYNTAX : ERR_NOTFOUND;
	return 0;
}

/* Below what a's destination has counted, and below the first error of ours that the source may not
 * have. */
static int resuming_tell(const struct acks *a, uint32_t h, const struct acks_bounce *lost,
	size_t n_lost, uint32_t *out)
{
	int r = acks_peek(a, h, out);

	if (r == 0)
		*out = acks_below(*out, lost, n_lost);
	return r;
}

static int resuming_begin(struct sm_resuming *r, uint32_t h, uint32_t *out)
{
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	int code = resuming_read(r);
	size_t n;

	if (code < 0) {
		if (code == ERR_SYNTAX)
			shelf_damaged(shelf, r->ref);
		return ERR_NOTFOUND;
	}
	/* Which of our errors the server has it will say only in its answer. It was never told
	 * more: sm_hold. */
	n = acks_lost(&r->up, r->up.head.destination, lost);
	if ((code = resuming_tell(&r->down, h, lost, n, out)) < 0)
		return code;
	r->h = h;
	r->told = *out;
	return 0;
}

int sm_resume(struct sm *sm, const char *domain, const char *previd, uint32_t h, uint32_t *out)
{
	struct sm_resuming *r;
	struct shelf_ref ref;
	uint64_t key[2];
	int code;

	if (sm->on || sm->resuming)
		return ERR_NOTFOUND;
	if (!sm_key(domain ? domain : "", previd, key) || shelf_find(shelf, key, &ref) < 0) {
		metric_add(counters.sm_unknown, 1);
		return ERR_NOTFOUND;
	}
	if (!(r = calloc(1, sizeof(*r))))
		return -ENOMEM;
	r->ref = ref;
	memcpy(r->key, key, sizeof(key));
	r->keep_ms = shelf_keep_ms(shelf, ref);
	r->foreign = shelf_is_foreign(shelf, ref);
	if ((code = resuming_begin(r, h, out)) == 0) {
		sm->resuming = r;
		return 0;
	}
	free(r);
	if (code == ERR_NOTFOUND)
		metric_add(counters.sm_unknown, 1);
	return code;
}

/* The old slot may have gone on counting; if it is gone, what was read before is all there is. */
static void resuming_refresh(struct sm_resuming *r)
{
	struct sm_resuming *now;

	if (!shelf_has(shelf, r->ref) || !(now = malloc(sizeof(*now))))
		return;
	*now = *r;
	if (resuming_read(now) == 0) {
		*r = *now;
		r->up.log = &r->body.up;
		r->down.log = &r->body.down;
	}
	free(now);
}

/* A slow server may answer a connection that its client has given up after one that came later:
 * what was read for the older one is out of date, and the newer one's ledger stands. */
static bool resuming_is_late(const struct sm_resuming *r)
{
	struct shelf_ref now;

	return shelf_find(shelf, r->key, &now) == 0 &&
	       (now.index != r->ref.index || now.generation != r->ref.generation);
}

/* Both ledgers anew, in a slot if there is one. */
static int sm_take_up(struct sm *sm, const struct sm_resuming *r, uint32_t h, uint32_t told,
	const struct acks_bounce *lost, size_t n_lost)
{
	struct acks_bounce back[ACKS_BOUNCES_MAX];
	size_t n_back = acks_lost(&r->up, h, back);
	struct acks_log *up, *down;
	uint64_t salts[2] = { 0, 0 };

	sm_failed(sm); /* an <enable/> before it is void */
	if (shelf_claim(shelf, r->key, sm_group(r->body.jid), r->keep_ms, &sm->ref) == 0) {
		struct sm_body *body = shelf_body(shelf, sm->ref);

		jid_write(body, sm->ref, r->body.jid);
		up = &body->up;
		down = &body->down;
		salts[0] = salt_of(sm->ref, WAY_UP);
		salts[1] = salt_of(sm->ref, WAY_DOWN);
	} else if ((sm->own = calloc(2, sizeof(*sm->own)))) {
		up = &sm->own[0];
		down = &sm->own[1];
	} else {
		return -ENOMEM;
	}
	if (acks_resume(&sm->up, up, salts[0], &r->up, h, told, lost, n_lost) < 0 ||
		acks_resume(&sm->down, down, salts[1], &r->down, r->h, r->told, back, n_back) < 0)
		return ERR_NOTFOUND;
	sm->on = true;
	return 0;
}

int sm_resumed(struct sm *sm, uint32_t h, uint32_t *out, char *jid, size_t size)
{
	struct sm_resuming *r = sm->resuming;
	struct acks_bounce lost[ACKS_BOUNCES_MAX];
	size_t n;
	int code;

	if (!r)
		return ERR_NOTFOUND;
	if (resuming_is_late(r)) {
		sm_end_resuming(sm);
		return -ESTALE;
	}
	resuming_refresh(r);
	n = acks_lost(&r->down, r->h, lost);
	if ((code = resuming_tell(&r->up, h, lost, n, out)) == 0)
		code = sm_take_up(sm, r, h, *out, lost, n);
	if (code == 0) {
		if (r->foreign)
			metric_add(counters.sm_adopted, 1);
		metric_add(counters.sm_resumed, 1);
		shelf_publish(shelf, sm->ref);
		shelf_oust(shelf, r->ref);
		strncpy(jid, r->body.jid, size - 1);
		jid[size - 1] = '\0';
	} else if (sm->ref.generation) {
		shelf_drop(shelf, sm->ref);
		sm->ref.generation = 0;
	}
	sm_end_resuming(sm);
	return code;
}

int sm_resume_failed(struct sm *sm, bool has_h, uint32_t h, uint32_t *out)
{
	int r = 0;

	*out = h;
	if (!sm->resuming)
		return 0;
	/* Whose it is, and whether it is over, was for the server to say: not to this client. */
	if (has_h)
		r = acks_peek(&sm->resuming->up, h, out);
	sm_end_resuming(sm);
	return r;
}
