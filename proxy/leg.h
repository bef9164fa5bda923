/* SPDX-License-Identifier: BSD-2-Clause */
/* One side of a session: its socket and its parser, step by step. */
#pragma once

#include "proxy/session.h"

/* Without socket; leg->in is NULL when out of memory. */
void leg_init(struct leg *leg, struct session *s);
/* Is it attended to now? By state, by room in the queues, by turns in SASL. */
bool leg_hears(struct session *s, const struct leg *leg);
/* Does one thing: true if it did, so that there may be more. */
bool leg_step(struct session *s, struct leg *leg);
/* Has the table act on an event of its stream. Any but STREAM_MORE. */
void leg_tell(struct session *s, struct leg *leg, const struct stream_event *ev);
/* Would a step do something? */
bool leg_is_ready(struct session *s, const struct leg *leg);
/* A stanza begun that does not end, bytes queued that nobody takes, silence where it is bounded. */
bool leg_is_late(struct session *s, const struct leg *leg, uint64_t now);
/* An idle side gives its memory back. */
void leg_shrink(struct leg *leg, uint64_t now);
/* It is not read for so long from now; the longest counts. What it has sent waits, in order. */
void leg_tarpit(struct leg *leg, uint64_t ms);
/* True once when a side that was not read for its white space or a tarpit may be read again. */
bool leg_resume(struct leg *leg, uint64_t now_ms);
