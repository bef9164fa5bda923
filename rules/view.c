/* SPDX-License-Identifier: BSD-2-Clause */
/* The lazy half of a subject: addresses, texts, URLs and pairs, each worked out at the first
 * question and kept for the rest of the judgement. Comes in: the subject of a door; goes out:
 * borrowed pieces in the judge's arena, to the getters of the field table. Running out of memory is
 * remembered in v->error and makes the whole judgement fail closed. It never decides anything. See
 * view_xml.c for what needs a walk through the tree. */
#include "rules/view.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "xmpp/carriers.h"

enum { VIEW_URLS_MAX = 65536 };

void view_init(struct subject_view *v, const struct subject *s, struct arena *arena,
	struct pair_table *pairs)
{
	view_clear(v, offsetof(struct subject_view, payload));
	v->s = s;
	v->root = s->stanza ? s->stanza->root : NULL;
	v->arena = arena;
	v->pairs = pairs;
}

int64_t view_wall_ms(struct subject_view *v)
{
	if (v->wall_ms == VIEW_NO_CLOCK)
		v->wall_ms = clock_wall_ms();
	return v->wall_ms;
}

/* ---- addresses ---- */

static const char *address_written(struct subject_view *v, enum view_jid which)
{
	const struct subject *s = v->s;
	const char *attr = NULL, *session = s->session_jid ? s->session_jid : "";
	/* A serverless peer's client shows the name of the stream's header, not the stanza's. */
	bool client = s->role == ROLE_C2S || s->role == ROLE_SERVERLESS;

	if (which == VIEW_SESSION)
		return session;
	/* What a client's server overwrites is no evidence. */
	if (client && which == VIEW_FROM && s->direction == DIRECTION_IN && *session)
		return session;
	if (v->root)
		attr = element_attr(v->root, which == VIEW_FROM ? "from" : "to");
	if (attr && *attr)
		return attr;
	/* What a client's server delivers without "to" is for the session itself. */
	if (client && which == VIEW_TO && s->direction == DIRECTION_OUT)
		return session;
	return "";
}

/* Nobody writes to it: what is empty is looked up nowhere. */
static struct jid_known absent = { .written = { "", 0 },
	.jid = { "", "", "" },
	.bare = { "", 0 },
	.full = { "", 0 },
	.local = { "", 0 },
	.domain = { "", 0 },
	.resource = { "", 0 } };

struct jid_known *view_address(struct subject_view *v, enum view_jid which)
{
	struct jid_known *known = &absent;
	const char *written;
	int r;

	if (v->jids[which])
		return v->jids[which];
	written = address_written(v, which);
	if (*written && (r = jid_cache_find(v->cache, v->arena, span_of(written), &known)) < 0) {
		v->error = r;
		known = &absent;
	}
	return v->jids[which] = known;
}

bool view_pair(struct subject_view *v, uint64_t *key, unsigned *bit)
{
	const struct jid_known *from = view_address(v, VIEW_FROM), *to = view_address(v, VIEW_TO);
	struct span low, high;
	char *joined;
	int order;

	if (!from->valid || !to->valid)
		return false;
	order = strcmp(from->bare.ptr, to->bare.ptr);
	low = order <= 0 ? from->bare : to->bare;
	high = order <= 0 ? to->bare : from->bare;
	if (!(joined = arena_alloc(v->arena, low.len + high.len + 1))) {
		v->error = -ENOMEM;
		return false;
	}
	memcpy(joined, low.ptr, low.len + 1);
	memcpy(joined + low.len + 1, high.ptr, high.len);
	*key = map_hash(joined, low.len + high.len + 1);
	*bit = order <= 0 ? PAIR_FORTH : PAIR_BACK;
	return true;
}

/* ---- texts ---- */

struct span view_text(struct subject_view *v, enum view_text which)
{
	static const char *const names[] = {
		[VIEW_BODY] = "body",
		[VIEW_SUBJECT] = "subject",
		[VIEW_STATUS] = "status",
		[VIEW_THREAD] = "thread",
	};
	struct carrier_text t = { "", 0 };
	int r = 0;

	if (v->ready.texts[which])
		return v->texts[which];
	if (!v->root)
		r = 0;
	else if (which == VIEW_ALL)
		r = carriers_all(v->arena, v->s->stanza, &t);
	else if (which == VIEW_NICK)
		r = carriers_nick(v->arena, v->s->stanza, &t);
	else
		r = carriers_named(v->arena, v->s->stanza, names[which], &t);
	if (r < 0)
		v->error = r;
	v->ready.texts[which] = true;
	v->texts[which] = r < 0 ? (struct span){ "", 0 } : (struct span){ t.text, t.len };
	return v->texts[which];
}

struct url **view_urls(struct subject_view *v, unsigned *n)
{
	struct url *first = NULL;
	unsigned count = 0;
	struct span text;

	if (!v->ready.urls) {
		v->ready.urls = true;
		text = view_text(v, VIEW_ALL);
		if (text.len && url_find(v->arena, text, VIEW_URLS_MAX, &first) < 0)
			v->error = -ENOMEM;
		for (struct url *u = first; u; u = u->next)
			count++;
		v->urls.items = arena_alloc(v->arena, (count + 1) * sizeof(*v->urls.items));
		if (!v->urls.items)
			v->error = -ENOMEM, count = 0;
		v->urls.n = count;
		for (struct url *u = first; count > 0; u = u->next, count--)
			v->urls.items[v->urls.n - count] = u;
	}
	*n = v->urls.n;
	return v->urls.items;
}

/* ---- labels ---- */

const struct labels *view_labels(struct subject_view *v)
{
	int r;

	if (v->ready.labels)
		return &v->labels;
	v->ready.labels = true;
	v->labels = (struct labels){ NULL, 0, NULL, false };
	if (v->root && (r = label_read(v->arena, v->s->stanza, &v->labels)) < 0)
		v->error = r;
	return &v->labels;
}

enum clearance_answer view_release(struct subject_view *v)
{
	const struct jid_known *from, *to;
	const struct clearance *table = NULL;

	if (v->ready.release)
		return v->release;
	v->ready.release = true;
	v->release = CLEARANCE_UNLISTED;
	if (!v->root || !v->clearances || v->clearances->n == 0)
		return v->release;
	from = view_address(v, VIEW_FROM);
	to = view_address(v, VIEW_TO);
	if (from->valid && to->valid)
		table = clearance_find(v->clearances, from->domain, to->domain);
	if (table)
		v->release = clearance_ask(table, v->s->stanza, view_labels(v));
	return v->release;
}
