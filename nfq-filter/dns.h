/* SPDX-License-Identifier: BSD-2-Clause */
/* One DNS message (RFC 1035 4.1, RFC 6762 18), record by record, without trusting a count, a length
 * or a pointer in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_NAME_MAX = 255, DNS_LABEL_MAX = 63, DNS_RECORDS_MAX = 1024 };

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
};

/* Labels as on the wire (a length, then its bytes), without pointers, the root's zero at the end.
 */
struct dns_name {
	unsigned char bytes[DNS_NAME_MAX];
	size_t len;
};

struct dns_record {
	struct dns_name name;
	uint16_t type;
	bool internet; /* class IN */
	bool flush;    /* what else is known of this name and type is old (RFC 6762 10.2) */
	uint32_t ttl;  /* seconds; 0: goodbye */
	const unsigned char *data; /* borrowed; A has 4 bytes, AAAA 16 */
	size_t len;
	uint16_t port;          /* SRV */
	struct dns_name target; /* SRV, PTR */
};

enum dns_result {
	DNS_RECORD,
	DNS_END,
	DNS_BAD, /* contradicts itself here; what came before stands */
};

struct dns_reader {
	const unsigned char *message; /* borrowed */
	size_t len, at;
	unsigned records; /* left, as the message says */
	bool response;    /* false: a question, nothing in it is told as a fact */
	bool bad;
};

/* Reads the header and passes over the questions. False: not even that is there. */
bool dns_begin(struct dns_reader *r, const void *message, size_t len);
/* The next record of any section. */
enum dns_result dns_next(struct dns_reader *r, struct dns_record *out);

/* Upper case letters of ASCII made lower case, in place: names are compared so (RFC 6762 16). */
void dns_name_lower(struct dns_name *n);
/* Is it INSTANCE._presence._tcp.ANY? Then *label (borrowed from n, len bytes) is the instance. */
bool dns_name_is_presence(const struct dns_name *n, const unsigned char **label, size_t *len);
