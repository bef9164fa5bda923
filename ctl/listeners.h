/* SPDX-License-Identifier: BSD-2-Clause */
/* The listening sockets: opened by the daemon, used by the proxy's threads, kept over reloads and
 * crashes of children. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct policy;

struct listener {
	char *service, *address; /* address: as bound, "0.0.0.0" or "::" for all */
	uint16_t port;           /* as peers dial it */
	uint16_t bound;          /* where it listens: elsewhere when interception leads there */
	bool transparent;
	unsigned thread;
	int fd;
};

struct listeners {
	struct listener *all;
	size_t n;
};

/* Those the policy's proxy services want with this many threads. Sockets that have is open already
 * are shared (duplicated descriptors); have may be NULL. All or nothing: a negative code with a
 * line for the operator in why. */
int listeners_open(const struct policy *p, unsigned threads, const struct listeners *have,
	struct listeners *out, struct buf *why);
/* Closes all. */
void listeners_close(struct listeners *l);
/* Same service, address, port and thread. */
bool listeners_has(const struct listeners *l, const struct listener *one);
