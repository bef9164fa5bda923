/* SPDX-License-Identifier: BSD-2-Clause */
/* A new policy for all threads ("policy" of ctl/link.h), between link.c and gear.c. In: a bundle.
 * Out: a gear in force and the answer. Compiling may take seconds, so once sessions run it is done
 * beside the line, which goes on carrying kills, list edits and questions; what was edited
 * meanwhile is put into the new gear, in the same order, before anybody judges by it. Before
 * "start" there is nobody to kill, and what follows needs the policy: then it is done here and now.
 * One at a time, in the order given. It never touches a session. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"

enum {
	LOADS_MAX = 8,     /* waiting; the daemon waits for each answer, so there is one */
	SAID_MAX = 100000, /* edits while one compiles */
};

struct load {
	struct load *next;
	struct link *link;
	uv_work_t work;
	char *path;
	int fd;
	json_int_t generation;
	struct gear *previous, *gear;
	struct buf why;
	int code;
	struct part_set parts;
	json_t *said; /* edits of lists and limits since */
};

static void load_free(struct load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	gear_unref(load->previous);
	gear_unref(load->gear);
	buf_fini(&load->why);
	json_decref(load->said);
	part_set_fini(&load->parts);
	free(load->path);
	free(load);
}

/* Takes fd. NULL when out of memory. */
static struct load *load_new(struct link *l, json_t *msg, int fd)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load) {
		close(fd);
		return NULL;
	}
	buf_init(&load->why, 0);
	load->link = l;
	load->fd = fd;
	load->work.data = load;
	load->path = strdup(text_of(msg, "path"));
	load->parts = link_take_parts(l);
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
		load->code = gear_load(&sources, load->path, load->previous, load->link->metrics,
			&load->why, &load->gear);
	source_fini(&sources);
	if (load->previous)
		malloc_trim(0); /* compiling needs much more than keeping */
}

/* What was said to the policy before is said to the next, too. */
static int load_replay(struct load *load)
{
	json_t *msg;
	size_t i;

	json_array_foreach(load->said, i, msg)
	{
		int r = answer_again(load->gear->policy, msg);

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
	link_send(load->link, answer);
}

/* On the main thread: in force, or not. */
static void load_end(struct load *load)
{
	struct link *l = load->link;
	enum log_level level;

	if (load->code == 0)
		load->code = load_replay(load);
	if (load->code == 0) {
		if (log_parse_level(policy_daemon(load->gear->policy)->log_level, &level) == 0)
			log_set_level(level);
		for (unsigned i = 0; i < l->n_workers; i++)
			worker_swap(l->workers[i], load->gear);
		gear_unref(l->gear);
		l->gear = gear_ref(load->gear);
		link_backends_use(l);
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
	struct link *l = load->link;

	(void)status;
	l->loads = load->next;
	if (!l->stopping)
		load_end(load);
	load_free(load);
	if (l->loads)
		load_start(l->loads);
}

static void load_start(struct load *load)
{
	int r;

	load->previous = load->link->gear ? gear_ref(load->link->gear) : NULL;
	if ((r = uv_queue_work(&load->link->loop, &load->work, load_work, load_done)) < 0) {
		log_error("policy error=%s", err_text(r)); /* cannot be: it has a function */
		link_stop(load->link, EXIT_FAILURE);
	}
}

void link_on_policy(struct link *l, json_t *msg, int fd)
{
	struct load *load, **last = &l->loads;
	unsigned n = 0;

	for (; *last; last = &(*last)->next)
		n++;
	if (fd < 0 || n >= LOADS_MAX) {
		if (fd >= 0)
			close(fd);
		link_nonsense(l, "policy");
		return;
	}
	if (!(load = load_new(l, msg, fd))) {
		link_stop(l, EXIT_FAILURE);
		return;
	}
	if (!l->started) {
		load->previous = l->gear ? gear_ref(l->gear) : NULL;
		load_run(load);
		load_end(load);
		load_free(load);
		return;
	}
	*last = load;
	if (l->loads == load)
		load_start(load);
}

void link_remember(struct link *l, json_t *msg)
{
	for (struct load *load = l->loads; load; load = load->next)
		if (json_array_size(load->said) < SAID_MAX)
			json_array_append(load->said, msg);
}
