/* SPDX-License-Identifier: BSD-2-Clause */
/* Base64 (RFC 4648 4), for those who decode it each in their own way: how much of it, into what, how strictly. */
#pragma once

#include <stdbool.h>
#include "base/span.h"

/* 0 to 63; -1: no digit of it, "=" among them. */
static inline int base64_digit(char c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
	       : c == '/'             ? 63
				      : -1;
}

/* The one spelling of at least one byte: padded, nothing between, the bits that pad all zero. */
static inline bool base64_is_strict(struct span text)
{
	size_t pad = 0;

	if (text.len % 4 || text.len == 0)
		return false;
	while (pad < 2 && text.ptr[text.len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < text.len - pad; i++)
		if (base64_digit(text.ptr[i]) < 0)
			return false;
	return pad == 0 || (base64_digit(text.ptr[text.len - pad - 1]) & (pad == 1 ? 3 : 15)) == 0;
}
