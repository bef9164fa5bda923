/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened in a stream, a line each, for people or as JSON. */
#pragma once

#include <stdio.h>
#include "nfq-filter/inspect.h"

struct tell {
	FILE *out;
	bool json;
	enum tell_lines {
		TELL_ALL,
		TELL_NOTABLE, /* no plain accepts */
		TELL_NOTHING,
	} lines;
	int64_t wall_ms; /* of the packet; set by the caller */
};

/* "192.0.2.1:5222", "[2001:db8::1]:5222"; size >= 64. */
void tell_endpoint(const struct endpoint *e, char *text, size_t size);
/* 0 or -ENOMEM. */
int tell_verdict(const struct tell *t, const struct inspection *i, const struct inspect_verdict *v);
int tell_note(const struct tell *t, const struct inspection *i, enum flow_side side,
	const char *what, const char *detail);
