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
};

/* Each returns an exit status. */
int load_server(const struct load_options *o);
int load_client(const struct load_options *o);
int load_soak(const struct load_options *o);
int load_handshakes(const struct load_options *o); /* connections: at once; of it seconds are used, too */

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
void load_watch(int epoll, struct load_conn *c, bool add);
uint64_t load_now_ns(void);
void load_die(const char *what);
