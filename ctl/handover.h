/* SPDX-License-Identifier: BSD-2-Clause */
/* What one program of the daemon leaves to the next in the same process: a sealed memfd with a JSON
 * description; descriptors and children stay where they are. Two versions of the programs must
 * agree about it, so it has a version of its own.
 *
 *   {"handover":1,"version":text, "check":bool,
 *    "fds":{"bundle":fd,"metrics":fd,"lock_state":fd,"lock_run":fd|-1,"streams":fd|-1,
 *           "control":fd,"program":fd},
 *    "parts":[{"fd"}] (of the policy, rules/part.h),
 *    "args":[text..] (of the program before, for the way back),
 *    "threads":n,"generation":n,"seq":n,"born":n,"since_ms":n,"since_mono_ms":n,"loaded_ms":n,
 *    "trouble":text, "reload":bool (one was asked for meanwhile),
 *    "listeners":[{"service","address","port","bound","transparent":bool,"thread","fd"}],
 *    "children":[{"pid","fd","unread":hex,"sandbox","version","retired":bool,"since_ms","until_ms",
 *                 "restarts","sessions","slot","inspects":bool}],
 *    "clients":[{"fd","unread":hex,"follows":bool,"requests":[request..],"answer":{..}}],
 *    "failed":text}
 *
 * With "check" there are only "parts" and "fds" with "bundle": the next program is to say whether
 * it could take the rest. "failed": it came back, and why. Times are milliseconds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "base/buf.h"

enum { HANDOVER_VERSION = 1, HANDOVER_MAX = 64 << 20 };

/* A sealed memfd, not close-on-exec. 0 or a negative code. */
int handover_write(const json_t *state, int *fd);
/* Reads and checks all of it: version, shapes, that descriptors are open and of their kind, that
 * children are ours. 0 with a new reference; else a negative code, a line in why, and nothing is
 * closed. fd stays open. */
int handover_read(int fd, json_t **state, struct buf *why);
/* Calls each for every descriptor named. */
void handover_each_fd(const json_t *state, void (*each)(void *arg, int fd), void *arg);
/* All descriptors above 2 close when this process becomes another program, but those named and
 * also. 0 or -errno. */
int handover_arm(const json_t *state, int also);
/* It did not come to that: all do. */
void handover_disarm(void);
/* Bytes as hexadecimal text; NULL when out of memory. */
json_t *handover_hex(const char *bytes, size_t len);
/* The way back. 0 or ERR_PROTO, -ENOMEM. */
int handover_unhex(const json_t *text, struct buf *out);
