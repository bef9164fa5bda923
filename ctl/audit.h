/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit trail (docs/GATEWAY.md): lines of the children, out of their rings into audit.log, none
 * lost. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include <uv.h>

struct audit;

struct audit_spec {
	const char *log_dir, *run_dir, *state_dir; /* borrowed */
};

/* Looks for rings of an earlier life; without one, nothing is opened. 0 or a negative code. */
int audit_new(
	uv_loop_t *loop, const struct audit_spec *spec, uint64_t max_bytes, struct audit **out);
/* The policy in force: is anything audited, in files of which size? Takes up a file that was
 * renamed. */
void audit_configure(struct audit *a, bool wanted, uint64_t max_bytes);
/* A ring for a child; anew: it was just started. *fd is the caller's; -1 with 0: it has one. 0 or a
 * negative code. */
int audit_ring(struct audit *a, pid_t pid, bool anew, int *fd);
/* Writes what is there, says that it ends, and frees. NULL is fine. */
void audit_close(struct audit *a);
/* {"file","seq","head","stopped","error","rings","trouble"}; NULL when nothing is audited. */
json_t *audit_status(const struct audit *a);
void audit_attention(const struct audit *a, json_t *lines);
