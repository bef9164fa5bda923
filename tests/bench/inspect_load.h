/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of inspectload share: stanzas of one length, blocking writes, the stream's first
 * words. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { STANZA = 300 };

#define LOAD_CLIENT_HEADER                                                                         \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' "                                         \
	"to='tls.bench.example' version='1.0'>"
#define LOAD_STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

uint64_t now_ns(void);
__attribute__((noreturn)) void die(const char *what);
/* Exactly STANZA bytes (and a byte of room behind them), another for each number. */
void stanza_write(char *out, unsigned number);
void write_all(int fd, const void *data, size_t len);
/* Connected and through the handshake; what: echo or sink. */
int log_in(const char *address, int port, const char *what);
/* Each returns an exit status. rate 0: as fast as answers come. */
int load_server(int port);
int load_turns(
	const char *address, int port, unsigned connections, unsigned seconds, unsigned rate);
