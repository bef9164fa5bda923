/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside ledger.c, when its disk takes nothing. In: bans, and bans taken back,
 * that could not be written. They are kept in memory and found as if they had been, so that the
 * kernel and everybody who asks are told the truth; one line each goes to a file on another disk
 * (the run directory), so that kill -9 and a restart lose none either. Out: written, in one
 * transaction and in the place of what the table has, as soon as it takes them. At most
 * WAITING_MAX. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "ctl/ledger_int.h"

enum { WAITING_MAX = 50000, PREFIX_MAX = 128 };

struct waiting {
	struct ledger_ban ban;
	bool gone; /* taken back */
};

struct waiting_key {
	uint8_t bytes[sizeof(struct peer_address) + 1];
};

static struct waiting_key key_of(const struct peer_address *a, unsigned prefix_len)
{
	struct waiting_key key;

	memcpy(key.bytes, a, sizeof *a);
	key.bytes[sizeof *a] = (uint8_t)prefix_len;
	return key;
}

/* ---- the file ---- */

static json_t *line_of(const struct waiting *w)
{
	char address[INET6_ADDRSTRLEN];

	address_format(&w->ban.address, address, sizeof address);
	return json_pack("{s:s,s:i,s:I,s:I,s:s,s:s,s:s,s:i,s:i,s:s,s:b}", "address", address, "len",
		(int)w->ban.prefix_len, "since", (json_int_t)w->ban.since_ms, "until",
		(json_int_t)w->ban.until_ms, "why", w->ban.why, "rule", w->ban.rule, "id",
		w->ban.id, "count", (int)w->ban.count, "strikes", (int)w->ban.strikes, "evidence",
		w->ban.evidence, "gone", w->gone);
}

/* Without it a restart forgets, and nothing else. */
static void file_append(const struct ledger *l, json_t *line)
{
	cleanup_fd int fd =
		l->waiting_path
			? open(l->waiting_path,
				  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)
			: -1;
	cleanup_free char *text = NULL;
	size_t len;

	if (fd >= 0 && line && (text = json_dumps(line, JSON_COMPACT)) != NULL) {
		len = strlen(text);
		text[len] = '\n'; /* in the place of the NUL: one write, one line */
		if (write(fd, text, len + 1) != (ssize_t)(len + 1))
			log_warn("event=bans-waiting file=%s error=\"%s\"", l->waiting_path,
				err_text(errno ? -errno : -ENOSPC));
	}
	json_decref(line);
}

void waiting_text(const json_t *line, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(line, key));
	size_t len = value ? span_cut(span_of(value), size - 1) : 0;

	memcpy(text, value ? value : "", len);
	text[len] = '\0';
}

static bool line_take(const json_t *line, struct waiting *w)
{
	const char *address = json_string_value(json_object_get(line, "address"));
	json_int_t len = json_integer_value(json_object_get(line, "len"));
	struct ledger_ban *ban = &w->ban;

	*w = (struct waiting){ .gone = json_is_true(json_object_get(line, "gone")) };
	if (!address || len < 0 || len > PREFIX_MAX ||
		address_parse(span_of(address), &ban->address) < 0)
		return false;
	ban->prefix_len = (unsigned)len;
	ban->since_ms = json_integer_value(json_object_get(line, "since"));
	ban->until_ms = json_integer_value(json_object_get(line, "until"));
	ban->count = (unsigned)json_integer_value(json_object_get(line, "count"));
	ban->strikes = (unsigned)json_integer_value(json_object_get(line, "strikes"));
	waiting_text(line, "why", ban->why, sizeof ban->why);
	waiting_text(line, "rule", ban->rule, sizeof ban->rule);
	waiting_text(line, "id", ban->id, sizeof ban->id);
	waiting_text(line, "evidence", ban->evidence, sizeof ban->evidence);
	return true;
}

/* ---- in memory ---- */

static struct waiting *waiting_of(
	const struct ledger *l, const struct peer_address *a, unsigned prefix_len)
{
	struct waiting_key key = key_of(a, prefix_len);

	return l->waiting.count ? map_find(&l->waiting, key.bytes, sizeof key.bytes) : NULL;
}

