/* SPDX-License-Identifier: BSD-2-Clause */
/* The house's owner. In: where things are. Out: a running firewall: policy loaded, ports open,
 * kernel table loaded with all standing bans, children started, operators let in; then signals,
 * until the end. Order matters: what can fail for the operator's reasons comes first and changes
 * nothing, the kernel's table comes last, and peers are served only when it stands. Commands are
 * ctl/command.c's, reloading is ctl/reload.c's; nothing here reads a byte of a peer. */
#include "ctl/daemon_int.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ctl/adopt.h"
#include "ctl/audit.h"
#include "ctl/bans.h"
#include "ctl/config.h"
#include "ctl/control.h"
#include "ctl/events.h"
#include "ctl/feeds.h"
#include "ctl/jobs.h"
#include "ctl/kernel.h"
#include "ctl/known.h"
#include "ctl/limits.h"
#include "ctl/listeners.h"
#include "ctl/lists.h"
#include "ctl/lockdown.h"
#include "ctl/mint.h"
#include "ctl/probation.h"
#include "ctl/observed.h"
#include "ctl/quarantine.h"
#include "ctl/rehearsal.h"
#include "ctl/reports.h"
#include "ctl/seen.h"
#include "ctl/shadows.h"
#include "ctl/startup.h"
#include "ctl/traces.h"
#include "ctl/upgrade.h"
#include "ctl/watch.h"
#include "ctl/workers.h"
#include "rules/cache.h"
#include "rules/rules.h"

enum {
	DAEMON_SETTLE_MS = 30000,
	DAEMON_SETTLE_SOON_MS = 500,
	DAEMON_OBSERVE_TICKS = 10, /* what limits saw is asked for and written down */
	DAEMON_MANY_EDITS = 500,
	DAEMON_STOP_CHECK_MS = 20,
	DAEMON_STOP_MAX_MS = 15000,
	DAEMON_THREADS_MAX = 64,
	DAEMON_PORT_TRIES =
		30, /* children of a daemon that was killed may hold its ports for a moment */
	DAEMON_PORT_TRY_MS = 100,
};

static void on_tick(uv_timer_t *timer);
static void on_observed(void *arg, json_t *rows);

void daemon_list_changed(struct daemon *d, const char *set, const json_t *add, const json_t *del)
{
	if (d->kernel)
		kernel_list_edited(d->kernel, set, add, del);
	/* What stands beside the compiled base is compiled anew with each edit: not for long, then.
	 */
	if (d->state == DAEMON_RUNNING &&
		json_array_size(add) + json_array_size(del) > DAEMON_MANY_EDITS)
		uv_timer_start(&d->tick, on_tick, DAEMON_SETTLE_SOON_MS, DAEMON_SETTLE_MS);
	/* Entries are checked one by one; only together can they break something. */
	if (policy_expectations(d->config->policy) > 0)
		rehearsal_ask(d->rehearsal);
}

/* ---- the end ---- */

static void on_workers_gone(void *arg)
{
	((struct daemon *)arg)->workers_gone = true;
}

static void daemon_close_handles(struct daemon *d)
{
	uv_close((uv_handle_t *)&d->tick, NULL);
	for (size_t i = 0; i < sizeof d->signals / sizeof *d->signals; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	control_close(d->control);
	d->control = NULL;
	workers_free(d->workers);
	d->workers = NULL;
	lockdown_close(d->lockdown);
	d->lockdown = NULL;
	audit_close(d->audit);
	d->audit = NULL;
	bans_close(d->bans);
	d->bans = NULL;
	kernel_close(d->kernel);
	d->kernel = NULL;
	known_close(d->known);
	d->known = NULL;
	seen_close(d->seen);
	d->seen = NULL;
	rehearsal_free(d->rehearsal);
	d->rehearsal = NULL;
	probation_free(d->probation);
	d->probation = NULL;
	traces_free(d->traces);
	d->traces = NULL;
	shadows_free(d->shadows);
	d->shadows = NULL;
	upgrade_free(d->upgrade);
	d->upgrade = NULL;
	watch_close(d->watch);
	d->watch = NULL;
	feeds_close(d->feeds);
	d->feeds = NULL;
	reports_close(d->reports);
	d->reports = NULL;
	mint_close(d->mint);
	d->mint = NULL;
}

static void on_stop_check(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	bool late = clock_mono_ms() - d->stop_mono_ms > DAEMON_STOP_MAX_MS;

	if (late) { /* a job that will not end; all that was promised is on disk already */
		log_warn("event=stop note=\"not everything ended in time\"");
		_exit(0);
	}
	if (d->workers_gone && jobs_idle(d->jobs) && !d->settles &&
		!control_has_requests(d->control)) {
		uv_timer_stop(timer);
		daemon_close_handles(d);
	}
}

void daemon_stop(struct daemon *d)
{
	if (d->state == DAEMON_STOPPING)
		return;
	d->state = DAEMON_STOPPING;
	d->stop_mono_ms = clock_mono_ms();
	sd_notify(0, "STOPPING=1");
	log_info("event=stop note=\"%s\"",
		kernel_is_loaded(d->kernel)
			? "the nftables table stays: protected traffic waits; xmppwalld --unload "
			  "removes it"
			: "no nftables table is loaded");
	traces_stop(d->traces);
	shadows_stop(d->shadows);
	control_shut(d->control);
	workers_observed(d->workers, on_observed, d); /* the last word before they go */
	workers_stop(d->workers, on_workers_gone, d);
	uv_timer_start(&d->tick, on_stop_check, DAEMON_STOP_CHECK_MS, DAEMON_STOP_CHECK_MS);
}

/* ---- while it runs ---- */

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;

	if (number == SIGCHLD)
		workers_reap(d->workers);
	else if (number == SIGHUP && d->state == DAEMON_RUNNING &&
		 !upgrade_defers_reload(d->upgrade))
		daemon_reload(d, NULL, NULL);
	else if (number == SIGUSR2 && d->state == DAEMON_RUNNING)
		upgrade_start(d->upgrade, NULL, 0);
	else if (number == SIGTERM || number == SIGINT)
		daemon_stop(d);
}

