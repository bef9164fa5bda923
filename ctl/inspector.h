/* SPDX-License-Identifier: BSD-2-Clause */
/* The inspector's program as xmppwallctl runs it: found beside us or where it was installed, never
 * linked. */
#pragma once

#include <stdio.h>
#include <sys/types.h>

enum { INSPECTOR_ARGUMENTS_MAX = 24 };

/* Becomes it; argv[0] is filled in. Returns only on failure, after saying why for the command
 * named. */
void inspector_become(const char *command, char **argv);
/* Starts it with its standard output in a pipe. NULL after saying why. */
FILE *inspector_start(const char *command, char **argv, pid_t *pid);
/* Closes the pipe and waits. Its exit status; EXIT_NO when a signal ended it. */
int inspector_finish(FILE *out, pid_t pid);
