/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-nfq: the inspector. Without arguments the child of xmppwalld that judges packets of the
 * kernel's queues. With --replay it reads a capture: `xmppwallctl replay` and `limit simulate`
 * execute it, nobody types that name. In: a policy and packets. Out: verdicts to the kernel and
 * events to the daemon, or lines and a summary on standard output, complaints on standard error, an
 * exit status as xmppwallctl's. Everything that is opened is opened before the first packet is
 * read; then the sandbox closes: a packet is a stranger's. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/child.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "door/sandboxed.h"
#include "nfq-filter/copy_command.h"
#include "nfq-filter/link.h"
#include "nfq-filter/nets.h"
#include "nfq-filter/replay.h"
#include "xmpp/text.h"

enum { STATUS_DONE = 0, STATUS_NO = 1, STATUS_USAGE = 2, TOP_JSON = 1000 };

struct arguments {
	const char *rules, *capture, *key;
	struct replay_options replay;
	bool is_replay;
};

static int usage(void)
{
	fputs("usage: xmppwall-nfq --replay (--rules FILE [--limit NAME] | --key FIELD,...) "
	      "[--json] [--summary | --notable]\n"
	      "                    [--any-checksum] [--inside NET,...] CAPTURE\n"
	      "Executed by xmppwallctl replay and xmppwallctl limit simulate.\n",
		stderr);
	return STATUS_USAGE;
}

static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "replay", no_argument, NULL, 'r' },
		{ "rules", required_argument, NULL, 'f' },
		{ "limit", required_argument, NULL, 'l' },
		{ "key", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "summary", no_argument, NULL, 's' },
		{ "notable", no_argument, NULL, 'n' },
		{ "any-checksum", no_argument, NULL, 'c' },
		{ "inside", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			a->is_replay = true;
			break;
		case 'f':
			a->rules = optarg;
			break;
		case 'l':
			a->replay.limit = optarg;
			break;
		case 'k':
			a->key = optarg;
			break;
		case 'j':
			a->replay.json = true;
			break;
		case 's':
			a->replay.lines = TELL_NOTHING;
			break;
		case 'n':
			a->replay.lines = TELL_NOTABLE;
			break;
		case 'c':
			a->replay.any_checksum = true;
			break;
		case 'i':
			if (!nets_add(&a->replay.inside, optarg, "xmppwallctl replay: --inside"))
				return false;
			break;
		default:
			return false;
		}
	}
	if (optind != argc - 1)
		return false;
	a->capture = argv[optind];
	return a->is_replay && !a->rules != !a->key;
}

/* A policy that does nothing but count by the key told: what is asked of it is asked of each
 * stanza. */
static int add_key_policy(struct source_set *sources, struct arguments *a)
{
	static const char name[] = "--key";
	char text[1024];
	int len = snprintf(text, sizeof(text),
		"limit simulated { rate 1/second; burst 1; key %s; }\n"
		"chain simulation { hook any; policy accept; rule counted { limit simulated "
		"exceeded accept } }\n",
		a->key);

	if (len >= (int)sizeof(text))
		return ERR_RANGE;
	a->rules = name;
	a->replay.limit = "simulated";
	return source_add(sources, name, text, (size_t)len);
}

static int load_policy(struct arguments *a, struct metrics *metrics, struct policy **policy)
{
	struct source_set sources;
	struct diag_list diags;
	int r = 0;

	source_init(&sources, true);
	diag_init(&diags);
	if (a->key)
		r = add_key_policy(&sources, a);
	if (r == 0)
		r = policy_load(&sources, a->rules, NULL, metrics, &diags, policy);
	if (r < 0) /* warnings are for check */
		diag_print(&diags, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
	if (r < 0 && diags.errors == 0)
		fprintf(stderr, "xmppwallctl replay: %s: %s\n", a->rules, err_text(r));
	diag_fini(&diags);
	source_fini(&sources);
	return r;
}

static int open_capture(struct arguments *a)
{
	struct stat st;
	int fd = strcmp(a->capture, "-") == 0 ? STDIN_FILENO
					      : open(a->capture, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "xmppwallctl replay: cannot read %s: %s\n", a->capture,
			strerror(errno));
		return -1;
	}
	if (S_ISREG(st.st_mode))
		a->replay.size = (uint64_t)st.st_size;
	a->replay.progress = isatty(STDERR_FILENO) && !a->replay.limit;
	/* Lines on the same terminal would tear it. */
	if (isatty(STDOUT_FILENO) && a->replay.lines != TELL_NOTHING)
		a->replay.progress = false;
	return fd;
}

