/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of a connection, masked: what does it speak, and what of it may stay? */
#pragma once

#include "nfq-filter/mask_http.h"
#include "nfq-filter/mask_xml.h"

enum mask_mode {
	MASK_NEW, /* nothing seen but white space */
	MASK_XML,
	MASK_SEEK, /* in the middle: looking for a stanza, as inspect.c does */
	MASK_TLS,  /* headers of records stay */
	MASK_HTTP,
	MASK_OPAQUE, /* nothing stays */
};

struct mask_stream {
	enum mask_mode mode;
	bool picked_up; /* joined in the middle: it may turn out to be none */
	struct mask_xml xml;
	struct mask_http http;
	size_t record_left; /* of a TLS record */
	unsigned char record[5];
	unsigned record_at;
	uint64_t opaque; /* bytes of which nothing stayed */
};

void mask_stream_init(struct mask_stream *s, bool midstream);
/* The next bytes in order, as flow_next gives them; masked in place. */
void mask_stream_push(struct mask_stream *s, bool names, char *bytes, size_t len);
/* Packets are missing here. */
void mask_stream_gap(struct mask_stream *s);
