/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's door for operators. In: connections to control.sock, JSON lines. Out: requests with
 * the role of whoever asks, to ctl/command.c; answers and events back. Clients and what they may
 * have open are bounded; a client that follows events and does not read loses its line, not the
 * daemon its memory. It knows no command and no policy. */
#include "ctl/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/handover.h"
#include "ctl/request.h"

enum { CONTROL_FOLLOW_QUEUE = 4 << 20, CONTROL_GROUPS_MAX = 1024 };

struct control_client {
	struct control_client *next;
	struct control *control;
	struct channel *channel;
	struct request *requests;
	unsigned n_requests;
	enum role role;
	char who[80];
	bool follows;
};

struct control {
	uv_loop_t *loop;
	uv_poll_t poll;
	struct control_spec spec;
	struct sockaddr_un where;
	int fd, spare;
	gid_t group;
	bool has_group;
	struct control_client *clients;
	unsigned n_clients;
};

/* ---- who is it ---- */

static bool peer_in_group(int fd, gid_t gid, gid_t group)
{
	gid_t groups[CONTROL_GROUPS_MAX];
	socklen_t len = sizeof groups;

	if (gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof *groups; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static int peer_identify(const struct control *c, int fd, struct control_client *client)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	const struct passwd *pw;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.uid == 0 || cred.uid == geteuid())
		client->role = ROLE_OWNER;
	else if (c->has_group && peer_in_group(fd, cred.gid, c->group))
		client->role = ROLE_GROUP;
	else
		client->role = ROLE_NONE;
	pw = getpwuid(cred.uid);
	snprintf(client->who, sizeof client->who, "uid %u (%s)", (unsigned)cred.uid,
		pw ? pw->pw_name : "?");
	return 0;
}

/* ---- a client ---- */

static void client_free(struct control_client *client)
{
	struct control *c = client->control;
	struct control_client **at = &c->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	c->n_clients--;
	for (struct request *rq = client->requests; rq; rq = rq->next)
		rq->client = NULL;
	channel_free(client->channel);
	free(client);
}

static void on_client_close(void *arg, struct channel *ch, int code)
{
	(void)ch;
	if (code != ERR_CLOSED)
		log_debug("event=control-close who=\"%s\" why=\"%s\"",
			((struct control_client *)arg)->who, err_text(code));
	client_free(arg);
}

static void client_refuse(struct control_client *client, const char *error)
{
	json_t *answer = json_pack("{s:b,s:i,s:s}", "ok", 0, "exit", 2, "error", error);

	channel_send(client->channel, answer, -1);
	json_decref(answer);
}

static void on_client_message(void *arg, struct channel *ch, json_t *msg, int fd)
{
	struct control_client *client = arg;
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));
	json_t *args = json_object_get(msg, "args");
	struct request *rq;

	(void)ch;
	if (fd >= 0)
		close(fd);
	if (!cmd || (args && !json_is_object(args))) {
		client_refuse(client, "a request is {\"cmd\":\"...\",\"args\":{...}}");
		return;
	}
	if (client->n_requests >= CONTROL_REQUESTS_MAX || !(rq = calloc(1, sizeof *rq))) {
		client_refuse(client, "too many unanswered requests");
		return;
	}
	rq->client = client;
	rq->role = client->role;
	memcpy(rq->who, client->who, sizeof rq->who);
	rq->message = json_incref(msg);
	if (!args)
		json_object_set_new(msg, "args", args = json_object());
	rq->cmd = cmd;
	rq->args = args;
	rq->next = client->requests;
	client->requests = rq;
	client->n_requests++;
	client->control->spec.on_request(client->control->spec.arg, rq);
}

/* Takes fd. NULL: it is hung up on. */
static struct control_client *client_new(struct control *c, int fd)
{
	static const struct channel_limits limits = { REQUEST_LINE_MAX, REQUEST_LINE_MAX };
	static const struct channel_handler handler = { on_client_message, on_client_close };
	struct control_client *client =
		c->n_clients < CONTROL_CLIENTS_MAX ? calloc(1, sizeof *client) : NULL;

	if (!client) {
		log_warn("event=control-full clients=%u", c->n_clients);
		close(fd);
		return NULL;
	}
	client->control = c;
	if (peer_identify(c, fd, client) < 0) {
		close(fd);
		free(client);
		return NULL;
	}
	if (channel_new(c->loop, fd, &limits, &handler, client, &client->channel) < 0) {
		free(client);
		return NULL;
	}
	client->next = c->clients;
	c->clients = client;
	c->n_clients++;
	return client;
}

