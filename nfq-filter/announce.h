/* SPDX-License-Identifier: BSD-2-Clause */
/* What serverless peers say of themselves in TXT records (XEP-0174 4) is text that others read: it
 * is judged as the presence stanza it stands for. */
#pragma once

#include "nfq-filter/inspect.h"

struct announcer;

/* Does it let the announcement through as it is? */
bool announce_is_accepted(const struct verdict *v);

enum { ANNOUNCE_NAMES_MAX = 128 };

/* One a thread. NULL when out of memory. */
struct announcer *announcer_new(void);
void announcer_free(struct announcer *a);
/* Judges each instance of _presence._tcp that a datagram announces, by the policy of the inspector.
 * judged is called for each; the inspection it gets is of this announcement alone: it has no
 * number, and nothing of it can be changed. 1: all were accepted as they are, or there are none; 0:
 * a rule did not want one; negative: of the machine. */
int announcer_judge(struct announcer *a, struct inspector *of, const struct packet *p,
	void (*judged)(void *arg, struct inspection *i, const struct inspect_verdict *v),
	void *arg);
