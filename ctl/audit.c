/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the lines of the audit trail come together. In: records in the children's rings
 * (base/spool.h), read some twenty times a second. Out: lines of audit.log, on disk within a
 * second; then their room in the ring is free again. What the disk refuses stays in the ring, and
 * the ring is stopped: the children let nothing cross until lines can be written. Rings outlive
 * both ends: what a killed child or daemon left in one is written down by the next daemon. What a
 * child wrote is taken apart and put together anew; what is no object is written down as such. It
 * judges nothing. */
#include "ctl/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/spool.h"
#include "ctl/audit_file.h"
#include "ctl/state_file.h"

enum {
	AUDIT_RINGS_MAX = 64,
	AUDIT_RING_BYTES = 8 << 20,
	AUDIT_TICK_MS = 50,
	AUDIT_SYNC_MS = 1000,
	AUDIT_BATCH = 1 << 20,
	AUDIT_TELL_LINES = 10000,
	AUDIT_TELL_MS = 10 * 60 * 1000,
	AUDIT_STATE_BYTES = 4096,
};

struct ring {
	struct spool_reader reader;
	char *path;
	pid_t pid; /* whose; 0: nobody's any more */
	bool stopped;
};

/* fdatasync on a thread, which may outlive the rest. */
struct sync {
	uv_fs_t request;
	struct audit *audit; /* NULL: closed meanwhile */
	int fd;
	struct audit_head head;
};

struct audit {
	struct audit_spec spec;
	uv_loop_t *loop;
	uv_timer_t timer;
	bool wanted, ticking;
	uint64_t max_bytes;
	struct audit_file *file; /* NULL: none is open */
	struct ring rings[AUDIT_RINGS_MAX];
	unsigned n_rings;
	struct sync *sync;
	int error;     /* why nothing can be written; 0: it can */
	char *trouble; /* what was found when the file was opened */
	char *state_path;
	struct audit_head synced, told;
	uint64_t tried_ms, synced_ms, told_ms;
};

/* ---- the file ---- */

static void rings_stop(struct audit *a, bool stopped)
{
	for (unsigned i = 0; i < a->n_rings; i++)
		if (a->rings[i].stopped != stopped && spool_stop(&a->rings[i].reader, stopped) == 0)
			a->rings[i].stopped = stopped;
}

static void audit_fail(struct audit *a, int r)
{
	if (a->error != r)
		log_error("event=audit error=\"%s\" note=\"no line can be written: nothing of "
			  "audited "
			  "services crosses\"",
			err_text(r));
	a->error = r;
	audit_file_close(a->file);
	a->file = NULL;
	rings_stop(a, true);
}

static bool state_read(const struct audit *a, struct audit_head *known)
{
	json_t *state = NULL;
	const char *head;

	if (state_file_read(a->state_path, AUDIT_STATE_BYTES, &state) < 0)
		return false;
	head = json_string_value(json_object_get(state, "head"));
	*known = (struct audit_head){ .seq = (uint64_t)json_integer_value(
					      json_object_get(state, "seq")) };
	if (head && strlen(head) == HASH_HEX)
		strcpy(known->hash, head);
	json_decref(state);
	return known->seq > 0 && *known->hash;
}

static void state_write(const struct audit *a, const struct audit_head *head)
{
	json_t *state = json_pack("{s:I,s:s}", "seq", (json_int_t)head->seq, "head", head->hash);
	int r = state ? state_file_write(a->state_path, state) : -ENOMEM;

	if (r < 0)
		log_warn("event=audit-state path=%s error=\"%s\"", a->state_path, err_text(r));
	json_decref(state);
}

static void head_tell(struct audit *a, const struct audit_head *head)
{
	if (head->seq == a->told.seq)
		return;
	log_info("event=audit-head seq=%llu hash=%s", (unsigned long long)head->seq, head->hash);
	a->told = *head;
	a->told_ms = clock_mono_ms();
	state_write(a, head);
}

/* A second at the least between two tries. */
static bool file_is_open(struct audit *a)
{
	struct audit_head known;
	uint64_t now = clock_mono_ms();
	char *trouble = NULL;
	int r;

	if (a->file)
		return true;
	if (a->tried_ms && now - a->tried_ms < AUDIT_SYNC_MS)
		return false;
	a->tried_ms = now;
	/* What was seen written in this life is known better than what was noted down. */
	if (a->synced.seq)
		known = a->synced;
	else if (!state_read(a, &known))
		known.seq = 0;
	r = audit_file_open(
		a->spec.log_dir, a->max_bytes, known.seq ? &known : NULL, &a->file, &trouble);
	if (trouble)
		log_error(
			"event=audit-open file=%s/audit.log note=\"%s\"", a->spec.log_dir, trouble);
	if (trouble && r == 0) {
		free(a->trouble);
		a->trouble = trouble;
	} else {
		free(trouble);
	}
	if (r < 0) {
		audit_fail(a, r);
		return false;
	}
	if (a->error)
		log_info("event=audit note=\"lines can be written again\"");
	a->error = 0;
	rings_stop(a, false);
	head_tell(a, audit_file_head(a->file));
	return true;
}

