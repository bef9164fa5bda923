/* SPDX-License-Identifier: BSD-2-Clause */
/* The two kernel filters behind base/sandbox.c. */
#pragma once

#include <stdbool.h>
#include "base/sandbox.h"

/* Takes away the file system, and what else this kernel's landlock can take. 0, ERR_UNSUPPORTED
 * where landlock is missing, or -errno. */
int sandbox_landlock(enum sandbox_role role);
/* Loads the role's system call list. trial logs and refuses where it would kill. 0 or -errno. */
int sandbox_seccomp(enum sandbox_role role, bool trial);
