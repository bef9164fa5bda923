/* SPDX-License-Identifier: BSD-2-Clause */
/* SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed hash behind base/map. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 64 bits of the message under a 128-bit key. */
uint64_t siphash24(const uint8_t key[16], const void *data, size_t len);
