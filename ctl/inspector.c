/* SPDX-License-Identifier: BSD-2-Clause */
/* Between xmppwallctl and xmppwall-nfq: who reads captures must not hold what the operator's hand
 * holds, and TCP is none of this program's business. In: arguments. Out: the other program in our
 * place, or its lines in a pipe. It passes on no descriptor but the standard three and understands
 * nothing of what it runs. */
#include "ctl/inspector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/cli.h"
#include "ctl/sibling.h"

void inspector_become(const char *command, char **argv)
{
	sibling_become("xmppwall-nfq", command, argv);
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
