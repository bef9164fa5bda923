/* SPDX-License-Identifier: BSD-2-Clause */
/* A subject and what was worked out about it so far: parsed addresses, joined texts, URLs. Each
 * piece is made when a condition first asks for it, and once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "rules/clearance.h"
#include "rules/country.h"
#include "rules/jid_cache.h"
#include "rules/limit.h"
#include "rules/rules.h"
#include "rules/zone.h"
#include "xmpp/url.h"

enum view_jid { VIEW_FROM, VIEW_TO, VIEW_SESSION, VIEW_JIDS };
enum view_text {
	VIEW_BODY,
	VIEW_SUBJECT,
	VIEW_STATUS,
	VIEW_THREAD,
	VIEW_NICK,
	VIEW_ALL,
	VIEW_TEXTS
};

struct view_file {
	const char *name, *size, *type; /* "" if absent */
};

/* A list of spans worked out once. */
struct view_spans {
	struct span *items;
	unsigned n, cap;
};

struct view_path {
	struct view_path *next;
	const char *param;
	struct view_spans values;
};

struct subject_view {
	const struct subject *s;
	const struct xml_element *root; /* NULL when there is no stanza */
	struct arena *arena;
	struct jid_cache *cache;  /* may be NULL */
	struct pair_table *pairs; /* may be NULL: everyone is known */
	struct ibb_table *ibb;    /* may be NULL: pieces stand alone */
	metric *ibb_evicted;
	const struct verdict *verdict;      /* so far: its marks */
	int64_t wall_ms;                    /* view_wall_ms */
	const struct country_db *countries; /* NULL: nobody knows */
	const struct zone *zone;            /* where "time" and "weekday" are */
	const struct clearance_set *clearances; /* NULL: none */
	int error; /* -ENOMEM once memory ran out: the verdict cannot stand */

	struct jid_known *jids[VIEW_JIDS]; /* NULL: nobody asked yet */
	struct view_path *paths;
	struct {
		bool texts[VIEW_TEXTS], payload, encrypted, urls, files, ibb, recipients, labels, release;
	} ready;
	/* What is behind here is set before it is read: a judgement does not clear it. */
	struct view_spans payload, payload_ns, encrypted, ibb_pieces, recipients;
	struct span texts[VIEW_TEXTS];
	struct {
		struct url **items;
		unsigned n;
	} urls;
	struct {
		struct view_file *items;
		unsigned n, cap;
	} files;
	struct labels labels;
	enum clearance_answer release;
	char address[64], time[8], country[COUNTRY_SIZE];
};

/* What the clock showed when it was first asked about this subject: most are judged without. */
enum { VIEW_NO_CLOCK = -1 };
int64_t view_wall_ms(struct subject_view *v);

/* memset of a length the compiler does not see: for some hundred bytes it would write "rep stos", which
 * takes longer than all else that a judgement begins with. */
static inline void view_clear(void *p, size_t len)
{
	__asm__("" : "+r"(len));
	memset(p, 0, len);
}

void view_init(struct subject_view *v, const struct subject *s, struct arena *arena,
	struct pair_table *pairs);
/* Never NULL; not valid when absent or malformed. "from" of a client's own stanza falls back to the
 * session, "to" of what goes out to it likewise (RFC 6120 8.1.2.1). */
struct jid_known *view_address(struct subject_view *v, enum view_jid which);
/* Joined text; len 0 if there is none. */
struct span view_text(struct subject_view *v, enum view_text which);
/* URLs of all text, in order. */
struct url **view_urls(struct subject_view *v, unsigned *n);
const struct view_file *view_files(struct subject_view *v, unsigned *n);
/* "{ns}name" of what stanza and forwarded stanzas carry; and the namespaces alone. */
const struct view_spans *view_payload(struct subject_view *v);
const struct view_spans *view_payload_ns(struct subject_view *v);
/* "omemo" "openpgp" "otr" and the namespaces XEP-0380 names. */
const struct view_spans *view_encrypted(struct subject_view *v);
/* Values at "{ns}name/{*}child@attr" below the stanza; a name without braces is in the stanza's
 * namespace. */
const struct view_spans *view_path(struct subject_view *v, const char *param);
/* The same below the stanza and each one forwarded in it; path is a constant of the caller. */
const struct view_spans *view_path_everywhere(struct subject_view *v, const char *path);
/* The JIDs (as written, empty where there is none) of a XEP-0033 block that are still to be sent to. */
const struct view_spans *view_recipients(struct subject_view *v);
/* The data of in-band bytestreams in the stanza, as text, each with the end of what came before it.
 */
const struct view_spans *view_ibb(struct subject_view *v);
/* First value, anywhere in stanza or forwarded stanzas, of a child in ns: its name. Len 0 if none.
 */
struct span view_child_name(struct subject_view *v, const char *ns);
/* The pair's key and the bit that stands for "sender wrote to recipient"; false if either is
 * unknown. */
bool view_pair(struct subject_view *v, uint64_t *key, unsigned *bit);
/* The security labels of the stanza; and what the table of its domains says of them. */
const struct labels *view_labels(struct subject_view *v);
enum clearance_answer view_release(struct subject_view *v);
