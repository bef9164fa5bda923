/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the daemon, which tells packets, and the inspector's program, which writes them.
 * In: events with pieces of a pcapng file. Out: those pieces in a pipe. With the first event the
 * process splits: the one that was typed becomes the program that masks, counts and ends on ctrl-c;
 * the other one goes on listening and dies with it. So a file is only made when the daemon agreed.
 */
#include "ctl/online_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/whole.h"
#include "ctl/inspector.h"

static struct {
	char **argv;
	int pipe; /* -1: not begun */
} live = { NULL, -1 };

/* In place; the length, or 0 where it is none. */
static size_t base64_decode(char *text, size_t len)
{
	uint32_t bits = 0;
	size_t n = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len && text[i] != '='; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return 0;
		bits = bits << 6 | (uint32_t)digit;
		if ((have += 6) >= 8)
			text[n++] = (char)(bits >> (have -= 8));
	}
	return n;
}

/* The daemon agreed: from here on there are two. */
static bool begin(struct cli *cli)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "xmppwallctl capture: %s\n", strerror(errno));
		return false;
	}
	if (pid > 0) {
		dup2(ends[0], STDIN_FILENO);
		inspector_become(cli->command, live.argv);
		_exit(EXIT_NO);
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	close(ends[0]);
	live.pipe = ends[1];
	return true;
}

static bool take_event(struct cli *cli, json_t *event)
{
	const json_t *packets = json_object_get(event, "packets");
	json_int_t lost = json_integer_value(json_object_get(event, "lost"));
	size_t len = json_string_length(packets);
	char *bytes;
	bool ok;

	if (live.pipe < 0)
		return begin(cli);
	if (json_object_get(event, "done")) {
		if (lost)
			fprintf(stderr, "%lld packets are missing: too many at once\n",
				(long long)lost);
		return false;
	}
	if (!len || !(bytes = malloc(len)))
		return true;
	memcpy(bytes, json_string_value(packets), len);
	len = base64_decode(bytes, len);
	ok = whole_write(live.pipe, bytes, len) == 0;
	free(bytes);
	return ok;
}

int capture_live(struct cli *cli, const char *service, uint64_t ms, char **argv)
{
	json_t *args = json_pack("{s:I, s:s*}", "for", (json_int_t)ms, "service", service);
	int r;

	live.argv = argv;
	r = cli_follow(cli, "capture", args, take_event);
	if (live.pipe >= 0)
		_exit(EXIT_DONE);
	return r == EXIT_DONE ? EXIT_NO : r;
}
