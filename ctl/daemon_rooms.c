/* SPDX-License-Identifier: BSD-2-Clause */
/* Under ctl/daemon.c: which room is opened with what, and what rooms tell each other through the
 * daemon. In: the policy and the places of files. Out: the books (events, limits, bans,
 * quarantine), the doors (workers, control socket), and one small function for each thing that a
 * room has to say. No order of starting and ending is decided here, nor is anything judged. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ctl/audit.h"
#include "ctl/bans.h"
#include "ctl/barred.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/control.h"
#include "ctl/daemon_int.h"
#include "ctl/events.h"
#include "ctl/jobs.h"
#include "ctl/kernel.h"
#include "ctl/known.h"
#include "ctl/limits.h"
#include "ctl/link.h"
#include "ctl/lockdown.h"
#include "ctl/mint.h"
#include "ctl/observed.h"
#include "ctl/probation.h"
#include "ctl/quarantine.h"
#include "ctl/rehearsal.h"
#include "ctl/reports.h"
#include "ctl/seen.h"
#include "ctl/shadows.h"
#include "ctl/startup.h"
#include "ctl/traces.h"
#include "ctl/upgrade.h"
#include "ctl/workers.h"
#include "rules/rules.h"

/* ---- hooks ---- */

void daemon_event(struct daemon *d, json_t *event)
{
	events_add(d->events, event);
	if (d->control)
		control_event(d->control, event);
	if (d->reports)
		reports_add(d->reports, event);
}

static void on_ban_event(void *arg, json_t *event)
{
	daemon_event(arg, event);
}

static void on_ban_tell(void *arg, json_t *message)
{
	struct daemon *d = arg;

	if (d->workers)
		workers_tell(d->workers, message);
}

static bool on_ban_using(void *arg, const char *address, bool always,
	void (*done)(void *to, json_t *rows), void *to)
{
	struct daemon *d = arg;

	/* One child knows all that there is to know, and told it with the act. */
	if (!d->workers || (!always && workers_up(d->workers) < 2))
		return false;
	workers_using(d->workers, address, done, to);
	return true;
}

static void on_ban_kill(void *arg, const char *address, const char *jid, const char *reason)
{
	struct daemon *d = arg;

	if (d->workers)
		workers_kill(d->workers, address, jid, reason);
}

/* Entries "until" a moment that had passed by the clock that was wrong are no longer in memory. */
static void on_clock_step(void *arg, int64_t by_ms)
{
	struct daemon *d = arg;

	if (by_ms < 0 && d->state == DAEMON_RUNNING)
		daemon_renew(d, NULL, NULL);
}

static void on_worker_event(void *arg, json_t *event, json_t *act)
{
	struct daemon *d = arg;

	daemon_event(d, event);
	if (act)
		bans_act(d->bans, act);
}

/* What the disk refuses is lost to its recipient, as if it had been dropped: the event says what it
 * was.
 */
static int on_worker_quarantine(void *arg, json_t *stanza)
{
	struct daemon *d = arg;
	int r = quarantine_put(d->quarantine, stanza, clock_wall_ms());

	if (r < 0 && r != ERR_PROTO)
		log_error("event=quarantine id=%s error=\"%s\"",
			json_string_value(json_object_get(stanza, "id")), err_text(r));
	return r == ERR_PROTO ? r : 0;
}

static int on_worker_serverless(void *arg, json_t *msg)
{
	struct daemon *d = arg;

	return d->kernel ? kernel_serverless(d->kernel, msg) : 0;
}

static int on_worker_known(void *arg, json_t *msg)
{
	struct daemon *d = arg;

	return known_hear(d->known, msg);
}

static int on_worker_mint(void *arg, json_int_t life, json_t *msg)
{
	struct daemon *d = arg;

	return mint_hear(d->mint, life, msg);
}

static int on_worker_domains(void *arg, json_t *msg)
{
	struct daemon *d = arg;

	return seen_hear(d->seen, msg);
}

static int64_t daemon_book_now(void *arg)
{
	return bans_now(((struct daemon *)arg)->bans);
}

static int64_t daemon_book_wall(void *arg, int64_t book_ms)
{
	return bans_wall(((struct daemon *)arg)->bans, book_ms);
}

static int64_t now_of_bans(void *arg)
{
	return bans_now(arg);
}

void daemon_configure_quarantine(struct daemon *d)
{
	const struct daemon_options *options = policy_daemon(d->config->policy);

	quarantine_configure(
		d->quarantine, &(struct quarantine_ceilings){ options->quarantine_entries,
				       options->quarantine_bytes, options->quarantine_ms });
}

static void on_worker_barred(void *arg, bool (*say)(void *to, json_t *msg), void *to)
{
	barred_tell(((struct daemon *)arg)->bans, say, to);
	seen_tell(((struct daemon *)arg)->seen, say, to);
}

static struct config *on_worker_config(void *arg)
{
	return ((struct daemon *)arg)->config;
}

static json_t *on_worker_limits(void *arg)
{
	return limits_link(((struct daemon *)arg)->limits);
}

static void on_worker_trace(void *arg, json_int_t id, json_t *event)
{
	traces_event(((struct daemon *)arg)->traces, id, event);
}

