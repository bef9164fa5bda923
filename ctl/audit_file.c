/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of the audit trail. In: objects, batch by batch. Out: lines that each hold the number
 * and the hash of the one before, appended whole; a batch that the disk refuses in the middle is
 * taken back to its beginning. At the start the chain goes on behind the last good line; what a
 * crash left behind that is not touched, and the next line tells its hash. A file that is full is
 * renamed to the next free number and never deleted: whose trail it is decides how long it is kept.
 * It decides nothing about what is written down. */
#include "ctl/audit_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/whole.h"
#include "ctl/audit_chain.h"

enum { AUDIT_TAIL = 1 << 20, AUDIT_BATCH_MAX = 16 << 20, AUDIT_FORMAT = 1 };

struct audit_file {
	char *folder, *path;
	int fd;
	uint64_t size, max_bytes;
	unsigned turns;
	struct audit_head head, before; /* before: of the batch */
	struct buf batch;
};

/* ---- lines ---- */

int audit_file_add(struct audit_file *f, json_t *said)
{
	cleanup_free char *text = NULL;
	size_t at;
	int r;

	json_object_del(said, "seq");
	json_object_del(said, "prev");
	if (!(text = json_dumps(said, JSON_COMPACT)))
		return -ENOMEM;
	if (buf_len(&f->batch) == 0)
		f->before = f->head;
	at = buf_len(&f->batch);
	if ((r = buf_putf(&f->batch, "{\"seq\":%llu,\"prev\":\"%s\"%s",
		     (unsigned long long)(f->head.seq + 1), f->head.hash,
		     json_object_size(said) ? "," : "")) < 0 ||
		(r = buf_puts(&f->batch, text + 1)) < 0 || (r = buf_puts(&f->batch, "\n")) < 0) {
		buf_cut(&f->batch, at);
		return r;
	}
	f->head.seq++;
	audit_hash((struct span){ buf_ptr(&f->batch) + at, buf_len(&f->batch) - at - 1 },
		f->head.hash);
	return 0;
}

int audit_file_note(struct audit_file *f, const char *event, json_t *more)
{
	json_t *said = json_object();
	char now[40];
	int r = -ENOMEM;

	clock_format_wall(clock_wall_ms(), now, sizeof now);
	if (said) {
		json_object_set_new(said, "time", json_string(now));
		json_object_set_new(said, "event", json_string(event));
		if (more)
			json_object_update(said, more);
		r = audit_file_add(f, said);
	}
	json_decref(said);
	json_decref(more);
	return r;
}

/* What each file begins with. */
static int note_begin(struct audit_file *f)
{
	char host[256] = "";

	(void)gethostname(host, sizeof host - 1);
	return audit_file_note(f, "begin",
		json_pack("{s:i,s:s,s:s}", "format", AUDIT_FORMAT, "host", host, "version",
			XMPPWALL_VERSION));
}

/* ---- files ---- */

