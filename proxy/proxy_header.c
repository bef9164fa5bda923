/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells a server behind us who its client is: the first bytes of the upstream connection, before
 * TLS. In: the two addresses of the client's own connection. Out: 28 or 52 bytes. It never writes
 * LOCAL or UNSPEC: ejabberd 23.01 hangs on the first, Prosody's module refuses the second. */
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

int proxy_header_write(struct buf *out, const struct peer_address *source, uint16_t source_port,
	const struct peer_address *dest, uint16_t dest_port)
{
	static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	bool v4 = address_is_v4(source) && address_is_v4(dest);
	size_t skip = v4 ? 12 : 0, one = 16 - skip;
	uint16_t ports[2] = { htons(source_port), htons(dest_port) };
	uint16_t length = htons((uint16_t)(2 * one + sizeof(ports)));
	unsigned char head[64];
	size_t at = sizeof(signature);

	memcpy(head, signature, sizeof(signature));
	head[at++] = 0x21;             /* version 2, PROXY */
	head[at++] = v4 ? 0x11 : 0x21; /* TCP over IPv4 or IPv6 */
	memcpy(head + at, &length, sizeof(length));
	at += sizeof(length);
	memcpy(head + at, source->bytes + skip, one);
	at += one;
	memcpy(head + at, dest->bytes + skip, one);
	at += one;
	memcpy(head + at, ports, sizeof(ports));
	at += sizeof(ports);
	return buf_put(out, head, at);
}
