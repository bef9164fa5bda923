/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind inspect.c in a replay: a verdict or a remark in, a line out.
 * The verdict's own keys are those of judge (rules/verdict.c); in front of them stands what only a
 * capture knows: when, who to whom, which stream. A peer's text is made harmless before it meets a
 * terminal. Bodies appear only where a rule says "log body". */
#include "nfq-filter/tell.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include "base/clock.h"
#include "rules/verdict_text.h"
#include "xmpp/safe.h"

enum { JID_SHOWN = 60 };

void tell_endpoint(const struct endpoint *e, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];

	address_format(&e->address, address, sizeof(address));
	snprintf(text, size, address_is_v4(&e->address) ? "%s:%u" : "[%s]:%u", address, e->port);
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(o, key, json_string(text));
}

/* When, who to whom, which stream. */
static json_t *head_json(const struct tell *t, const struct inspection *i, enum flow_side side)
{
	const struct endpoint *ends[] = { &i->client, &i->server };
	char when[40], src[64], dst[64];

	clock_format_wall(t->wall_ms, when, sizeof(when));
	tell_endpoint(ends[side], src, sizeof(src));
	tell_endpoint(ends[!side], dst, sizeof(dst));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "time", when, "src", src, "dst", dst,
		"service", i->service, "direction",
		inspection_direction(i, side) == DIRECTION_IN ? "in" : "out", "stream",
		(json_int_t)i->number);
}

/* Two objects on one line as one. */
static int print_joined(FILE *out, json_t *head, struct buf *tail)
{
	char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(head);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%.*s,%.*s\n", (int)len - 1, text, (int)buf_len(tail) - 1, buf_ptr(tail) + 1);
	free(text);
	return 0;
}

static int verdict_json_line(
	const struct tell *t, const struct inspection *i, const struct inspect_verdict *v)
{
	const struct stanza *st = v->subject->stanza;
	json_t *head = head_json(t, i, v->side);
	struct buf tail;
	int r;

	if (!head)
		return -ENOMEM;
	set_text(head, "jid", i->jid);
	set_text(head, "kind", stanza_kind_text(st->kind));
	set_text(head, "type", stanza_type(st));
	set_text(head, "from", element_attr(st->root, "from"));
	set_text(head, "to", element_attr(st->root, "to"));
	json_object_set_new(head, "size", json_integer((json_int_t)st->raw.len));
	buf_init(&tail, 0);
	r = verdict_format_json(v->verdict, &tail);
	if (r < 0)
		json_decref(head);
	else
		r = print_joined(t->out, head, &tail);
	buf_fini(&tail);
	return r;
}

/* "2026-11-21 10:00:01.123 #3 192.0.2.1:40000 > 198.51.100.1:5222 c2s" */
static void print_head(const struct tell *t, const struct inspection *i, enum flow_side side)
{
	const struct endpoint *ends[] = { &i->client, &i->server };
	char when[40], src[64], dst[64];

	clock_format_wall(t->wall_ms, when, sizeof(when));
	tell_endpoint(ends[side], src, sizeof(src));
	tell_endpoint(ends[!side], dst, sizeof(dst));
	fprintf(t->out, "%.10s %.12s #%llu %s > %s %s", when, when + 11,
		(unsigned long long)i->number, src, dst, i->service);
}

int tell_verdict(const struct tell *t, const struct inspection *i, const struct inspect_verdict *v)
{
	const struct stanza *st = v->subject->stanza;
	const char *from, *to, *type;

	if (t->lines == TELL_NOTHING ||
		(t->lines == TELL_NOTABLE && !verdict_is_notable(v->verdict) && !v->verdict->would))
		return 0;
	if (t->json)
		return verdict_json_line(t, i, v);
	from = element_attr(st->root, "from");
	to = element_attr(st->root, "to");
	type = stanza_type(st);
	print_head(t, i, v->side);
	if (!from && v->side == FLOW_CLIENT)
		from = i->jid;
	fprintf(t->out, " %s%s%s", stanza_kind_text(st->kind), *type ? " " : "",
		safe_text(type, 20));
	if (from && *from)
		fprintf(t->out, " from %s", safe_text(from, JID_SHOWN));
	if (to && *to)
		fprintf(t->out, " to %s", safe_text(to, JID_SHOWN));
	fprintf(t->out, " %zu bytes: ", st->raw.len);
	verdict_print(t->out, v->verdict);
	return 0;
}

int tell_note(const struct tell *t, const struct inspection *i, enum flow_side side,
	const char *what, const char *detail)
{
	json_t *line;
	int r;

	if (t->lines == TELL_NOTHING)
		return 0;
	if (!t->json) {
		print_head(t, i, side);
		fprintf(t->out, " -- %s%s%s\n", what, *detail ? ": " : "", detail);
		return 0;
	}
	if (!(line = head_json(t, i, side)))
		return -ENOMEM;
	json_object_set_new(line, "note", json_string(what));
	set_text(line, "detail", detail);
	r = json_dumpf(line, t->out, JSON_COMPACT) < 0 ? -EIO : 0;
	fputc('\n', t->out);
	json_decref(line);
	return r;
}
