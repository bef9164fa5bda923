/* SPDX-License-Identifier: BSD-2-Clause */
/* Before the daemon may run: directories, the locks that keep a second one away, what the kernel
 * has to allow. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "base/buf.h"

struct policy;

/* Makes a directory (and those above it) if it is not there. 0, or -errno with a line in why. */
int startup_folder(const char *path, mode_t mode, struct buf *why);
/* Takes FOLDER/xmppwalld.lock and writes our pid into it; held until *fd is closed. 0, ERR_EXISTS
 * when another daemon has it, or -errno; with a line in why. */
int startup_lock(const char *folder, int *fd, struct buf *why);
/* Capabilities that this policy needs and we lack: a line each in why, with what to do. 0 or
 * -EPERM. */
int startup_capabilities(const struct policy *p, bool firewall, struct buf *why);
/* The shelf of stream management (base/shelf.h) in the run directory, as big as the policy's sessions
 * want it, or in memory where there is no room; -1 when there is none. */
int startup_streams(const struct policy *p, const char *run_dir);
/* As many open files as we may have: each session takes two. */
void startup_files(void);
