/* SPDX-License-Identifier: BSD-2-Clause */
/* A request to the daemon (ctl/request.h) that does not wait for its answer. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct ask;

/* Connects to RUN_DIR/control.sock; -errno, -ENAMETOOLONG. Without waits, neither this nor what is done with
 * *fd waits. */
int ask_connect(const char *run_dir, bool waits, int *fd);
/* Sends it; takes args (NULL: none). 0 or a negative code. */
int ask_open(const char *run_dir, const char *cmd, json_t *args, struct ask **out);
/* To be polled for reading. */
int ask_fd(const struct ask *a);
/* What has come: 1 with *answer (the whole line, a new reference), 0 when more is to come, or a negative code:
 * ERR_CLOSED, ERR_PROTO, ERR_LIMIT, -errno. */
int ask_read(struct ask *a, json_t **answer);
void ask_close(struct ask *a);
