/* SPDX-License-Identifier: BSD-2-Clause */
/* A new policy for all threads, between the daemon's line and a door's workers. In: parts compiled
 * by the daemon, a bundle of sources, edits. Out: the door's thing in force and the answer.
 * Compiling may take seconds, so once somebody is judged it is done beside the line, which goes on
 * carrying kills, list edits and questions; what was edited meanwhile is put into the new one, in
 * the same order, before anybody judges by it. Before that there is nobody to kill, and what
 * follows needs the policy: then it is done here and now. One at a time, in the order given. It
 * never touches a session or a packet. */
#include "door/loader.h"

#include <errno.h>
#include <malloc.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "door/json.h"

enum {
	SETTLE_MS = 1000,
	LOADS_MAX = 8,     /* waiting; the daemon waits for each answer, so there is one */
	SAID_MAX = 100000, /* edits while one compiles */
};

struct load {
	struct load *next;
	struct loader *loader;
	uv_work_t work;
	char *path;
	int fd;
	json_int_t generation;
	void *previous, *thing;
	struct buf why;
	int code;
	struct part_set parts;
	json_t *said; /* edits of lists and limits since */
};

static void load_free(struct load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	load->loader->ops->unref(load->previous);
	load->loader->ops->unref(load->thing);
	buf_fini(&load->why);
	json_decref(load->said);
	part_set_fini(&load->parts);
	free(load->path);
	free(load);
}

/* Takes fd. NULL when out of memory. */
static struct load *load_new(struct loader *l, json_t *msg, int fd)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load) {
		close(fd);
		return NULL;
	}
	buf_init(&load->why, 0);
	load->loader = l;
	load->fd = fd;
	load->work.data = load;
	load->path = strdup(text_of(msg, "path"));
	load->parts = loader_take_parts(l);
	load->said = json_array();
	load->generation = number_of(msg, "generation");
	if (load->path && load->said)
		return load;
	load_free(load);
	return NULL;
}

static void load_run(struct load *load)
{
	struct source_set sources;

	source_init(&sources, false);
	load->code = source_unbundle(load->fd, &sources);
	if (load->code == 0)
		load->code = part_set_add_all(&sources.parts, &load->parts);
	if (load->code == 0)
		load->code = load->loader->ops->load(&sources, load->path, load->previous,
			load->loader->metrics, &load->why, &load->thing);
	source_fini(&sources);
	if (load->previous)
		malloc_trim(0); /* compiling needs much more than keeping */
}

/* What was said to the policy before is said to the next, too. */
static int load_replay(struct load *load)
{
	struct policy *policy = load->loader->ops->policy(load->thing);
	json_t *msg;
	size_t i;

	json_array_foreach(load->said, i, msg)
	{
		int r = answer_again(policy, msg);

		/* A list that the next policy has not: nothing is to be edited. */
		if (r < 0 && r != ERR_NOTFOUND)
			log_warn("edit of a list is lost set=%s error=%s",
				log_quote(span_of(text_of(msg, "set"))), err_text(r));
	}
	return json_array_size(load->said) >= SAID_MAX ? ERR_LIMIT : 0;
}

static void load_answer(struct load *load)
{
	json_t *answer = json_pack("{s:s, s:I, s:b}", "m", "policy", "generation", load->generation,
		"ok", load->code == 0);
	const char *why = buf_len(&load->why) ? buf_string(&load->why) : err_text(load->code);

	if (load->code < 0) {
		log_error("policy refused error=%s", why);
		if (answer)
			json_object_set_new(answer, "error", json_string(why));
	}
	line_send(load->loader->line, answer);
}

/* On the main thread: in force, or not. */
static void load_end(struct load *load)
{
	struct loader *l = load->loader;
	enum log_level level;

	if (load->code == 0)
		load->code = load_replay(load);
	if (load->code == 0) {
		const struct daemon_options *options = policy_daemon(l->ops->policy(load->thing));

		if (log_parse_level(options->log_level, &level) == 0)
			log_set_level(level);
		l->ops->unref(l->current);
		l->current = l->ops->ref(load->thing);
		l->ops->use(l->line->link, l->ops->ref(load->thing));
	}
	load_answer(load);
}

static void load_start(struct load *load);

static void load_work(uv_work_t *work)
{
	load_run(work->data);
}

static void load_done(uv_work_t *work, int status)
{
	struct load *load = work->data;
	struct loader *l = load->loader;

	(void)status;
	l->loads = load->next;
	if (!l->line->stopping)
		load_end(load);
	load_free(load);
	if (l->loads)
		load_start(l->loads);
}

static void load_start(struct load *load)
{
	int r;

	load->previous =
		load->loader->current ? load->loader->ops->ref(load->loader->current) : NULL;
	if ((r = uv_queue_work(load->loader->loop, &load->work, load_work, load_done)) < 0) {
		log_error("policy error=%s", err_text(r)); /* cannot be: it has a function */
		line_fail(load->loader->line);
	}
}

static void on_policy(struct loader *l, json_t *msg)
{
	int fd = line_take_fd(l->line);
	struct load *load, **last = &l->loads;
	unsigned n = 0;

	for (; *last; last = &(*last)->next)
		n++;
	if (fd < 0 || n >= LOADS_MAX) {
		if (fd >= 0)
			close(fd);
		line_nonsense(l->line, "policy");
		return;
	}
	if (!(load = load_new(l, msg, fd))) {
		line_fail(l->line);
		return;
	}
	if (!l->running) {
		load->previous = l->current ? l->ops->ref(l->current) : NULL;
		load_run(load);
		load_end(load);
		load_free(load);
		return;
	}
	*last = load;
	if (l->loads == load)
		load_start(load);
}

