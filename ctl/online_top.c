/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl top: keys and the daemon's answers, whichever comes first. In: the terminal's keys
 * (ctl/screen.c), answers to one request at a time (ctl/ask.c). Out: what ctl/top_draw.c makes of both; bans
 * and their ends as requests, when the view (ctl/top_view.c) says that a person asked for them. A daemon that goes
 * away is told on the screen and asked again. With --json there is no screen: one look, or one a line. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/repeat.h"
#include "ctl/screen.h"
#include "ctl/show.h"
#include "ctl/top_draw.h"
#include "ctl/top_explain.h"

enum { TOP_MS = 1000, TOP_ANSWER_MS = 10000, TOP_AGAIN_MS = 1000 };

struct top {
	struct cli *cli;
	struct top_view view;
	struct top_data data;
	struct cells cells;
	bool utf8;
	struct ask *ask; /* NULL: nothing is asked at the moment */
	enum top_act asked;
	enum top_panel asked_panel;
	uint64_t asked_ms, next_ms;
	enum top_act wanted; /* once the answer to what is asked has come */
	struct {
		enum top_panel panel;
		json_t *row, *questions, *answers;
	} why;
};

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	ended = signal;
}

/* ---- asking ---- */

static void trouble(struct top *t, const char *what, const char *why)
{
	snprintf(t->view.trouble, sizeof t->view.trouble, "%s: %s; asking again", what, why);
	ask_close(t->ask);
	t->ask = NULL;
	t->next_ms = clock_mono_ms() + TOP_AGAIN_MS;
}

static json_t *ban_arguments(const struct top_view *v)
{
	return json_pack("{s:s,s:I,s:s}", "address", v->address, "for", (json_int_t)v->ban_ms, "why", v->why);
}

static void ask(struct top *t, enum top_act act, const char *cmd, json_t *args)
{
	int r = ask_open(t->cli->run_dir, cmd, args, &t->ask);

	t->asked = act;
	t->asked_panel = t->view.panel;
	t->asked_ms = clock_mono_ms();
	if (r < 0) {
		t->ask = NULL;
		if (act != TOP_LOOK)
			top_view_say(&t->view, true, "not done: the daemon cannot be reached");
		trouble(t, "cannot reach the daemon", err_text(r));
	}
}

static void why_forget(struct top *t)
{
	json_decref(t->why.row);
	json_decref(t->why.questions);
	json_decref(t->why.answers);
	t->why.row = t->why.questions = t->why.answers = NULL;
}

static void why_begin(struct top *t)
{
	why_forget(t);
	t->why.panel = t->view.panel;
	t->why.row = json_deep_copy(top_view_row(&t->view));
	if (!t->why.row)
		return;
	t->why.questions = top_explain_questions(t->why.panel, t->why.row);
	t->why.answers = json_array();
}

static void why_ask(struct top *t)
{
	json_t *one = json_array_get(t->why.questions, json_array_size(t->why.answers));

	if (one)
		ask(t, TOP_ASK_WHY, show_text(one, "cmd"), json_incref(json_object_get(one, "args")));
}

/* The next thing to ask, if there is one and nothing is under way. */
static void ask_next(struct top *t)
{
	enum top_act wanted = t->wanted;

	if (t->ask)
		return;
	t->wanted = TOP_NOTHING;
	if (wanted == TOP_BAN)
		ask(t, wanted, "ban", ban_arguments(&t->view));
	else if (wanted == TOP_UNBAN)
		ask(t, wanted, "unban", json_pack("{s:s}", "address", t->view.address));
	else if (wanted == TOP_ASK_WHY)
		why_begin(t), why_ask(t);
	else if (wanted == TOP_LOOK || (!t->view.paused && clock_mono_ms() >= t->next_ms))
		ask(t, TOP_LOOK, "top", top_view_ask(&t->view));
}

/* ---- answers ---- */

static void take_why(struct top *t, json_t *result)
{
	char name[TOP_NAME], title[TOP_NAME];
	json_t *lines;

	json_array_append_new(t->why.answers, result ? json_incref(result) : json_null());
	if (json_array_size(t->why.answers) < json_array_size(t->why.questions)) {
		why_ask(t);
		return;
	}
	lines = top_explain_lines(t->why.panel, t->why.row, t->why.answers);
	top_row_name(t->why.panel, t->why.row, name, sizeof name);
	snprintf(title, sizeof title, "%s %.300s", top_panel_key(t->why.panel), name);
	if (t->view.mode == TOP_LIST)
		top_view_explain(&t->view, title, lines);
	else
		json_decref(lines);
	why_forget(t);
}

static void take_act(struct top *t, const json_t *answer, bool done)
{
	char left[32];

	t->wanted = TOP_LOOK;
	if (!done)
		top_view_say(&t->view, true, "refused: %s", show_text(answer, "error"));
	else if (t->asked == TOP_UNBAN)
		top_view_say(&t->view, false, "%s is let back in", t->view.address);
	else {
		clock_format_duration(t->view.ban_ms, left, sizeof left);
		top_view_say(&t->view, false, "%s is banned for %s", t->view.address, left);
	}
}

