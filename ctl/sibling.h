/* SPDX-License-Identifier: BSD-2-Clause */
/* Another program of ours in the place of xmppwallctl: found beside us or where it was installed,
 * never linked. */
#pragma once

/* Becomes it; argv[0] is filled in. Returns only on failure, after saying why for the command
 * named. */
void sibling_become(const char *program, const char *command, char **argv);