static void settle_work(uv_work_t *work)
{
	struct policy *p = work->data;

	(void)policy_list_settle(p);
}

static void settle_done(uv_work_t *work, int status)
{
	struct daemon *d = (struct daemon *)((char *)work - offsetof(struct daemon, settling));

	(void)status;
	policy_unref(work->data);
	d->settles = false;
	if (d->state == DAEMON_RUNNING && d->kernel && kernel_listed(d->kernel) < d->listed)
		kernel_lists_shrank(d->kernel);
}

static void on_observed(void *arg, json_t *rows)
{
	struct daemon *d = arg;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)(void) observed_take(d->observed, d->config->policy, row);
	if (d->state == DAEMON_RUNNING)
		(void)observed_write(d->observed, d->config->policy);
}

static void on_tick(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	if (++d->ticks % DAEMON_OBSERVE_TICKS == 0)
		workers_observed(d->workers, on_observed, d);
	if (d->settles)
		return;
	d->listed = d->kernel ? kernel_listed(d->kernel) : 0;
	d->settling.data = policy_ref(d->config->policy);
	d->settles = uv_queue_work(&d->loop, &d->settling, settle_work, settle_done) == 0;
	if (!d->settles)
		policy_unref(d->settling.data);
}

static void daemon_watch(struct daemon *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR2 };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(&d->loop, &d->tick);
	d->tick.data = d;
	uv_timer_start(&d->tick, on_tick, DAEMON_SETTLE_MS, DAEMON_SETTLE_MS);
}

/* ---- the start ---- */

void daemon_open_cache(struct daemon *d)
{
	d->cache = config_cache(d->spec.state_dir, d->metrics);
}

/* May fail for the operator's reasons; changes nothing but directories. */
static int start_ground(struct daemon *d, struct buf *why)
{
	char *diagnostics;
	int r;

	if (d->former)
		return adopt_ground(d, why);
	if ((r = metrics_new(&d->metrics, &d->metrics_fd)) < 0) {
		buf_putf(why, "no shared memory for counters: %s\n", err_text(r));
		return r;
	}
	if (asprintf(&d->feeds_dir, "%s/feeds", d->spec.state_dir) < 0)
		d->feeds_dir = NULL;
	daemon_open_cache(d);
	if ((r = config_load_fed(d->spec.config, d->feeds_dir, d->cache, NULL, d->metrics,
		     &d->config, &diagnostics)) < 0) {
		buf_puts(why, diagnostics);
		free(diagnostics);
		return r;
	}
	d->config->generation = ++d->generation;
	if ((r = startup_capabilities(d->config->policy, !d->spec.no_firewall, why)) < 0 ||
		(r = startup_folder(d->spec.state_dir, 0700, why)) < 0 ||
		(r = startup_folder(d->spec.run_dir, 0755, why)) < 0 ||
		(r = startup_folder(d->spec.log_dir, 0750, why)) < 0 ||
		(r = startup_lock(d->spec.state_dir, &d->lock_state, why)) < 0)
		return r;
	if (strcmp(d->spec.state_dir, d->spec.run_dir) == 0)
		return 0;
	return startup_lock(d->spec.run_dir, &d->lock_run, why);
}

static int start_ports(struct daemon *d, struct listeners *listeners, struct buf *why)
{
	unsigned threads = policy_daemon(d->config->policy)->threads;
	int r = -EADDRINUSE;

	if (d->former)
		return workers_held_listeners(d->former, listeners);
	d->threads = threads ? threads : uv_available_parallelism();
	if (d->threads > DAEMON_THREADS_MAX)
		d->threads = DAEMON_THREADS_MAX;
	for (int i = 0; i < DAEMON_PORT_TRIES && r == -EADDRINUSE; i++) {
		if (i > 0)
			usleep(DAEMON_PORT_TRY_MS * 1000);
		buf_clear(why);
		r = listeners_open(d->config->policy, d->threads, NULL, listeners, why);
	}
	return r;
}

