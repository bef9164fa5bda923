/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of the servers behind "upstream backend", on one loop. */
#pragma once

#include <stdint.h>
#include <uv.h>
#include "proxy/backends.h"

struct gear;
struct health;

enum { HEALTH_BYTES_MAX = 65536 /* that a server may say in one check */ };

/* What became of a server: told when its state changes. why is "" for up. */
typedef void (*health_told)(void *arg, const struct backend *backend,
	const struct backend_server *server, const struct endpoint *at, enum server_state state,
	const char *why);

int health_new(uv_loop_t *loop, health_told told, void *arg, struct health **out);
/* From now on these servers are checked (gear NULL: none), as their services would dial them. */
void health_use(struct health *h, struct gear *gear);
/* Ends all checks; memory goes with the last handle. */
void health_free(struct health *h);
