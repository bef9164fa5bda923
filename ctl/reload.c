/* SPDX-License-Identifier: BSD-2-Clause */
/* A new policy in place of the old one, without dropping a session. In: SIGHUP or "reload". Then:
 * loaded and tested beside the loop, new ports opened, given to the workers, the kernel's table
 * changed, ports and policy swapped. Until the last step the old policy is in force, and any step
 * that fails leaves it there, with its reason told. One reload or list edit at a time (ctl/jobs.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/audit.h"
#include "ctl/bans.h"
#include "ctl/compare.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/events.h"
#include "ctl/feeds.h"
#include "ctl/jobs.h"
#include "ctl/kernel.h"
#include "ctl/known.h"
#include "ctl/limits.h"
#include "ctl/listeners.h"
#include "ctl/lists.h"
#include "ctl/mint.h"
#include "ctl/probation.h"
#include "ctl/rehearsal.h"
#include "ctl/watch.h"
#include "ctl/workers.h"
#include "rules/rules.h"

struct reload {
	struct daemon *d;
	void (*done)(void *arg, const struct reload_result *result);
	void *arg;
	struct reload_how how;
	json_t *diff; /* from the policy in force to the next */
	int code;
	struct config *next;
	int former;        /* RELOAD_BACK: its sources */
	struct part_set former_parts;
	char *diagnostics; /* of config_load */
	struct listeners listeners;
	struct buf why;
};

static void tell_systemd(const char *what)
{
	sd_notifyf(
		0, "%s\nMONOTONIC_USEC=%llu", what, (unsigned long long)(clock_mono_ns() / 1000));
}

static void reload_tell(struct reload *reload, const struct reload_result *result)
{
	struct daemon *d = reload->d;

	if (reload->how.kind == RELOAD_CHECK) {
		reload->done(reload->arg, result);
		return;
	}
	free(d->reload_trouble);
	d->reload_trouble = NULL;
	if (result->code < 0) {
		d->reload_trouble = strdup(result->diagnostics);
		log_error("event=reload result=refused policy=%s", result->version);
		/* Whoever sent SIGHUP has no other place to read it. */
		if (!reload->done)
			fprintf(stderr, "%s", result->diagnostics);
	} else {
		log_info("event=reload result=done policy=%s changed=%d expectations=%u",
			result->version, result->changed, result->expectations);
	}
	tell_systemd("READY=1");
	if (reload->done)
		reload->done(reload->arg, result);
}

static void reload_end(struct reload *reload, int code, bool changed)
{
	struct policy *p = reload->d->config->policy;
	json_t *state = probation_status(reload->d->probation);
	const char *why = reload->diagnostics ? reload->diagnostics : buf_string(&reload->why);
	struct reload_result result = { code, why ? why : "out of memory\n", policy_version(p),
		changed, policy_expectations(p), reload->diff,
		json_integer_value(json_object_get(state, "until")) };

	reload_tell(reload, &result);
	json_decref(state);
	json_decref(reload->diff);
	listeners_close(&reload->listeners);
	config_free(reload->next);
	free(reload->diagnostics);
	part_set_fini(&reload->former_parts);
	buf_fini(&reload->why);
	free(reload);
}

static void reload_fail(struct reload *reload, int code)
{
	struct probation *p = reload->d->probation;

	const char *why = reload->diagnostics ? reload->diagnostics : buf_string(&reload->why);

	if (!probation_runs(p))
		probation_end(p);
	else if (reload->how.kind == RELOAD_BACK)
		probation_fail(p, why ? why : "out of memory");
	reload_end(reload, code, false);
}

struct forgotten {
	uv_work_t work;
	struct config *config;
};

static void forget_work(uv_work_t *work)
{
	struct forgotten *f = work->data;

	config_free(f->config);
	malloc_trim(0); /* compiling needs much more than keeping */
}

static void forget_done(uv_work_t *work, int status)
{
	(void)status;
	free(work->data);
}

/* Millions of entries take a while to free: not on the loop. */
static void config_forget(struct daemon *d, struct config *old)
{
	struct forgotten *f = calloc(1, sizeof *f);

	if (f) {
		f->config = old;
		f->work.data = f;
		if (uv_queue_work(&d->loop, &f->work, forget_work, forget_done) == 0)
			return;
	}
	free(f);
	config_free(old);
	malloc_trim(0);
}

/* The last step: nothing fails here. */
static void reload_swap(struct reload *reload)
{
	struct daemon *d = reload->d;
	struct config *old = d->config;
	enum log_level level = LOG_LEVEL_INFO;
	const struct daemon_options *options;
	bool changed;

	changed = strcmp(policy_version(old->policy), policy_version(reload->next->policy)) != 0;
	workers_listen(d->workers, &reload->listeners);
	d->config = reload->next;
	reload->next = NULL;
	workers_inspect(d->workers);
	lists_inherit(d->config->lists, old->lists);
	config_forget(d, old);
	if (reload->how.kind == RELOAD_BACK)
		probation_end(d->probation);
	if (reload->how.confirm_ms)
		probation_arm(d->probation, reload->how.confirm_ms);
	rehearsal_reset(d->rehearsal);
	config_keep(d->config);
	watch_policy_changed(d->watch, reload->how.kind == RELOAD_LISTS);
	feeds_policy_changed(d->feeds);
	workers_names(d->workers, d->config->policy);
	options = policy_daemon(d->config->policy);
	bans_configure(d->bans, d->config->policy);
	known_configure(d->known, d->config->policy);
	daemon_configure_quarantine(d);
	mint_configure(d->mint);
	limits_apply(d->limits, d->config->policy); /* set while it was compiled */
	events_reopen(d->events, options->events_max_bytes);
	audit_configure(d->audit, config_is_audited(d->config), options->audit_max_bytes);
	(void)log_parse_level(options->log_level, &level);
	log_init("xmppwalld", level);
	reload_end(reload, 0, changed);
}

