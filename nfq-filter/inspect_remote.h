/* SPDX-License-Identifier: BSD-2-Clause */
/* The remote server of a stream between servers, as clear text tells. */
#pragma once

#include "nfq-filter/inspect.h"

/* An element of dialback (XEP-0220) was said by that side. */
void remote_dialback(struct inspection *i, enum flow_side side, const struct stanza *st);
/* Whose domain a stanza is from or for, and whether that was verified, into the subject. */
void remote_subject(const struct inspection *i, const struct stanza *st, struct subject *s);
/* The remote server's domain, once one was verified; NULL: none was. */
const char *remote_domain(const struct inspection *i);
void remote_fini(struct inspection *i);
