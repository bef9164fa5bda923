/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon asks of a policy at work, whichever door it works behind (ctl/link.h). */
#pragma once

#include "door/line.h"
#include "rules/rules.h"

/* "list": 0 or a negative code. */
int answer_edit_list(struct policy *p, json_t *msg);
/* "limits": what is not named is as the policy says. */
void answer_set_limits(struct policy *p, json_t *msg);
/* A "list" or "limits" that another policy has had already. 0 or a negative code. */
int answer_again(struct policy *p, json_t *msg);
/* "observed"; p may be NULL. */
void answer_observed(struct policy *p, json_t *msg, struct line *to);
/* "hits"; false when the message makes no sense. */
bool answer_hits(struct policy *p, json_t *msg, struct line *to);
