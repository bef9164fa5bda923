/* SPDX-License-Identifier: BSD-2-Clause */
/* One packet's headers, read without trusting a length in them: link, VLAN, IPv4, IPv6 with
 * extension headers, TCP, UDP. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/rules.h"

enum packet_kind {
	PACKET_TCP,
	PACKET_UDP,      /* ports, payload and checksum are set */
	PACKET_FRAGMENT, /* of an IP datagram: fragment.h */
	PACKET_OTHER,    /* not for us */
	PACKET_LINK,     /* of a link type we cannot read */
	PACKET_BAD,      /* contradicts itself */
};

enum packet_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
};

enum packet_checksum {
	CHECKSUM_UNKNOWN, /* the packet is not whole */
	CHECKSUM_GOOD,
	CHECKSUM_OFFLOADED, /* left to the network card: only the pseudo header is summed */
	CHECKSUM_WRONG,
};

struct packet {
	uint64_t time_ns; /* set by the caller */
	struct endpoint src, dst;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t urgent;
	uint32_t stamp;            /* timestamp option's value, if has_stamp */
	bool has_stamp, is_signed; /* is_signed: RFC 2385 or RFC 5925 */
	enum packet_checksum checksum;
	const unsigned char *tcp;     /* its header, borrowed from the frame */
	size_t tcp_header;            /* bytes, options included */
	const unsigned char *payload; /* borrowed from the frame; of a fragment: what it carries */
	size_t len;
	size_t missing; /* bytes of payload that were not captured */
	/* of a fragment */
	uint32_t fragment_id;
	uint8_t protocol;
	bool more;
	size_t offset;
};

/* Makes the checksums of a whole packet of PACKET_TCP right, which may be changed since; ip and
 * p->tcp are in the same bytes. */
void packet_sign(const struct packet *p, unsigned char *ip, size_t len);
/* A frame of a link type, wire_len bytes of which len were captured. */
enum packet_kind packet_parse_frame(
	unsigned link, const void *frame, size_t len, size_t wire_len, struct packet *out);
/* From the IP header on. */
enum packet_kind packet_parse_ip(const void *ip, size_t len, size_t wire_len, struct packet *out);
/* The same of a whole packet whose checksum is known or of no interest: OFFLOADED. */
enum packet_kind packet_parse_unsummed(const void *ip, size_t len, struct packet *out);
/* The payload of a datagram that was put together; addresses and protocol are in *out already. */
enum packet_kind packet_parse_transport(const void *data, size_t len, struct packet *out);
