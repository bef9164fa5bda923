/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's side of an external component's stream (XEP-0114), blocking, with one deadline for all. */
#pragma once

#include <stdint.h>
#include "base/buf.h"
#include "xmpp/stream.h"

struct component;

struct component_spec {
	int fd;                   /* connected; owned by the caller, who ends by exiting */
	const char *name;         /* the component's JID: a domain; borrowed */
	const char *secret;       /* shared with the server; borrowed */
	uint64_t deadline_mono_ms; /* for everything */
};

/* Header, handshake. *out may be set when it fails, for component_trouble; free it then, too. 0, -ETIMEDOUT,
 * ERR_CLOSED, ERR_REFUSED (the server said no), ERR_PROTO (it does not speak XEP-0114), -ENOMEM. */
int component_open(const struct component_spec *spec, struct component **out);
/* Says the end of the stream; what the server still says is not waited for. */
void component_close(struct component *c);
void component_free(struct component *c);
/* Its JID, as given. */
const char *component_name(const struct component *c);
/* Why it failed in a person's words; "" if there is no more to say than the code does. Borrowed. */
const char *component_trouble(const struct component *c);

/* Writes all of it. Codes as above. */
int component_send(struct component *c, const struct buf *bytes);
/* The next stanza or element, valid until the following call. 0 or a code as above; a stream error is ERR_REFUSED. */
int component_hear(struct component *c, struct stream_event *event);
