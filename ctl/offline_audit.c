/* SPDX-License-Identifier: BSD-2-Clause */
/* audit verify: the trail's files, oldest first, through ctl/audit_chain.c. In: the names of files,
 * or none: all of the log directory. Out: where the chain breaks, what it ends with, and an exit
 * status. It needs no daemon and changes nothing; whether the end is the true one only a hash from
 * elsewhere can tell. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/audit_chain.h"
#include "ctl/cli.h"
#include "ctl/show.h"

enum { PROBLEMS_MAX = 20, FILES_MAX = 100000 };

struct verify {
	struct cli *cli;
	json_t *problems;
	struct audit_check check;
};

static void on_problem(void *arg, const char *file, unsigned long line, const char *what)
{
	struct verify *v = arg;

	if (json_array_size(v->problems) < PROBLEMS_MAX)
		json_array_append_new(v->problems, json_pack("{s:s,s:I,s:s}", "file", file, "line",
							   (json_int_t)line, "problem", what));
}

static int file_check(struct verify *v, const char *path)
{
	FILE *in = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (!in)
		return -errno;
	audit_check_file(&v->check, path);
	errno = 0;
	while ((n = getline(&line, &size, in)) > 0) {
		bool ended = line[n - 1] == '\n';

		audit_check_line(&v->check, (struct span){ line, (size_t)n - ended }, ended);
	}
	if (ferror(in) || errno == ENOMEM)
		r = errno ? -errno : -EIO;
	fclose(in);
	return r;
}

/* ---- which files ---- */

struct files {
	char **paths;
	size_t n;
};

static void files_free(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->paths[i]);
	free(f->paths);
}

static int files_add(struct files *f, const char *folder, unsigned number)
{
	char **grown = realloc(f->paths, (f->n + 1) * sizeof *grown);

	if (!grown)
		return -ENOMEM;
	f->paths = grown;
	if ((number ? asprintf(&f->paths[f->n], "%s/audit.log.%u", folder, number)
		    : asprintf(&f->paths[f->n], "%s/audit.log", folder)) < 0)
		return -ENOMEM;
	f->n++;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

/* audit.log.1, .2 ... and audit.log. */
static int files_find(struct files *f, const char *folder)
{
	cleanup_free unsigned *numbers = calloc(FILES_MAX, sizeof *numbers);
	const struct dirent *e;
	DIR *dir = opendir(folder);
	int end, r = numbers && dir ? 0 : dir ? -ENOMEM : -errno;
	size_t n = 0;

	while (r == 0 && n < FILES_MAX && (e = readdir(dir))) {
		end = 0;
		if (sscanf(e->d_name, "audit.log.%9u%n", &numbers[n], &end) == 1 && end &&
			!e->d_name[end])
			n++;
	}
	if (dir)
		closedir(dir);
	if (n > 0)
		qsort(numbers, n, sizeof *numbers, by_number);
	for (size_t i = 0; i < n && r == 0; i++)
		r = files_add(f, folder, numbers[i]);
	return r < 0 ? r : files_add(f, folder, 0);
}

/* ---- the answer ---- */

static int files_check(struct verify *v, char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = file_check(v, paths[i]);

		if (r < 0) {
			fprintf(stderr, "xmppwallctl audit verify: %s: %s\n", paths[i],
				err_text(r));
			return r;
		}
	}
	audit_check_end(&v->check);
	return 0;
}

static void answer_print(const struct verify *v)
{
	const struct audit_check *c = &v->check;
	const char *file, *what;
	json_int_t line;
	json_t *row;
	size_t i;

	json_array_foreach(v->problems, i, row) if (json_unpack(row, "{s:s,s:I,s:s}", "file", &file,
							    "line", &line, "problem", &what) == 0)
		printf("%s:%lld: %s\n", show_safe(file, 0), (long long)line, what);
	if (c->problems > PROBLEMS_MAX)
		printf("and %u more\n", c->problems - PROBLEMS_MAX);
	printf("%s: %llu lines", c->problems ? "broken" : "ok", (unsigned long long)c->lines);
	if (c->lines)
		printf(", %llu to %llu", (unsigned long long)c->first,
			(unsigned long long)c->head.seq);
	if (c->torn)
		printf(", %llu torn by crashes", (unsigned long long)c->torn);
	putchar('\n');
	if (c->lines)
		printf("head %s\n", c->head.hash);
	if (c->found)
		printf("the hash that was given is that of line %llu\n",
			(unsigned long long)c->found);
}

static json_t *answer_json(const struct verify *v)
{
	const struct audit_check *c = &v->check;

	return json_pack("{s:b,s:I,s:I,s:I,s:I,s:s,s:I,s:i,s:O}", "ok", c->problems == 0, "lines",
		(json_int_t)c->lines, "first", (json_int_t)c->first, "seq", (json_int_t)c->head.seq,
		"torn", (json_int_t)c->torn, "head", c->head.hash, "found", (json_int_t)c->found,
		"broken", (int)c->problems, "problems", v->problems);
}

int cli_audit_verify(struct cli *cli)
{
	cleanup(files_free) struct files files = { NULL, 0 };
	struct verify v = { .cli = cli };
	const char *head = NULL;
	int r = 0;

	if (!cli_option(cli, "--head", &head) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (head && (strlen(head) != HASH_HEX || strspn(head, "0123456789abcdef") != HASH_HEX))
		return cli_usage_error(cli, "a head is 64 hexadecimal digits in lower case");
	audit_check_begin(&v.check, on_problem, &v);
	snprintf(v.check.wanted, sizeof v.check.wanted, "%s", head ? head : "");
	if (cli->argc == 0 && (r = files_find(&files, cli->log_dir)) < 0) {
		fprintf(stderr, "xmppwallctl audit verify: %s: %s\n", cli->log_dir, err_text(r));
		return EXIT_NO;
	}
	v.problems = json_array();
	r = cli->argc ? files_check(&v, cli->argv, (size_t)cli->argc)
		      : files_check(&v, files.paths, files.n);
	if (r == 0 && cli->json)
		(void)cli_answer_json(answer_json(&v));
	else if (r == 0)
		answer_print(&v);
	json_decref(v.problems);
	return r == 0 && v.check.problems == 0 ? EXIT_DONE : EXIT_NO;
}
