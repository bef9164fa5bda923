/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators who follow somebody through the rules. */
#pragma once

#include <jansson.h>
#include "ctl/control.h"

struct daemon;
struct traces;

enum { TRACES_MAX = 4, TRACE_MS_MIN = 1000, TRACE_MS_MAX = 3600000 };

struct traces *traces_new(struct daemon *d);
/* Answers all; memory goes when the loop has run once more. */
void traces_free(struct traces *t);
/* Runs the request until its time is over or nobody listens; takes rq. args are "jid", "address" or
 * "session", "for", "bodies". */
void traces_start(struct traces *t, struct request *rq);
/* The same for a copy of the packets that the inspector's queue shows; args are "for", "service". */
void traces_capture(struct traces *t, struct request *rq);
/* What a child saw; its shape is the child's word. */
void traces_event(struct traces *t, json_int_t id, json_t *event);
/* The child is gone, or we are going: all end. */
void traces_stop(struct traces *t);
