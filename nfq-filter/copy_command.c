/* SPDX-License-Identifier: BSD-2-Clause */
/* In front of copy.c: arguments, the two files, the sandbox, and what is said at the end.
 * In: the command line that ctl/offline_capture.c made. Out: the new file, readable by its owner
 * alone, and an account of it on standard error, or as JSON on standard output. Both files are open
 * before the sandbox closes, and it closes before the first byte is read: a capture is a stranger's
 * file. */
#include "nfq-filter/copy_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/err.h"
#include "base/sandbox.h"
#include "door/sandboxed.h"
#include "nfq-filter/copy.h"

enum { STATUS_DONE = 0, STATUS_NO = 1, STATUS_USAGE = 2 };

struct arguments {
	const char *from, *to;
	struct copy_options copy;
	bool json;
};

static void complain(const char *path, const char *why)
{
	fprintf(stderr, "xmppwallctl capture: %s: %s\n", path, why);
}

static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "copy", no_argument, NULL, 'c' },
		{ "from", required_argument, NULL, 'f' },
		{ "mask", no_argument, NULL, 'm' },
		{ "names", no_argument, NULL, 'n' },
		{ "any-checksum", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "size", required_argument, NULL, 's' },
		{ "ms", required_argument, NULL, 't' },
		{ "peer", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			break;
		case 'f':
			a->from = optarg;
			break;
		case 'n':
			a->copy.names = true;
			__attribute__((fallthrough));
		case 'm':
			a->copy.mask = true;
			break;
		case 'a':
			a->copy.any_checksum = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 's':
			a->copy.size = strtoull(optarg, NULL, 10);
			break;
		case 't':
			a->copy.time_ns = strtoull(optarg, NULL, 10) * 1000000;
			break;
		case 'p':
			if (!nets_add(&a->copy.peers, optarg, "xmppwallctl capture: --peer"))
				return false;
			break;
		default:
			return false;
		}
	}
	if (optind != argc - 1)
		return false;
	a->to = argv[optind];
	return a->from;
}

static int open_in(struct arguments *a, struct stat *st)
{
	int fd = strcmp(a->from, "-") == 0 ? STDIN_FILENO : open(a->from, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, st) < 0) {
		complain(a->from, strerror(errno));
		return -1;
	}
	if (S_ISREG(st->st_mode))
		a->copy.in_size = (uint64_t)st->st_size;
	return fd;
}

/* Emptied only once it is known not to be what is read. */
static int open_out(const struct arguments *a, const struct stat *in)
{
	struct stat st;
	int fd;

	if (strcmp(a->to, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return STDOUT_FILENO;
		complain(a->to, "not to a terminal");
		return -1;
	}
	fd = open(a->to, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0 || fstat(fd, &st) < 0) {
		complain(a->to, strerror(errno));
		return -1;
	}
	if (st.st_dev == in->st_dev && st.st_ino == in->st_ino) {
		complain(a->to, "is what is read");
		close(fd);
		return -1;
	}
	if (S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0) {
		complain(a->to, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static void on_signal(int number)
{
	(void)number;
	copy_stop();
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	/* They come where copy.c waits for bytes. */
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &action.sa_mask, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static const char *end_text(enum copy_end end)
{
	static const char *const texts[] = { [COPY_ALL] = "all",
		[COPY_DAMAGED] = "damaged",
		[COPY_SIZE] = "size",
		[COPY_TIME] = "time",
		[COPY_STOPPED] = "stopped" };

	return texts[end];
}

static void tell_json(FILE *out, const struct arguments *a, const struct copy_result *r)
{
	json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "file", a->to, "end",
		end_text(r->end), "read", (json_int_t)r->read, "packets", (json_int_t)r->packets,
		"bytes", (json_int_t)r->bytes, "masked", a->copy.mask);

	if (o && a->copy.mask)
		json_object_set_new(o, "mask",
			json_pack("{s:I, s:I, s:I, s:I}", "streams", (json_int_t)r->mask.streams,
				"left_out", (json_int_t)r->mask.left_out, "opaque_bytes",
				(json_int_t)r->mask.opaque, "late", (json_int_t)r->mask.late));
	if (o && r->damage)
		json_object_set_new(o, "damaged", json_string(r->damage));
	json_dumpf(o, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(o);
}

static void tell(const struct arguments *a, const struct copy_result *r)
{
	static const char *const why[] = { [COPY_ALL] = "",
		[COPY_DAMAGED] = "; what was read is damaged",
		[COPY_SIZE] = "; the size was reached",
		[COPY_TIME] = "; the time was over",
		[COPY_STOPPED] = "; stopped" };

	fprintf(stderr, "%llu of %llu packets, %llu bytes%s\n", (unsigned long long)r->packets,
		(unsigned long long)r->read, (unsigned long long)r->bytes, why[r->end]);
	if (!a->copy.mask)
		return;
	fprintf(stderr,
		"masked: %llu streams; of %llu bytes nothing stayed (TLS, or not understood); %llu "
		"packets left out (no TCP or mDNS, or fragments)\n",
		(unsigned long long)r->mask.streams, (unsigned long long)r->mask.opaque,
		(unsigned long long)r->mask.left_out);
}

static int run(struct arguments *a, int in, int out)
{
	static const int keep[] = { -1 };
	struct sandbox_spec spec = { .role = SANDBOX_NFQ, .keep_caps = keep };
	struct copy_result result;
	int r;

	if (SANDBOXED && (r = sandbox_enter(&spec)) < 0) {
		complain("no sandbox, no capture", err_text(r));
		return STATUS_NO;
	}
	r = copy_run(&a->copy, in, out, &result);
	if (r < 0)
		complain(a->to, err_text(r));
	if (a->json)
		tell_json(out == STDOUT_FILENO ? stderr : stdout, a, &result);
	else
		tell(a, &result);
	if (result.end == COPY_DAMAGED)
		complain(a->from, result.damage);
	return r == 0 && result.end != COPY_DAMAGED && fflush(stdout) == 0 ? STATUS_DONE
									   : STATUS_NO;
}

int copy_command(int argc, char **argv)
{
	struct arguments a = { .from = NULL };
	struct stat st;
	int in, out;

	if (!parse_arguments(argc, argv, &a))
		return STATUS_USAGE;
	a.copy.progress = isatty(STDERR_FILENO);
	json_object_seed(0);
	if ((in = open_in(&a, &st)) < 0 || (out = open_out(&a, &st)) < 0)
		return STATUS_NO;
	catch_signals();
	return run(&a, in, out);
}
