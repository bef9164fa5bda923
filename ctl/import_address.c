/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions that look at who sends to whom: addresses with their globs and patterns, zones, the
 * peer's own address. Beside import_condition.c, which finds them in its table. In: what stands
 * behind the ':'; out: a test of ours, or a note. A part that an address lacks must be lacking
 * there, too, as scripts have it. */
#include <errno.h>
#include <string.h>

#include "ctl/import_condition.h"
#include "rules/address.h"
#include "xmpp/jid.h"

/* ---- addresses ---- */

struct address_parts {
	const char *local, *domain, *resource; /* NULL: not there */
};

static bool address_split(struct import *im, const char *text, struct address_parts *out)
{
	const char *slash = strchr(text, '/'), *end = slash ? slash : text + strlen(text), *at;

	*out = (struct address_parts){ 0 };
	at = memchr(text, '@', (size_t)(end - text));
	if (at) {
		out->local = import_copy(im, text, (size_t)(at - text));
		text = at + 1;
	}
	out->domain = import_copy(im, text, (size_t)(end - text));
	out->resource = slash ? slash + 1 : NULL;
	return *out->domain && (!out->local || *out->local) && (!slash || slash[1]) &&
	       !strchr(out->domain, '@');
}

static bool domain_is_fine(struct import *im, const char *text)
{
	struct arena arena;
	const char *prepared;
	int r;

	arena_init(&arena, 0);
	r = jid_prep_domain(&arena, span_of(text), &prepared);
	if (r == -ENOMEM)
		im->error = r;
	arena_fini(&arena);
	return r == 0;
}

/* One part: a glob, a pattern, or what it must be exactly. "" where it asks nothing; NULL when it
 * was left. */
static const char *part_test(struct import *im, const char *field, const char *part, bool others)
{
	size_t len = part ? strlen(part) : 0;
	const char *regex, *why = NULL;

	if (!part)
		return import_format(im, "%s not exists", field);
	if (len < 2 || part[0] != '<' || part[len - 1] != '>') {
		if (!strstr(field, "domain") || domain_is_fine(im, part))
			return import_format(im, "%s is %s", field, import_quote(im, part));
		import_left(im, im->line, NULL, "'%s' is not a domain", part);
		return NULL;
	}
	if (strcmp(part, "<*>") == 0)
		return others && strstr(field, "domain") ? ""
							 : import_format(im, "%s exists", field);
	regex = import_glob(im, import_copy(im, part + 1, len - 2), &why);
	if (!regex) {
		if (!im->error)
			import_left(im, im->line, NULL, "no regular expression says '%s': %s", part,
				why);
		return NULL;
	}
	return import_format(im, "%s matches %s", field, regex);
}

static const char *address_test(struct import *im, const char *which, const char *value)
{
	struct address_parts parts;
	const char *tests[3], *out = NULL;

	if (!address_split(im, value, &parts)) {
		import_left(im, im->line, NULL, "'%s' is not an address", value);
		return NULL;
	}
	tests[0] = part_test(im, import_format(im, "%s.local", which), parts.local, false);
	tests[1] = part_test(
		im, import_format(im, "%s.domain", which), parts.domain, parts.local != NULL);
	tests[2] = parts.resource ? part_test(im, import_format(im, "%s.resource", which),
					    parts.resource, true)
				  : "";
	for (int i = 0; i < 3; i++) {
		if (!tests[i])
			return NULL;
		if (*tests[i])
			out = out ? import_format(im, "%s and %s", out, tests[i]) : tests[i];
	}
	return strstr(out, " and ") ? import_format(im, "(%s)", out) : out;
}

const char *condition_from(struct import *im, const char *value)
{
	return address_test(im, "from", value);
}

const char *condition_to(struct import *im, const char *value)
{
	return address_test(im, "to", value);
}

/* Without a resource ours stand for all of them, theirs for none. */
static const char *exact_test(struct import *im, const char *which, const char *value)
{
	struct arena arena;
	struct jid jid;
	int r;

	arena_init(&arena, 0);
	r = jid_parse(&arena, span_of(value), &jid);
	arena_fini(&arena);
	if (r == -ENOMEM)
		im->error = r;
	if (r < 0) {
		import_left(im, im->line, NULL, "'%s' is not an address", value);
		return NULL;
	}
	if (strchr(value, '/'))
		return import_format(im, "%s is %s", which, import_quote(im, value));
	return import_format(
		im, "(%s is %s and %s.resource not exists)", which, import_quote(im, value), which);
}

const char *condition_from_exactly(struct import *im, const char *value)
{
	return exact_test(im, "from", value);
}

const char *condition_to_exactly(struct import *im, const char *value)
{
	return exact_test(im, "to", value);
}

const char *condition_to_self(struct import *im, const char *value)
{
	(void)value;
	(void)im;
	return "to not exists";
}

const char *condition_to_full(struct import *im, const char *value)
{
	(void)value;
	import_differs(im, im->line, NULL, "who is online is not known here: any full JID will do");
	return "to.resource exists";
}

/* ---- zones ---- */

static const char *zone_test(
	struct import *im, const char *name, const char *side, const char *other)
{
	struct fw_definition *zone;
	const char *set;

	if (strcmp(name, "$local") == 0) {
		if (!(zone = im->local)) {
			import_left(im, im->line, "--local example.org says it",
				"which domains are local is not known");
			return NULL;
		}
	} else if (!(zone = import_definition(im, "ZONE", name))) {
		import_left(im, im->line, NULL, "no such zone '%s'", name);
		return NULL;
	}
	set = import_set(im, zone, FW_SET_JID);
	return import_format(im, "(%s in @%s and %s not in @%s)", side, set, other, set);
}

const char *condition_entering(struct import *im, const char *value)
{
	return zone_test(im, value, "to", "from");
}

const char *condition_leaving(struct import *im, const char *value)
{
	return zone_test(im, value, "from", "to");
}

/* ---- the peer ---- */

const char *condition_from_ip(struct import *im, const char *value)
{
	struct prefix prefixes[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;

	if (im->chain->where != FW_PREROUTE) {
		import_left(im, im->line, NULL,
			"the sender's address is known only of what clients send (::preroute)");
		return NULL;
	}
	if (address_parse_prefixes(span_of(value), prefixes, ADDRESS_RANGE_PREFIXES_MAX, &n) < 0) {
		import_left(im, im->line, NULL, "'%s' is not an address", value);
		return NULL;
	}
	return import_format(im, "peer.address in { %s }", value);
}
