/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's log on stderr (the journal reads it): "level key=value ...". Rate-limited per call
 * site with a dropped count. Never bodies, SASL payloads or keys. Events (audit) are another stream. */
#pragma once

#include <stddef.h>
#include "base/span.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_site {
	unsigned long long window_ms;
	unsigned count, dropped;
};

/* program appears in each line; to_journal adds "<N>" priorities for systemd. */
void log_init(const char *program, enum log_level level);
/* The least level from now on; any thread. */
void log_set_level(enum log_level level);
/* "debug" "info" "warn" "error"; 0 or ERR_SYNTAX. */
int log_parse_level(const char *text, enum log_level *level);
void log_write(struct log_site *site, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_AT(level, ...)                                                                         \
	do {                                                                                       \
		static _Thread_local struct log_site site_;                                        \
		log_write(&site_, level, __VA_ARGS__);                                             \
	} while (0)
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)

/* Peer text made fit for a log line: quoted, control and non-ASCII bytes escaped, cut at 64 bytes.
 * One of eight per-thread buffers, valid until eight calls later. */
const char *log_quote(struct span text);
