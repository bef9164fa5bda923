/* SPDX-License-Identifier: BSD-2-Clause */
/* Where Vectorscan and PCRE2 disagree about case. */
#pragma once

#include <stdbool.h>
#include "base/span.h"

/* Does the text (valid UTF-8) hold a letter whose other case Vectorscan does not know? */
bool pattern_has_late_letter(struct span text);
/* Does the expression name such a letter, or may it by an escape? */
bool pattern_names_late_letter(const char *pattern);
/* "(?i)" and its like somewhere in the expression. */
bool pattern_has_inline_caseless(const char *pattern);
