/* SPDX-License-Identifier: BSD-2-Clause */
/* Is there a sandbox in this build? The sanitizers want calls at the end that it has no reason to
 * allow. */
#pragma once

#if defined(__SANITIZE_ADDRESS__)
enum { SANDBOXED = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANDBOXED = 0 };
#else
enum { SANDBOXED = 1 };
#endif
#else
enum { SANDBOXED = 1 };
#endif