/* Out of descriptors the caller would wait for ever and we would spin: the spare one is there to
 * hang up. */
static void accept_refuse(struct control *c)
{
	int fd;

	log_warn("event=control-accept error=\"%s\"", strerror(errno));
	if (c->spare < 0)
		return;
	close(take_fd(&c->spare));
	if ((fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;
	int fd;

	(void)events;
	if (status < 0)
		return;
	while ((fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		(void)client_new(c, fd);
	if (errno == EMFILE || errno == ENFILE)
		accept_refuse(c);
}

/* ---- the socket ---- */

static int socket_bind(struct control *c)
{
	mode_t before;
	int r;

	if ((c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -errno;
	unlink(c->where.sun_path); /* a crash left it; the lock of the run directory says nobody is
				      behind it */
	before = umask(0177);
	r = bind(c->fd, (struct sockaddr *)&c->where, sizeof c->where) < 0 ? -errno : 0;
	umask(before);
	if (r < 0)
		return r;
	if (c->has_group && chown(c->where.sun_path, (uid_t)-1, c->group) < 0)
		log_warn("event=control-group group=%s error=\"%s\"", c->spec.group,
			strerror(errno));
	if (chmod(c->where.sun_path, 0660) < 0 || listen(c->fd, CONTROL_CLIENTS_MAX) < 0)
		return -errno;
	return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* fd: bound and listening already; -1: not yet. */
static int control_start(struct control *c, int fd, struct buf *why)
{
	int n = snprintf(c->where.sun_path, sizeof c->where.sun_path, "%s/control.sock",
		    c->spec.run_dir),
	    r;
	const struct group *gr = c->spec.group ? getgrnam(c->spec.group) : NULL;

	c->has_group = gr != NULL;
	c->group = gr ? gr->gr_gid : 0;
	c->where.sun_family = AF_UNIX;
	c->fd = fd;
	if (n < 0 || (size_t)n >= sizeof c->where.sun_path)
		r = -ENAMETOOLONG;
	else
		r = fd >= 0 ? 0 : socket_bind(c);
	if (r < 0)
		buf_putf(why, "cannot make the control socket %s/control.sock: %s\n",
			c->spec.run_dir, err_text(r));
	return r;
}

static int control_make(uv_loop_t *loop, const struct control_spec *spec, int fd,
	struct control **out, struct buf *why)
{
	struct control *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->spec = *spec;
	c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if ((r = control_start(c, fd, why)) < 0 || (r = uv_poll_init(loop, &c->poll, c->fd)) < 0) {
		if (c->fd >= 0)
			close(c->fd);
		close(c->spare);
		free(c);
		return r;
	}
	c->poll.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_connection);
	*out = c;
	return 0;
}

int control_open(
	uv_loop_t *loop, const struct control_spec *spec, struct control **out, struct buf *why)
{
	return control_make(loop, spec, -1, out, why);
}

void control_shut(struct control *c)
{
	uv_poll_stop(&c->poll);
	unlink(c->where.sun_path);
}

void control_close(struct control *c)
{
	if (!c)
		return;
	control_shut(c);
	while (c->clients)
		client_free(c->clients);
	close(c->fd);
	if (c->spare >= 0)
		close(c->spare);
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

bool control_has_requests(const struct control *c)
{
	for (const struct control_client *client = c->clients; client; client = client->next)
		if (client->n_requests > 0 ||
			(!client->follows && channel_queued(client->channel) > 0))
			return true;
	return false;
}

void control_event(struct control *c, json_t *event)
{
	struct control_client *next;
	json_t *line = json_pack("{s:O}", "event", event);

	for (struct control_client *client = c->clients; line && client; client = next) {
		next = client->next;
		if (!client->follows)
			continue;
		if (channel_queued(client->channel) > CONTROL_FOLLOW_QUEUE ||
			channel_send(client->channel, line, -1) < 0)
			client_free(client);
	}
	json_decref(line);
}

/* ---- from one program to the next ---- */

size_t control_requests(const struct control *c)
{
	size_t n = 0;

	for (const struct control_client *client = c->clients; client; client = client->next)
		n += client->n_requests;
	return n;
}

void control_drop_slow(struct control *c)
{
	struct control_client *next;

	for (struct control_client *client = c->clients; client; client = next) {
		next = client->next;
		if (channel_queued(client->channel) > 0)
			client_free(client);
	}
}

static json_t *client_json(
	const struct control_client *client, const struct request *own, json_t *answer)
{
	json_t *requests = json_array(), *row;
	const char *unread;
	size_t len;
	int fd = channel_fd(client->channel, &unread, &len);

	row = json_pack("{s:i,s:o,s:b,s:o}", "fd", fd, "unread", handover_hex(unread, len),
		"follows", client->follows, "requests", requests);
	for (const struct request *rq = client->requests; row && rq; rq = rq->next)
		if (rq == own)
			json_object_set(row, "answer", answer);
		else
			json_array_insert(requests, 0, rq->message); /* oldest first */
	return row;
}

bool control_hold(const struct control *c, json_t *state, const struct request *rq, json_t *answer)
{
	json_t *clients = json_array();
	bool all_said = true;

	for (const struct control_client *client = c->clients; client; client = client->next) {
		const char *unread;
		size_t len;

		all_said &= channel_queued(client->channel) == 0;
		if (channel_fd(client->channel, &unread, &len) >= 0) /* else it has hung up */
			all_said &= json_array_append_new(
					    clients, client_json(client, rq, answer)) == 0;
	}
	json_object_set_new(state, "clients", clients);
	json_object_set_new(json_object_get(state, "fds"), "control", json_integer(c->fd));
	return all_said;
}

int control_adopt(uv_loop_t *loop, const struct control_spec *spec, const json_t *state,
	struct control **out, struct buf *why)
{
	json_t *fd = json_object_get(json_object_get(state, "fds"), "control");

	return control_make(loop, spec, (int)json_integer_value(fd), out, why);
}

static void client_go_on(struct control *c, json_t *row)
{
	json_t *answer = json_object_get(row, "answer"), *message;
	struct control_client *client =
		client_new(c, (int)json_integer_value(json_object_get(row, "fd")));
	struct channel *channel = client ? client->channel : NULL;
	struct buf unread;
	size_t i;

	if (!client)
		return;
	client->follows = json_is_true(json_object_get(row, "follows"));
	buf_init(&unread, REQUEST_LINE_MAX);
	if (handover_unhex(json_object_get(row, "unread"), &unread) < 0 ||
		channel_resume(channel, buf_ptr(&unread), buf_len(&unread)) < 0 ||
		(answer && channel_send(channel, answer, -1) < 0))
		client_free(client);
	else
		json_array_foreach(json_object_get(row, "requests"), i, message)
		{
			struct control_client *there = c->clients;

			while (there && there != client)
				there = there->next;
			if (there) /* an answer too large hangs up */
				on_client_message(client, channel, message, -1);
		}
	buf_fini(&unread);
}

void control_go_on(struct control *c, const json_t *state)
{
	json_t *clients = json_object_get(state, "clients");

	for (size_t i = json_array_size(clients); i > 0; i--) /* each goes in front */
		client_go_on(c, json_array_get(clients, i - 1));
}

/* ---- answers ---- */

/* Takes answer; ends the request. */
static void request_end(struct request *rq, json_t *answer)
{
	struct control_client *client = rq->client;

	if (client) {
		struct request **at = &client->requests;

		while (*at != rq)
			at = &(*at)->next;
		*at = rq->next;
		client->n_requests--;
		if (!answer || channel_send(client->channel, answer, -1) < 0)
			client_free(client); /* too large, or gone: a missing answer must not look
						like silence */
	}
	json_decref(answer);
	json_decref(rq->message);
	free(rq);
}

void request_answer(struct request *rq, json_t *result)
{
	request_end(rq, json_pack("{s:b,s:o}", "ok", 1, "result", result ? result : json_object()));
}

void request_follow(struct request *rq, json_t *result)
{
	if (rq->client)
		rq->client->follows = true;
	request_answer(rq, result);
}

bool request_event(struct request *rq, json_t *event)
{
	json_t *line = rq->client ? json_pack("{s:O}", "event", event) : NULL;
	bool sent = line && channel_queued(rq->client->channel) <= CONTROL_FOLLOW_QUEUE &&
		    channel_send(rq->client->channel, line, -1) == 0;

	json_decref(line);
	return sent;
}

bool request_is_heard(const struct request *rq)
{
	return rq->client != NULL;
}

void request_refuse(
	struct request *rq, int status, const char *diagnostics, const char *format, ...)
{
	va_list args;
	json_t *answer, *error;

	va_start(args, format);
	error = json_vsprintf(format, args);
	va_end(args);
	answer = json_pack("{s:b,s:i,s:o}", "ok", 0, "exit", status, "error",
		error ? error : json_string("refused"));
	if (diagnostics && *diagnostics)
		json_object_set_new(answer, "diagnostics", json_string(diagnostics));
	request_end(rq, answer);
}
