/* SPDX-License-Identifier: BSD-2-Clause */
/* The load program's two ends of a proxied stream: a TLS echo server and TLS clients, both on one epoll
 * loop, with as little XMPP as a proxy in between needs to see a login. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_conn {
	int fd, state;
	SSL *ssl;
	char *in, *out; /* unparsed input, unsent output */
	size_t in_len, in_cap, out_len, out_cap, out_sent;
	bool want_write, handshaken;
	unsigned number;
	char jid[64];
	uint64_t sent, received;
	uint64_t *stamps; /* send times of messages in flight, a ring of in_flight */
};

struct load_options {
	const char *address;
	int port;
	const char *certificate, *key; /* server */
	unsigned connections, in_flight, seconds, size, rate; /* client; rate 0: as fast as answers come */
	unsigned active, every; /* soak: beside the connections that stay silent; seconds from line to line */
	const char *sources;    /* the first address to connect from, and how many follow it */
	unsigned n_sources, logins, hold_ms;
	const char *kind;
	int plain_port; /* slow: where streams begin without TLS */
};

/* A server among servers. */
struct load_peer {
	const char *me, *peer; /* domains; the sink takes whatever domain the certificate shown to it names */
	const char *certificate, *key, *trust;
	const char *address; /* the sink's, and where it listens */
	char **ports;
};

/* Each returns an exit status. */
int load_server(const struct load_options *o);
int load_client(const struct load_options *o);
int load_soak(const struct load_options *o);
int load_handshakes(const struct load_options *o); /* connections: at once; of it seconds are used, too */
int load_honest(const struct load_options *o); /* rate: pings a second on connections, beside new logins a second */
int load_flood(const struct load_options *o);  /* rate: new connections a second; kind: none or hello is said */
int load_slow(const struct load_options *o);   /* connections held open by kind: hello, stream, stanza or all */
/* Streams between servers; both take orders from standard input, a line each, and answer with a JSON line. */
int load_federation_source(const struct load_peer *p);
int load_federation_sink(const struct load_peer *p);
/* The length of the input up to the end of an element or of a stream's header; 0 if it has not come. */
size_t load_element(const struct load_conn *c, const char *name);
size_t load_header(const struct load_conn *c);
/* TLS as servers do it: a certificate is shown, and one by the trusted authority asked for. */
SSL_CTX *load_peer_context(const struct load_peer *p, const SSL_METHOD *method);
struct load_conn *load_peer_conn(int fd);
#define LOAD_FEATURES(what) "<stream:features>" what "</stream:features>"
#define LOAD_SERVER_HEADER                                                                                             \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "                 \
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"

/* The client's login, step by step as answers come. */
void load_login_begin(struct load_conn *c);
bool load_login_step(struct load_conn *c);
bool load_login_done(const struct load_conn *c);

void load_put(struct load_conn *c, const char *text, size_t len);
void load_puts(struct load_conn *c, const char *text);
/* Handshake, read into c->in, write c->out. -1: the connection is over; 1: new input; 0: nothing new. */
int load_pump(struct load_conn *c);
/* Takes what ends with mark out of the input: its length, 0 if the mark has not come. */
size_t load_until(const struct load_conn *c, const char *mark);
void load_consume(struct load_conn *c, size_t len);
/* A connection under way, from the nth of the sources; -1: the kernel would not (errno). */
int load_connect(const struct load_options *o, unsigned nth);
/* A client's TLS over it, of which nothing has been said yet. */
void load_secure(struct load_conn *c, SSL_CTX *ctx);
/* The first bytes of a client's TLS, which go on for longer than anybody sends them. */
extern const unsigned char load_half_hello[];
enum { LOAD_HALF_HELLO = 120 };
/* Of sorted samples in nanoseconds, as milliseconds; 0 without any. */
double load_quantile_ms(const uint64_t *sorted, size_t n, double quantile);
void load_sort(uint64_t *samples, size_t n);
void load_watch(int epoll, struct load_conn *c, bool add);
uint64_t load_now_ns(void);
void load_die(const char *what);
