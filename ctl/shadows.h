/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy on disk tried on live traffic before it counts (reload --shadow). */
#pragma once

#include <jansson.h>
#include "ctl/control.h"

struct daemon;
struct shadows;

enum { SHADOW_MS_MIN = 1000, SHADOW_MS_MAX = 3600000 };

struct shadows *shadows_new(struct daemon *d);
/* Answers who waits; memory goes when the loop has run once more. */
void shadows_free(struct shadows *s);
/* Loads what is on disk, has it judge beside the policy in force for ms, and answers with what it
 * changes and which verdicts differ; takes rq. One at a time. */
void shadows_start(struct shadows *s, struct request *rq, uint64_t ms);
/* A child's word: its report, or why it did not take the policy. */
void shadows_hear(struct shadows *s, json_t *msg);
/* The child is gone, or we are going. */
void shadows_stop(struct shadows *s);