static void on_rolled_back(void *arg, int code, const char *text)
{
	(void)arg;
	if (code < 0)
		log_error("event=reload note=\"a worker did not take the old policy back\" "
			  "why=\"%s\"",
			text);
}

/* The workers judge by it (or are down and will be given it): now the kernel. */
static void on_policy_taken(void *arg, int code, const char *text)
{
	struct reload *reload = arg;
	struct daemon *d = reload->d;

	if (code < 0) {
		buf_putf(&reload->why, "the policy was not taken: %s\n",
			*text ? text : err_text(code));
	} else if (kernel_is_loaded(d->kernel) &&
		   (code = kernel_load(d->kernel, reload->next->policy, &reload->why)) < 0) {
		d->config->generation = ++d->generation;
		workers_policy(d->workers, d->config, on_rolled_back, NULL);
	}
	if (code < 0)
		reload_fail(reload, code);
	else
		reload_swap(reload);
	jobs_release(d->jobs);
}

/* What differs is found here, too, where nobody waits for it. */

static void reload_work(void *arg)
{
	struct reload *reload = arg;
	struct daemon *d = reload->d;

	switch (reload->how.kind) {
	case RELOAD_LISTS:
		reload->code = config_renew(
			d->config, d->metrics, &reload->next, &reload->diagnostics);
		break;
	case RELOAD_BACK:
		reload->code = config_restore(d->config, reload->former, &reload->former_parts,
			d->metrics, &reload->next, &reload->diagnostics);
		break;
	case RELOAD_FILES:
	case RELOAD_CHECK:
		reload->code = config_load_fed(d->spec.config, d->feeds_dir, d->cache, d->config,
			reload->how.kind == RELOAD_CHECK ? NULL : d->metrics, &reload->next,
			&reload->diagnostics);
		break;
	}
	if (reload->code == 0 && reload->how.kind != RELOAD_LISTS)
		reload->diff = compare_policies(d->config->policy, reload->next->policy);
}

/* May it be put in the place of the one in force? */
static int reload_permit(struct reload *reload)
{
	struct daemon *d = reload->d;

	if (d->state == DAEMON_STOPPING) {
		buf_puts(&reload->why, "the daemon is stopping\n");
		return ERR_CLOSED;
	}
	if (reload->how.kind == RELOAD_FILES && probation_runs(d->probation)) {
		buf_puts(&reload->why, "the policy in force waits to be confirmed: 'xmppwallctl "
				       "confirm' or 'xmppwallctl rollback' first\n");
		return ERR_REFUSED;
	}
	if (reload->how.kind == RELOAD_BACK && !probation_runs(d->probation)) {
		buf_puts(&reload->why, "the policy in force was confirmed\n");
		return ERR_REFUSED;
	}
	return reload->how.confirm_ms ? probation_prepare(d->probation, d->config) : 0;
}

static void reload_loaded(void *arg)
{
	struct reload *reload = arg;
	struct daemon *d = reload->d;
	int r = reload->code;

	if (reload->former >= 0)
		close(take_fd(&reload->former));
	if (reload->how.kind == RELOAD_CHECK) {
		reload_end(reload, r, r == 0 && strcmp(policy_version(d->config->policy),
							policy_version(reload->next->policy)) != 0);
		return;
	}
	if (r == 0 && (r = reload_permit(reload)) == 0)
		r = listeners_open(reload->next->policy, d->threads, workers_listeners(d->workers),
			&reload->listeners, &reload->why);
	if (r < 0) {
		reload_fail(reload, r);
		return;
	}
	reload->next->generation = ++d->generation;
	jobs_hold(d->jobs);
	workers_policy(d->workers, reload->next, on_policy_taken, reload);
}

void daemon_change(struct daemon *d, const struct reload_how *how,
	void (*done)(void *arg, const struct reload_result *result), void *arg)
{
	struct reload *reload = calloc(1, sizeof *reload);
	struct reload_result failed = { .code = -ENOMEM,
		.diagnostics = "out of memory\n",
		.version = policy_version(d->config->policy) };

	if (how->kind != RELOAD_CHECK)
		tell_systemd("RELOADING=1");
	if (reload) {
		reload->d = d;
		reload->how = *how;
		reload->former = how->kind == RELOAD_BACK
					 ? fcntl(probation_bundle(d->probation), F_DUPFD_CLOEXEC, 0)
					 : -1;
		if (how->kind == RELOAD_BACK)
			(void)part_set_add_all(
				&reload->former_parts, probation_parts(d->probation));
		reload->done = done;
		reload->arg = arg;
		buf_init(&reload->why, 0);
	}
	if (reload && jobs_run(d->jobs, reload_work, reload_loaded, reload) == 0)
		return;
	free(reload);
	if (done)
		done(arg, &failed);
}

void daemon_reload(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg)
{
	daemon_change(d, &(struct reload_how){ .kind = RELOAD_FILES }, done, arg);
}

void daemon_renew(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg)
{
	daemon_change(d, &(struct reload_how){ .kind = RELOAD_LISTS }, done, arg);
}

void daemon_rollback(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg)
{
	daemon_change(d, &(struct reload_how){ .kind = RELOAD_BACK }, done, arg);
}
