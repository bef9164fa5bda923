/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the program that runs and the one that takes its place (ctl/upgrade.c, ctl/adopt.c). In:
 * what is to go on, as JSON, or a descriptor that should hold that. Out: a sealed memfd, or the
 * JSON with every member's shape, every descriptor's kind and every child's parent checked, so that
 * who takes it over need not doubt it. What does not fit is refused with a line that says what;
 * nothing is closed then, for the program before may be asked to go on. It takes nothing over
 * itself. */
#include "ctl/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

int handover_write(const json_t *state, int *out)
{
	size_t len = json_dumpb(state, NULL, 0, JSON_COMPACT);
	cleanup_free char *text = malloc(len + 1);
	cleanup_fd int fd = memfd_create("xmppwall-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (!text || len == 0 || json_dumpb(state, text, len, JSON_COMPACT) != len)
		return -ENOMEM;
	for (size_t at = 0; at < len;) {
		ssize_t n = pwrite(fd, text + at, len - at, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	*out = take_fd(&fd);
	return 0;
}

/* ---- what may stand there ---- */

enum kind { KIND_FILE, KIND_LINE, KIND_LISTENER };

static bool fd_is(int fd, enum kind kind)
{
	socklen_t len = sizeof(int);
	int listens = 0;
	struct stat st;

	if (fd <= STDERR_FILENO || fstat(fd, &st) < 0)
		return false;
	if (kind == KIND_FILE)
		return !S_ISSOCK(st.st_mode);
	return S_ISSOCK(st.st_mode) &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	       !listens == (kind == KIND_LINE);
}

/* A member of an object: what it is called, how it looks. 's' text, 'i' number, 'b' truth, 'a'
 * array, 'o' object, 'F' 'L' 'P' a descriptor of a file, a line, a listener (port), 'f' the same as
 * F or -1. */
struct member {
	const char *name;
	char shape;
	bool optional;
};

static bool shape_fits(const json_t *value, char shape)
{
	json_int_t n = json_integer_value(value);

	switch (shape) {
	case 's':
		return json_is_string(value);
	case 'i':
		return json_is_integer(value) && n >= 0;
	case 'b':
		return json_is_boolean(value);
	case 'a':
		return json_is_array(value);
	case 'o':
		return json_is_object(value);
	}
	if (!json_is_integer(value) || n < -1 || n > 1 << 30)
		return false;
	if (shape == 'f' && n == -1)
		return true;
	return fd_is((int)n, shape == 'L' ? KIND_LINE : shape == 'P' ? KIND_LISTENER : KIND_FILE);
}

static bool members_fit(const json_t *object, const char *what, const struct member *members,
	size_t n, struct buf *why)
{
	if (!json_is_object(object)) {
		buf_putf(why, "the handover's %s is no object\n", what);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, members[i].name);

		if ((!value && members[i].optional) || shape_fits(value, members[i].shape))
			continue;
		buf_putf(why, "the handover's %s has no usable \"%s\"\n", what, members[i].name);
		return false;
	}
	return true;
}

#define FIT(object, what, members)                                                                 \
	members_fit(object, what, members, sizeof(members) / sizeof *(members), why)

static bool child_fits(const json_t *child, struct buf *why)
{
	static const struct member members[] = { { "pid", 'i', false }, { "fd", 'L', false },
		{ "unread", 's', false }, { "sandbox", 's', false }, { "version", 's', false },
		{ "retired", 'b', false }, { "since_ms", 'i', false }, { "until_ms", 'i', false },
		{ "restarts", 'i', false }, { "sessions", 'i', false }, { "slot", 'i', false },
		{ "inspects", 'b', true } };
	siginfo_t info = { 0 };
	json_int_t pid;

	if (!FIT(child, "child", members))
		return false;
	pid = json_integer_value(json_object_get(child, "pid"));
	if (pid > 1 && pid < 1 << 30 &&
		waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		return true;
	buf_putf(why, "the handover's child %lld is not ours\n", (long long)pid);
	return false;
}

static bool listener_fits(const json_t *listener, struct buf *why)
{
	static const struct member members[] = { { "service", 's', false },
		{ "address", 's', false }, { "port", 'i', false }, { "bound", 'i', false },
		{ "transparent", 'b', false }, { "thread", 'i', false }, { "fd", 'P', false } };

	if (!FIT(listener, "listener", members))
		return false;
	if (json_integer_value(json_object_get(listener, "port")) <= 65535 &&
		json_integer_value(json_object_get(listener, "bound")) <= 65535)
		return true;
	buf_puts(why, "the handover's listener has an impossible port\n");
	return false;
}

static bool part_fits(const json_t *part, struct buf *why)
{
	static const struct member members[] = { { "fd", 'F', false } };

	return FIT(part, "part", members);
}

static bool client_fits(const json_t *client, struct buf *why)
{
	static const struct member members[] = { { "fd", 'L', false }, { "unread", 's', false },
		{ "follows", 'b', false }, { "requests", 'a', false }, { "answer", 'o', true } };

	return FIT(client, "client", members);
}

static bool arg_fits(const json_t *arg, struct buf *why)
{
	if (json_is_string(arg))
		return true;
	buf_puts(why, "the handover's args are not texts\n");
	return false;
}

static bool all_fit(
	const json_t *array, bool (*fits)(const json_t *one, struct buf *why), struct buf *why)
{
	const json_t *one;
	size_t i;

	json_array_foreach(array, i, one) if (!fits(one, why)) return false;
	return true;
}

/* No descriptor twice: who closes one would close the other's. */
struct seen {
	char *bits;
	bool twice;
};

static void seen_add(void *arg, int fd)
{
	struct seen *seen = arg;

	if (fd < 0 || fd >= 1 << 20)
		seen->twice = fd != -1 || seen->twice;
	else if (seen->bits[fd]++)
		seen->twice = true;
}

static bool fds_differ(const json_t *state, struct buf *why)
{
	cleanup_free char *bits = calloc(1 << 20, 1);
	struct seen seen = { bits, bits == NULL };

	if (bits)
		handover_each_fd(state, seen_add, &seen);
	if (seen.twice)
		buf_puts(why, "the handover names a descriptor twice\n");
	return !seen.twice;
}

static bool state_fits(const json_t *state, struct buf *why)
{
	static const struct member check_fds[] = { { "bundle", 'F', false } };
	static const struct member fds[] = { { "bundle", 'F', false }, { "metrics", 'F', false },
		{ "lock_state", 'F', false }, { "lock_run", 'f', false }, { "streams", 'f', false },
		{ "control", 'P', false }, { "program", 'F', false } };
	static const struct member members[] = { { "threads", 'i', false }, { "args", 'a', false },
		{ "generation", 'i', false }, { "seq", 'i', false }, { "born", 'i', false },
		{ "since_ms", 'i', false }, { "since_mono_ms", 'i', false },
		{ "loaded_ms", 'i', false }, { "trouble", 's', true }, { "reload", 'b', true },
		{ "failed", 's', true }, { "listeners", 'a', false }, { "children", 'a', false },
		{ "clients", 'a', false } };

	static const struct member parts[] = { { "parts", 'a', false } };

	if (!FIT(state, "whole", parts) ||
		!all_fit(json_object_get(state, "parts"), part_fits, why))
		return false;
	if (json_is_true(json_object_get(state, "check")))
		return FIT(json_object_get(state, "fds"), "fds", check_fds) &&
		       fds_differ(state, why);
	return FIT(json_object_get(state, "fds"), "fds", fds) && FIT(state, "whole", members) &&
	       all_fit(json_object_get(state, "args"), arg_fits, why) &&
	       all_fit(json_object_get(state, "listeners"), listener_fits, why) &&
	       all_fit(json_object_get(state, "children"), child_fits, why) &&
	       all_fit(json_object_get(state, "clients"), client_fits, why) &&
	       fds_differ(state, why);
}

/* ---- reading ---- */

/* NULL with a line in why. */
static char *memory_read(int fd, size_t *len, struct buf *why)
{
	int seals = fd > STDERR_FILENO ? fcntl(fd, F_GET_SEALS) : -1;
	cleanup_free char *text = NULL;
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0) {
		buf_puts(why, "descriptor is no sealed handover\n");
		return NULL;
	}
	if (st.st_size < 2 || st.st_size > HANDOVER_MAX) {
		buf_puts(why, "the handover has an impossible size\n");
		return NULL;
	}
	*len = (size_t)st.st_size;
	if (!(text = malloc(*len)) || pread(fd, text, *len, 0) != st.st_size) {
		buf_puts(why, "the handover cannot be read\n");
		return NULL;
	}
	return take_ptr(text);
}

int handover_read(int fd, json_t **out, struct buf *why)
{
	size_t len = 0;
	cleanup_free char *text = memory_read(fd, &len, why);
	json_t *state, *version;

	if (!text)
		return ERR_PROTO;
	state = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	version = json_object_get(state, "handover");
	if (!json_is_integer(version)) {
		buf_puts(why, "that is no handover\n");
	} else if (json_integer_value(version) != HANDOVER_VERSION) {
		buf_putf(why,
			"the handover has version %lld, this program (%s) takes %d: stop and start "
			"xmppwalld instead\n",
			(long long)json_integer_value(version), XMPPWALL_VERSION, HANDOVER_VERSION);
	} else if (state_fits(state, why)) {
		*out = state;
		return 0;
	}
	json_decref(state);
	return ERR_PROTO;
}

/* ---- descriptors ---- */

static void each_of(const json_t *array, void (*each)(void *arg, int fd), void *arg)
{
	const json_t *one;
	size_t i;

	json_array_foreach(array, i, one)
		each(arg, (int)json_integer_value(json_object_get(one, "fd")));
}

void handover_each_fd(const json_t *state, void (*each)(void *arg, int fd), void *arg)
{
	json_t *fds = json_object_get(state, "fds"), *value;
	const char *name;

	json_object_foreach(fds, name, value) each(arg, (int)json_integer_value(value));
	each_of(json_object_get(state, "parts"), each, arg);
	each_of(json_object_get(state, "listeners"), each, arg);
	each_of(json_object_get(state, "children"), each, arg);
	each_of(json_object_get(state, "clients"), each, arg);
}

static void keep(void *arg, int fd)
{
	int *r = arg;

	if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0)
		*r = -errno;
}

void handover_disarm(void)
{
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

int handover_arm(const json_t *state, int also)
{
	int r = 0;

	/* Whatever a library opened without saying so. */
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	handover_each_fd(state, keep, &r);
	keep(&r, also);
	if (r < 0)
		handover_disarm();
	return r;
}

/* ---- bytes ---- */

json_t *handover_hex(const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	cleanup_free char *text = malloc(2 * len + 1);

	for (size_t i = 0; text && i < len; i++) {
		text[2 * i] = digits[(unsigned char)bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return text ? json_stringn(text, 2 * len) : NULL;
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int handover_unhex(const json_t *text, struct buf *out)
{
	const char *at = json_string_value(text);
	size_t len = json_string_length(text);
	int r = len % 2 ? ERR_PROTO : 0;

	for (size_t i = 0; i + 1 < len && r == 0; i += 2) {
		int high = digit_of(at[i]), low = digit_of(at[i + 1]);
		char byte;

		if (high < 0 || low < 0)
			return ERR_PROTO;
		byte = (char)(high * 16 + low);
		r = buf_put(out, &byte, 1);
	}
	return r;
}
