/* SPDX-License-Identifier: BSD-2-Clause */
/* A verdict in a line for people: what judge and replay print. */
#pragma once

#include <stdio.h>
#include "rules/rules.h"

/* "reject policy-violation by inbound/phishing: url.host \"…\" is \"…\" of @bad_hosts, strike 3
 * [id]", then a line for each dry rule that held. */
void verdict_print(FILE *out, const struct verdict *v);
