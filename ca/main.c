/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-ca: the local authority (docs/FEDERATION.md), and the only program that reads its key.
 * In: a command of xmppwallctl ca (init, show, rotate, export) with the state directory; or,
 * without any, an errand of the daemon: the authority's folder on descriptor 3, a request on 0
 * (ca/mint.h). Out: one line of JSON or text on standard output; PEM from export. It listens to
 * nobody, has no network, and ends. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/whole.h"
#include "ca/authority.h"
#include "ca/folder.h"
#include "ca/mint.h"

enum { FD_FOLDER = 3, EXIT_NO = 1, EXIT_WRONG_USAGE = 2 };

struct command {
	const char *name, *state, *out;
	bool json, forget;
};

static int refuse(const struct command *c, const char *why)
{
	fprintf(stderr, "xmppwallctl ca %s: %s\n", c->name, why);
	return EXIT_NO;
}

/* ---- show ---- */

static json_t *cert_json(const X509 *cert)
{
	char subject[256] = "", fingerprint[FINGERPRINT_SIZE];

	X509_NAME_get_text_by_NID(
		X509_get_subject_name(cert), NID_commonName, subject, sizeof subject);
	fingerprint_of(cert, fingerprint);
	return json_pack("{s:s,s:s,s:I,s:I}", "subject", subject, "fingerprint", fingerprint,
		"from", (json_int_t)time_of(X509_get0_notBefore(cert)), "until",
		(json_int_t)time_of(X509_get0_notAfter(cert)));
}

static const char *day_of(const json_t *one, const char *key, char text[32])
{
	time_t at = (time_t)(json_integer_value(json_object_get(one, key)) / 1000);
	struct tm tm;

	strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&at, &tm));
	return text;
}

static void cert_print(const char *title, const json_t *one)
{
	char from[32], until[32];

	printf("%-12s %s\n%-12s %s\n%-12s %s to %s\n", title,
		json_string_value(json_object_get(one, "subject")), "  SHA-256",
		json_string_value(json_object_get(one, "fingerprint")), "  valid",
		day_of(one, "from", from), day_of(one, "until", until));
}

static int all_print(const struct command *c, json_t *all)
{
	const json_t *one;
	size_t i;

	if (c->json) {
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		cert_print("authority", json_object_get(all, "authority"));
		json_array_foreach(json_object_get(all, "former"), i, one)
			cert_print("former", one);
	}
	json_decref(all);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_NO;
}

/* ---- export ---- */

static int bundle_make(X509 *cert, STACK_OF(X509) * former, struct buf *out)
{
	int r = pem_put(out, cert);

	for (int i = 0; i < sk_X509_num(former) && r == 0; i++)
		r = pem_put(out, sk_X509_value(former, i));
	return r;
}

