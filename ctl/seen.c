/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between a door that verified a remote server and the rules of all doors.
 * Domains that the doors say were verified come in; the ledger holds them with the first and the
 * last time, over restarts; all doors are told since when. A child's word is bounded: so many names
 * a message and a second, each one a domain as doors prepare it, 100,000 in all. When a domain was
 * first seen is for this clock to say, not for a child. It never says what that means: rules do. */
#include "ctl/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/ledger_domains.h"
#include "ctl/link.h"
#include "rules/sights.h"
#include "xmpp/jid.h"

struct seen {
	struct seen_spec spec;
	struct sights all; /* in book time */
	int error;         /* of the last write to the ledger */
	int64_t second;    /* whose messages are counted */
	size_t heard;      /* names in it */
};

enum {
	HEARD_MAX = 8192, /* names a second, of all children; an honest one has 2,048 at most */
	TELL_ROWS = 1000,
};

/* ---- telling ---- */

static bool row_add(const struct seen *s, json_t *rows, const struct sight *sight)
{
	int64_t wall = s->spec.wall(s->spec.arg, (int64_t)sight->first_ms);

	return json_array_append_new(rows,
		       json_pack("[s,I]", sight->name, (json_int_t)(wall > 0 ? wall : 1))) == 0;
}

static json_t *seen_message(json_t *rows)
{
	return json_pack("{s:s,s:o}", "m", "seen", "rows", rows);
}

void seen_tell(const struct seen *s, bool (*say)(void *to, json_t *message), void *to)
{
	const struct sight_order *orders[] = { &s->all.settled, &s->all.new };
	json_t *rows = json_array(), *message;
	const struct sight *sight;
	bool on = true;

	for (unsigned i = 0; i < 2 && on; i++)
		TAILQ_FOREACH(sight, orders[i], order)
		{
			if (!on || !row_add(s, rows, sight))
				break;
			if (json_array_size(rows) < TELL_ROWS)
				continue;
			on = (message = seen_message(rows)) && say(to, message);
			rows = json_array();
		}
	if (on && json_array_size(rows) > 0 && (message = seen_message(rows)))
		(void)say(to, message);
	else
		json_decref(rows);
}

/* ---- hearing ---- */

/* As doors prepare it; anything else is passed over. */
static bool is_domain(const char *name)
{
	const char *prepared;
	struct arena a;
	bool fine;

	arena_init(&a, 0);
	fine = strlen(name) <= LINK_DOMAIN_SIZE &&
	       jid_prep_domain(&a, span_of(name), &prepared) == 0 && strcmp(name, prepared) == 0;
	arena_fini(&a);
	return fine;
}

struct heard {
	struct ledger_domain rows[LINK_DOMAINS];
	size_t n, n_gone;
	char *gone[LINK_DOMAINS];
	json_t *tell;
};

static void on_gone(void *arg, const char *name)
{
	struct heard *h = arg;

	if ((h->gone[h->n_gone] = strdup(name)))
		h->n_gone++;
}

static int hear_one(struct seen *s, const char *name, int64_t now, struct heard *h)
{
	struct sight *sight = sights_find(&s->all, name);

	if (!sight && !is_domain(name))
		return 0;
	if (!sight && !(sight = sights_add(&s->all, name, (uint64_t)now, on_gone, h)))
		return -ENOMEM;
	sights_touch(&s->all, sight, (uint64_t)now, (uint64_t)now - sight->first_ms);
	/* No later one of this message pushes it out: it is the last. */
	h->rows[h->n++] = (struct ledger_domain){ sight->name, (int64_t)sight->first_ms, now };
	row_add(s, h->tell, sight);
	return 0;
}

/* One that tells on and on is not written down on and on. */
static bool may_hear(struct seen *s, size_t n, int64_t now)
{
	if (s->second != now / 1000) {
		s->second = now / 1000;
		s->heard = 0;
	}
	s->heard += n;
	return s->heard <= HEARD_MAX;
}

static void heard_write(struct seen *s, struct heard *h)
{
	int r = ledger_domains_put(
		s->spec.ledger, h->rows, h->n, (const char *const *)h->gone, h->n_gone);

	if (r != s->error && r < 0)
		log_error("event=domains error=\"%s\" note=\"which domains are new is not kept "
			  "over a restart\"",
			err_text(r));
	s->error = r;
}

static bool is_sane(const json_t *names)
{
	const json_t *name;
	size_t i;

	if (!json_is_array(names) || json_array_size(names) > LINK_DOMAINS)
		return false;
	json_array_foreach(names, i, name) if (!json_is_string(name)) return false;
	return true;
}

int seen_hear(struct seen *s, const json_t *message)
{
	const json_t *names = json_object_get(message, "names"), *name;
	int64_t now = s->spec.now(s->spec.arg);
	struct heard *h;
	json_t *told;
	size_t i;

	if (!is_sane(names))
		return ERR_PROTO;
	if (!may_hear(s, json_array_size(names), now) || !(h = calloc(1, sizeof(*h))))
		return 0;
	h->tell = json_array();
	json_array_foreach(
		names, i, name) if (hear_one(s, json_string_value(name), now, h) < 0) break;
	if (h->n > 0) {
		heard_write(s, h);
		if ((told = seen_message(json_incref(h->tell))))
			s->spec.on_tell(s->spec.arg, told);
		json_decref(told);
	}
	json_decref(h->tell);
	for (i = 0; i < h->n_gone; i++)
		free(h->gone[i]);
	free(h);
	return 0;
}

/* ---- face ---- */

/* The one seen least lately first. */
static bool take_row(void *arg, const struct ledger_domain *row)
{
	struct seen *s = arg;
	struct sight *sight = NULL;

	if (row->first_ms > 0 && row->last_ms >= row->first_ms && is_domain(row->name) &&
		!sights_find(&s->all, row->name))
		sight = sights_add(&s->all, row->name, (uint64_t)row->first_ms, NULL, NULL);
	if (sight)
		sights_touch(&s->all, sight, (uint64_t)row->last_ms,
			(uint64_t)(row->last_ms - row->first_ms));
	return true;
}

int seen_open(const struct seen_spec *spec, struct seen **out)
{
	struct seen *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->spec = *spec;
	sights_init(&s->all, SIGHTS_MAX);
	if ((r = ledger_domains_each(spec->ledger, SIGHTS_MAX, take_row, s)) < 0)
		log_error("event=domains error=\"%s\" note=\"all remote domains are new\"",
			err_text(r));
	*out = s;
	return 0;
}

void seen_close(struct seen *s)
{
	if (!s)
		return;
	sights_fini(&s->all);
	free(s);
}

size_t seen_count(const struct seen *s)
{
	return sights_count(&s->all);
}
