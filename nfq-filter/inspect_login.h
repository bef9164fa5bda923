/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection tells about who it is: SASL, bind, handshakes, STARTTLS, compression; seen,
 * never changed. */
#pragma once

#include "nfq-filter/inspect.h"

enum login_step {
	LOGIN_ON,       /* nothing to do */
	LOGIN_RESTART,  /* both directions begin a new stream */
	LOGIN_TLS,      /* TLS is to follow in both directions */
	LOGIN_COMPRESS, /* both directions are compressed from here */
};

/* A first-level element that is no stanza. */
enum login_step login_element(struct inspection *i, enum flow_side side, const struct stanza *st);
/* A stanza: bind and its answer. Before it is judged. */
void login_stanza(struct inspection *i, enum flow_side side, const struct stanza *st);
