/* SPDX-License-Identifier: BSD-2-Clause */
/* What a verdict is explained with beside its matches: the values its rule looked at. */
#pragma once

#include <stdbool.h>

struct judge;

/* The tests of the rule that held are those to be told of: alone when it decides, beside those of
 * rules before it when it only gave orders. */
void reason_keep(struct judge *j, bool final);
/* Fills the verdict's fields, should it be worth an event. */
void reason_tell(struct judge *j);