/* The last step that may fail, and the only one that changes the host. */
static int start_kernel(struct daemon *d, struct buf *why)
{
	struct kernel_spec kernel = { bans_source(d->bans), known_source(d->known), d->metrics };
	int r;

	if (d->spec.no_firewall)
		return 0;
	if ((r = kernel_open(&d->loop, &kernel, &d->kernel, why)) < 0)
		return r;
	(void)kernel_lock(d->kernel, lockdown_is_on(d->lockdown));
	if ((r = kernel_load(d->kernel, d->config->policy, why)) < 0)
		return r;
	bans_set_kernel(d->bans, d->kernel);
	known_set_kernel(d->known, d->kernel);
	return 0;
}

static int daemon_start(struct daemon *d, struct buf *why)
{
	struct listeners listeners = { 0 };
	enum log_level level = LOG_LEVEL_INFO;
	int r;

	if ((r = start_ground(d, why)) < 0)
		return r;
	(void)log_parse_level(policy_daemon(d->config->policy)->log_level, &level);
	log_init("xmppwalld", level);
	uv_update_time(&d->loop); /* compiling took its time: timers count from now */
	if ((r = daemon_open_books(d, why)) < 0 || (r = start_ports(d, &listeners, why)) < 0)
		return r;
	if ((r = daemon_open_doors(d, why)) < 0 || (r = start_kernel(d, why)) < 0 ||
		(d->former && (r = workers_adopt(d->workers, d->former, &listeners)) < 0)) {
		if (d->former) /* all of it is still open */
			return r;
		listeners_close(&listeners);
		return r;
	}
	malloc_trim(0); /* compiling needs much more than keeping */
	config_keep(d->config);
	daemon_watch(d);
	d->state = DAEMON_RUNNING;
	(void)jobs_run(d->jobs, lists_warm, NULL, d->config->lists);
	d->watch = watch_new(d);
	d->feeds = feeds_new(d);
	log_info("event=start version=%s policy=%s threads=%u firewall=%s", XMPPWALL_VERSION,
		policy_version(d->config->policy), d->threads, d->kernel ? "loaded" : "none");
	workers_names(d->workers, d->config->policy);
	if (d->former)
		adopt_end(d);
	else
		workers_start(d->workers, &listeners);
	if (workers_ready(d->workers))
		daemon_workers_changed(d);
	return 0;
}

static void daemon_fini(struct daemon *d)
{
	while (uv_run(&d->loop, UV_RUN_DEFAULT) != 0)
		;
	uv_loop_close(&d->loop);
	jobs_free(d->jobs);
	events_close(d->events);
	if (d->observed && d->config && d->workers_gone)
		(void)observed_write(d->observed, d->config->policy);
	observed_free(d->observed);
	limits_free(d->limits);
	config_free(d->config);
	cache_close(d->cache);
	quarantine_close(d->quarantine);
	metrics_free(d->metrics);
	if (d->streams_fd >= 0)
		close(d->streams_fd);
	free(d->reload_trouble);
	free(d->feeds_dir);
	json_decref(d->former);
	if (d->lock_run >= 0)
		close(d->lock_run);
	if (d->lock_state >= 0)
		close(d->lock_state);
}

/* Each line with our name before it, but for diagnostics, which have the file's. */
static void print_failure(const struct buf *why)
{
	fprintf(stderr, "%.*s", (int)buf_len(why), buf_len(why) ? buf_ptr(why) : "");
	fprintf(stderr, "xmppwalld: not started; nothing was changed\n");
}

int daemon_run(const struct daemon_spec *spec, int adopt)
{
	struct daemon d = {
		.spec = *spec, .lock_state = -1, .lock_run = -1, .metrics_fd = -1, .streams_fd = -1
	};
	struct buf why;
	int r;

	d.since_ms = clock_wall_ms();
	d.since_mono_ms = clock_mono_ms();
	signal(SIGPIPE, SIG_IGN);
	umask(0027);
	startup_files();
	uv_loop_init(&d.loop);
	buf_init(&why, 0);
	r = adopt >= 0 ? adopt_read(&d, adopt, &why) : 0;
	if (r == 0 && (r = daemon_start(&d, &why)) < 0)
		adopt_back(&d, buf_len(&why) ? buf_string(&why) : err_text(r));
	if (r == 0) {
		uv_run(&d.loop, UV_RUN_DEFAULT);
	} else {
		print_failure(&why);
		control_close(d.control);
		workers_free(d.workers);
		lockdown_close(d.lockdown);
		audit_close(d.audit);
		bans_close(d.bans);
		kernel_close(d.kernel);
		rehearsal_free(d.rehearsal);
		probation_free(d.probation);
		traces_free(d.traces);
		shadows_free(d.shadows);
		upgrade_free(d.upgrade);
	}
	buf_fini(&why);
	daemon_fini(&d);
	if (r == 0)
		log_info("event=stopped");
	return r == 0 ? 0 : 1;
}
