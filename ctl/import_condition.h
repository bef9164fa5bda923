/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a condition of mod_firewall: what stands behind its ':' becomes a test of ours; NULL
 * when the line (im->line) was left. A test of several words stands in parentheses if 'not' before
 * it would mean less. */
#pragma once

#include "ctl/import_int.h"

const char *condition_kind(struct import *im, const char *value);
const char *condition_type(struct import *im, const char *value);
const char *condition_from(struct import *im, const char *value);
const char *condition_to(struct import *im, const char *value);
const char *condition_from_exactly(struct import *im, const char *value);
const char *condition_to_exactly(struct import *im, const char *value);
const char *condition_to_self(struct import *im, const char *value);
const char *condition_to_full(struct import *im, const char *value);
const char *condition_entering(struct import *im, const char *value);
const char *condition_leaving(struct import *im, const char *value);
const char *condition_from_ip(struct import *im, const char *value);
const char *condition_roster(struct import *im, const char *value);
/* import_content.c */
const char *condition_payload(struct import *im, const char *value);
const char *condition_inspect(struct import *im, const char *value);
const char *condition_day(struct import *im, const char *value);
const char *condition_time(struct import *im, const char *value);
const char *condition_limit(struct import *im, const char *value);
const char *condition_list(struct import *im, const char *value);
const char *condition_scan(struct import *im, const char *value);
const char *condition_count(struct import *im, const char *value);
