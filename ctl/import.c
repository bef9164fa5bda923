/* SPDX-License-Identifier: BSD-2-Clause */
/* "xmppwallctl import": other firewalls' scripts as rules of ours, without daemon, root or network.
 * The script comes from a file, the rules go to standard output or a file, and what could not be
 * turned is told line by line on standard error, as check would. The result is checked before it is
 * handed over; if it does not pass, that is said, too. Never touches the rules in force. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/whole.h"
#include "ctl/cli.h"
#include "ctl/import_firewall.h"
#include "rules/rules.h"

struct import_job {
	struct cli *cli;
	const char *script, *out; /* out: NULL is standard output */
	struct import_options options;
	struct source_set sources;
	const struct source_file *file;
	struct import_result result;
	bool passes; /* the result passes check */
};

/* ---- what there is to say ---- */

/* Diagnostics hold 20 at a time; a script may have more to complain about. */
static void print_notes(const struct import_job *job)
{
	bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
	const struct import_note *n = job->result.notes;
	struct source_file shown = *job->file;
	struct diag_list diags;

	/* Lines are shown on a terminal. */
	if (!(shown.bytes = malloc(job->file->len + 1)))
		return;
	memcpy(shown.bytes, job->file->bytes, job->file->len + 1);
	import_clean(shown.bytes, shown.len);
	while (n) {
		diag_init(&diags);
		for (unsigned i = 0; n && i + 1 < DIAG_MAX; i++, n = n->next) {
			struct loc at = { &shown, n->line, n->column, n->length };

			if (n->warning)
				diag_warn(&diags, at, n->hint, "%s", n->message);
			else
				diag_error(&diags, at, n->hint, "%s", n->message);
		}
		diag_print(&diags, stderr, colour);
		diag_fini(&diags);
	}
	free(shown.bytes);
}

static void print_json(const struct import_job *job)
{
	json_t *list = json_array();
	json_t *answer = json_pack("{s:s,s:b,s:b,s:i,s:i,s:s%}", "file", job->script, "ok",
		job->result.left == 0, "checked", job->passes, "rules", (int)job->result.rules,
		"left", (int)job->result.left, "text", buf_ptr(&job->result.text),
		buf_len(&job->result.text));

	for (const struct import_note *n = job->result.notes; n; n = n->next)
		json_array_append_new(
			list, json_pack("{s:s,s:i,s:i,s:s,s:s,s:s*}", "file", job->script, "line",
				      (int)n->line, "column", (int)n->column, "severity",
				      n->warning ? "warning" : "error", "message", n->message,
				      "hint", n->hint));
	if (answer)
		json_object_set_new(answer, "diagnostics", list);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

/* ---- the result ---- */

static const char *result_path(const struct import_job *job)
{
	return job->out ? job->out : "import.rules";
}

static void check_result(struct import_job *job)
{
	struct policy *policy = NULL;
	struct diag_list diags;
	int r;

	diag_init(&diags);
	r = source_add(&job->sources, result_path(job), buf_ptr(&job->result.text),
		buf_len(&job->result.text));
	if (r == 0)
		r = policy_load(&job->sources, result_path(job), NULL, NULL, &diags, &policy);
	job->passes = r == 0;
	if (r < 0) {
		diag_print(&diags, stderr, false);
		fprintf(stderr, "xmppwallctl import: the result does not pass check: %s\n",
			err_text(r));
	}
	policy_unref(policy);
	diag_fini(&diags);
}

/* Whole or not at all. */
static int write_result(const struct import_job *job)
{
	char *temporary;
	int fd, r;

	if (asprintf(&temporary, "%s.XXXXXX", job->out) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	r = fd < 0 ? -errno
		   : whole_write(fd, buf_ptr(&job->result.text), buf_len(&job->result.text));
	if (fd >= 0 && r == 0 &&
		(fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(temporary, job->out) < 0))
		r = -errno;
	if (fd >= 0 && r < 0)
		unlink(temporary);
	if (fd >= 0)
		close(fd);
	free(temporary);
	return r;
}

static int job_run(struct import_job *job)
{
	int r = source_find(&job->sources, NULL, job->script, &job->file);

	if (r < 0) {
		fprintf(stderr, "xmppwallctl import: %s: %s\n", job->script, err_text(r));
		return EXIT_NO;
	}
	r = import_firewall(&job->sources, job->file, &job->options, &job->result);
	if (r == 0) {
		print_notes(job);
		check_result(job);
		if (job->out)
			r = write_result(job);
		else if (!job->cli->json)
			fwrite(buf_ptr(&job->result.text), 1, buf_len(&job->result.text), stdout);
		if (job->cli->json)
			print_json(job);
	}
	if (r < 0)
		fprintf(stderr, "xmppwallctl import: %s: %s\n", job->out ? job->out : job->script,
			err_text(r));
	else if (job->result.left)
		fprintf(stderr, "%s: %u rules, %u lines left\n", job->script, job->result.rules,
			job->result.left);
	r = r == 0 && job->result.left == 0 && job->passes ? EXIT_DONE : EXIT_NO;
	import_result_fini(&job->result);
	return r;
}

int cli_import(struct cli *cli)
{
	struct import_job job = { .cli = cli };
	int r;

	if (!cli_option(cli, "-o", &job.out) || !cli_option(cli, "--local", &job.options.local))
		return EXIT_WRONG_USAGE;
	job.options.stranger = cli_flag(cli, "--stranger");
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 2)
		return cli_usage_error(cli, "needs a format and a file");
	if (strcmp(cli->argv[0], "mod_firewall") != 0)
		return cli_usage_error(cli, "'%s' is not known; mod_firewall is", cli->argv[0]);
	job.script = cli->argv[1];
	job.options.base = job.out ? job.out : "import.rules";
	source_init(&job.sources, true);
	r = job_run(&job);
	source_fini(&job.sources);
	return r;
}
