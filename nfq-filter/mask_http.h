/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/1 of one direction, masked byte by byte and in place: what frames the messages stays, what
 * is BOSH is masked as XML. */
#pragma once

#include "nfq-filter/mask_xml.h"

struct mask_http {
	unsigned char state, keep, body;
	bool chunked, encoded, sized, answer;
	bool bosh; /* a body was XML */
	unsigned status, matched;
	char name[24]; /* of the field being read, in small letters */
	size_t name_len;
	char word[24]; /* the last word of its value */
	size_t word_len;
	uint64_t left; /* of the body or chunk */
	struct mask_xml xml;
};

void mask_http_init(struct mask_http *h);
/* Masks in place. How many bytes are HTTP: less than len where it is none any more (what is behind
 * is left as it is, and h is of no further use). */
size_t mask_http_push(struct mask_http *h, bool names, char *bytes, size_t len);