static int file_open(struct audit_file *f)
{
	struct stat st;

	f->fd = open(
		f->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return -errno;
	f->size = (uint64_t)st.st_size;
	return 0;
}

/* The highest N of audit.log.N; 0: none. */
static unsigned files_last(const struct audit_file *f)
{
	DIR *folder = opendir(f->folder);
	unsigned last = 0, n;
	const struct dirent *e;
	int end;

	while (folder && (e = readdir(folder)))
		if (sscanf(e->d_name, "audit.log.%9u%n", &n, &end) == 1 && !e->d_name[end] &&
			n > last)
			last = n;
	if (folder)
		closedir(folder);
	return last;
}

/* On in a new file; the batch has nothing yet. */
static int file_turn(struct audit_file *f)
{
	cleanup_free char *old = NULL;
	int r;

	if (asprintf(&old, "%s.%u", f->path, files_last(f) + 1) < 0)
		return -ENOMEM;
	if (fdatasync(f->fd) < 0 || rename(f->path, old) < 0)
		return -errno;
	close(f->fd);
	f->turns++;
	log_info("event=audit-turn file=%s seq=%llu hash=%s", old, (unsigned long long)f->head.seq,
		f->head.hash);
	return (r = file_open(f)) < 0 ? r : note_begin(f);
}

int audit_file_reopen(struct audit_file *f)
{
	struct stat ours, there;
	int r;

	if (fstat(f->fd, &ours) == 0 && stat(f->path, &there) == 0 && ours.st_ino == there.st_ino &&
		ours.st_dev == there.st_dev)
		return 0;
	(void)fdatasync(f->fd);
	close(f->fd);
	f->turns++;
	if ((r = file_open(f)) < 0 || f->size > 0)
		return r < 0 ? r : -EEXIST;
	return (r = note_begin(f)) < 0 ? r : audit_file_write(f);
}

int audit_file_write(struct audit_file *f)
{
	struct span all = buf_span(&f->batch);
	int r;

	if (all.len == 0)
		return 0;
	r = f->fd < 0 ? -EBADF : whole_write(f->fd, all.ptr, all.len);
	if (r < 0) {
		/* Half of it would be a torn line. */
		if (f->fd >= 0 && ftruncate(f->fd, (off_t)f->size) < 0)
			log_error("event=audit-truncate error=\"%s\"", strerror(errno));
		f->head = f->before;
		buf_clear(&f->batch);
		return r;
	}
	f->size += all.len;
	buf_clear(&f->batch);
	if (f->size < f->max_bytes)
		return 0;
	/* What could not be renamed is tried again with the next batch. */
	if ((r = file_turn(f)) < 0) {
		log_error("event=audit-turn error=\"%s\"", err_text(r));
		if (f->fd < 0)
			return 0;
	}
	return buf_len(&f->batch) ? audit_file_write(f) : 0;
}

/* ---- taking up a chain ---- */

struct tail {
	char *bytes;
	size_t len;
	uint64_t offset; /* of bytes, in the file */
	size_t good; /* where the last good line ends (behind its line feed); 0: there is none */
	bool broken; /* the chain, before it */
	bool unfed;  /* the last good line is whole but for its line feed */
};

static int tail_read(const char *path, struct tail *t)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	t->len = st.st_size < AUDIT_TAIL ? (size_t)st.st_size : AUDIT_TAIL;
	t->offset = (uint64_t)st.st_size - t->len;
	if (!(t->bytes = malloc(t->len + 1)))
		return -ENOMEM;
	n = pread(fd, t->bytes, t->len, (off_t)t->offset);
	return n == (ssize_t)t->len ? 0 : -EIO;
}

static void count_problem(void *arg, const char *file, unsigned long line, const char *what)
{
	(void)file;
	(void)line;
	(void)what;
	(*(unsigned *)arg)++;
}

/* The last good line, and whether those before it lead there. */
static void tail_follow(struct tail *t, struct audit_head *head)
{
	struct audit_check check;
	unsigned problems = 0;
	const char *at = t->bytes, *end = t->bytes + t->len, *feed;

	audit_check_begin(&check, count_problem, &problems);
	if (t->offset > 0) /* begins inside a line */
		at = (feed = memchr(at, '\n', t->len)) ? feed + 1 : end;
	for (; at < end && (feed = memchr(at, '\n', (size_t)(end - at))); at = feed + 1) {
		uint64_t lines = check.lines;

		audit_check_line(&check, (struct span){ at, (size_t)(feed - at) }, true);
		if (check.lines > lines)
			t->good = (size_t)(feed + 1 - t->bytes);
	}
	/* Cut off right behind its last brace. */
	if (at < end) {
		struct audit_check more = check;

		audit_check_line(&more, (struct span){ at, (size_t)(end - at) }, true);
		if (more.lines > check.lines && more.problems == check.problems &&
			check.lines > 0) {
			check = more;
			t->good = t->len;
			t->unfed = true;
		}
	}
	t->broken = check.problems > 0;
	*head = check.head;
}

static int note_torn(struct audit_file *f, const struct tail *t)
{
	struct span torn = { t->bytes + t->good, t->len - t->good };
	char hash[AUDIT_HASH_SIZE];
	bool ended = torn.ptr[torn.len - 1] == '\n';

	if (ended)
		torn.len--;
	audit_hash(torn, hash);
	if (!ended && whole_write(f->fd, "\n", 1) == 0)
		f->size++;
	return audit_file_note(
		f, "torn", json_pack("{s:s,s:I}", "torn", hash, "bytes", (json_int_t)torn.len));
}

