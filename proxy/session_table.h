/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session does in which state at which event: one table, every cell filled. No code, no
 * sockets. */
#pragma once

#include <stdbool.h>

enum session_state {
	SESSION_HELLO,           /* the client's first byte tells TLS from XML */
	SESSION_CLEAR,           /* its header in clear text is awaited */
	SESSION_OFFER,           /* our own features were sent: <starttls/> and nothing else */
	SESSION_SECURING,        /* TLS handshake with the client */
	SESSION_HEADER,          /* the header behind TLS is awaited */
	SESSION_DIAL,            /* connecting to the server */
	SESSION_SERVER_CLEAR,    /* our header is sent in clear, the server's awaited */
	SESSION_SERVER_OFFER,    /* its features are awaited */
	SESSION_SERVER_PROCEED,  /* its <proceed/> is awaited */
	SESSION_SERVER_SECURING, /* TLS handshake with the server */
	SESSION_VERIFYING,       /* between servers: DNS is asked, a certificate minted */
	SESSION_OPENING,         /* the client's header is forwarded, the server's awaited */
	SESSION_LOGIN,           /* both streams are open, nobody is logged in */
	SESSION_RESTART,         /* <success/> passed: the client's new header is awaited */
	SESSION_REOPENING,       /* it was forwarded: the server's new header is awaited */
	SESSION_ONLINE,          /* logged in */
	SESSION_CLOSING,         /* one side has closed its stream, the other may still speak */
	SESSION_DRAIN,           /* all is said: what is queued leaves, what comes is thrown away */
	SESSION_CLOSED,
	SESSION_STATES,
};

enum session_event {
	EVENT_HELLO_TLS,
	EVENT_HELLO_XML,
	EVENT_HELLO_OTHER, /* the client's first byte */
	EVENT_CLIENT_SECURE,
	EVENT_CLIENT_INSECURE, /* its handshake */
	EVENT_CLIENT_OPEN,
	EVENT_CLIENT_STANZA,
	EVENT_CLIENT_ELEMENT,
	EVENT_CLIENT_SPACE,
	EVENT_CLIENT_CLOSE,
	EVENT_CLIENT_BAD,
	EVENT_CLIENT_END, /* FIN, reset or broken TLS */
	EVENT_SERVER_CONNECT,
	EVENT_SERVER_REFUSED,
	EVENT_SERVER_SECURE,
	EVENT_SERVER_INSECURE,
	EVENT_SERVER_OPEN,
	EVENT_SERVER_STANZA,
	EVENT_SERVER_ELEMENT,
	EVENT_SERVER_SPACE,
	EVENT_SERVER_CLOSE,
	EVENT_SERVER_BAD,
	EVENT_SERVER_END,
	EVENT_CLIENT_ASKS, /* its handshake waits until we know which certificate to show */
	EVENT_VERIFIED,    /* who the stranger is has been found out, as far as it can be */
	EVENT_TIMEOUT,
	EVENT_KILL,
	EVENT_STOP,
	SESSION_EVENTS,
};

enum session_act {
	ACT_NONE,  /* only an unfilled cell has it: the test finds those */
	ACT_NEVER, /* cannot happen; if it does, the session ends as our error */
	ACT_IGNORE,
	/* session_open.c */
	ACT_BEGIN_TLS,
	ACT_BEGIN_XML,
	ACT_REFUSE_BYTES,
	ACT_OPEN_CLEAR,
	ACT_STARTTLS,
	ACT_SECURED,
	ACT_TLS_FAILED,
	ACT_OPEN,
	ACT_REOPEN,
	ACT_REFUSE, /* something else was due */
	ACT_LEAVE,  /* the client goes before anything was opened for it */
	/* session_server.c */
	ACT_CONNECTED,
	ACT_UNREACHED,
	ACT_SERVER_GREETED,
	ACT_SERVER_OFFERED,
	ACT_SERVER_PROCEED,
	ACT_SERVER_SECURED,
	ACT_SERVER_OPENED,
	/* session_federation.c */
	ACT_CLIENT_ASKS,
	ACT_VERIFIED,
	/* relay.c */
	ACT_JUDGE,
	ACT_NONZA,
	ACT_SPACE,
	ACT_CLOSE,
	ACT_CLOSE_LAST,
	/* session_close.c */
	ACT_BAD_CLIENT,
	ACT_BAD_SERVER,
	ACT_LOST,
	ACT_DRAINED,
	ACT_CUT,
	ACT_TIMEOUT,
	ACT_KILL,
	ACT_STOP,
	SESSION_ACTS,
};

enum session_act session_table_find(enum session_state state, enum session_event event);
/* Is that side's stream (or handshake) attended to in this state? If not, its bytes wait. */
bool session_table_hears_client(enum session_state state);
bool session_table_hears_server(enum session_state state);
/* "login"; "client-open"; static. */
const char *session_state_text(enum session_state state);
const char *session_event_text(enum session_event event);
