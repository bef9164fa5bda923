/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: who is asking, one request a line, one answer a line (ctl/request.h), and
 * events to whoever follows. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include <uv.h>
#include "base/buf.h"

struct control;

/* By SO_PEERCRED and SO_PEERGROUPS; ordered: who may more is greater. */
enum role {
	ROLE_NONE,
	ROLE_GROUP, /* in the socket's group */
	ROLE_OWNER, /* root, or the daemon's own user */
};

enum { CONTROL_CLIENTS_MAX = 64, CONTROL_REQUESTS_MAX = 16 /* unanswered ones of a client */ };

/* A command to be answered once, by request_answer, request_refuse or request_follow: each of them
 * ends it, also when the client has hung up meanwhile. */
struct request {
	struct request *next;
	struct control_client *client; /* NULL: hung up */
	enum role role;
	char who[80]; /* "uid 0 (root)" */
	const char *cmd;
	json_t *args; /* an object, never NULL */
	json_t *message;
};

struct control_spec {
	const char *run_dir;
	const char *group; /* NULL or unknown: root's own group */
	void (*on_request)(void *arg, struct request *rq);
	void *arg;
};

/* Makes RUN_DIR/control.sock, 0660. 0, or a negative code with a line in why. */
int control_open(
	uv_loop_t *loop, const struct control_spec *spec, struct control **out, struct buf *why);
/* Puts the socket and the clients into state (ctl/handover.h), for the next program: rq (NULL:
 * none) is to be answered there with answer, other requests are to be run there. False when
 * something is unsent: it is not to be used then. */
bool control_hold(const struct control *c, json_t *state, const struct request *rq, json_t *answer);
/* Requests that are not answered. */
size_t control_requests(const struct control *c);
/* Hangs up on clients that do not read. */
void control_drop_slow(struct control *c);
/* Instead of control_open, in the next program. The clients' requests wait for control_go_on. */
int control_adopt(uv_loop_t *loop, const struct control_spec *spec, const json_t *state,
	struct control **out, struct buf *why);
void control_go_on(struct control *c, const json_t *state);
/* Lets answers under way drain and takes no more clients; requests still open stay valid. */
void control_shut(struct control *c);
/* Hangs up on all and removes the socket. No request may be open. */
void control_close(struct control *c);
/* Is a request still to be answered, or an answer still to be sent? */
bool control_has_requests(const struct control *c);
/* To all who follow; one who does not read is hung up on. */
void control_event(struct control *c, json_t *event);

/* {"ok":true,"result":..}; takes result (NULL: {}). */
void request_answer(struct request *rq, json_t *result);
/* The same, and events follow. */
void request_follow(struct request *rq, json_t *result);
/* {"event":..} to whoever asked, before the answer; borrowed. False when it did not go: hung up, or
 * not read for so long that it is thrown away. */
bool request_event(struct request *rq, json_t *event);
/* Is whoever asked still there? */
bool request_is_heard(const struct request *rq);
/* {"ok":false,"exit":..,"error":..,"diagnostics":..}; diagnostics may be NULL. */
void request_refuse(struct request *rq, int status, const char *diagnostics, const char *format,
	...) __attribute__((format(printf, 4, 5)));