/* A server may read the file at any moment: it is there whole or as it was. */
static int bundle_write(const char *path, struct span bytes)
{
	char temporary[PATH_MAX];
	cleanup_fd int fd = -1;
	int r;

	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
		return -ENAMETOOLONG;
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return -errno;
	r = fchmod(fd, 0644) < 0 ? -errno : 0;
	if (r == 0 && (r = whole_write(fd, bytes.ptr, bytes.len)) == 0 &&
		(fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

static int bundle_give(const struct command *c, X509 *cert, STACK_OF(X509) * former)
{
	struct buf pem;
	int r;

	buf_init(&pem, 0);
	r = bundle_make(cert, former, &pem);
	if (r == 0)
		r = c->out ? bundle_write(c->out, buf_span(&pem))
			   : whole_write(STDOUT_FILENO, buf_ptr(&pem), buf_len(&pem));
	buf_fini(&pem);
	if (r < 0)
		fprintf(stderr, "xmppwallctl ca export: %s: %s\n",
			c->out ? c->out : "standard output", err_text(r));
	return r < 0 ? EXIT_NO : EXIT_SUCCESS;
}

/* ---- commands ---- */

/* What stands now: printed, or exported. */
static int tell(const struct command *c, int folder, struct buf *why)
{
	struct authority_files *files = calloc(1, sizeof *files);
	struct authority now = { 0 };
	STACK_OF(X509) *former = NULL;
	json_t *all;
	int r = files ? authority_read(folder, files, why) : -ENOMEM, status = EXIT_NO;

	if (files)
		authority_files_wipe(files);
	if (r == 0 && (r = authority_parse(files, false, &now, why)) == 0 &&
		(r = authority_former(folder, now.cert, &former, why)) == 0) {
		all = json_pack("{s:o,s:[]}", "authority", cert_json(now.cert), "former");
		for (int i = 0; i < sk_X509_num(former); i++)
			json_array_append_new(json_object_get(all, "former"),
				cert_json(sk_X509_value(former, i)));
		if (strcmp(c->name, "export") == 0) {
			status = bundle_give(c, now.cert, former);
			json_decref(all);
		} else {
			status = all_print(c, all);
		}
	}
	free(files);
	sk_X509_pop_free(former, X509_free);
	authority_fini(&now);
	return r < 0 ? refuse(c, buf_string(why)) : status;
}

static int change(const struct command *c, int folder, struct buf *why)
{
	if (strcmp(c->name, "init") == 0)
		return authority_create(folder, why);
	return c->forget ? authority_forget(folder, why) : authority_rotate(folder, why);
}

/* The daemon makes the state directory at its first start, which may be yet to come. */
static int folder_of(const struct command *c, const char *path, struct buf *why)
{
	bool make = strcmp(c->name, "init") == 0;
	int r;

	if (make && mkdir(c->state, 0700) < 0 && errno != EEXIST) {
		r = -errno;
		buf_putf(why, "%s: %s", c->state, err_text(r));
		return r;
	}
	r = folder_open(path, make, why);
	if (r == -ENOENT && !make) {
		buf_clear(why);
		buf_putf(why, "no authority in %s; 'init' makes one", path);
	}
	return r;
}

static int run(const struct command *c)
{
	bool changes = strcmp(c->name, "init") == 0 || strcmp(c->name, "rotate") == 0;
	char path[PATH_MAX];
	struct buf why;
	int folder, r, status = EXIT_NO;

	buf_init(&why, 0);
	if (snprintf(path, sizeof path, "%s/ca", c->state) >= (int)sizeof path)
		return refuse(c, "the state directory's name is too long");
	folder = r = folder_of(c, path, &why);
	if (r >= 0 && (r = folder_check(folder, &why)) == 0)
		r = folder_lock(folder, changes, &why);
	if (r == 0 && changes)
		r = change(c, folder, &why);
	status = r < 0 ? refuse(c, buf_string(&why)) : tell(c, folder, &why);
	if (folder >= 0)
		close(folder);
	buf_fini(&why);
	return status;
}

static bool command_parse(struct command *c, int argc, char **argv)
{
	static const char *const names[] = { "init", "show", "rotate", "export" };
	bool known = false;

	c->name = argv[1];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		known |= strcmp(names[i], c->name) == 0;
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (strcmp(argv[i], "--forget") == 0)
			c->forget = true;
		else if (strcmp(argv[i], "--state-dir") == 0 && i + 1 < argc)
			c->state = argv[++i];
		else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
			c->out = argv[++i];
		else
			return false;
	}
	return known && c->state;
}

int main(int argc, char **argv)
{
	struct command c = { 0 };
	struct stat st;
	int status;

	log_init("xmppwall-ca", LOG_LEVEL_WARN);
	umask(077);
	if (argc == 1 && fstat(FD_FOLDER, &st) == 0 && S_ISDIR(st.st_mode)) {
		close_range(FD_FOLDER + 1, ~0u, 0);
		status = mint_run(FD_FOLDER);
		/* The sanitizers' last words need calls that the sandbox does not have. */
		_exit(status);
	}
	if (argc < 2 || !command_parse(&c, argc, argv)) {
		fprintf(stderr, "xmppwall-ca is started by xmppwalld, and by xmppwallctl ca\n");
		return EXIT_WRONG_USAGE;
	}
	return run(&c);
}
