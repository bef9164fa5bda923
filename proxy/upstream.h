/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a session goes and how its socket is dialled. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "rules/rules.h"

/* The client's address and where it wanted to go, of an accepted socket. own is the listener's
 * bound port; dialled the port peers dial. *intercepted false: it came straight to our own port. 0
 * or -errno. */
int upstream_find_ends(int fd, enum intercept intercept, uint16_t own, struct endpoint *client,
	struct endpoint *dest, bool *intercepted);
/* What to dial for a service: its own address, or dest. dialled: for "upstream ADDRESS" without
 * port. 0 or ERR_SYNTAX. */
int upstream_choose(const struct service *service, const struct endpoint *dest, uint16_t dialled,
	struct endpoint *out);
/* A non-blocking socket on its way to dest. source (may be NULL): appear as this address
 * (IP_TRANSPARENT). mark 0: none. 0 with *fd, or -errno. */
int upstream_dial(
	const struct endpoint *dest, const struct endpoint *source, uint32_t mark, int *fd);
