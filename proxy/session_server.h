/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's side until both streams are open: dialling, PROXY header, STARTTLS or TLS, the
 * headers. */
#pragma once

#include "proxy/session.h"

/* Starts connecting on behalf of the client, whose header is known. */
void session_dial(struct session *s);
/* What the former server said, and what was not sent to it, is void: another connection follows. */
void session_forget_server(struct session *s);
/* Connects to where it was decided to go. */
void session_connect(struct session *s);
/* Its server could not be had, and the client has heard nothing yet: on to another one of the same
 * backend. False where there is none. */
bool session_fail_over(struct session *s);
/* To the same place once more. */
void session_redial(struct session *s);
/* Sends the client's header on; the server's answer is awaited in next. */
void session_forward_header(struct session *s, enum session_state next);

void act_connected(struct session *s, struct leg *from, const struct stream_event *ev);
void act_unreached(struct session *s, struct leg *from, const struct stream_event *ev);
void act_server_greeted(struct session *s, struct leg *from, const struct stream_event *ev);
void act_server_offered(struct session *s, struct leg *from, const struct stream_event *ev);
void act_server_proceed(struct session *s, struct leg *from, const struct stream_event *ev);
void act_server_secured(struct session *s, struct leg *from, const struct stream_event *ev);
void act_server_opened(struct session *s, struct leg *from, const struct stream_event *ev);
