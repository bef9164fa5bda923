/* SPDX-License-Identifier: BSD-2-Clause */
/* Live changes of limits, between "limit set" and whoever judges. In: a name, a rate, a burst, and
 * who said so. Out: the policy changed, a table for the workers, and limits.json in the state
 * directory, written whole or not at all before anything is in force, so that a restart keeps it.
 * An entry whose limit the policy has no more is kept (it may come back) and told of. It never
 * edits the configuration. */
#include "ctl/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/state_file.h"
#include "rules/rules.h"

enum { LIMITS_FILE_MAX = 4 << 20, RATE_TEXT = 48 };

struct limits {
	char *path;
	json_t *set; /* name -> {"name","rate","burst","who","since"} */
	char *trouble;
};

/* ---- the file ---- */

static bool entry_rate(const json_t *entry, struct limit_rate *rate)
{
	const char *text = json_string_value(json_object_get(entry, "rate"));
	json_int_t burst = json_integer_value(json_object_get(entry, "burst"));

	return text && burst >= 0 && limit_rate_parse(text, (uint64_t)burst, rate) == 0;
}

static void entries_take(struct limits *l, const json_t *all)
{
	struct limit_rate rate;
	json_t *entry;
	size_t i;

	json_array_foreach(all, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (name && entry_rate(entry, &rate))
			json_object_set(l->set, name, entry);
		else if (!l->trouble)
			l->trouble = strdup("it holds an entry that is none");
	}
}

static void file_read(struct limits *l)
{
	json_t *all = NULL;
	int r = state_file_read(l->path, LIMITS_FILE_MAX, &all);

	if (r == 0)
		entries_take(l, json_object_get(all, "limits"));
	else if (r != -ENOENT)
		l->trouble = strdup(err_text(r));
	json_decref(all);
	if (l->trouble)
		log_error("event=limits file=%s error=\"%s\"", l->path, l->trouble);
}

static int file_write(const struct limits *l, const json_t *set)
{
	json_t *all = json_array(), *entry, *whole;
	const char *name;
	int r;

	json_object_foreach((json_t *)set, name, entry) json_array_append(all, entry);
	whole = json_pack("{s:o}", "limits", all);
	r = whole ? state_file_write(l->path, whole) : -ENOMEM;
	json_decref(whole);
	return r;
}

int limits_open(const char *state_dir, struct limits **out)
{
	struct limits *l = calloc(1, sizeof *l);

	if (!l || !(l->set = json_object()) ||
		asprintf(&l->path, "%s/limits.json", state_dir) < 0) {
		if (l)
			l->path = NULL;
		limits_free(l);
		return -ENOMEM;
	}
	file_read(l);
	*out = l;
	return 0;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	json_decref(l->set);
	free(l->path);
	free(l->trouble);
	free(l);
}

/* ---- in force ---- */

void limits_apply(const struct limits *l, struct policy *p)
{
	const struct limit_info *all;
	size_t n = policy_limits(p, &all);

	for (size_t i = 0; i < n; i++) {
		const json_t *entry = limits_find(l, all[i].name);
		struct limit_rate rate;

		policy_limit_set(p, all[i].name, entry && entry_rate(entry, &rate) ? &rate : NULL);
	}
}

const json_t *limits_find(const struct limits *l, const char *name)
{
	return json_object_get(l->set, name);
}

struct limit_rate limits_rate(const struct limits *l, const struct limit_info *info)
{
	const json_t *entry = limits_find(l, info->name);
	struct limit_rate rate;

	return entry && entry_rate(entry, &rate) ? rate : info->rate;
}

json_t *limits_link(const struct limits *l)
{
	json_t *all = json_array(), *entry;
	struct limit_rate rate;
	const char *name;

	json_object_foreach(l->set, name, entry)
	{
		if (entry_rate(entry, &rate))
			json_array_append_new(
				all, json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", name, "period_ns",
					     (json_int_t)rate.period_ns, "tolerance_ns",
					     (json_int_t)rate.tolerance_ns, "events",
					     (json_int_t)rate.events, "window_ns",
					     (json_int_t)rate.window_ns));
	}
	return all;
}

static const struct limit_info *info_find(const struct policy *p, const char *name)
{
	const struct limit_info *all;
	size_t n = policy_limits(p, &all);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

/* ---- changing ---- */

/* The table as it will be; NULL with a reason. */
static json_t *set_change(const struct limits *l, const char *name, const char *rate,
	json_int_t burst, const char *who, int *code, struct buf *why)
{
	json_t *set = json_copy(l->set);
	struct limit_rate parsed;

	*code = set ? 0 : -ENOMEM;
	if (set && !rate) {
		json_object_del(set, name);
		return set;
	}
	if (set && (burst < 0 || (*code = limit_rate_parse(rate, (uint64_t)burst, &parsed)) < 0)) {
		*code = *code ? *code : ERR_RANGE;
		buf_putf(why,
			*code == ERR_RANGE ? "'%s' with burst %lld is out of range"
					   : "'%s' is no rate: write 20/second, 5/10m or 64k/second",
			rate, (long long)burst);
	} else if (set && json_object_set_new(set, name,
				  json_pack("{s:s,s:s,s:I,s:s,s:I}", "name", name, "rate", rate,
					  "burst", (json_int_t)limit_rate_burst(&parsed), "who",
					  who, "since", (json_int_t)clock_wall_ms())) < 0) {
		*code = -ENOMEM;
	}
	if (*code == 0)
		return set;
	json_decref(set);
	return NULL;
}

int limits_set(struct limits *l, struct policy *p, const char *name, const char *rate,
	json_int_t burst, const char *who, struct buf *why)
{
	json_t *set;
	int r;

	if (!info_find(p, name) && (rate || !limits_find(l, name))) {
		buf_putf(why, "the policy has no limit '%s'", name);
		return ERR_NOTFOUND;
	}
	set = set_change(l, name, rate, burst, who, &r, why);
	if (r == 0 && (r = file_write(l, set)) < 0)
		buf_putf(why, "cannot write %s: %s", l->path, err_text(r));
	if (r < 0) {
		json_decref(set);
		return r;
	}
	json_decref(l->set);
	l->set = set;
	free(l->trouble);
	l->trouble = NULL;
	limits_apply(l, p);
	return 0;
}

void limits_attention(const struct limits *l, const struct policy *p, json_t *lines)
{
	const struct limit_info *info;
	char text[RATE_TEXT];
	const char *name;
	json_t *entry;

	if (l->trouble)
		json_array_append_new(
			lines, json_sprintf("%s cannot be used, limits are as configured: %s",
				       l->path, l->trouble));
	json_object_foreach(l->set, name, entry)
	{
		if (!(info = info_find(p, name))) {
			json_array_append_new(lines,
				json_sprintf("a rate is set for the limit %s, which the policy has "
					     "not; xmppwallctl limit set %s default forgets it",
					name, name));
			continue;
		}
		limit_info_format(info, &info->rate, text, sizeof text);
		json_array_append_new(lines,
			json_sprintf("limit %s is set to %s burst %lld, the configuration says %s "
				     "burst %llu",
				name, json_string_value(json_object_get(entry, "rate")),
				(long long)json_integer_value(json_object_get(entry, "burst")),
				text, (unsigned long long)limit_rate_burst(&info->rate)));
	}
}
