/* SPDX-License-Identifier: BSD-2-Clause */
/* Before everything, in an emergency. In: an operator's word, with a time and a reason. Out, in
 * this order: STATE/lockdown.json, so that kill -9, an upgrade or a reboot do not open the gate;
 * the kernel's set, from when on no packet of others comes in; the sessions of others, which are
 * told why they end, for what we send still goes out; an event. Its end is reckoned in the time of
 * bans. A disk that takes nothing does not keep it from being in force. It knows no rule of the
 * table (ctl/firewall.c) and no address. */
#include "ctl/lockdown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "ctl/bans.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/kernel.h"
#include "ctl/state_file.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { LOCKDOWN_FILE_MAX = 64 * 1024, LOCKDOWN_RETRY_MS = 1000, LOCKDOWN_LOOK_MS = 60000 };
#define LOCKDOWN_MS_MAX ((uint64_t)10 * 365 * 24 * 3600 * 1000)

struct lockdown {
	struct daemon *d;
	uv_timer_t timer;
	char *path;
	bool on;
	bool doubtful;              /* the file could not be read: on, for it is there */
	int64_t since_ms, until_ms; /* book time; until 0: no end */
	char why[160], who[80];
	int error; /* of the last writing */
};

static void on_timer(uv_timer_t *timer);

/* ---- the file ---- */

static void text_take(const json_t *all, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(all, key));
	size_t len = value ? span_cut(span_of(value), size - 1) : 0;

	memcpy(text, value ? value : "", len);
	text[len] = '\0';
}

/* What is there but cannot be read was written when the gate was shut. */
static void file_read(struct lockdown *l)
{
	json_t *all = NULL;
	int r = state_file_read(l->path, LOCKDOWN_FILE_MAX, &all);

	if (r == -ENOENT)
		return;
	l->on = true;
	l->doubtful = r < 0 || !json_is_integer(json_object_get(all, "since"));
	l->since_ms = l->doubtful ? bans_now(l->d->bans)
				  : json_integer_value(json_object_get(all, "since"));
	l->until_ms = json_integer_value(json_object_get(all, "until"));
	text_take(all, "why", l->why, sizeof l->why);
	text_take(all, "who", l->who, sizeof l->who);
	json_decref(all);
	log_warn("event=lockdown state=on note=\"kept from before\"");
}

static void file_write(struct lockdown *l)
{
	json_t *all;

	if (!l->on) {
		l->error = unlink(l->path) < 0 && errno != ENOENT ? -errno : 0;
	} else {
		all = json_pack("{s:I,s:I,s:s,s:s}", "since", (json_int_t)l->since_ms, "until",
			(json_int_t)l->until_ms, "why", l->why, "who", l->who);
		l->error = all ? state_file_write(l->path, all) : -ENOMEM;
		json_decref(all);
	}
	if (l->error < 0)
		log_error("event=lockdown file=%s error=\"%s\"", l->path, err_text(l->error));
}

/* ---- in force ---- */

static void lockdown_tell(struct lockdown *l, const char *who)
{
	char stamp[40];
	json_t *event;

	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	event = json_pack("{s:s,s:s,s:s,s:{s:s,s:I,s:I,s:s,s:s}}", "timestamp", stamp, "event_type",
		"lockdown", "app_proto", "xmpp", "xmppwall", "state", l->on ? "on" : "off", "since",
		(json_int_t)bans_wall(l->d->bans, l->since_ms), "until",
		(json_int_t)bans_wall(l->d->bans, l->until_ms), "why", l->why, "who", who);
	if (event)
		daemon_event(l->d, event);
	json_decref(event);
	log_warn("event=lockdown state=%s who=\"%s\"", l->on ? "on" : "off", who);
}

static int lockdown_enforce(struct lockdown *l, struct buf *why)
{
	int r = l->d->kernel ? kernel_lock(l->d->kernel, l->on) : 0;

	if (r < 0)
		buf_putf(why, "the kernel did not take it: %s; it is tried again", err_text(r));
	return r;
}

static void lockdown_wake(struct lockdown *l)
{
	int64_t left = l->on && l->until_ms ? l->until_ms - bans_now(l->d->bans) + 1 : 0;

	if (l->error < 0 || left > 0 || (l->on && l->until_ms))
		uv_timer_start(&l->timer, on_timer,
			l->error < 0              ? LOCKDOWN_RETRY_MS
			: left > LOCKDOWN_LOOK_MS ? LOCKDOWN_LOOK_MS
			: left > 0                ? (uint64_t)left
						  : 0,
			0);
	else
		uv_timer_stop(&l->timer);
}