static void on_worker_shadow(void *arg, json_t *msg)
{
	shadows_hear(((struct daemon *)arg)->shadows, msg);
}

static void on_worker_settle(void *arg)
{
	struct daemon *d = arg;

	observed_settle(d->observed, false);
	traces_stop(d->traces);
	shadows_stop(d->shadows);
}

/* What one that died left in the gauge all children share. */
static void gauge_settle(struct daemon *d, unsigned slot)
{
	metric *all = metrics_find(d->metrics, "session.active"), *own;
	char name[METRIC_NAME_MAX];
	uint64_t left;

	snprintf(name, sizeof name, LINK_GAUGE_SESSIONS, slot);
	own = metrics_find(d->metrics, name);
	left = metric_get(own);
	metric_sub(all, left < metric_get(all) ? left : metric_get(all));
	metric_set(own, 0);
}

static void on_worker_down(void *arg, enum workers_door door, unsigned slot)
{
	struct daemon *d = arg;

	gauge_settle(d, slot);
	if (door == DOOR_PROXY)
		on_worker_settle(d);
	if (door != DOOR_INSPECTOR)
		return;
	observed_settle(d->observed, true);
	traces_stop(d->traces);
	shadows_stop(d->shadows);
}

void daemon_workers_changed(void *arg)
{
	struct daemon *d = arg;

	if (d->notified)
		return;
	d->notified = true;
	sd_notifyf(0, "READY=1\nSTATUS=policy %s", policy_version(d->config->policy));
}

static int on_worker_audit(void *arg, pid_t pid, bool anew, int *fd)
{
	return audit_ring(((struct daemon *)arg)->audit, pid, anew, fd);
}

/* ---- opening ---- */

static int open_audit(struct daemon *d)
{
	struct audit_spec spec = { d->spec.log_dir, d->spec.run_dir, d->spec.state_dir };
	uint64_t max_bytes = policy_daemon(d->config->policy)->audit_max_bytes;
	int r = audit_new(&d->loop, &spec, max_bytes, &d->audit);

	if (r == 0)
		audit_configure(d->audit, config_is_audited(d->config), max_bytes);
	return r;
}

int daemon_open_books(struct daemon *d, struct buf *why)
{
	struct bans_spec bans = { d->spec.state_dir, d->spec.run_dir, on_ban_event, on_ban_kill,
		on_clock_step, d, on_ban_tell, on_ban_using };
	int r = events_open(
		d->spec.log_dir, policy_daemon(d->config->policy)->events_max_bytes, &d->events);

	if (r < 0) {
		buf_putf(why, "cannot write %s/events.json: %s\n", d->spec.log_dir, err_text(r));
		return r;
	}
	if ((r = limits_open(d->spec.state_dir, &d->limits)) < 0 || (r = open_audit(d)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	limits_apply(d->limits, d->config->policy);
	if ((r = observed_open(d->spec.state_dir, &d->observed)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	if ((r = bans_open(&d->loop, &bans, &d->bans, why)) < 0)
		return r;
	bans_configure(d->bans, d->config->policy);
	if ((r = lockdown_open(d, &d->lockdown)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	if ((r = known_open(&(struct known_spec){ bans_ledger(d->bans), now_of_bans, d->bans }, &d->known)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	known_configure(d->known, d->config->policy);
	if ((r = seen_open(&(struct seen_spec){ bans_ledger(d->bans), daemon_book_now, daemon_book_wall, on_ban_tell, d },
		     &d->seen)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	if ((r = quarantine_open(d->spec.state_dir, &d->quarantine, why)) < 0)
		return r;
	daemon_configure_quarantine(d);
	return 0;
}

int daemon_open_doors(struct daemon *d, struct buf *why)
{
	struct workers_spec workers = { d->spec.libexec_dir, d->metrics_fd, on_worker_config,
		on_worker_limits, on_worker_event, on_worker_quarantine, daemon_workers_changed,
		on_worker_down, d, on_worker_trace, on_worker_shadow, on_worker_settle, -1,
		on_worker_serverless, on_worker_known, on_worker_barred, on_worker_mint,
		on_worker_domains, on_worker_audit };
	struct control_spec control = { d->spec.run_dir, "xmppwall", command_run, d };
	int r;

	if (!d->former)
		d->streams_fd = startup_streams(d->config->policy, d->spec.run_dir);
	workers.streams_fd = d->streams_fd;
	d->rehearsal = rehearsal_new(&d->loop, d->spec.config, d->feeds_dir, d->cache);
	d->probation = probation_new(d);
	d->traces = traces_new(d);
	d->shadows = shadows_new(d);
	d->reports = reports_new(d);
	d->upgrade = upgrade_new(d);
	d->mint = mint_new(d);
	if ((r = d->reports && d->mint && d->rehearsal && d->probation && d->traces && d->shadows && d->upgrade
			    ? 0
			    : -ENOMEM) < 0 ||
		(r = jobs_new(&d->loop, &d->jobs)) < 0 ||
		(r = workers_new(&d->loop, &workers, &d->workers)) < 0) {
		buf_putf(why, "%s\n", err_text(r));
		return r;
	}
	return d->former ? control_adopt(&d->loop, &control, d->former, &d->control, why)
			 : control_open(&d->loop, &control, &d->control, why);
}
