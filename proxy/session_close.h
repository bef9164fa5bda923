/* SPDX-License-Identifier: BSD-2-Clause */
/* How sessions end: refusals, losses, closes in order. */
#pragma once

#include "proxy/session.h"

/* The client broke a rule: counter "refused.REASON", an event with a verdict id, the stream error,
 * the end. reason is a static id of ours. */
void session_refuse(struct session *s, enum stream_error error, const char *reason);
/* The same for the server: it hears the error, the client internal-server-error. */
void session_refuse_server(struct session *s, enum stream_error error, const char *reason);
/* Ends with a stream error to each side that has one (NONE: a plain close); text (may be NULL) for
 * the client. A header is written first where none was (RFC 6120 4.9.1.1). */
void session_end(struct session *s, enum stream_error to_client, enum stream_error to_server,
	const char *text);
/* Our own failure (memory, a ceiling): counted nowhere, logged. */
void session_fail(struct session *s, int code, const char *what);
/* Another connection has taken up its stream management: the client hears conflict, the server
 * nothing. The session may be gone afterwards. */
void session_ousted(struct session *s);
/* Everything is said: flush, close_notify, FIN, wait. */
void session_drain(struct session *s);
/* Our own stream header towards the client, if it has none yet. 0 or a negative code. */
int session_open_client(struct session *s);

void act_bad_client(struct session *s, struct leg *from, const struct stream_event *ev);
void act_bad_server(struct session *s, struct leg *from, const struct stream_event *ev);
void act_lost(struct session *s, struct leg *from, const struct stream_event *ev);
void act_drained(struct session *s, struct leg *from, const struct stream_event *ev);
void act_cut(struct session *s, struct leg *from, const struct stream_event *ev);
void act_timeout(struct session *s, struct leg *from, const struct stream_event *ev);
void act_kill(struct session *s, struct leg *from, const struct stream_event *ev);
void act_stop(struct session *s, struct leg *from, const struct stream_event *ev);
