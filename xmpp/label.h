/* SPDX-License-Identifier: BSD-2-Clause */
/* Security labels (XEP-0258) of a stanza: all of them, wherever they stand, and whether what the
 * stanza carries is labelled at all. */
#pragma once

#include "base/arena.h"
#include "xmpp/ess.h"
#include "xmpp/stanza.h"

enum { LABELS_MAX = 32, LABEL_PARTS_MAX = 16 };

enum label_kind {
	LABEL_EMPTY, /* the default of whoever reads it */
	LABEL_TEXT,  /* no element, just text (some servers' catalogs) */
	LABEL_ESS,
	LABEL_XML /* another element: ICISM and the like */
};

/* What a <label/> or an <equivalentlabel/> holds. */
struct label_part {
	struct label_part *next;
	enum label_kind kind;
	const struct xml_element *content; /* ESS, XML: the element; NULL otherwise */
	struct span policy; /* ESS: the policy's OID; XML: its namespace; else empty */
	struct span bytes;  /* ESS: base64 without white space; TEXT: trimmed; else empty: see
			       label_part_bytes */
	bool has_class, categories; /* ESS */
	unsigned class;
};

struct label {
	struct label *next;
	const struct xml_element *element;
	const char *odd; /* static: what makes it none that anybody could rely on; NULL: nothing */
	struct span display; /* text of the displaymarking without white space at its ends; len 0:
				none */
	const char *fgcolor, *bgcolor; /* "" if absent */
	struct label_part *parts;      /* the label first, then its equivalents */
};

struct labels {
	struct label *first; /* in the order of the stanza */
	unsigned n;
	const char *odd; /* of any of them, or of all together */
	bool covered;    /* what the stanza carries stands under labels: see label_read */
};

/* Reads every {urn:xmpp:sec-label:0}securitylabel below the stanza. A label covers the stanza,
 * the forwarded stanza or the pubsub item it stands in, and only there. The stanza is covered if it
 * is labelled itself, or holds nothing but wrappers (carbons, archive, forwards, pubsub) of what
 * is. 0 or -ENOMEM. All in the arena or borrowed from the stanza. */
int label_read(struct arena *a, const struct stanza *s, struct labels *out);
/* The canonical bytes of what the part holds: base64, text, or XML as write_element writes it. 0 or
 * -ENOMEM. */
int label_part_bytes(struct arena *a, const struct label_part *p, struct span *out);
/* Without XML's white space at either end. */
struct span label_trim(struct span text);
