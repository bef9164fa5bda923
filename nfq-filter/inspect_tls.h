/* SPDX-License-Identifier: BSD-2-Clause */
/* The ClientHello behind <proceed/>: where it ends, and whether it is one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

enum hello_state {
	HELLO_READING,
	HELLO_WHOLE, /* end says where; what follows has to wait for the server's */
	HELLO_NONE,  /* no ClientHello */
};

struct hello_watch {
	enum hello_state state;
	unsigned char head[5], message[4]; /* of the record, of the handshake message */
	unsigned n_head, n_message;
	size_t record, left; /* still to come of either */
	uint64_t end;
};

/* The next bytes; position is of the first. Those behind the end are not looked at. */
void hello_watch_push(struct hello_watch *w, struct span bytes, uint64_t position);