static void tell(char **trouble, const char *text)
{
	char *more = NULL;

	if (asprintf(&more, "%s%s%s", *trouble ? *trouble : "", *trouble ? "; " : "", text) < 0)
		return;
	free(*trouble);
	*trouble = more;
}

/* Where the chain stood before this file. */
static int older_head(struct audit_file *f, struct audit_head *head)
{
	cleanup_free char *old = NULL;
	struct tail t = { 0 };
	unsigned last = files_last(f);
	int r = 0;

	*head = (struct audit_head){ .hash = AUDIT_HASH_NONE };
	if (last == 0)
		return 0;
	if (asprintf(&old, "%s.%u", f->path, last) < 0)
		return -ENOMEM;
	if ((r = tail_read(old, &t)) == 0)
		tail_follow(&t, head);
	free(t.bytes);
	return r;
}

static int chain_take_up(struct audit_file *f, const struct audit_head *known, char **trouble)
{
	struct tail t = { 0 };
	int r;

	if ((r = file_open(f)) < 0 || (r = tail_read(f->path, &t)) < 0)
		goto out;
	tail_follow(&t, &f->head);
	if (t.good == 0 && (r = older_head(f, &f->head)) < 0)
		goto out;
	if (t.broken)
		tell(trouble, "the chain of its last lines is broken (xmppwallctl audit verify)");
	if (t.unfed && (r = whole_write(f->fd, "\n", 1)) == 0)
		f->size++;
	if (t.len > t.good) {
		tell(trouble, "a line was torn, as by a crash");
		r = r < 0 ? r : note_torn(f, &t);
	}
	if (r == 0)
		r = t.good == 0 ? note_begin(f)
				: audit_file_note(f, "start",
					  json_pack("{s:s}", "version", XMPPWALL_VERSION));
	if (r == 0 && known && known->seq > f->before.seq) {
		tell(trouble, "its end is missing: it had more lines than it has now");
		r = audit_file_note(f, "missing",
			json_pack("{s:I,s:s}", "had", (json_int_t)known->seq, "head", known->hash));
	}
	if (r == 0 && known && known->seq == f->before.seq &&
		strcmp(known->hash, f->before.hash) != 0) {
		tell(trouble, "its last line is another one than was written");
		r = audit_file_note(f, "changed",
			json_pack("{s:I,s:s}", "had", (json_int_t)known->seq, "head", known->hash));
	}
	if (r == 0)
		r = audit_file_write(f);
out:
	free(t.bytes);
	return r;
}

int audit_file_open(const char *log_dir, uint64_t max_bytes, const struct audit_head *known,
	struct audit_file **out, char **trouble)
{
	struct audit_file *f = calloc(1, sizeof *f);
	int r = -ENOMEM;

	*trouble = NULL;
	if (!f)
		return r;
	f->fd = -1;
	f->max_bytes = max_bytes;
	buf_init(&f->batch, AUDIT_BATCH_MAX);
	f->folder = strdup(log_dir);
	if (asprintf(&f->path, "%s/audit.log", log_dir) < 0)
		f->path = NULL;
	if (!f->folder || !f->path || (r = chain_take_up(f, known, trouble)) < 0) {
		audit_file_close(f);
		return r;
	}
	*out = f;
	return 0;
}

void audit_file_close(struct audit_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	buf_fini(&f->batch);
	free(f->folder);
	free(f->path);
	free(f);
}

/* ---- looking ---- */

void audit_file_configure(struct audit_file *f, uint64_t max_bytes)
{
	f->max_bytes = max_bytes;
}

size_t audit_file_waiting(const struct audit_file *f)
{
	return buf_len(&f->batch);
}

const struct audit_head *audit_file_head(const struct audit_file *f)
{
	return &f->head;
}

int audit_file_fd(const struct audit_file *f)
{
	return f->fd;
}

unsigned audit_file_turns(const struct audit_file *f)
{
	return f->turns;
}
