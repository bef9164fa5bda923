/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports that rules order, as letters. In: events of the kind "report". Out: a program sent with
 * all that wait (report/main.c, by ctl/errand.c), at most once in the policy's "every"; while the
 * server is away, less and less often. What waits has a ceiling, beyond which the oldest are lost
 * and counted: the event file has them all. It never speaks to the server itself. */
#include "ctl/reports.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/errand.h"
#include "rules/rules.h"

enum {
	BATCH_MAX = 100,
	SECRET_MAX = 512,
	TIMEOUT_MS = 15000,
	GRACE_MS = 2000,
	BACK_OFF_MAX_MS = 600000,
};

struct reports {
	struct daemon *d;
	uv_timer_t timer;
	json_t *waiting; /* letters, the oldest first */
	size_t sent;     /* of them, with the program that is out */
	struct errand *errand;
	bool closing;
	unsigned failures;
	uint64_t last_mono_ms; /* when the last program was sent; 0: never */
	uint64_t delivered, refused, lost;
	char trouble[320];
};

static void on_timer(uv_timer_t *timer);

static const struct reporter_options *options(const struct reports *r)
{
	return &policy_daemon(r->d->config->policy)->reporter;
}

/* ---- letters ---- */

static const char *text_at(const json_t *event, const char *room, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(event, room), key));

	return text ? text : "";
}

static json_t *letter_new(const json_t *event, const char *to)
{
	const char *reason = text_at(event, "report", "reason"), *colon = strrchr(reason, ':'),
		   *jid = text_at(event, "report", "jid"), *id = text_at(event, "report", "id"),
		   *text = text_at(event, "report", "text"),
		   *source = json_string_value(json_object_get(event, "src_ip")),
		   *when = json_string_value(json_object_get(event, "timestamp"));
	const char *word = colon ? colon + 1 : reason;

	return json_pack("{s:s,s:s,s:o,s:o,s:s,s:s}", "id", id, "to", to, "subject",
		json_sprintf("%s: %s", word, jid), "body",
		json_sprintf("%s from %s (%s) at %s, by rule %s%s%s\nxmppwallctl explain %s", word,
			jid, source ? source : "unknown address", when ? when : "?",
			text_at(event, "alert", "signature"), *text ? ": " : "", text, id),
		"jid", jid, "xml", text_at(event, "report", "xml"));
}

static void schedule(struct reports *r)
{
	uint64_t pause = options(r)->every_ms, now = clock_mono_ms(), since;

	if (r->closing || r->errand || json_array_size(r->waiting) == 0 ||
		uv_is_active((uv_handle_t *)&r->timer))
		return;
	for (unsigned i = 0; i < r->failures && pause < BACK_OFF_MAX_MS; i++)
		pause *= 2;
	if (r->failures && pause > BACK_OFF_MAX_MS)
		pause = BACK_OFF_MAX_MS;
	since = now - r->last_mono_ms;
	uv_timer_start(&r->timer, on_timer,
		r->last_mono_ms == 0 || since >= pause ? 0 : pause - since, 0);
}

void reports_add(struct reports *r, const json_t *event)
{
	const struct reporter_options *o = options(r);
	const char *kind = json_string_value(json_object_get(event, "event_type"));
	json_t *letter;

	if (!o->component || r->closing || !kind || strcmp(kind, "report") != 0)
		return;
	if (!(letter = letter_new(event, o->to)) ||
		json_array_append_new(r->waiting, letter) < 0) {
		r->lost++;
		return;
	}
	/* Those that are out stay, or their number would not be true any more. */
	while (json_array_size(r->waiting) > o->keep &&
		json_array_size(r->waiting) > r->sent + 1) {
		json_array_remove(r->waiting, r->sent);
		r->lost++;
	}
	schedule(r);
}

/* ---- the secret ---- */

/* The first line of the file; relative paths start at the configuration's folder. */
static int secret_read(const struct reports *r, char *secret, size_t size)
{
	char folder[PATH_MAX], path[PATH_MAX * 2];
	cleanup_fd int fd = -1;
	struct stat st;
	ssize_t n;

	snprintf(folder, sizeof folder, "%s", r->d->spec.config);
	snprintf(path, sizeof path, "%s%s%s",
		*options(r)->secret_file == '/' ? "" : dirname(folder),
		*options(r)->secret_file == '/' ? "" : "/", options(r)->secret_file);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_mode & S_IRWXO)
		log_warn("event=report secret-file=\"%s\" note=\"others may read it\"", path);
	if ((n = read(fd, secret, size - 1)) < 0)
		return -errno;
	secret[n] = '\0';
	secret[strcspn(secret, "\r\n")] = '\0';
	return *secret ? 0 : -ENODATA;
}