/* ---- on disk ---- */

static void on_synced(uv_fs_t *request)
{
	struct sync *sync = request->data;
	struct audit *a = sync->audit;
	int r = (int)request->result;

	uv_fs_req_cleanup(request);
	close(sync->fd);
	if (a) {
		a->sync = NULL;
		if (r < 0)
			audit_fail(a, r);
		else
			a->synced = sync->head;
	}
	free(sync);
}

static void sync_start(struct audit *a)
{
	const struct audit_head *head = audit_file_head(a->file);
	struct sync *sync;

	a->synced_ms = clock_mono_ms();
	if (a->sync || head->seq == a->synced.seq || !(sync = calloc(1, sizeof *sync)))
		return;
	sync->fd = fcntl(audit_file_fd(a->file), F_DUPFD_CLOEXEC, 0);
	sync->audit = a;
	sync->head = *head;
	sync->request.data = sync;
	if (sync->fd < 0 || uv_fs_fdatasync(a->loop, &sync->request, sync->fd, on_synced) < 0) {
		if (sync->fd >= 0)
			close(sync->fd);
		free(sync);
		return;
	}
	a->sync = sync;
}

/* ---- rings ---- */

static int record_add(struct audit *a, const char *bytes, size_t len)
{
	json_t *said = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	char hash[AUDIT_HASH_SIZE];
	int r;

	if (json_is_object(said)) {
		r = audit_file_add(a->file, said);
		json_decref(said);
		return r;
	}
	json_decref(said);
	audit_hash((struct span){ bytes, len }, hash);
	return audit_file_note(a->file, "unreadable",
		json_pack("{s:s,s:I}", "digest", hash, "bytes", (json_int_t)len));
}

static void ring_forget(struct audit *a, unsigned i)
{
	spool_close(&a->rings[i].reader);
	if (a->rings[i].path)
		(void)unlink(a->rings[i].path);
	free(a->rings[i].path);
	a->rings[i] = a->rings[--a->n_rings];
}

/* What is in all rings, up to a batch. True: there may be more. */
static bool rings_take(struct audit *a, int *error)
{
	char bytes[SPOOL_RECORD_MAX];
	bool more = false;
	size_t len;
	int r = 0;

	for (unsigned i = 0; i < a->n_rings && *error == 0; i++) {
		while (*error == 0 && audit_file_waiting(a->file) < AUDIT_BATCH &&
			(r = spool_take(&a->rings[i].reader, bytes, &len)) == 1)
			*error = record_add(a, bytes, len);
		more |= r == 1;
		if (r >= 0)
			continue;
		/* It is no ring any more: a child has cut it short. */
		log_error(
			"event=audit-ring pid=%d error=\"%s\"", (int)a->rings[i].pid, err_text(r));
		ring_forget(a, i--);
	}
	return more;
}

static bool rings_drain(struct audit *a)
{
	int error = 0;
	bool more;

	if (!file_is_open(a))
		return false;
	more = rings_take(a, &error);
	if (error == 0)
		error = audit_file_write(a->file);
	for (unsigned i = 0; i < a->n_rings; i++)
		if (error < 0)
			spool_back(&a->rings[i].reader);
		else if (spool_keep(&a->rings[i].reader) < 0)
			log_error("event=audit-ring pid=%d note=\"cannot be told what was taken\"",
				(int)a->rings[i].pid);
	if (error < 0)
		audit_fail(a, error);
	return more && error == 0;
}

/* Of the dead, once they are empty. */
static void rings_sweep(struct audit *a)
{
	char bytes[SPOOL_RECORD_MAX];
	size_t len;

	for (unsigned i = 0; i < a->n_rings;) {
		struct ring *ring = &a->rings[i];
		bool dead = ring->pid == 0 || (kill(ring->pid, 0) < 0 && errno == ESRCH);
		int r = dead ? spool_take(&ring->reader, bytes, &len) : 1;

		spool_back(&ring->reader);
		if (dead && r <= 0)
			ring_forget(a, i);
		else
			i++;
	}
}

static int ring_add(struct audit *a, const char *path, pid_t pid, int fd)
{
	struct ring *ring = &a->rings[a->n_rings];
	int r;

	if (a->n_rings == AUDIT_RINGS_MAX) {
		close(fd);
		return -ENOSPC;
	}
	*ring = (struct ring){ .pid = pid, .path = strdup(path) };
	if (!ring->path) {
		close(fd);
		return -ENOMEM;
	}
	if ((r = spool_open(fd, &ring->reader)) < 0) {
		free(ring->path);
		return r;
	}
	a->n_rings++;
	if (a->error && spool_stop(&ring->reader, true) == 0)
		ring->stopped = true;
	else
		(void)spool_stop(&ring->reader, false);
	return 0;
}

