/* SPDX-License-Identifier: BSD-2-Clause */
/* What one character that is not ASCII looks like: one step of UTS 39, with our choices (see the
 * .c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* ICU's spoof checker and the skeletons of ASCII; 0 or ERR_LIBRARY. Called by text_table. */
int text_alike_init(void);
/* Appends what cp (of a canonically decomposed, case-folded text) looks like, as UTF-16, to out at
 * *len; nothing if it is invisible. ASCII stays. False when it does not fit in cap. */
bool text_alike(int32_t cp, uint16_t *out, int32_t cap, int32_t *len);
/* What stands for cp before case folding: a few letters whose compatibility form looks otherwise
 * than they do. */
int32_t text_alike_first(int32_t cp);
/* In words of mixed scripts (see text_mixed.h), 0 if cp is none of these: the ASCII letter a
 * capital looks like whose small letter looks otherwise; the one a folded letter of a right-to-left
 * script looks like. */
char text_alike_capital(uint32_t cp);
char text_alike_distant(uint32_t cp);
