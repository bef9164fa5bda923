/* SPDX-License-Identifier: BSD-2-Clause */
/* Both directions once both streams are open. */
#pragma once

#include "proxy/session.h"

/* What becomes of a nonza. */
enum nonza_fate { NONZA_FORWARD, NONZA_SWALLOW, NONZA_ENDED /* so is the session */ };

/* Writes an element towards a side, canonical. false: the session ended over it. */
bool relay_write(struct session *s, struct leg *to, const struct xml_element *e);
/* Text of ours towards a side. false: the session ended over it. */
bool relay_puts(struct session *s, struct leg *to, const char *text);

/* What rules may ask about; st NULL: none. */
struct subject relay_subject(
	const struct session *s, enum direction direction, const struct stanza *st);

/* What becomes of a nonza that means the same between all: stream management, TLS, compression, errors. */
enum nonza_fate relay_nonza(struct session *s, struct leg *from, const struct stanza *st);

void act_judge(struct session *s, struct leg *from, const struct stream_event *ev);
void act_nonza(struct session *s, struct leg *from, const struct stream_event *ev);
void act_space(struct session *s, struct leg *from, const struct stream_event *ev);
void act_close(struct session *s, struct leg *from, const struct stream_event *ev);
void act_close_last(struct session *s, struct leg *from, const struct stream_event *ev);
