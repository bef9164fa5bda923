/* SPDX-License-Identifier: BSD-2-Clause */
/* The server that load_federation.c dials: asks for a certificate, offers SASL EXTERNAL to who
 * shows one that names the domain of its header, and takes the time of each message on arrival,
 * against the one in its id. Or it receives as clients, over connections handed down. Orders on
 * standard input:
 *
 *     take FD                  one more connection, logged in already
 *     count N SECONDS          when so many messages have come since the last answer, or it has
 * been so long: how many, and quantiles of their delays */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum { CLEAR_HEADER, CLEAR_STARTTLS, HEADER, AUTH, HEADER_AGAIN, ONLINE };
enum { DELAYS_MAX = 1 << 20, LISTENERS_MAX = 16 };

struct sink {
	const struct load_peer *peer;
	SSL_CTX *ctx;
	int epoll, listeners[LISTENERS_MAX];
	unsigned n_listeners;
	uint64_t *delays;
	size_t n_delays, wanted; /* wanted: of an order under way, else 0 */
	uint64_t deadline;
};

static void answer_count(struct sink *s)
{
	if (!s->wanted || (s->n_delays < s->wanted && load_now_ns() < s->deadline))
		return;
	load_sort(s->delays, s->n_delays);
	printf("{\"messages\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"least_us\":%.1f}\n",
		s->n_delays, load_quantile_ms(s->delays, s->n_delays, 0.5) * 1e3,
		load_quantile_ms(s->delays, s->n_delays, 0.99) * 1e3,
		load_quantile_ms(s->delays, s->n_delays, 0) * 1e3);
	fflush(stdout);
	s->n_delays = s->wanted = 0;
}

static void take_messages(struct sink *s, struct load_conn *c, uint64_t now)
{
	size_t done = 0, len;

	for (;;) {
		const char *begin = c->in + done,
			   *end = memmem(begin, c->in_len - done, "</message>", 10), *id;

		if (!end)
			break;
		len = (size_t)(end - begin);
		done += len + 10;
		if (!(begin = memmem(begin, len, "<message", 8)))
			continue;
		len = (size_t)((const char *)memchr(begin, '>', (size_t)(end - begin) + 10) -
			       begin);
		id = memmem(begin, len, " id=", 4);
		if (id && id + 6 < begin + len && id[5] == 's' && s->n_delays < DELAYS_MAX)
			s->delays[s->n_delays++] = now - strtoull(id + 6, NULL, 10);
	}
	if (done)
		load_consume(c, done);
}

static void put_features(struct load_conn *c, const struct load_peer *p, const char *features)
{
	char text[512];

	snprintf(
		text, sizeof text, LOAD_SERVER_HEADER " from='%s' id='sink-%u'>", p->me, c->number);
	load_puts(c, text);
	load_puts(c, features);
}

/* May it speak for the domain of its header? */
static bool is_named(const struct load_conn *c, size_t len)
{
	const char *from = memmem(c->in, len, " from=", 6), *end;
	X509 *shown = SSL_get0_peer_certificate(c->ssl);

	if (!from || !shown || !(end = memchr(from + 7, from[6], len - (size_t)(from + 7 - c->in))))
		return false;
	return X509_check_host(shown, from + 7, (size_t)(end - from - 7), 0, NULL) == 1;
}

static void secure(struct sink *s, struct load_conn *c)
{
	load_puts(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	if (load_pump(c) < 0 || c->out_len || !(c->ssl = SSL_new(s->ctx)))
		load_die("starttls");
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_accept_state(c->ssl);
}

/* One step of the way to being online; false when nothing complete is there, or what is there will
 * not do. */
static bool step(struct sink *s, struct load_conn *c)
{
	static const char *const elements[] = { [CLEAR_STARTTLS] = "starttls", [AUTH] = "auth" };
	size_t len = c->state == CLEAR_STARTTLS || c->state == AUTH
			     ? load_element(c, elements[c->state])
			     : load_header(c);
	bool named;

	if (!len)
		return false;
	named = c->state == HEADER && is_named(c, len);
	load_consume(c, len);
	switch (c->state++) {
	case CLEAR_HEADER:
		put_features(c, s->peer,
			LOAD_FEATURES(
				"<starttls "
				"xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"));
		return true;
	case CLEAR_STARTTLS:
		secure(s, c);
		return true;
	case HEADER:
		put_features(c, s->peer,
			named ? LOAD_FEATURES(
					"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
					"<mechanism>EXTERNAL</mechanism></mechanisms>")
			      : LOAD_FEATURES("<dialback xmlns='urn:xmpp:features:dialback'/>"));
		return true;
	case AUTH:
		load_puts(c, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
		return true;
	default:
		put_features(c, s->peer,
			LOAD_FEATURES("<dialback xmlns='urn:xmpp:features:dialback'/>"));
		return false;
	}
}

static void serve(struct sink *s, struct load_conn *c)
{
	bool wanted = c->want_write;
	int r = load_pump(c);
	uint64_t now = load_now_ns();

	while (r > 0 && c->state < ONLINE && step(s, c))
		;
	if (r > 0 && c->state == ONLINE)
		take_messages(s, c, now);
	if (r >= 0 && c->out_len)
		r = load_pump(c);
	if (r < 0) {
		close(c->fd);
		SSL_free(c->ssl);
		free(c->in);
		free(c->out);
		free(c);
	} else if (wanted != c->want_write) {
		load_watch(s->epoll, c, false);
	}
}

static struct load_conn *add(struct sink *s, int fd, int state)
{
	static unsigned numbers;
	struct load_conn *c = load_peer_conn(fd);

	c->state = state;
	c->number = ++numbers;
	load_watch(s->epoll, c, true);
	return c;
}

static void obey(struct sink *s)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
	unsigned seconds;
	int fd;

	if (n <= 0)
		exit(0); /* whoever gave the orders has gone */
	line[n] = '\0';
	if (sscanf(line, "count %zu %u", &s->wanted, &seconds) == 2) {
		s->deadline = load_now_ns() + (uint64_t)seconds * 1000000000u;
	} else if (sscanf(line, "take %d", &fd) == 1) {
		add(s, fd, ONLINE);
		puts("{\"phase\":\"done\"}");
		fflush(stdout);
	}
}

static void listen_at(struct sink *s, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &s->listeners[s->n_listeners] };

	if (s->n_listeners == LISTENERS_MAX)
		load_die("ports");
	inet_pton(AF_INET, s->peer->address, &sin.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(fd, 64) < 0)
		load_die("listen");
	s->listeners[s->n_listeners++] = fd;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

int load_federation_sink(const struct load_peer *p)
{
	struct sink s = { .peer = p,
		.ctx = load_peer_context(p, TLS_server_method()),
		.epoll = epoll_create1(0) };
	struct epoll_event events[64], e = { .events = EPOLLIN, .data.ptr = NULL };

	if (!(s.delays = malloc(DELAYS_MAX * sizeof *s.delays)))
		load_die("memory");
	epoll_ctl(s.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e);
	for (char **port = p->ports; *port; port++)
		listen_at(&s, *port);
	puts("{\"phase\":\"ready\"}");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(s.epoll, events, 64, s.wanted ? 100 : -1);

		for (int i = 0; i < n; i++) {
			int *listener = events[i].data.ptr, fd;

			if (!listener)
				obey(&s);
			else if (listener < s.listeners || listener >= s.listeners + LISTENERS_MAX)
				serve(&s, events[i].data.ptr);
			else if ((fd = accept4(*listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				add(&s, fd, CLEAR_HEADER);
		}
		answer_count(&s);
	}
}