static bool limit_is_known(const struct policy *policy, const char *name)
{
	const struct limit_info *limits;
	size_t n = policy_limits(policy, &limits);

	for (size_t i = 0; i < n; i++)
		if (strcmp(limits[i].name, name) == 0)
			return true;
	fprintf(stderr,
		"xmppwallctl limit simulate: the rules have no limit '%s'; --key FIELD tells what "
		"to count by\n",
		name);
	return false;
}

static int run(struct arguments *a, struct policy *policy, int fd)
{
	static const int keep[] = { -1 };
	struct sandbox_spec spec = { .role = SANDBOX_NFQ, .keep_caps = keep };
	int r;

	if (a->replay.limit && !limit_is_known(policy, a->replay.limit))
		return STATUS_NO;
	if (SANDBOXED && (r = sandbox_enter(&spec)) < 0) {
		fprintf(stderr, "xmppwallctl replay: no sandbox, no replay: %s\n", err_text(r));
		return STATUS_NO;
	}
	r = replay_run(&a->replay, policy, fd, stdout);
	if (r < 0)
		fprintf(stderr, "xmppwallctl replay: %s: %s\n", a->capture, err_text(r));
	if (r == REPLAY_DAMAGED)
		fprintf(stderr, "xmppwallctl replay: %s is no capture, or damaged\n", a->capture);
	return r == REPLAY_DONE ? STATUS_DONE : STATUS_NO;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The child of xmppwalld, on live queues: its channel on descriptor 3, the shared counters on 4. */
static int serve(const char *name)
{
	struct metrics *metrics = NULL;
	int r, status;

	log_init("xmppwall-nfq", LOG_LEVEL_INFO);
	if (!is_socket(CHILD_FD_CHANNEL)) {
		fprintf(stderr, "%s: started by xmppwalld or xmppwallctl, not by hand\n", name);
		return STATUS_USAGE;
	}
	/* A terminal's interrupt goes to the daemon, which tells us in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	json_object_seed(0);
	if ((r = metrics_open(CHILD_FD_METRICS, &metrics)) < 0 || (r = text_fold_init()) < 0) {
		log_error("start error=%s", err_text(r));
		return EXIT_FAILURE;
	}
	status = link_run(CHILD_FD_CHANNEL, metrics);
	metrics_free(metrics);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments a = { .replay = { .top = TOP_JSON } };
	struct metrics *metrics = NULL;
	struct policy *policy = NULL;
	int fd, metrics_fd, status = STATUS_NO;

	if (argc == 1)
		return serve(argv[0]);
	log_init("xmppwall-nfq", LOG_LEVEL_ERROR);
	if (argc > 1 && strcmp(argv[1], "--copy") == 0)
		return copy_command(argc, argv);
	if (!parse_arguments(argc, argv, &a))
		return usage();
	json_object_seed(0);
	if (metrics_new(&metrics, &metrics_fd) < 0 || text_fold_init() < 0) {
		fprintf(stderr, "xmppwallctl replay: %s\n", err_text(-ENOMEM));
		return STATUS_NO;
	}
	if ((fd = open_capture(&a)) >= 0 && load_policy(&a, metrics, &policy) == 0)
		status = run(&a, policy, fd);
	policy_unref(policy);
	metrics_free(metrics);
	return status;
}
