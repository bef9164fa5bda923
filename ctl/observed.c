/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory behind "limit suggest". In: rows of the workers, each with the hours that are over
 * (told once, added up) and the one that runs (told anew each time, replaced). Out: histograms, and
 * observed.json in the state directory. What was seen weeks ago counts half, then a quarter, so
 * that proposals follow the times. It holds numbers of peers, never who they were. */
#include "ctl/observed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "ctl/state_file.h"
#include "rules/rules.h"
#include "rules/sketch.h"

enum { FILE_MAX = 64 << 20, DOORS = 2 /* that which proxies, that which inspects */ };
static const int64_t AGE_MS = 14 * 86400000ll;

struct seen {
	char *key; /* of the limit: with another one it is another limit */
	int64_t since_ms, aged_ms;
	struct sketch_counts ended, running[DOORS];
};

struct observed {
	char *path;
	struct map by_name; /* name -> struct seen */
	bool failed;
};

static void seen_free(void *value)
{
	struct seen *s = value;

	if (s)
		free(s->key);
	free(s);
}

static struct seen *seen_new(struct observed *o, const char *name, const char *key)
{
	struct seen *s = calloc(1, sizeof *s);
	void *old = NULL;

	if (!s || !(s->key = strdup(key)) ||
		map_put(&o->by_name, name, strlen(name), s, &old) < 0) {
		seen_free(s);
		return NULL;
	}
	seen_free(old);
	s->since_ms = s->aged_ms = clock_wall_ms();
	return s;
}

static struct seen *seen_find(struct observed *o, const char *name, const char *key)
{
	struct seen *s = map_find(&o->by_name, name, strlen(name));

	return s && strcmp(s->key, key) == 0 ? s : seen_new(o, name, key);
}

static void seen_age(struct seen *s)
{
	int64_t now = clock_wall_ms();

	for (; now - s->aged_ms >= AGE_MS; s->aged_ms += AGE_MS)
		sketch_age(&s->ended);
	if (s->aged_ms > now) /* the clock was put back */
		s->aged_ms = now;
}

/* ---- from the workers ---- */

static const struct limit_info *info_find(const struct policy *p, const char *name)
{
	const struct limit_info *all;
	size_t n = policy_limits(p, &all);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

bool observed_take(struct observed *o, const struct policy *p, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *key = json_string_value(json_object_get(row, "key"));
	const struct limit_info *info;
	struct sketch_counts ended, running;
	struct seen *s;

	if (!name || !key || sketch_parse(json_object_get(row, "ended"), &ended) < 0 ||
		sketch_parse(json_object_get(row, "running"), &running) < 0)
		return false;
	/* It may judge by a policy that was just replaced. */
	if (!(info = info_find(p, name)) || strcmp(info->key, key) != 0)
		return true;
	if (!(s = seen_find(o, name, key)))
		return true;
	seen_age(s);
	sketch_merge(&s->ended, &ended);
	s->running[json_is_true(json_object_get(row, "inspects"))] = running;
	return true;
}

void observed_settle(struct observed *o, bool inspects)
{
	struct map_entry *e;
	size_t at = 0;

	while (map_each(&o->by_name, &at, &e)) {
		struct seen *s = e->value;

		sketch_merge(&s->ended, &s->running[inspects]);
		memset(&s->running[inspects], 0, sizeof s->running[inspects]);
	}
}

bool observed_find(
	const struct observed *o, const char *name, struct sketch_counts *out, int64_t *since_ms)
{
	const struct seen *s = map_find(&o->by_name, name, strlen(name));

	if (!s)
		return false;
	*out = s->ended;
	for (unsigned i = 0; i < DOORS; i++)
		sketch_merge(out, &s->running[i]);
	*since_ms = s->since_ms;
	return out->peers > 0;
}

/* ---- the file ---- */

static void row_read(struct observed *o, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *key = json_string_value(json_object_get(row, "key"));
	json_int_t since = json_integer_value(json_object_get(row, "since"));
	json_int_t aged = json_integer_value(json_object_get(row, "aged"));
	struct sketch_counts counts;
	struct seen *s;

	if (!name || !key || since < 0 || aged < 0 ||
		sketch_parse(json_object_get(row, "seen"), &counts) < 0 ||
		!(s = seen_new(o, name, key)))
		return;
	s->ended = counts;
	s->since_ms = since;
	if (aged < s->aged_ms)
		s->aged_ms = aged;
	if (clock_wall_ms() - s->aged_ms > 64 * AGE_MS) { /* nothing would be left of it */
		memset(&s->ended, 0, sizeof s->ended);
		s->since_ms = s->aged_ms = clock_wall_ms();
	}
	seen_age(s);
}

int observed_open(const char *state_dir, struct observed **out)
{
	struct observed *o = calloc(1, sizeof *o);
	json_t *all = NULL, *row;
	size_t i;
	int r;

	if (!o)
		return -ENOMEM;
	map_init(&o->by_name);
	if (asprintf(&o->path, "%s/observed.json", state_dir) < 0) {
		o->path = NULL;
		observed_free(o);
		return -ENOMEM;
	}
	if ((r = state_file_read(o->path, FILE_MAX, &all)) < 0 && r != -ENOENT)
		log_warn("event=observed file=%s error=\"%s\" note=\"begun anew\"", o->path,
			err_text(r));
	json_array_foreach(json_object_get(all, "limits"), i, row) row_read(o, row);
	json_decref(all);
	*out = o;
	return 0;
}

void observed_free(struct observed *o)
{
	if (!o)
		return;
	map_fini(&o->by_name, seen_free);
	free(o->path);
	free(o);
}

int observed_write(struct observed *o, const struct policy *p)
{
	json_t *rows = json_array(), *whole;
	struct map_entry *e;
	size_t at = 0;
	int r;

	while (map_each(&o->by_name, &at, &e)) {
		const struct seen *s = e->value;
		struct sketch_counts all = s->ended;

		if (!info_find(p, e->key))
			continue;
		for (unsigned i = 0; i < DOORS; i++)
			sketch_merge(&all, &s->running[i]);
		json_array_append_new(
			rows, json_pack("{s:s,s:s,s:I,s:I,s:o}", "name", e->key, "key", s->key,
				      "since", (json_int_t)s->since_ms, "aged",
				      (json_int_t)s->aged_ms, "seen", sketch_json(&all)));
	}
	whole = json_pack("{s:o}", "limits", rows);
	r = whole ? state_file_write(o->path, whole) : -ENOMEM;
	json_decref(whole);
	if (r < 0 && !o->failed)
		log_warn("event=observed file=%s error=\"%s\"", o->path, err_text(r));
	o->failed = r < 0;
	return r;
}
