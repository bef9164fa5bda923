/* SPDX-License-Identifier: BSD-2-Clause */
/* The other half of ctl/upgrade.c, in the next program. In: the handover, checked by
 * ctl/handover.c. Out: a daemon that has what the one before had, the policy out of memory and not
 * from disk; or the one before again, with the reason. Listeners and children are taken by
 * ctl/workers_hold.c, clients by ctl/control.c. It changes nothing on the host. */
#include "ctl/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ctl/config.h"
#include "ctl/control.h"
#include "ctl/handover.h"
#include "ctl/startup.h"
#include "ctl/upgrade.h"
#include "ctl/workers.h"
#include "rules/part.h"
#include "rules/rules.h"

extern char **environ;

static int fd_of(const json_t *state, const char *name)
{
	return (int)json_integer_value(json_object_get(json_object_get(state, "fds"), name));
}

static json_int_t number_of(const json_t *state, const char *name)
{
	return json_integer_value(json_object_get(state, name));
}

/* Those of another version are left out: their sources are read again. */
static int parts_adopt(const json_t *state, struct part_set *parts)
{
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(state, "parts"), i, row)
	{
		struct part *part;

		if (r == 0)
			r = part_adopt((int)json_integer_value(json_object_get(row, "fd")), &part);
		if (r == ERR_PROTO) {
			r = 0;
		} else if (r == 0) {
			r = part_set_add(parts, part);
			part_unref(part);
		}
	}
	return r;
}

int adopt_check(const struct daemon_spec *spec, int fd)
{
	struct part_set parts = { 0 };
	struct config *c = NULL;
	json_t *state = NULL;
	char *why = NULL;
	struct buf line;
	int r;

	buf_init(&line, 0);
	if ((r = handover_read(fd, &state, &line)) < 0)
		fprintf(stderr, "xmppwalld: %s", buf_string(&line));
	else if ((r = parts_adopt(state, &parts)) < 0)
		fprintf(stderr, "xmppwalld: %s\n", err_text(r));
	else if ((r = config_adopt(spec->config, NULL, NULL, fd_of(state, "bundle"), &parts, NULL,
			  &c, &why)) < 0)
		fprintf(stderr, "%s", why);
	else
		printf("%s\n", policy_version(c->policy));
	config_free(c);
	part_set_fini(&parts);
	free(why);
	json_decref(state);
	buf_fini(&line);
	return r < 0 ? 1 : 0;
}

int adopt_read(struct daemon *d, int fd, struct buf *why)
{
	int r = handover_read(fd, &d->former, why);

	if (r == 0 && json_is_true(json_object_get(d->former, "check"))) {
		buf_puts(why, "that handover is only a question: --check\n");
		r = ERR_PROTO;
	}
	if (r == 0)
		handover_disarm(); /* our children get none of it */
	return r;
}

static int policy_adopt(struct daemon *d, struct buf *why)
{
	struct part_set parts = { 0 };
	char *diagnostics = NULL;
	int r = parts_adopt(d->former, &parts);

	if (r < 0)
		buf_putf(why, "the parts of the policy do not fit: %s\n", err_text(r));
	else if ((r = config_adopt(d->spec.config, d->feeds_dir, d->cache,
			  fd_of(d->former, "bundle"), &parts, d->metrics, &d->config,
			  &diagnostics)) < 0)
		buf_puts(why, diagnostics);
	if (r == 0) /* else this program gives back, and their descriptors must still be there */
		part_set_fini(&parts);
	free(diagnostics);
	return r;
}

int adopt_ground(struct daemon *d, struct buf *why)
{
	const char *trouble = json_string_value(json_object_get(d->former, "trouble"));
	int r, page = fcntl(fd_of(d->former, "metrics"), F_DUPFD_CLOEXEC, 3);

	d->metrics_fd = fd_of(d->former, "metrics");
	d->streams_fd = fd_of(d->former, "streams");
	if ((r = page < 0 ? -errno : metrics_open(page, &d->metrics)) < 0) {
		buf_putf(why, "the counters do not fit: %s\n", err_text(r));
		return r;
	}
	if (asprintf(&d->feeds_dir, "%s/feeds", d->spec.state_dir) < 0)
		d->feeds_dir = NULL;
	daemon_open_cache(d);
	if ((r = policy_adopt(d, why)) < 0)
		return r;
	d->generation = (unsigned)number_of(d->former, "generation");
	d->config->generation = d->generation;
	d->config->loaded_ms = number_of(d->former, "loaded_ms");
	d->threads = (unsigned)number_of(d->former, "threads");
	d->since_ms = number_of(d->former, "since_ms");
	d->since_mono_ms = (uint64_t)number_of(d->former, "since_mono_ms");
	d->reload_trouble = trouble ? strdup(trouble) : NULL;
	d->lock_state = fd_of(d->former, "lock_state");
	d->lock_run = fd_of(d->former, "lock_run");
	d->notified = true;
	return startup_capabilities(d->config->policy, !d->spec.no_firewall, why);
}

void adopt_end(struct daemon *d)
{
	sigset_t none;

	upgrade_done(d->upgrade, json_string_value(json_object_get(d->former, "failed")));
	close(fd_of(d->former, "bundle"));
	close(fd_of(d->former, "program"));
	workers_go_on(d->workers);
	if (json_is_true(json_object_get(d->former, "reload")))
		daemon_reload(d, NULL, NULL);
	control_go_on(d->control, d->former);
	json_decref(d->former);
	d->former = NULL;
	sigemptyset(&none); /* those that came meanwhile have their handlers now */
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* Who asked is told no. */
static void answers_refuse(json_t *state, const char *why)
{
	json_t *client;
	size_t i;

	json_array_foreach(json_object_get(state, "clients"), i,
		client) if (json_object_get(client, "answer")) json_object_set_new(client, "answer",
		json_pack("{s:b,s:i,s:o,s:s}", "ok", 0, "exit", 1, "error",
			json_sprintf("not upgraded: the new xmppwalld does not "
				     "take over (the new xmppwall-proxy serves)"),
			"diagnostics", why));
}

void adopt_back(const struct daemon *d, const char *why)
{
	enum { ARGS_MAX = 32 };
	char number[16], *argv[ARGS_MAX + 4] = { "xmppwalld", "--adopt", number };
	json_t *arg;
	int fd = -1;
	size_t i;

	if (!d->former || json_object_get(d->former, "failed")) /* it came back already */
		return;
	json_array_foreach(json_object_get(d->former, "args"), i, arg) if (i < ARGS_MAX)
		argv[i + 3] = (char *)json_string_value(arg);
	json_object_set_new(d->former, "failed", json_stringn(why, strcspn(why, "\n")));
	answers_refuse(d->former, why);
	if (handover_write(d->former, &fd) < 0 || handover_arm(d->former, fd) < 0)
		return;
	snprintf(number, sizeof number, "%d", fd);
	log_error("event=upgrade note=\"the program before goes on\"");
	fexecve(fd_of(d->former, "program"), argv, environ);
	log_error("event=upgrade error=\"%s\"", err_text(-errno));
}
