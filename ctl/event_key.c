/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of the rule language as events carry them. In: the key of a limit as written, and an event. Out: the text that
 * the limit would have counted by: JIDs prepared, IPv6 addresses as the /64 that is one customer. Much of a stanza is
 * not in its event; what is not is said. */
#include "ctl/event_key.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "ctl/show.h"
#include "rules/rules.h"
#include "xmpp/jid.h"

enum { FIELD_MAX = 64 };

enum event_part { WHOLE, BARE, LOCAL, DOMAIN, RESOURCE, ADDRESS };

static const struct known {
	const char *field, *path;
	enum event_part part;
} table[] = {
	{ "peer.address", "src_ip", ADDRESS },
	{ "peer.port", "src_port", WHOLE },
	{ "service", "xmpp.service", WHOLE },
	{ "direction", "xmpp.direction", WHOLE },
	{ "session.jid", "xmpp.jid", WHOLE },
	{ "kind", "xmpp.kind", WHOLE },
	{ "type", "xmpp.type", WHOLE },
	{ "size", "xmpp.size", WHOLE },
	{ "from", "xmpp.from", WHOLE },
	{ "from.bare", "xmpp.from", BARE },
	{ "from.local", "xmpp.from", LOCAL },
	{ "from.domain", "xmpp.from", DOMAIN },
	{ "from.resource", "xmpp.from", RESOURCE },
	{ "to", "xmpp.to", WHOLE },
	{ "to.bare", "xmpp.to", BARE },
	{ "to.local", "xmpp.to", LOCAL },
	{ "to.domain", "xmpp.to", DOMAIN },
	{ "to.resource", "xmpp.to", RESOURCE },
};

/* The next field of a key; *at goes behind it. NULL at the end; unknown fields get a NULL path. */
static const char *field_next(const char **at, char field[FIELD_MAX], const struct known **known)
{
	size_t len = strcspn(*at, ",");

	*known = NULL;
	if (!**at)
		return NULL;
	snprintf(field, FIELD_MAX, "%.*s", (int)(len < FIELD_MAX ? len : FIELD_MAX - 1), *at);
	*at += len;
	*at += strspn(*at, ", ");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].field, field) == 0)
			*known = &table[i];
	return field;
}

bool event_key_known(const char *key, const char **unknown)
{
	static char field[FIELD_MAX];
	const struct known *known;

	for (const char *at = key; field_next(&at, field, &known);)
		if (!known) {
			*unknown = field;
			return false;
		}
	return true;
}

/* On the way in, a client need not say who it is. */
static const json_t *value_find(const json_t *event, const struct known *known)
{
	const json_t *value = show_get(event, known->path);

	if (json_is_string(value) && *json_string_value(value))
		return value;
	if (json_is_integer(value))
		return value;
	if (strcmp(known->path, "xmpp.from") == 0 && strcmp(show_text(event, "xmpp.direction"), "in") == 0)
		return show_get(event, "xmpp.jid");
	return NULL;
}

static bool address_get(const char *text, struct buf *out)
{
	char shown[INET6_ADDRSTRLEN];
	struct peer_address a;

	if (address_parse(span_of(text), &a) < 0)
		return false;
	if (!address_is_v4(&a))
		memset(a.bytes + 8, 0, 8);
	address_format(&a, shown, sizeof shown);
	buf_putf(out, "%s%s", shown, address_is_v4(&a) ? "" : "/64");
	return true;
}

static bool jid_part(const char *text, enum event_part part, struct buf *out)
{
	size_t before = buf_len(out);
	struct arena arena;
	struct jid jid;

	arena_init(&arena, 0);
	if (jid_parse(&arena, span_of(text), &jid) == 0) {
		const char *local = jid.local ? jid.local : "", *resource = jid.resource ? jid.resource : "";

		if (part == BARE || part == WHOLE)
			buf_putf(out, "%s%s%s", local, *local ? "@" : "", jid.domain);
		if (part == WHOLE && *resource)
			buf_putf(out, "/%s", resource);
		if (part == LOCAL || part == RESOURCE || part == DOMAIN)
			buf_puts(out, part == LOCAL ? local : part == RESOURCE ? resource : jid.domain);
	}
	arena_fini(&arena);
	return buf_len(out) > before;
}

static bool part_get(const json_t *value, const struct known *known, struct buf *out)
{
	const char *text = json_string_value(value);

	if (json_is_integer(value))
		return buf_putf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value)) == 0;
	if (!text)
		return false;
	if (known->part == ADDRESS)
		return address_get(text, out);
	if (known->part != WHOLE || strncmp(known->field, "from", 4) == 0 || strcmp(known->field, "to") == 0)
		return jid_part(text, known->part, out);
	return buf_puts(out, text) == 0;
}

bool event_key_get(const char *key, const json_t *event, struct buf *out)
{
	const struct known *known;
	char field[FIELD_MAX];

	for (const char *at = key; field_next(&at, field, &known);) {
		if (buf_len(out))
			buf_puts(out, ", ");
		if (!known || !part_get(value_find(event, known), known, out))
			return false;
	}
	return true;
}
