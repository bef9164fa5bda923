/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts as signatures: texts that are nearly the same have nearly the same one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/span.h"

enum {
	SIGNATURE_PARTS = 32,
	SHINGLE_LENGTH = 5,       /* letters */
	SHINGLE_LETTERS_MIN = 24, /* of a text with a signature */
	SHINGLE_LETTERS_MAX = 8192 /* what comes behind is not looked at */
};

/* Two texts that share a part J of all their shingles have about J of these in common. */
struct signature {
	uint16_t parts[SIGNATURE_PARTS];
};

/* A text being read; plain data. */
struct shingle {
	uint64_t salt[2];
	uint64_t least[SIGNATURE_PARTS];
	uint32_t window[SHINGLE_LENGTH];
	unsigned letters, words, dense;
	uint32_t last;
};

/* salt: nobody who does not know it can make texts that have a signature in common. */
void shingle_begin(struct shingle *s, const uint64_t salt[2]);
/* Another piece of text, folded (xmpp/text.h). */
void shingle_add(struct shingle *s, struct span folded);
/* False when the text had fewer than words words, or hardly any letters. */
bool shingle_end(struct shingle *s, unsigned words, struct signature *out);
/* In how many parts do they agree? */
unsigned signature_agree(const struct signature *a, const struct signature *b);
