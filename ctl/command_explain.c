/* SPDX-License-Identifier: BSD-2-Clause */
/* "explain": everything that is known about a verdict. In: its event, as a child told it, so its
 * shape is checked. Then: the rule as it stands now and how often it held, each list entry with its
 * comment and who put it in, the session if it still lives. Out: one answer. Lists are looked
 * through in a job, the session is asked of the child; it changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/bans.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/events.h"
#include "ctl/jobs.h"
#include "ctl/ledger.h"
#include "ctl/lists.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ENTRIES_MAX = 16, EDITS_SEEN_MAX = 20000, EDITS_SHOWN_MAX = 3 };

struct explanation {
	struct daemon *d;
	struct request *rq;
	json_t *event, *answer;
	json_t *entries; /* of the answer */
};

static const char *xmpp_text(const struct explanation *e, const char *key)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(e->event, "xmpp"), key));

	return text ? text : "";
}

/* ---- rule, ruleset ---- */

static void explain_rule(struct explanation *e)
{
	const struct policy *p = e->d->config->policy;
	const char *version = xmpp_text(e, "ruleset");
	const struct rule_info *rules;
	size_t n = policy_rules(p, &rules);

	json_object_set_new(e->answer, "ruleset",
		json_pack("{s:s,s:s,s:b}", "version", version, "in_force", policy_version(p),
			"same", strcmp(version, policy_version(p)) == 0));
	for (size_t i = 0; i < n; i++)
		if (strcmp(rules[i].name, xmpp_text(e, "rule")) == 0 &&
			strcmp(rules[i].chain, xmpp_text(e, "chain")) == 0)
			json_object_set_new(e->answer, "rule",
				json_pack("{s:s,s:s,s:s,s:I}", "chain", rules[i].chain, "name",
					rules[i].name, "text", rules[i].text, "hits",
					(json_int_t)metric_get(rules[i].hits)));
}

/* ---- entries ---- */

static bool entry_known(const json_t *entries, const char *set, const char *entry)
{
	const json_t *one;
	size_t i;

	json_array_foreach(entries, i,
		one) if (strcmp(json_string_value(json_object_get(one, "set")), set) == 0 &&
			 strcmp(json_string_value(json_object_get(one, "entry")), entry) ==
				 0) return true;
	return false;
}

static void explain_entries(struct explanation *e)
{
	const json_t *match;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(e->event, "xmpp"), "matches"), i, match)
	{
		const char *set = json_string_value(json_object_get(match, "set"));
		const char *entry = json_string_value(json_object_get(match, "entry"));

		if (set && *set && entry && json_array_size(e->entries) < ENTRIES_MAX &&
			!entry_known(e->entries, set, entry))
			json_array_append_new(e->entries,
				json_pack("{s:s,s:s,s:[]}", "set", set, "entry", entry, "history"));
	}
}

struct edits_seen {
	const char *entry;
	json_t *history;
};

/* An edit's text may have a time behind the entry. */
static bool visit_edit(void *arg, const struct ledger_edit *edit)
{
	struct edits_seen *seen = arg;
	size_t len = strlen(seen->entry);

	if (strncmp(edit->entry, seen->entry, len) == 0 &&
		(!edit->entry[len] || edit->entry[len] == ' '))
		json_array_append_new(
			seen->history, json_pack("{s:I,s:s,s:s}", "time", (json_int_t)edit->time_ms,
					       "who", edit->who, "what", edit->what));
	return json_array_size(seen->history) < EDITS_SHOWN_MAX;
}

static void explain_history(struct explanation *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(e->entries, i, one)
	{
		struct edits_seen seen = { json_string_value(json_object_get(one, "entry")),
			json_object_get(one, "history") };

		(void)ledger_history_each(bans_ledger(e->d->bans),
			json_string_value(json_object_get(one, "set")), EDITS_SEEN_MAX, visit_edit,
			&seen);
	}
}

static void lists_work(void *arg)
{
	struct explanation *e = arg;
	json_t *one, *found;
	size_t i;

	json_array_foreach(e->entries, i, one)
	{
		found = NULL;
		if (lists_find(e->d->config->lists, json_string_value(json_object_get(one, "set")),
			    json_string_value(json_object_get(one, "entry")), &found) == 0)
			json_object_update(one, found);
		json_decref(found);
	}
}

/* ---- session ---- */

static bool row_is(const json_t *row, const struct explanation *e)
{
	const json_t *id = json_object_get(json_object_get(e->event, "xmpp"), "session");
	const json_t *ip = json_object_get(e->event, "src_ip");
	const json_t *port = json_object_get(e->event, "src_port");

	/* Numbers begin anew with each child: the address tells. */
	return id && json_equal(json_object_get(row, "id"), id) &&
	       json_equal(json_object_get(row, "address"), ip) &&
	       json_equal(json_object_get(row, "port"), port);
}

static void on_sessions(void *arg, json_t *rows)
{
	struct explanation *e = arg;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) if (row_is(row, e))
		json_object_set(e->answer, "session", row);
	request_answer(e->rq, e->answer);
	free(e);
}

static void lists_done(void *arg)
{
	struct explanation *e = arg;

	explain_history(e);
	workers_sessions(e->d->workers, on_sessions, e);
}

void command_explain(struct daemon *d, struct request *rq)
{
	const char *id = command_text(rq, "id");
	json_t *event = id ? events_find(d->events, id) : NULL;
	struct explanation *e;

	if (!id)
		return;
	if (!event) {
		request_refuse(rq, ANSWER_NO, NULL, "no event has the verdict id '%s'", id);
		return;
	}
	if (!(e = calloc(1, sizeof *e))) {
		json_decref(event);
		request_refuse(rq, ANSWER_NO, NULL, "out of memory");
		return;
	}
	e->d = d;
	e->rq = rq;
	e->event = event;
	e->answer = json_pack("{s:o,s:[]}", "event", event, "entries");
	e->entries = json_object_get(e->answer, "entries");
	explain_rule(e);
	explain_entries(e);
	if (jobs_run(d->jobs, lists_work, lists_done, e) < 0)
		lists_done(e);
}
