/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwall-report: brings reports to the operator's JID and ends. In: a request of the daemon (one
 * JSON object) on descriptor 0: the server, the component's name and secret, the messages. Out: one
 * JSON line on descriptor 1. It speaks as an external component (XEP-0114), so that it is nobody's
 * account; what the server says is read in the sandbox. It decides nothing and keeps nothing: what
 * was not delivered is tried again by the daemon. */
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "report/component.h"
#include "report/letter.h"

static int answer(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	return fflush(stdout) == 0 ? 0 : 1;
}

static const char *text_of(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

/* The daemon's policy has an address, never a name. */
static int dial(const char *host, uint16_t port, uint64_t timeout_ms)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to = { 0 };
	struct timeval patience = { (time_t)(timeout_ms / 1000), 1 };
	socklen_t len = sizeof(to.v4);
	cleanup_fd int fd = -1;

	if (inet_pton(AF_INET, host, &to.v4.sin_addr) == 1) {
		to.v4.sin_family = AF_INET;
		to.v4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, host, &to.v6.sin6_addr) == 1) {
		to.v6.sin6_family = AF_INET6;
		to.v6.sin6_port = htons(port);
		len = sizeof(to.v6);
	} else {
		return -EINVAL;
	}
	if ((fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	/* Connecting heeds the time for sending. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, &to.any, len) < 0)
		return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	return take_fd(&fd);
}

/* All letters, then something to come back when the server has read them. */
static int deliver(struct component *c, const json_t *letters, json_t *refused)
{
	const json_t *letter;
	size_t i;
	int r;

	json_array_foreach(letters, i, letter)
	{
		if ((r = letter_send(c, letter)) == ERR_SYNTAX)
			letter_refused(refused, text_of(letter, "id"), "bad-request");
		else if (r < 0)
			return r;
	}
	return letter_settle(c, refused);
}

static int run(const json_t *request, int fd)
{
	struct component_spec spec = { fd, text_of(request, "component"),
		text_of(request, "secret"),
		clock_mono_ms() +
			(uint64_t)json_integer_value(json_object_get(request, "timeout")) };
	json_t *refused = json_array();
	struct component *c = NULL;
	char why[256];
	int r = component_open(&spec, &c);

	if (r == 0)
		r = deliver(c, json_object_get(request, "letters"), refused);
	if (r == 0)
		component_close(c);
	snprintf(why, sizeof(why), "%s",
		c && *component_trouble(c) ? component_trouble(c) : err_text(r));
	component_free(c);
	if (r == 0)
		return answer(json_pack("{s:b,s:o}", "done", 1, "refused", refused));
	json_decref(refused);
	return answer(json_pack("{s:s}", "error", why));
}

/* As the other children: the policy's user, else ours where there is one; only root can change. */
static const char *user_of(const json_t *request)
{
	const char *user = text_of(request, "user");

	if (geteuid() != 0)
		return NULL;
	if (*user)
		return user;
	return getpwnam("xmppwall") ? "xmppwall" : NULL;
}

int main(void)
{
	json_t *request = json_loadf(stdin, 0, NULL);
	struct sandbox_spec sandbox = { .role = SANDBOX_REPORT, .user = user_of(request) };
	int fd, r;

	log_init("xmppwall-report", LOG_LEVEL_WARN);
	if (!json_is_array(json_object_get(request, "letters"))) {
		fprintf(stderr, "xmppwall-report is started by xmppwalld to deliver reports\n");
		json_decref(request);
		return 2;
	}
	fd = dial(text_of(request, "host"),
		(uint16_t)json_integer_value(json_object_get(request, "port")),
		(uint64_t)json_integer_value(json_object_get(request, "timeout")));
	if (fd < 0)
		r = answer(json_pack("{s:s}", "error", err_text(fd)));
	else if (sandbox_enter(&sandbox) < 0)
		r = answer(json_pack("{s:s}", "error", "cannot give up privileges"));
	else
		r = run(request, fd);
	json_decref(request);
	return r;
}
