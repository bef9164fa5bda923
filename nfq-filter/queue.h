/* SPDX-License-Identifier: BSD-2-Clause */
/* One queue of the kernel (nfnetlink_queue): packets in, verdicts out. The only file that knows
 * netlink. Needs CAP_NET_ADMIN, also for verdicts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct queue;

enum { QUEUE_LENGTH = 65536 /* packets that may wait for a verdict */ };

struct queue_packet {
	uint32_t id;
	uint32_t mark;
	const void *bytes; /* from the IP header on; borrowed */
	size_t len;
	bool cut; /* not all of it: nothing can be said */
	bool checksum_not_ready;
};

struct queue_numbers {
	uint64_t overrun; /* times the kernel had no room in our socket: packets are lost */
	uint64_t refused; /* verdicts the kernel did not take */
	uint64_t dropped, user_dropped; /* the kernel's own count of packets lost: queue full,
					   socket full */
	uint64_t waiting;               /* packets without a verdict, as the kernel counts */
};

/* Binds the queue of that number. 0 or a negative code (-EBUSY: somebody else has it). */
int queue_open(uint16_t number, struct queue **out);
void queue_close(struct queue *q);
int queue_fd(const struct queue *q);
/* Packets that are there, at most so many; -errno when the socket is broken, else how many. */
int queue_read(struct queue *q, unsigned max,
	void (*packet)(void *arg, const struct queue_packet *p), void *arg);
/* A whole message of the kernel as a packet; bytes are borrowed of it. False: it is none that can
 * be answered. */
bool queue_message_read(const struct nlmsghdr *message, struct queue_packet *p);
/* A verdict, sent by queue_flush at the latest. mark: replaces the packet's (has_mark). bytes
 * (NULL: unchanged) from the IP header on. */
void queue_verdict(struct queue *q, uint32_t id, bool accept, bool has_mark, uint32_t mark,
	const void *bytes, size_t len);
void queue_flush(struct queue *q);
/* What was lost so far. */
void queue_numbers(struct queue *q, struct queue_numbers *out);
