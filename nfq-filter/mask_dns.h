/* SPDX-License-Identifier: BSD-2-Clause */
/* A datagram of multicast DNS, masked in place: what serverless peers say of themselves. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* names: those of instances and hosts, too. False: it contradicts itself, and nothing of it stayed.
 */
bool mask_dns(bool names, unsigned char *message, size_t len);
