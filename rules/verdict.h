/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdict ids; the rest of the verdict's face is in rules.h. */
#pragma once

#include "rules/rules.h"

/* A new id, never given before by this process and by no other but with a chance of 2^-40. */
void verdict_make_id(char id[VERDICT_ID_SIZE]);