static void loader_remember(struct loader *l, json_t *msg)
{
	for (struct load *load = l->loads; load; load = load->next)
		if (json_array_size(load->said) < SAID_MAX)
			json_array_append(load->said, msg);
}

/* ---- edits and questions ---- */

/* Compiling a large base takes seconds: beside the line, which has kills and answers to carry. */
static void settle_work(uv_work_t *work)
{
	int r = policy_list_settle(work->data);

	if (r < 0)
		log_warn("lists not settled error=%s", err_text(r));
}

static void settle_done(uv_work_t *work, int status)
{
	struct loader *l = (struct loader *)((char *)work - offsetof(struct loader, settling));

	(void)status;
	policy_unref(work->data);
	l->settles = false;
}

static void on_settle(uv_timer_t *timer)
{
	struct loader *l = timer->data;

	if (!l->current || l->line->stopping)
		return;
	if (l->settles) { /* with edits that came too late for it */
		uv_timer_start(timer, on_settle, SETTLE_MS, 0);
		return;
	}
	l->settling.data = policy_ref(loader_policy(l));
	l->settles = uv_queue_work(l->loop, &l->settling, settle_work, settle_done) == 0;
	if (!l->settles)
		policy_unref(l->settling.data);
}

static void on_list(struct loader *l, json_t *msg)
{
	json_t *answer;
	int r;

	if (!l->current) {
		line_nonsense(l->line, "list");
		return;
	}
	loader_remember(l, msg);
	r = answer_edit_list(loader_policy(l), msg);
	answer = json_pack(
		"{s:s, s:I, s:b}", "m", "list", "seq", number_of(msg, "seq"), "ok", r >= 0);
	if (answer && r < 0)
		json_object_set_new(answer, "error", json_string(err_text(r)));
	line_send(l->line, answer);
	/* Running on: edits that never cease must not put it off for ever. */
	if (!l->line->stopping && !uv_is_active((uv_handle_t *)&l->settle))
		uv_timer_start(&l->settle, on_settle, SETTLE_MS, 0);
}

/* ---- limits ---- */

static void on_limits(struct loader *l, json_t *msg)
{
	if (!l->current || !json_is_array(json_object_get(msg, "set"))) {
		line_nonsense(l->line, "limits");
		return;
	}
	loader_remember(l, msg);
	answer_set_limits(loader_policy(l), msg);
	line_send(l->line,
		json_pack("{s:s, s:I, s:b}", "m", "limits", "seq", number_of(msg, "seq"), "ok", 1));
}

static void on_observed(struct loader *l, json_t *msg)
{
	answer_observed(loader_policy(l), msg, l->line);
}

static void on_hits(struct loader *l, json_t *msg)
{
	if (!answer_hits(loader_policy(l), msg, l->line))
		line_nonsense(l->line, "hits");
}

/* ---- parts ---- */

/* Large sets and databases as sealed memfds, read by rules/pack.c and rules/pattern_code.c, which
 * look through them first. */
static void on_part(struct loader *l, json_t *msg)
{
	struct part *part;
	int r = l->line->fd < 0 ? ERR_PROTO : part_open(l->line->fd, &part);

	(void)msg;
	if (r == 0) {
		r = part_set_add(&l->parts, part);
		part_unref(part);
	}
	if (r == ERR_PROTO || r == ERR_LIMIT)
		line_nonsense(l->line, "part");
	else if (r < 0)
		log_error("part error=%s", err_text(r)); /* the policy will say what it lacks */
}

struct part_set loader_take_parts(struct loader *l)
{
	struct part_set parts = l->parts;

	l->parts = (struct part_set){ 0 };
	return parts;
}

struct policy *loader_policy(const struct loader *l)
{
	return l->current ? l->ops->policy(l->current) : NULL;
}

bool loader_on_message(struct loader *l, const char *name, json_t *msg)
{
	static const struct {
		const char *name;
		void (*take)(struct loader *l, json_t *msg);
	} all[] = {
		{ "policy", on_policy },
		{ "part", on_part },
		{ "list", on_list },
		{ "limits", on_limits },
		{ "observed", on_observed },
		{ "hits", on_hits },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(name, all[i].name) == 0) {
			all[i].take(l, msg);
			return true;
		}
	return false;
}

const char *loader_user(const struct loader *l)
{
	const char *user = policy_daemon(loader_policy(l))->user;

	if (geteuid() != 0)
		return NULL;
	return user ? user : getpwnam("xmppwall") ? "xmppwall" : NULL;
}

/* ---- life ---- */

int loader_init(struct loader *l, uv_loop_t *loop, struct metrics *metrics,
	const struct loader_ops *ops, struct line *line)
{
	*l = (struct loader){ .loop = loop, .metrics = metrics, .ops = ops, .line = line };
	l->settle.data = l;
	return uv_timer_init(loop, &l->settle);
}

void loader_close(struct loader *l)
{
	uv_close((uv_handle_t *)&l->settle, NULL);
	part_set_fini(&l->parts);
}

void loader_fini(struct loader *l)
{
	l->ops->unref(l->current);
	l->current = NULL;
}

int loader_policy_load(struct source_set *sources, const char *path, struct policy *previous,
	struct metrics *metrics, struct buf *why, struct policy **out)
{
	struct diag_list diags;
	int r;

	diag_init(&diags);
	r = policy_load(sources, path, previous, metrics, &diags, out);
	if (r < 0) {
		cleanup_free char *text = diag_string(&diags);

		buf_puts(why, text && *text ? text : err_text(r));
	}
	diag_fini(&diags);
	return r;
}
