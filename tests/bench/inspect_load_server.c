/* SPDX-License-Identifier: BSD-2-Clause */
/* inspectload's server: one epoll loop. The name a stream asks for says what becomes of its
 * stanzas: echo.bench.example answers each with another, sink.bench.example swallows them,
 * tls.bench.example offers STARTTLS and then swallows whatever comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/inspect_load.h"

enum { IN_SMALL = 1024, READ = 1 << 18, EVENTS = 256 };

enum talk {
	TALK_HEADER,
	TALK_HANDSHAKE,
	TALK_STARTTLS,
	TALK_HELLO,
	TALK_ECHO,
	TALK_SINK,
	TALK_BULK
};

struct peer {
	int fd;
	enum talk talk;
	bool sinks;
	size_t have; /* of what is not complete */
	char in[IN_SMALL];
};

static const char header[] =
	"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
	"xmlns:stream='http://etherx.jabber.org/streams' from='bench.example' id='bench'>";
static const char features[] =
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' "
	"from='tls.bench.example' id='bench' version='1.0'><stream:features>"
	"<starttls "
	"xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
static const char proceed[] = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
static const unsigned char hello_server[] = { 22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, 1, 2, 3, 4, 5, 6,
	7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
	31, 32, 0, 0x13, 1, 0 };
static char big[READ + IN_SMALL];
static char answers[READ + STANZA];

/* True when what came before the stanzas ends with mark; it is taken out. */
static bool took(struct peer *p, const char *mark)
{
	const char *at = memmem(p->in, p->have, mark, strlen(mark));
	size_t len;

	if (!at)
		return false;
	len = (size_t)(at - p->in) + strlen(mark);
	p->have -= len;
	memmove(p->in, p->in + len, p->have);
	return true;
}

static void greet(struct peer *p)
{
	bool tls = memmem(p->in, p->have, "to='tls.", 8),
	     sinks = memmem(p->in, p->have, "to='sink.", 9);

	if (p->talk == TALK_HEADER && memmem(p->in, p->have, ".bench.example'", 15) &&
		p->in[p->have - 1] == '>') {
		p->have = 0;
		p->sinks = sinks;
		p->talk = tls ? TALK_STARTTLS : TALK_HANDSHAKE;
		write_all(p->fd, tls ? features : header,
			(tls ? sizeof(features) : sizeof(header)) - 1);
	}
	if (p->talk == TALK_HANDSHAKE && took(p, "</handshake>")) {
		p->talk = p->sinks ? TALK_SINK : TALK_ECHO;
		write_all(p->fd, "<handshake/>", 12);
	}
	if (p->talk == TALK_STARTTLS && took(p, "xmpp-tls'/>")) {
		p->talk = TALK_HELLO;
		write_all(p->fd, proceed, sizeof(proceed) - 1);
	}
	if (p->talk == TALK_HELLO && p->have > 5) {
		p->talk = TALK_BULK;
		write_all(p->fd, hello_server, sizeof(hello_server));
	}
}

static bool ends_stream(const char *bytes, size_t len)
{
	return len >= 16 && memcmp(bytes + len - 16, "</stream:stream>", 16) == 0;
}

/* False: the connection is over. */
static bool hear(struct peer *p)
{
	static unsigned number;
	ssize_t n;
	size_t len, whole;

	memcpy(big, p->in, p->have);
	if ((n = recv(p->fd, big + p->have, READ, 0)) <= 0)
		return false;
	len = p->have + (size_t)n;
	if (p->talk == TALK_BULK)
		return true;
	if (p->talk != TALK_ECHO && p->talk != TALK_SINK) {
		if (len > IN_SMALL)
			return false;
		memcpy(p->in, big, len);
		p->have = len;
		greet(p);
		return true;
	}
	if (ends_stream(big, len)) {
		write_all(p->fd, "</stream:stream>", 16);
		return false;
	}
	if (p->talk == TALK_ECHO) {
		for (whole = 0; (whole + 1) * STANZA <= len; whole++)
			stanza_write(answers + whole * STANZA, number++);
		write_all(p->fd, answers, whole * STANZA);
		p->have = len - whole * STANZA;
		memcpy(p->in, big + whole * STANZA, p->have);
	} else { /* the end may come in two parts */
		p->have = len < 16 ? len : 16;
		memmove(p->in, big + len - p->have, p->have);
	}
	return true;
}

static void welcome(int epoll, int listener)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
	int on = 1;

	if (!p || (p->fd = accept(listener, NULL, NULL)) < 0 ||
		setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &e) < 0)
		die("accept");
}

int load_server(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    epoll = epoll_create1(EPOLL_CLOEXEC), on = 1;
	struct epoll_event e = { .events = EPOLLIN }, events[EVENTS];

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(listener, 4096) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			if (!p) {
				welcome(epoll, listener);
			} else if (!hear(p)) {
				close(p->fd);
				free(p);
			}
		}
	}
}
