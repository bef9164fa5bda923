/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's log: everything that is not an event about a peer's traffic ends here.
 * In: printf formats from our own code, peer text only through log_quote. Out: one line, one
 * write(2), to stderr, so that lines of several threads and processes never mix; systemd's journal
 * reads it with priorities. Each call site says at most 20 lines a second, so that a peer who makes
 * us complain cannot fill the disk. It never blocks on anything but stderr and never changes errno.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"

enum {
	LOG_LINE_MAX = 2048,
	LOG_SITE_LINES = 20,
	LOG_WINDOW_MS = 1000,
	LOG_QUOTES = 8,
	LOG_QUOTE_BYTES = 64,
};

static const struct {
	const char *name, *label;
	int priority; /* syslog(3) */
} log_levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", "DEBUG", 7 },
	[LOG_LEVEL_INFO] = { "info", "INFO", 6 },
	[LOG_LEVEL_WARN] = { "warn", "WARN", 4 },
	[LOG_LEVEL_ERROR] = { "error", "ERROR", 3 },
};

static char log_program[32] = "xmppwall";
static _Atomic int log_least = LOG_LEVEL_INFO;
static bool log_to_journal, log_to_tty;

/* systemd.exec(5): JOURNAL_STREAM names device and inode, because the variable is inherited by
 * children whose stderr has gone elsewhere. */
static bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program, enum log_level level)
{
	snprintf(log_program, sizeof(log_program), "%s", program);
	atomic_store(&log_least, (int)level);
	log_to_journal = log_stderr_is_journal();
	log_to_tty = !log_to_journal && isatty(STDERR_FILENO);
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_least, (int)level);
}

int log_parse_level(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
		if (strcmp(text, log_levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

/* True if the site may speak; *dropped is what it kept to itself in its last window. */
static bool log_site_admit(struct log_site *site, unsigned *dropped)
{
	unsigned long long now = clock_mono_ms();

	*dropped = 0;
	if (!site)
		return true;
	if (site->count == 0 || now < site->window_ms || now - site->window_ms >= LOG_WINDOW_MS) {
		*dropped = site->dropped;
		*site = (struct log_site){ .window_ms = now, .count = 1 };
		return true;
	}
	if (site->count < LOG_SITE_LINES) {
		site->count++;
		return true;
	}
	site->dropped++;
	return false;
}

/* Appends like snprintf, never past the line's end. */
static void log_append(char *line, size_t *len, const char *format, va_list args)
{
	int n = vsnprintf(line + *len, LOG_LINE_MAX - *len, format, args);

	if (n > 0)
		*len += (size_t)n < LOG_LINE_MAX - *len ? (size_t)n : LOG_LINE_MAX - *len - 1;
}

__attribute__((format(printf, 3, 4))) static void log_appendf(
	char *line, size_t *len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_append(line, len, format, args);
	va_end(args);
}

static void log_append_head(char *line, size_t *len, enum log_level level)
{
	char stamp[40];

	if (log_to_journal)
		log_appendf(line, len, "<%d>", log_levels[level].priority);
	if (log_to_tty) {
		clock_format_wall(clock_wall_ms(), stamp, sizeof(stamp));
		log_appendf(line, len, "%s ", stamp);
	}
	log_appendf(line, len, "%s %s: ", log_levels[level].label, log_program);
}

static void log_emit(const char *line, size_t len)
{
	ssize_t n;

	/* What a full or closed stderr refuses is lost: there is nobody left to tell. */
	do
		n = write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
}

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
{
	int saved = errno;
	char line[LOG_LINE_MAX + 1];
	size_t len = 0;
	unsigned dropped;
	va_list args;

	if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed) ||
		!log_site_admit(site, &dropped))
		return;
	log_append_head(line, &len, level);
	errno = saved; /* for %m */
	va_start(args, format);
	log_append(line, &len, format, args);
	va_end(args);
	if (dropped) {
		/* A line that fills the buffer gives way: the count must not be lost. */
		if (len > LOG_LINE_MAX - 32)
			len = LOG_LINE_MAX - 32;
		log_appendf(line, &len, " dropped=%u", dropped);
	}
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[len++] = '\n';
	log_emit(line, len);
	errno = saved;
}

static size_t log_quote_byte(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		return 2;
	}
	if (c >= 0x20 && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return 4;
}

const char *log_quote(struct span text)
{
	static _Thread_local char buffers[LOG_QUOTES][LOG_QUOTE_BYTES * 4 + 6];
	static _Thread_local unsigned turn;
	char *out = buffers[turn++ % LOG_QUOTES], *p = out;
	size_t len = text.len < LOG_QUOTE_BYTES ? text.len : LOG_QUOTE_BYTES;

	*p++ = '"';
	for (size_t i = 0; i < len; i++)
		p += log_quote_byte(p, (unsigned char)text.ptr[i]);
	*p++ = '"';
	if (len < text.len) {
		memcpy(p, "...", 3);
		p += 3;
	}
	*p = '\0';
	return out;
}
