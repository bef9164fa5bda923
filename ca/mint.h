/* SPDX-License-Identifier: BSD-2-Clause */
/* A batch of leaves, as the daemon asks for them (ctl/mint.c). */
#pragma once

/* Reads the request from descriptor 0, enters the sandbox once the authority's files are read, and
 * answers on standard output:
 *   {"life":ms,"leaves":[{"domain","key","not_after"}]}
 *   {"authority","chain":[..],"leaves":[{"leaf","serial","until"} or {"error"}]}, in the same
 * order, or {"error"}. Keys and certificates are PEM, times milliseconds. The exit status. */
int mint_run(int folder);
