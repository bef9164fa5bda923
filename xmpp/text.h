/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as a reader sees it: NFKC case fold, default-ignorables and bidi controls removed,
 * look-alikes (UTS 39 confusables) mapped to one letter, runs of white space to one space. By
 * tables built from ICU once, with a fast path for ASCII. Offsets lead from folded bytes back to
 * the source. Accents are letters: 'é' stays apart from 'e' however it is written (canonical
 * composition). Marks that make no letter with an ASCII, Latin, Greek or Cyrillic base are
 * decoration (struck-out, "Zalgo", keycaps) and dropped; vowel signs and points of other scripts
 * stay. ASCII is only lower-cased. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/span.h"

struct folded {
	const char *text; /* UTF-8, NUL-terminated, in the arena */
	size_t len;
	const uint32_t *source; /* source[i]: byte offset in the input of what made folded byte i;
				   source[len] = input length */
};

/* Builds the tables (some 10 ms, once per process; thread-safe). 0, -ENOMEM or ERR_LIBRARY. Called
 * by the others if need be. */
int text_fold_init(void);
/* in is valid UTF-8 (each other byte becomes U+FFFD). Idempotent: fold(fold(x)) = fold(x). 0 or
 * -ENOMEM. */
int text_fold(struct arena *a, struct span in, struct folded *out);
/* Plain case fold only (NFKC_Casefold without look-alikes and without removing anything), for lists
 * that want case-insensitive equality. */
int text_casefold(struct arena *a, struct span in, struct folded *out);
/* Do bytes [start,end) of a text stand as whole words? True if neither edge joins two word
 * characters; scripts written without spaces (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar)
 * always pass. */
bool text_is_word(struct span text, size_t start, size_t end);
/* Length in bytes of the character at text[i]; 0 if invalid. *cp gets it. */
size_t text_decode(struct span text, size_t i, uint32_t *cp);
/* Strict UTF-8 (no surrogates, no overlong, nothing above U+10FFFF) that XML 1.0 allows (no
 * controls but TAB LF CR, no U+FFFE/U+FFFF). Returns bytes valid from the start; len if all. An
 * incomplete last character counts as not valid: *incomplete (may be NULL) tells it apart. */
size_t text_valid(const char *bytes, size_t len, bool *incomplete);
