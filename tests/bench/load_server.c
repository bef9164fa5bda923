/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of the benchmark: accepts TLS, lets anyone log in, and sends every message back to its sender.
 * Looks for the few strings that matter instead of parsing, so that it costs as little as it can. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { WANT_HEADER, WANT_AUTH, WANT_HEADER_AGAIN, WANT_BIND, ECHO };

static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			     "xmlns:stream='http://etherx.jabber.org/streams' id='b%u' from='bench.example' version='1.0'>";

static void send_header(struct load_conn *c, const char *features)
{
	char text[512];

	snprintf(text, sizeof text, header, c->number);
	load_puts(c, text);
	load_puts(c, features);
}

static void send_bind(struct load_conn *c)
{
	char text[512];

	snprintf(c->jid, sizeof c->jid, "u%u@bench.example/r", c->number);
	snprintf(text, sizeof text,
		"<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>%s</jid></bind></iq>",
		c->jid);
	load_puts(c, text);
}

static void echo_message(struct load_conn *c, size_t len)
{
	char text[160];
	const char *body = memmem(c->in, len, "<body>", 6);
	int n = snprintf(text, sizeof text, "<message type='chat' from='echo@bench.example/r' to='%s'>", c->jid);

	if (!body)
		return;
	load_put(c, text, (size_t)n);
	load_put(c, body, len - (size_t)(body - c->in));
}

/* One step of the session; false when nothing complete is there. */
static bool step(struct load_conn *c)
{
	static const char *const marks[] = { "version=", "</auth>", "version=", "</iq>", "</message>" };
	size_t len = load_until(c, marks[c->state]);
	const char *end;

	if (len && (c->state == WANT_HEADER || c->state == WANT_HEADER_AGAIN)) {
		/* The header's own '>' follows; an XML declaration has a version too. */
		const char *open = memmem(c->in, c->in_len, "<stream:stream", 14);

		end = open ? memchr(open, '>', c->in_len - (size_t)(open - c->in)) : NULL;
		len = end ? (size_t)(end - c->in) + 1 : 0;
	}
	if (!len)
		return false;
	if (c->state == WANT_HEADER)
		send_header(c, "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
			       "<mechanism>PLAIN</mechanism></mechanisms></stream:features>");
	else if (c->state == WANT_AUTH)
		load_puts(c, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
	else if (c->state == WANT_HEADER_AGAIN)
		send_header(c, "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>");
	else if (c->state == WANT_BIND)
		send_bind(c);
	else
		echo_message(c, len);
	load_consume(c, len);
	if (c->state != ECHO)
		c->state++;
	return true;
}

static void accept_all(int listener, int epoll, SSL_CTX *ctx)
{
	static unsigned numbers;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct load_conn *c = calloc(1, sizeof *c);

		if (!c)
			load_die("memory");
		c->fd = fd;
		c->number = ++numbers;
		c->ssl = SSL_new(ctx);
		SSL_set_fd(c->ssl, fd);
		SSL_set_accept_state(c->ssl);
		load_watch(epoll, c, true);
	}
}

static void serve(int epoll, struct load_conn *c)
{
	bool wanted = c->want_write;
	int r = load_pump(c);

	while (r > 0 && step(c))
		;
	if (r > 0)
		r = load_pump(c);
	if (r < 0) {
		close(c->fd);
		SSL_free(c->ssl);
		free(c->in);
		free(c->out);
		free(c);
	} else if (wanted != c->want_write) {
		load_watch(epoll, c, false);
	}
}

int load_server(const struct load_options *o)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0), one = 1;
	struct epoll_event events[256], e = { .events = EPOLLIN };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(listener, 4096) < 0)
		load_die("listen");
	if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1)
		load_die("certificate");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(epoll, events[i].data.ptr);
			else
				accept_all(listener, epoll, ctx);
		}
	}
}
