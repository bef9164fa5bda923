/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process gives up. Called by a child after it has what it needs and before it reads a
 * network byte. Order inside: groups and user, capabilities, no_new_privs, landlock, seccomp. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum sandbox_role { SANDBOX_PROXY, SANDBOX_NFQ, SANDBOX_REPORT, SANDBOX_CA };

struct sandbox_spec {
	enum sandbox_role role;
	const char *user;  /* NULL keeps the user (tests without root); unknown names fail */
	const int *keep_caps; /* CAP_* numbers, -1 ends */
	bool trial;        /* seccomp logs and returns EPERM instead of killing */
};

/* 0 or a negative code; the log says which step failed. A missing landlock is logged, not fatal. */
int sandbox_enter(const struct sandbox_spec *spec);
/* A short text of what is in force, for status ("seccomp landlock caps=net_raw user=xmppwall"). */
const char *sandbox_text(void);
