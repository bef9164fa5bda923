/* SPDX-License-Identifier: BSD-2-Clause */
/* Canonical re-serialisation (what was judged is what the next parser reads): double quotes, & < > "
 * escaped, TAB CR LF as references in attributes and CR in text, no CDATA, no prefixes on elements but
 * "stream" and "db" (and those of attributes), default namespace declared where it changes. */
#pragma once

#include "base/buf.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

/* content_ns is the default namespace of the stream written into: an element of that namespace at top
 * level needs no declaration; NS_STREAM elements get the prefix "stream". 0, -ENOMEM, ERR_LIMIT. */
int write_element(struct buf *out, const struct xml_element *e, const char *content_ns);
/* The same, for a stream whose header to that side declared dialback: an element of it gets the prefix "db", which
 * servers look for by its letters (XEP-0220 2.4.1). Any other is written as write_element does. */
int write_dialback(struct buf *out, const struct xml_element *e, const char *content_ns);
/* A stanza whose tree nobody has changed: the same bytes, its own where they are spelled like that. */
int write_stanza(struct buf *out, const struct stanza *s, const char *content_ns);
/* <?xml version='1.0'?><stream:stream xmlns=... xmlns:stream=... from to id version xml:lang>; empty or NULL values are
 * left out; dialback declares xmlns:db. */
int write_header(struct buf *out, const struct stream_header *h);
int write_close(struct buf *out);
/* Escaped text or attribute value. */
int write_text(struct buf *out, struct span text);
int write_attribute(struct buf *out, const char *name, struct span value);