static void on_timer(uv_timer_t *timer)
{
	struct lockdown *l = timer->data;
	struct buf why;

	if (l->on && l->until_ms && l->until_ms <= bans_now(l->d->bans)) {
		buf_init(&why, 0);
		(void)lockdown_off(l, "its time is over", &why);
		buf_fini(&why);
		return;
	}
	if (l->error < 0)
		file_write(l);
	lockdown_wake(l);
}

int lockdown_on(
	struct lockdown *l, uint64_t for_ms, const char *text, const char *who, struct buf *why)
{
	int64_t now = bans_now(l->d->bans);
	int r;

	if (!l->on)
		l->since_ms = now;
	l->on = true;
	l->doubtful = false;
	l->until_ms =
		for_ms ? now + (int64_t)(for_ms < LOCKDOWN_MS_MAX ? for_ms : LOCKDOWN_MS_MAX) : 0;
	snprintf(l->why, sizeof l->why, "%.*s", (int)span_cut(span_of(text), sizeof l->why - 1),
		text);
	snprintf(l->who, sizeof l->who, "%s", who);
	file_write(l);
	r = lockdown_enforce(l, why);
	workers_kill_strangers(l->d->workers, policy_daemon(l->d->config->policy)->allow_set,
		"lockdown");
	lockdown_tell(l, who);
	lockdown_wake(l);
	return r;
}

int lockdown_off(struct lockdown *l, const char *who, struct buf *why)
{
	bool was = l->on;
	int r;

	l->on = l->doubtful = false;
	file_write(l);
	r = lockdown_enforce(l, why);
	if (was)
		lockdown_tell(l, who);
	lockdown_wake(l);
	return r;
}

bool lockdown_is_on(const struct lockdown *l)
{
	return l->on;
}

/* ---- its life ---- */

int lockdown_open(struct daemon *d, struct lockdown **out)
{
	struct lockdown *l = calloc(1, sizeof *l);

	if (!l || asprintf(&l->path, "%s/lockdown.json", d->spec.state_dir) < 0) {
		free(l);
		return -ENOMEM;
	}
	l->d = d;
	uv_timer_init(&d->loop, &l->timer);
	l->timer.data = l;
	file_read(l);
	lockdown_wake(l);
	*out = l;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct lockdown *l = handle->data;

	free(l->path);
	free(l);
}

void lockdown_close(struct lockdown *l)
{
	if (l)
		uv_close((uv_handle_t *)&l->timer, on_closed);
}

/* ---- telling ---- */

json_t *lockdown_json(const struct lockdown *l)
{
	if (!l->on)
		return json_pack("{s:b,s:b}", "on", 0, "kept", l->error == 0);
	return json_pack("{s:b,s:I,s:I,s:s,s:s,s:b}", "on", 1, "since",
		(json_int_t)bans_wall(l->d->bans, l->since_ms), "until",
		(json_int_t)bans_wall(l->d->bans, l->until_ms), "why", l->why, "who", l->who,
		"kept", l->error == 0);
}

void lockdown_attention(const struct lockdown *l, json_t *lines)
{
	const char *set = policy_daemon(l->d->config->policy)->allow_set;
	int64_t left = l->until_ms - bans_now(l->d->bans);
	char text[32] = "";

	if (l->until_ms)
		clock_format_duration(
			(uint64_t)(left > 1000 ? left / 1000 * 1000 : 1000), text, sizeof text);
	if (l->on)
		json_array_append_new(lines,
			json_sprintf("LOCKDOWN: %s%s comes in%s%s%s%s (xmppwallctl lockdown off "
				     "ends it)",
				set ? "only who is in @" : "nobody", set ? set : "",
				*text ? ", for another " : "", text, *l->why ? ": " : "", l->why));
	if (l->on && (!l->d->kernel || !kernel_is_loaded(l->d->kernel)))
		json_array_append_new(
			lines, json_string("the lockdown is not enforced: there is no table"));
	if (l->doubtful)
		json_array_append_new(lines,
			json_sprintf(
				"%s cannot be read: taken for a lockdown without an end", l->path));
	if (l->error < 0)
		json_array_append_new(
			lines, json_sprintf("%s cannot be %s: %s; the next start would %s", l->path,
				       l->on ? "written" : "removed", err_text(l->error),
				       l->on ? "know of no lockdown" : "begin with a lockdown"));
}
