/* SPDX-License-Identifier: BSD-2-Clause */
/* What operators do with messages in quarantine: "xmppwallctl quarantine list|show|release|delete".
 * In: requests. Out: rows, answers, an event for each message let go, with who did it. A release is
 * marked in the book before a worker hears of it and unmarked only when the worker says that it
 * delivered nothing: dying in between leaves it "unsure", never delivered twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/daemon.h"
#include "ctl/quarantine.h"
#include "ctl/workers.h"

enum { ANSWER_NO = 1 };

static void tell(struct daemon *d, const char *what, const char *id, const char *who)
{
	json_t *event;
	char stamp[40], why[160];

	snprintf(why, sizeof why, "%s of %.32s by %.64s", what, id, who);
	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	event = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s,s:s}}", "timestamp", stamp, "event_type",
		"quarantine", "app_proto", "xmpp", "xmppwall", "what", what, "id", id, "who", who,
		"why", why);
	if (event)
		daemon_event(d, event);
	json_decref(event);
	log_info("event=quarantine what=%s id=%s who=\"%s\"", what, id, who);
}

void command_quarantine_list(struct daemon *d, struct request *rq)
{
	request_answer(rq, json_pack("{s:o,s:I}", "quarantine",
				   quarantine_list(d->quarantine, clock_wall_ms()), "evicted",
				   (json_int_t)quarantine_evicted(d->quarantine)));
}

/* The message; NULL after refusing rq. */
static json_t *message_of(struct daemon *d, struct request *rq)
{
	const char *id = command_text(rq, "id");
	json_t *message;

	if (!id)
		return NULL;
	message = quarantine_find(d->quarantine, id, clock_wall_ms());
	if (!message)
		request_refuse(rq, ANSWER_NO, NULL, "nothing in quarantine has the id '%s'", id);
	return message;
}

void command_quarantine_show(struct daemon *d, struct request *rq)
{
	json_t *message = message_of(d, rq);

	if (message)
		request_answer(rq, message);
}

void command_quarantine_delete(struct daemon *d, struct request *rq)
{
	json_t *message = message_of(d, rq);
	const char *id = json_string_value(json_object_get(message, "id"));
	int r;

	if (!message)
		return;
	if ((r = quarantine_delete(d->quarantine, id)) < 0) {
		request_refuse(rq, ANSWER_NO, NULL, "it stays: %s", err_text(r));
	} else {
		tell(d, "delete", id, rq->who);
		request_answer(rq, json_pack("{s:i}", "removed", 1));
	}
	json_decref(message);
}

/* ---- release ---- */

struct release {
	struct daemon *d;
	struct request *rq;
	json_t *message;
};

static void release_end(struct release *release)
{
	json_decref(release->message);
	free(release);
}

static void release_done(void *arg, int code, const char *text)
{
	struct release *release = arg;
	const char *id = json_string_value(json_object_get(release->message, "id"));
	struct daemon *d = release->d;

	if (code == 0) {
		(void)quarantine_settle(d->quarantine, id, QUARANTINE_RELEASED);
		tell(d, "release", id, release->rq->who);
		request_answer(release->rq, json_pack("{s:s,s:s}", "id", id, "where", text));
	} else if (code == ERR_NOTFOUND) {
		(void)quarantine_settle(d->quarantine, id, QUARANTINE_KEPT);
		request_refuse(release->rq, ANSWER_NO, NULL,
			"neither who wrote it nor whom it is for is connected here: kept");
	} else {
		request_refuse(release->rq, ANSWER_NO, NULL,
			"it was given to a worker that did not say whether it delivered it (%s): "
			"it "
			"will not be delivered again",
			text);
	}
	release_end(release);
}

static const char *state_refusal(const char *state)
{
	if (strcmp(state, "released") == 0)
		return "it was released before";
	return "it is being released, or a process ended while it was: it may have been delivered";
}

void command_quarantine_release(struct daemon *d, struct request *rq)
{
	json_t *message = message_of(d, rq);
	const char *state = json_string_value(json_object_get(message, "state"));
	struct release *release;
	int r;

	if (!message)
		return;
	if (strcmp(state, "kept") != 0) {
		request_refuse(rq, ANSWER_NO, NULL, "%s", state_refusal(state));
		json_decref(message);
		return;
	}
	release = calloc(1, sizeof *release);
	r = release ? quarantine_mark(
			      d->quarantine, json_string_value(json_object_get(message, "id")))
		    : ERR_LIBRARY;
	if (r < 0) {
		request_refuse(
			rq, ANSWER_NO, NULL, "it cannot be marked as released: %s", err_text(r));
		json_decref(message);
		free(release);
		return;
	}
	*release = (struct release){ d, rq, message };
	workers_deliver(d->workers, message, release_done, release);
}
