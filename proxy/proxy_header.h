/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY protocol's header, version 2 (haproxy's proxy-protocol.txt 2.2). */
#pragma once

#include <stdint.h>
#include "base/buf.h"
#include "rules/rules.h"

/* PROXY TCP4 or TCP6 (mixed families become TCP6 with mapped addresses), never LOCAL: servers hang
 * or refuse there. 0, -ENOMEM, ERR_LIMIT. */
int proxy_header_write(struct buf *out, const struct peer_address *source, uint16_t source_port,
	const struct peer_address *dest, uint16_t dest_port);
