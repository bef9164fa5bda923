/* SPDX-License-Identifier: BSD-2-Clause */
/* A profile from text or a file, and one stanza made anew by it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/profile.h"
#include "rules/source.h"
#include "rules/strict.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

/* Aborts with the diagnostics where it cannot be. path: a file on disk; text: "t.profile" in
 * memory. */
static inline struct strict *strict_of(const char *path, const char *text)
{
	struct profile_file file = { .path = path ? path : "/t.profile" };
	struct strict *out = NULL;
	struct source_set sources;
	struct diag_list diags;

	source_init(&sources, path != NULL);
	diag_init(&diags);
	if (text)
		source_add(&sources, "/t.profile", text, strlen(text));
	if (profile_load(&sources, &file, 1, &diags, &out) < 0) {
		diag_print(&diags, stderr, false);
		abort();
	}
	diag_fini(&diags);
	source_fini(&sources);
	return out;
}

static inline struct stream *strict_stream(const char *ns, const struct xmpp_limits *limits)
{
	struct stream *stream = stream_new(limits);
	struct stream_event event;
	char header[256];

	snprintf(header, sizeof(header),
		"<stream:stream xmlns='%s' xmlns:stream='%s' version='1.0'>", ns, NS_STREAM);
	stream_set_authenticated(stream, true);
	stream_push(stream, header, strlen(header));
	if (stream_next(stream, &event) != 0 || event.kind != STREAM_OPEN)
		abort();
	return stream;
}

/* The one stanza of xml; lives as long as the stream. */
static inline struct stanza strict_parse(struct stream *stream, const char *xml, size_t len)
{
	struct stream_event event;

	if (stream_push(stream, xml, len) != 0 || stream_next(stream, &event) != 0 ||
		event.kind != STREAM_STANZA) {
		fprintf(stderr, "no stanza: %.*s\n", (int)len, xml);
		abort();
	}
	return event.stanza;
}
