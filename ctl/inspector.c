/* SPDX-License-Identifier: BSD-2-Clause */
/* Between xmppwallctl and xmppwall-nfq: who reads captures must not hold what the operator's hand
 * holds, and TCP is none of this program's business. In: arguments. Out: the other program in our
 * place, or its lines in a pipe. It passes on no descriptor but the standard three and understands
 * nothing of what it runs. */
#include "ctl/inspector.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/cli.h"

static const char program[] = "xmppwall-nfq";

/* In a build tree both lie in one folder. */
static void find_program(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(program) - 1);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash + 1, program, sizeof(program));
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s/%s", XMPPWALL_LIBEXECDIR, program);
}

void inspector_become(const char *command, char **argv)
{
	char path[PATH_MAX];

	find_program(path);
	argv[0] = (char *)(uintptr_t)program;
	fflush(stdout);
	execv(path, argv);
	fprintf(stderr, "xmppwallctl %s: %s: %s\n", command, path, strerror(errno));
}

FILE *inspector_start(const char *command, char **argv, pid_t *pid)
{
	int ends[2];
	FILE *out;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		fprintf(stderr, "xmppwallctl %s: %s\n", command, strerror(errno));
		return NULL;
	}
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		inspector_become(command, argv);
		_exit(127);
	}
	close(ends[1]);
	out = *pid > 0 ? fdopen(ends[0], "r") : NULL;
	if (!out) {
		fprintf(stderr, "xmppwallctl %s: %s\n", command, strerror(errno));
		close(ends[0]);
	}
	return out;
}

int inspector_finish(FILE *out, pid_t pid)
{
	int status;

	fclose(out);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_NO;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_NO;
}
