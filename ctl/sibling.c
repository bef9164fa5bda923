/* SPDX-License-Identifier: BSD-2-Clause */
/* How xmppwallctl has something done that is no business of its own: ctl/inspector.c (packets) and
 * ctl/offline_ca.c (the authority's key). In: a program's name and arguments. Out: that program in
 * our place. It passes on no descriptor but the standard three and understands nothing of what it
 * runs. */
#include "ctl/sibling.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In a build tree all lie in one folder. */
static void find_program(const char *program, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - strlen(program) - 2);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		strcpy(slash + 1, program);
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "%s/%s", XMPPWALL_LIBEXECDIR, program);
}

void sibling_become(const char *program, const char *command, char **argv)
{
	char path[PATH_MAX];

	find_program(program, path);
	argv[0] = (char *)(uintptr_t)program;
	fflush(stdout);
	execv(path, argv);
	fprintf(stderr, "xmppwallctl %s: %s: %s\n", command, path, strerror(errno));
}