/* Those of the life before: of children that go on, or that died. */
static void rings_find(struct audit *a)
{
	DIR *folder = opendir(a->spec.run_dir);
	const struct dirent *e;

	while (folder && (e = readdir(folder))) {
		cleanup_free char *path = NULL;
		int pid, end = 0, fd, r;

		if (sscanf(e->d_name, "audit-%d.ring%n", &pid, &end) != 1 || end == 0 ||
			e->d_name[end] || pid <= 0 ||
			asprintf(&path, "%s/%s", a->spec.run_dir, e->d_name) < 0)
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? -errno : ring_add(a, path, pid, fd);
		if (r < 0)
			log_error("event=audit-ring file=%s error=\"%s\"", path, err_text(r));
	}
	if (folder)
		closedir(folder);
}

int audit_ring(struct audit *a, pid_t pid, bool anew, int *fd)
{
	cleanup_free char *path = NULL;
	int made = -1, r;

	*fd = -1;
	for (unsigned i = 0; i < a->n_rings; i++) {
		if (a->rings[i].pid != pid)
			continue;
		if (!anew)
			return 0;
		a->rings[i].pid = 0; /* a dead one's, who had the same number */
		free(a->rings[i].path);
		a->rings[i].path = NULL;
	}
	if (asprintf(&path, "%s/audit-%d.ring", a->spec.run_dir, (int)pid) < 0)
		return -ENOMEM;
	if ((r = spool_create(path, AUDIT_RING_BYTES, &made)) < 0 ||
		(r = ring_add(a, path, pid, fcntl(made, F_DUPFD_CLOEXEC, 0))) < 0) {
		log_error("event=audit-ring file=%s error=\"%s\"", path, err_text(r));
		if (made >= 0)
			close(made);
		return r;
	}
	*fd = made;
	return 0;
}

/* ---- the clock ---- */

static void on_tick(uv_timer_t *timer)
{
	struct audit *a = timer->data;
	uint64_t now = clock_mono_ms();
	const struct audit_head *head;

	for (int i = 0; i < 8 && rings_drain(a); i++)
		;
	if (now - a->synced_ms < AUDIT_SYNC_MS)
		return;
	a->synced_ms = now;
	rings_sweep(a);
	if (!a->file)
		return;
	sync_start(a);
	head = audit_file_head(a->file);
	if (head->seq - a->told.seq >= AUDIT_TELL_LINES || now - a->told_ms >= AUDIT_TELL_MS)
		head_tell(a, head);
}

static void audit_tick(struct audit *a)
{
	bool wanted = a->wanted || a->n_rings > 0;

	if (wanted && !a->ticking)
		uv_timer_start(&a->timer, on_tick, 0, AUDIT_TICK_MS);
	a->ticking = wanted;
}

/* ---- life ---- */

int audit_new(
	uv_loop_t *loop, const struct audit_spec *spec, uint64_t max_bytes, struct audit **out)
{
	struct audit *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->spec = *spec;
	a->loop = loop;
	a->max_bytes = max_bytes;
	if (asprintf(&a->state_path, "%s/audit.json", spec->state_dir) < 0) {
		free(a);
		return -ENOMEM;
	}
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	rings_find(a);
	audit_tick(a);
	*out = a;
	return 0;
}

void audit_configure(struct audit *a, bool wanted, uint64_t max_bytes)
{
	int r;

	a->wanted = wanted;
	a->max_bytes = max_bytes;
	if (a->file) {
		audit_file_configure(a->file, max_bytes);
		if ((r = audit_file_reopen(a->file)) < 0)
			audit_fail(a, r);
	}
	if (wanted)
		(void)file_is_open(a);
	audit_tick(a);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	while (a->n_rings > 0 && rings_drain(a))
		;
	rings_sweep(a);
	if (a->file && audit_file_note(a->file, "stop", NULL) == 0 &&
		audit_file_write(a->file) == 0 && fdatasync(audit_file_fd(a->file)) == 0)
		head_tell(a, audit_file_head(a->file));
	audit_file_close(a->file);
	while (a->n_rings > 0) {
		struct ring *ring = &a->rings[--a->n_rings];

		spool_close(&ring->reader);
		free(ring->path);
	}
	if (a->sync)
		a->sync->audit = NULL;
	free(a->trouble);
	free(a->state_path);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* ---- looking ---- */

json_t *audit_status(const struct audit *a)
{
	const struct audit_head *head = a->file ? audit_file_head(a->file) : &a->synced;

	if (!a->wanted && a->n_rings == 0)
		return NULL;
	return json_pack("{s:o,s:I,s:s,s:b,s:s,s:i,s:s}", "file",
		json_sprintf("%s/audit.log", a->spec.log_dir), "seq", (json_int_t)head->seq, "head",
		head->hash, "stopped", a->error != 0, "error", a->error ? err_text(a->error) : "",
		"rings", (int)a->n_rings, "trouble", a->trouble ? a->trouble : "");
}

void audit_attention(const struct audit *a, json_t *lines)
{
	if (a->error)
		json_array_append_new(lines,
			json_sprintf("the audit trail cannot be written: %s; nothing of audited "
				     "services crosses",
				err_text(a->error)));
	if (a->trouble)
		json_array_append_new(
			lines, json_sprintf("the audit trail, when it was opened: %s", a->trouble));
}
