/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwalld: reads the command line, then is the daemon (ctl/daemon.c), or checks the
 * configuration, or takes what an ended daemon left in the kernel. In: options of
 * docs/man/xmppwalld.8. Out: an exit status, which is a contract: 0 ended as asked, 1 could not, 2
 * wrong usage. It stays in the foreground; systemd is told when it is ready. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/adopt.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/kernel.h"
#include "rules/rules.h"

enum { EXIT_OK = 0, EXIT_CANNOT = 1, EXIT_USAGE = 2 };
enum {
	OPTION_CONFIG = 256, /* those with a path first */
	OPTION_STATE,
	OPTION_RUN,
	OPTION_LOG,
	OPTION_LIBEXEC,
	OPTION_NO_FIREWALL,
	OPTION_FOREGROUND,
	OPTION_CHECK,
	OPTION_ADOPT,
	OPTION_UNLOAD,
	OPTION_VERSION,
	OPTION_PATHS = OPTION_NO_FIREWALL - OPTION_CONFIG,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "state-dir", required_argument, NULL, OPTION_STATE },
	{ "run-dir", required_argument, NULL, OPTION_RUN },
	{ "log-dir", required_argument, NULL, OPTION_LOG },
	{ "libexec-dir", required_argument, NULL, OPTION_LIBEXEC },
	{ "no-firewall", no_argument, NULL, OPTION_NO_FIREWALL },
	{ "foreground", no_argument, NULL, OPTION_FOREGROUND },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "adopt", required_argument, NULL, OPTION_ADOPT }, /* by upgrade only */
	{ "unload", no_argument, NULL, OPTION_UNLOAD },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct arguments {
	struct daemon_spec spec;
	char paths[OPTION_PATHS][PATH_MAX];
	char program[PATH_MAX];
	bool check, unload;
	int adopt; /* -1: not */
};

static void print_help(FILE *out)
{
	fputs("usage: xmppwalld [OPTION]...\n"
	      "Layer-7 XMPP firewall. Runs in the foreground; xmppwallctl talks to it.\n\n"
	      "  --config FILE       configuration (/etc/xmppwall/xmppwall.conf)\n"
	      "  --state-dir DIR     bans, quarantine, copies of feeds (/var/lib/xmppwall)\n"
	      "  --run-dir DIR       the control socket (/run/xmppwall)\n"
	      "  --log-dir DIR       events.json (/var/log/xmppwall)\n"
	      "  --libexec-dir DIR   where xmppwall-proxy is (" XMPPWALL_LIBEXECDIR ")\n"
	      "  --no-firewall       touch neither nftables nor routes\n"
	      "  --foreground        accepted; it always is\n"
	      "  --check             check the configuration and exit\n"
	      "  --unload            remove the table and routes that an ended daemon left, and "
	      "exit\n"
	      "  --version, --help\n",
		out);
}

/* Our working directory is nobody's promise, and children know none: absolute from the start. */
static bool path_absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX];
	int n;

	if (path[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", path);
	else if (*path && getcwd(here, sizeof here))
		n = snprintf(out, PATH_MAX, "%s/%s", here, path);
	else
		return false;
	return n > 0 && n < PATH_MAX;
}

static bool number_take(const char *text, int *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	*out = (int)n;
	return *text && !*end && n > STDERR_FILENO && n < 1 << 20;
}

/* Where this program is on disk, or its successor. */
static void program_find(struct arguments *a)
{
	static const char gone[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", a->program, sizeof a->program - 1);

	a->program[n > 0 ? n : 0] = '\0';
	if (n > (ssize_t)sizeof gone && strcmp(a->program + n - (sizeof gone - 1), gone) == 0)
		a->program[n - (ssize_t)(sizeof gone - 1)] = '\0';
	a->spec.program = a->program;
}

/* An exit status, or -1 to go on. */
static int option_take(struct arguments *a, int option, const char *value)
{
	const char **texts[OPTION_PATHS] = { &a->spec.config, &a->spec.state_dir, &a->spec.run_dir,
		&a->spec.log_dir, &a->spec.libexec_dir };
	int path = option - OPTION_CONFIG;

	if (path >= 0 && path < OPTION_PATHS) {
		if (!path_absolute(value, a->paths[path])) {
			fprintf(stderr, "xmppwalld: '%s' is no path\n", value);
			return EXIT_USAGE;
		}
		*texts[path] = a->paths[path];
	}
	a->spec.no_firewall |= option == OPTION_NO_FIREWALL;
	a->check |= option == OPTION_CHECK;
	a->unload |= option == OPTION_UNLOAD;
	if (option == OPTION_ADOPT && !number_take(value, &a->adopt)) {
		fprintf(stderr, "xmppwalld: '%s' is no descriptor\n", value);
		return EXIT_USAGE;
	}
	if (option == 'h')
		print_help(stdout);
	if (option == OPTION_VERSION)
		printf("xmppwalld %s\n", XMPPWALL_VERSION);
	return option == 'h' || option == OPTION_VERSION ? EXIT_OK : -1;
}

static int arguments_parse(struct arguments *a, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == '?') {
			fprintf(stderr, "Try 'xmppwalld --help'.\n");
			return EXIT_USAGE;
		}
		if ((status = option_take(a, option, optarg)) >= 0)
			return status;
	}
	if (optind < argc) {
		fprintf(stderr, "xmppwalld: unexpected '%s'\nTry 'xmppwalld --help'.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Loads the configuration or prints why not. */
static struct config *config_or_why(const struct arguments *a)
{
	struct config *c = NULL;
	char *why;

	if (config_load(a->spec.config, NULL, NULL, &c, &why) == 0)
		return c;
	fputs(why, stderr);
	free(why);
	return NULL;
}

static int run_check(const struct arguments *a)
{
	struct config *c = config_or_why(a);

	if (!c)
		return EXIT_CANNOT;
	printf("%s: good, policy %s, %u expectations held\n", a->spec.config,
		policy_version(c->policy), policy_expectations(c->policy));
	config_free(c);
	return EXIT_OK;
}

/* The configuration says which routes are ours. */
static int run_unload(const struct arguments *a)
{
	struct kernel_spec spec = { .bans = { .all = NULL } };
	struct config *c = config_or_why(a);
	struct kernel *k = NULL;
	struct buf why;
	uv_loop_t loop;
	int r;

	if (!c)
		return EXIT_CANNOT;
	buf_init(&why, 0);
	uv_loop_init(&loop);
	if ((r = kernel_open(&loop, &spec, &k, &why)) == 0)
		r = kernel_unload(k, c->policy, &why);
	if (r < 0)
		fprintf(stderr, "xmppwalld: %s", buf_string(&why));
	kernel_close(k);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	buf_fini(&why);
	config_free(c);
	return r < 0 ? EXIT_CANNOT : EXIT_OK;
}

int main(int argc, char **argv)
{
	static struct arguments a = {
		.spec = {
			.config = "/etc/xmppwall/xmppwall.conf",
			.state_dir = "/var/lib/xmppwall",
			.run_dir = "/run/xmppwall",
			.log_dir = "/var/log/xmppwall",
			.libexec_dir = XMPPWALL_LIBEXECDIR,
		},
		.adopt = -1,
	};
	int status;

	log_init("xmppwalld", LOG_LEVEL_INFO);
	if ((status = arguments_parse(&a, argc, argv)) >= 0)
		return status;
	program_find(&a);
	if (a.check)
		return a.adopt >= 0 ? adopt_check(&a.spec, a.adopt) : run_check(&a);
	if (a.unload)
		return run_unload(&a);
	return daemon_run(&a.spec, a.adopt);
}
