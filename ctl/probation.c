/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside reload.c: holds the sources of the policy that a "reload --confirm" replaced, and a timer.
 * In: the policy that leaves, its time, "confirm". Out: a rollback when the time is over, which
 * takes the same way as any reload. It lives in the daemon, so whoever asked may be cut off by the
 * very policy he put in force. It is not kept over a restart: the files on disk are the truth. */
#include "ctl/probation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "rules/part.h"
#include "rules/rules.h"

struct probation {
	struct daemon *d;
	uv_timer_t timer;
	int bundle; /* -1: none */
	struct part_set parts;
	bool armed;
	int64_t until_ms;
	char former[32]; /* its version */
	char *trouble;
};

struct probation *probation_new(struct daemon *d)
{
	struct probation *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->d = d;
	p->bundle = -1;
	uv_timer_init(&d->loop, &p->timer);
	p->timer.data = p;
	return p;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void probation_free(struct probation *p)
{
	if (!p)
		return;
	if (probation_runs(p))
		log_warn("event=probation note=\"ended before it was confirmed: the next start "
			 "takes what is on disk\"");
	probation_end(p);
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

static void on_timer(uv_timer_t *timer)
{
	struct probation *p = timer->data;

	log_warn("event=probation note=\"not confirmed in time: rolling back\" to=%s", p->former);
	daemon_rollback(p->d, NULL, NULL);
}

int probation_prepare(struct probation *p, struct config *former)
{
	int fd = config_bundle(former), r;

	if (fd < 0)
		return fd;
	probation_end(p);
	p->bundle = fd;
	if ((r = part_set_add_all(&p->parts, policy_parts(former->policy))) < 0) {
		probation_end(p);
		return r;
	}
	snprintf(p->former, sizeof p->former, "%s", policy_version(former->policy));
	return 0;
}

void probation_arm(struct probation *p, uint64_t ms)
{
	p->armed = true;
	p->until_ms = clock_wall_ms() + (int64_t)ms;
	uv_timer_start(&p->timer, on_timer, ms, 0);
	log_info("event=probation former=%s ms=%llu", p->former, (unsigned long long)ms);
}

bool probation_runs(const struct probation *p)
{
	return p->armed;
}

void probation_end(struct probation *p)
{
	uv_timer_stop(&p->timer);
	p->armed = false;
	if (p->bundle >= 0)
		close(take_fd(&p->bundle));
	part_set_fini(&p->parts);
	free(p->trouble);
	p->trouble = NULL;
}

void probation_fail(struct probation *p, const char *why)
{
	uv_timer_stop(&p->timer);
	free(p->trouble);
	p->trouble = strndup(why, strcspn(why, "\n"));
}

const struct part_set *probation_parts(const struct probation *p)
{
	return &p->parts;
}

int probation_bundle(const struct probation *p)
{
	return p->bundle;
}

json_t *probation_status(const struct probation *p)
{
	if (!probation_runs(p))
		return json_null();
	return json_pack("{s:I,s:s}", "until", (json_int_t)p->until_ms, "former", p->former);
}

void probation_attention(const struct probation *p, json_t *lines)
{
	int64_t left = p->until_ms - clock_wall_ms();
	char text[32];

	if (!probation_runs(p))
		return;
	if (p->trouble) {
		json_array_append_new(lines,
			json_sprintf("the policy was not confirmed, and the one before it (%s) "
				     "could not be put back: %s",
				p->former, p->trouble));
		return;
	}
	clock_format_duration((uint64_t)(left > 0 ? left : 0) / 1000 * 1000, text, sizeof text);
	json_array_append_new(lines,
		json_sprintf("the policy waits for 'xmppwallctl confirm': in %s the one before it "
			     "(%s) comes back",
			text, p->former));
}