static void take_look(struct top *t, const json_t *answer, json_t *result)
{
	uint64_t now = clock_mono_ms();

	/* From when it was due, so that seconds stay seconds. */
	t->next_ms = t->next_ms + t->view.every_ms > now ? t->next_ms + t->view.every_ms
							 : now + t->view.every_ms;
	if (t->next_ms > now + t->view.every_ms)
		t->next_ms = now + t->view.every_ms;
	if (!result) {
		trouble(t, "the daemon", show_text(answer, "error"));
		return;
	}
	top_data_take(&t->data, t->asked_panel, json_incref(result));
	top_view_update(&t->view, &t->data);
}

static void take_answer(struct top *t)
{
	json_t *answer = NULL, *result;
	int r = ask_read(t->ask, &answer);
	bool done;

	if (r == 0)
		return;
	if (r < 0) {
		if (t->asked != TOP_LOOK)
			top_view_say(&t->view, true, "the daemon went away: it is not known whether it was done");
		trouble(t, "the daemon went away", err_text(r));
		return;
	}
	ask_close(t->ask);
	t->ask = NULL;
	*t->view.trouble = '\0';
	done = json_is_true(json_object_get(answer, "ok"));
	result = done ? json_object_get(answer, "result") : NULL;
	if (t->asked == TOP_LOOK)
		take_look(t, answer, result);
	else if (t->asked == TOP_ASK_WHY)
		take_why(t, result);
	else
		take_act(t, answer, done);
	json_decref(answer);
}

/* ---- the screen ---- */

static bool draw(struct top *t)
{
	unsigned rows, columns;

	screen_size(&rows, &columns);
	if (!t->cells.all || t->cells.rows != rows || t->cells.columns != columns) {
		cells_fini(&t->cells);
		if (cells_init(&t->cells, rows, columns, t->utf8) < 0)
			return false;
	}
	top_draw(&t->cells, &t->view, &t->data);
	screen_draw(&t->cells);
	return true;
}

/* False when it is time to go. */
static bool take_keys(struct top *t)
{
	int key;

	while ((key = screen_key()) != TOP_KEY_NONE) {
		enum top_act act = top_view_key(&t->view, &t->data, key);

		if (act == TOP_QUIT)
			return false;
		/* A look can wait for what was asked for; nothing else may be forgotten for it. */
		if (act != TOP_NOTHING && (act != TOP_LOOK || t->wanted == TOP_NOTHING))
			t->wanted = act;
	}
	return true;
}

static int wait_ms(const struct top *t)
{
	uint64_t now = clock_mono_ms(), next = now + 1000; /* the clock goes on */

	if (!t->ask && !t->view.paused && t->next_ms < next)
		next = t->next_ms;
	return next > now ? (int)(next - now) : 0;
}

static void watch(struct top *t)
{
	while (!ended && draw(t)) {
		struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = -1, .events = POLLIN } };

		ask_next(t);
		if (t->ask)
			fds[1].fd = ask_fd(t->ask);
		if (poll(fds, 2, wait_ms(t)) < 0 && errno != EINTR)
			return;
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return; /* the terminal is gone */
		if (!take_keys(t))
			return;
		if (t->ask && fds[1].revents)
			take_answer(t);
		else if (t->ask && clock_mono_ms() - t->asked_ms > TOP_ANSWER_MS)
			trouble(t, "the daemon", "gives no answer");
	}
}

static void signals_take(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_end };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &action, NULL);
}

static int top_screen(struct cli *cli, uint64_t every_ms)
{
	struct top t = { .cli = cli };
	json_t *result = NULL;
	const char *why;
	int r;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return cli_usage_error(cli, "the screen needs a terminal; top --json prints one look");
	setlocale(LC_CTYPE, "");
	t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	top_view_init(&t.view, (unsigned)every_ms);
	if ((r = cli_request(cli, "top", top_view_ask(&t.view), &result)) != EXIT_DONE)
		return r;
	top_data_take(&t.data, t.view.panel, result);
	t.next_ms = clock_mono_ms() + 250; /* the second look, which tells rates, comes soon */
	if (!screen_open(cli->colour, &why)) {
		top_data_fini(&t.data);
		return cli_usage_error(cli, "%s; top --json prints one look", why);
	}
	signals_take(); /* behind curses' own */
	watch(&t);
	screen_close();
	ask_close(t.ask);
	why_forget(&t);
	top_view_fini(&t.view);
	top_data_fini(&t.data);
	cells_fini(&t.cells);
	return EXIT_DONE;
}

/* One answer of "top" as a line. */
static int top_once(struct cli *cli)
{
	json_t *result = NULL;
	int r = cli_request(cli, "top", NULL, &result);

	return r == EXIT_DONE ? cli_answer_json(result) : r;
}

int cli_top(struct cli *cli)
{
	uint64_t every_ms = 0;

	if (!repeat_option(cli, &every_ms) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
	if (!cli->json)
		return top_screen(cli, every_ms ? every_ms : TOP_MS);
	return every_ms ? repeat_run(cli, top_once, every_ms) : top_once(cli);
}
