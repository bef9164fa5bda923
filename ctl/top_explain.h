/* SPDX-License-Identifier: BSD-2-Clause */
/* "Why?" in "top": what is asked about a row, and the answers as lines. */
#pragma once

#include <jansson.h>
#include "ctl/top_data.h"

enum { TOP_QUESTIONS = 3 };

/* Requests of ctl/request.h, an array of {"cmd","args"}: at most TOP_QUESTIONS; a new reference. */
json_t *top_explain_questions(enum top_panel panel, const json_t *row);
/* An array of texts. answers: one for each question, the "result" or null where it was refused. A new reference. */
json_t *top_explain_lines(enum top_panel panel, const json_t *row, const json_t *answers);