/* ---- sending ---- */

static void failed(struct reports *r, const char *why)
{
	if (r->failures < 32)
		r->failures++;
	if (strcmp(r->trouble, why) != 0)
		log_warn("event=report to=%s waiting=%zu error=%s", options(r)->to,
			json_array_size(r->waiting), log_quote(span_of(why)));
	snprintf(r->trouble, sizeof r->trouble, "%s", why);
}

static void delivered(struct reports *r, const json_t *answer)
{
	const json_t *refused = json_object_get(answer, "refused"), *one;
	size_t i, no = json_array_size(refused);

	json_array_foreach(refused, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "id")),
			   *condition = json_string_value(json_object_get(one, "condition"));

		log_warn("event=report id=%s error=%s", log_quote(span_of(id ? id : "")),
			log_quote(span_of(condition ? condition : "")));
	}
	r->refused += no < r->sent ? no : r->sent;
	r->delivered += no < r->sent ? r->sent - no : 0;
	for (i = 0; i < r->sent; i++)
		json_array_remove(r->waiting, 0);
	r->failures = 0;
	*r->trouble = '\0';
}

static void reports_free(uv_handle_t *handle)
{
	struct reports *r = handle->data;

	json_decref(r->waiting);
	free(r);
}

static void on_returned(void *arg, const json_t *answer, const char *trouble)
{
	struct reports *r = arg;
	const char *error = json_string_value(json_object_get(answer, "error"));

	r->errand = NULL;
	if (r->closing) {
		uv_close((uv_handle_t *)&r->timer, reports_free);
		return;
	}
	if (json_is_true(json_object_get(answer, "done")))
		delivered(r, answer);
	else
		failed(r, error && *error ? error : *trouble ? trouble : "it said nothing");
	r->sent = 0;
	schedule(r);
}

static json_t *request_new(struct reports *r, const char *secret)
{
	const struct reporter_options *o = options(r);
	const char *user = policy_daemon(r->d->config->policy)->user;
	json_t *letters = json_array();

	for (size_t i = 0; i < json_array_size(r->waiting) && i < BATCH_MAX; i++)
		json_array_append(letters, json_array_get(r->waiting, i));
	r->sent = json_array_size(letters);
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:I,s:o}", "host", o->host, "port", o->port,
		"component", o->component, "secret", secret, "user",
		user ? user : "", "timeout",
		(json_int_t)TIMEOUT_MS, "letters", letters);
}

static void on_timer(uv_timer_t *timer)
{
	struct reports *r = timer->data;
	struct errand_spec spec = { &r->d->loop, r->d->spec.libexec_dir, "xmppwall-report", NULL,
		-1, 65536, TIMEOUT_MS + GRACE_MS, on_returned, r, 0 };
	char secret[SECRET_MAX], why[128];
	json_t *request = NULL;
	int code;

	if (!options(r)->component) { /* another policy is in force */
		json_array_clear(r->waiting);
		return;
	}
	r->last_mono_ms = clock_mono_ms();
	if ((code = secret_read(r, secret, sizeof secret)) < 0) {
		snprintf(why, sizeof why, "secret-file: %s", err_text(code));
	} else if (!(request = request_new(r, secret)) ||
		   (spec.request = request, code = errand_start(&spec, &r->errand)) < 0) {
		snprintf(why, sizeof why, "%s", err_text(request ? code : -ENOMEM));
	}
	explicit_bzero(secret, sizeof secret);
	json_decref(request);
	if (!r->errand) {
		r->sent = 0;
		failed(r, why);
		schedule(r);
	}
}

/* ---- life ---- */

struct reports *reports_new(struct daemon *d)
{
	struct reports *r = calloc(1, sizeof *r);

	if (!r || !(r->waiting = json_array())) {
		free(r);
		return NULL;
	}
	r->d = d;
	uv_timer_init(&d->loop, &r->timer);
	r->timer.data = r;
	return r;
}

void reports_close(struct reports *r)
{
	if (!r)
		return;
	r->closing = true;
	if (r->errand)
		errand_end(r->errand);
	else
		uv_close((uv_handle_t *)&r->timer, reports_free);
}

json_t *reports_json(const struct reports *r)
{
	if (!options(r)->component)
		return NULL;
	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:s}", "to", options(r)->to, "waiting",
		(json_int_t)json_array_size(r->waiting), "delivered", (json_int_t)r->delivered,
		"refused", (json_int_t)r->refused, "lost", (json_int_t)r->lost, "trouble",
		r->trouble);
}

void reports_attention(const struct reports *r, json_t *lines)
{
	if (options(r)->component && r->failures)
		json_array_append_new(lines,
			json_sprintf("reports do not reach %s: %s", options(r)->to, r->trouble));
}