static int waiting_keep(struct ledger *l, const struct waiting *what)
{
	struct waiting *w = waiting_of(l, &what->ban.address, what->ban.prefix_len);
	struct waiting_key key = key_of(&what->ban.address, what->ban.prefix_len);

	if (w) {
		*w = *what;
		return 0;
	}
	if (l->waiting.count >= WAITING_MAX)
		return ERR_LIMIT;
	if (!(w = malloc(sizeof *w)))
		return -ENOMEM;
	*w = *what;
	if (map_put(&l->waiting, key.bytes, sizeof key.bytes, w, NULL) < 0) {
		free(w);
		return -ENOMEM;
	}
	return 0;
}

int waiting_put(struct ledger *l, const struct ledger_ban *ban, bool gone, int error)
{
	struct waiting what = { *ban, gone };

	if (waiting_keep(l, &what) < 0)
		return error;
	waiting_note(l, line_of(&what), error);
	return 0;
}

void waiting_note(struct ledger *l, json_t *line, int error)
{
	if (l->waiting.count + l->bars.count == 1)
		log_error("event=bans-waiting error=\"%s\" note=\"in force, and entered in the "
			  "ledger as soon as it can be\"",
			err_text(error));
	l->waiting_error = error;
	file_append(l, line);
}

bool waiting_any(const struct ledger *l)
{
	return l->waiting.count + l->bars.count > 0;
}

bool waiting_find(const struct ledger *l, const struct peer_address *a, unsigned prefix_len,
	struct ledger_ban *out, int *r)
{
	const struct waiting *w = waiting_of(l, a, prefix_len);

	if (!w)
		return false;
	*r = w->gone ? ERR_NOTFOUND : 0;
	if (!w->gone)
		*out = w->ban;
	return true;
}

bool waiting_each(
	const struct ledger *l, bool (*visit)(void *arg, const struct ledger_ban *ban), void *arg)
{
	struct map_entry *entry;

	for (size_t at = 0; map_each(&l->waiting, &at, &entry);) {
		const struct waiting *w = entry->value;

		if (!w->gone && !visit(arg, &w->ban))
			return false;
	}
	return true;
}

void waiting_fini(struct ledger *l)
{
	map_fini(&l->waiting, free);
	bars_clear(l);
	free(l->waiting_path);
}

/* ---- face ---- */

size_t ledger_waiting(const struct ledger *l, int *error)
{
	*error = waiting_any(l) ? l->waiting_error : 0;
	return l->waiting.count + l->bars.count;
}

int ledger_settle(struct ledger *l)
{
	struct map_entry *entry;
	int r;

	if (!waiting_any(l))
		return 0;
	if ((r = ledger_begin(l)) == 0) {
		for (size_t at = 0; r == 0 && map_each(&l->waiting, &at, &entry);) {
			const struct waiting *w = entry->value;

			r = w->gone ? ledger_delete_row(l, &w->ban.address, w->ban.prefix_len)
				    : ledger_put_row(l, &w->ban);
		}
		r = ledger_end(l, r < 0 ? r : bars_write(l));
	}
	if (r < 0) {
		l->waiting_error = r;
		return r;
	}
	log_info("event=bans-settled n=%zu", l->waiting.count + l->bars.count);
	bars_clear(l);
	map_fini(&l->waiting, free);
	map_init(&l->waiting);
	if (l->waiting_path)
		unlink(l->waiting_path);
	return 0;
}

int ledger_wait_in(struct ledger *l, const char *path)
{
	struct ledger_ban standing;
	struct waiting w;
	FILE *file;
	json_t *line;
	int fd;

	if (!(l->waiting_path = strdup(path)))
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || !(file = fdopen(fd, "r"))) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	/* The last line may be torn. */
	while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
		if (json_object_get(line, "name")) {
			bars_take_line(l, line);
		} else if (line_take(line, &w)) {
			bool stood = ledger_ban_find(
					     l, &w.ban.address, w.ban.prefix_len, &standing) == 0;

			if (waiting_keep(l, &w) == 0)
				l->n_bans += (long)!w.gone - (long)stood;
		}
		json_decref(line);
	}
	fclose(file);
	l->waiting_error = -EAGAIN;
	(void)ledger_settle(l);
	return 0;
}
