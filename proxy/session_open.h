/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's side until there is a server: first byte, clear header, STARTTLS, TLS, the header
 * that counts. */
#pragma once

#include "proxy/session.h"

/* The client's <starttls/> is the last thing read: proceeds to TLS, or refuses what stands behind
 * it. */
void session_start_tls(struct session *s);

/* Tells the client to go on with TLS, and begins it. */
void session_proceed(struct session *s);

void act_begin_tls(struct session *s, struct leg *from, const struct stream_event *ev);
void act_begin_xml(struct session *s, struct leg *from, const struct stream_event *ev);
void act_refuse_bytes(struct session *s, struct leg *from, const struct stream_event *ev);
void act_open_clear(struct session *s, struct leg *from, const struct stream_event *ev);
void act_starttls(struct session *s, struct leg *from, const struct stream_event *ev);
void act_secured(struct session *s, struct leg *from, const struct stream_event *ev);
void act_tls_failed(struct session *s, struct leg *from, const struct stream_event *ev);
void act_open(struct session *s, struct leg *from, const struct stream_event *ev);
void act_reopen(struct session *s, struct leg *from, const struct stream_event *ev);
void act_refuse(struct session *s, struct leg *from, const struct stream_event *ev);
void act_leave(struct session *s, struct leg *from, const struct stream_event *ev);
