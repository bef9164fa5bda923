/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a file of stream cases. A case:
 *
 *   case NAME
 *   limit FIELD N          a ceiling of struct xmpp_limits for this case
 *   login                  from here on the limits after login hold
 *   push "BYTES"           C escapes: \xHH \n \r \t \\ \"
 *   repeat N "BYTES"
 *   restart | restart-keep between pushes
 *   shrink                 an idle stream gives memory back
 *   => EVENT               expected events, in order:
 *      open NS [to=TO] [from=FROM] | message|presence|iq|element CANONICAL | space | close
 *      bad CONDITION REASON
 *
 * Each case is fed whole, byte by byte, and cut at random places (fixed seeds); the events must be
 * equal. Runs of "space" count as one, since where they are cut is the network's choice. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

enum step_kind { STEP_PUSH, STEP_LOGIN, STEP_RESTART, STEP_RESTART_KEEP, STEP_SHRINK };

struct step {
	enum step_kind kind;
	struct buf bytes;
};

enum { STEPS_MAX = 64, RANDOM_RUNS = 16, BYTEWISE_MAX = 400000 };

struct test_case {
	char name[128];
	struct xmpp_limits limits;
	struct step steps[STEPS_MAX];
	unsigned n_steps;
	struct buf expected;
};

static unsigned failures, passes;

static void die(const char *what, const char *line)
{
	fprintf(stderr, "run_streams: %s: %s\n", what, line);
	exit(2);
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static void put_escaped(struct buf *out, const char *text, unsigned long times)
{
	struct buf once;
	const char *at = strchr(text, '"');

	if (!at)
		die("no quoted bytes", text);
	buf_init(&once, 0);
	for (at++; *at && *at != '"'; at++) {
		char c = *at;

		if (c == '\\') {
			c = *++at;
			if (c == 'x') {
				c = (char)(hex(at[1]) << 4 | hex(at[2]));
				at += 2;
			} else {
				c = c == 'n'   ? '\n'
				    : c == 'r' ? '\r'
				    : c == 't' ? '\t'
				    : c == '0' ? '\0'
					       : c;
			}
		}
		buf_put(&once, &c, 1);
	}
	if (*at != '"')
		die("unterminated bytes", text);
	while (times-- > 0)
		if (buf_put(out, buf_ptr(&once), buf_len(&once)) < 0)
			die("too much", text);
	buf_fini(&once);
}

static struct buf *push_bytes(struct test_case *c)
{
	if (c->n_steps == 0 || c->steps[c->n_steps - 1].kind != STEP_PUSH) {
		if (c->n_steps == STEPS_MAX)
			die("too many steps", c->name);
		c->steps[c->n_steps].kind = STEP_PUSH;
		buf_init(&c->steps[c->n_steps++].bytes, 16 << 20);
	}
	return &c->steps[c->n_steps - 1].bytes;
}

static void add_step(struct test_case *c, enum step_kind kind)
{
	if (c->n_steps == STEPS_MAX)
		die("too many steps", c->name);
	c->steps[c->n_steps].kind = kind;
	buf_init(&c->steps[c->n_steps++].bytes, 1);
}

static void set_limit(struct test_case *c, const char *name, unsigned long n)
{
	struct xmpp_limits *l = &c->limits;

#define SIZE(field)                                                                                \
	if (strcmp(name, #field) == 0) {                                                           \
		l->field = (__typeof__(l->field))n;                                                \
		return;                                                                            \
	}
	SIZE(stanza_bytes)
	SIZE(stanza_bytes_preauth)
	SIZE(header_bytes)
	SIZE(token_bytes)
	SIZE(attribute_bytes)
	SIZE(depth)
	SIZE(elements)
	SIZE(elements_preauth)
	SIZE(attributes)
	SIZE(namespaces)
	SIZE(names_bytes)
#undef SIZE
	die("no such limit", name);
}

/* ---- running ---- */

struct run {
	struct stream *stream;
	struct buf seen;
	char content_ns[256];
	bool space, bad;
};

static void note_element(struct run *run, const char *kind, const struct stream_event *e)
{
	buf_putf(&run->seen, "%s ", kind);
	if (write_element(&run->seen, e->stanza.root, run->content_ns) < 0)
		die("write_element", kind);
	buf_puts(&run->seen, "\n");
}

static void note(struct run *run, const struct stream_event *e)
{
	bool space = e->kind == STREAM_SPACE;

	if (e->kind == STREAM_MORE || (space && run->space))
		return;
	run->space = space;
	switch (e->kind) {
	case STREAM_OPEN:
		snprintf(run->content_ns, sizeof run->content_ns, "%s", e->header.content_ns);
		buf_putf(&run->seen, "open %s%s%s%s%s\n", e->header.content_ns,
			e->header.to[0] ? " to=" : "", e->header.to,
			e->header.from[0] ? " from=" : "", e->header.from);
		break;
	case STREAM_STANZA:
		note_element(run, stanza_kind_text(e->stanza.kind), e);
		break;
	case STREAM_ELEMENT:
		note_element(run, "element", e);
		break;
	case STREAM_SPACE:
		buf_puts(&run->seen, "space\n");
		break;
	case STREAM_CLOSE:
		buf_puts(&run->seen, "close\n");
		break;
	case STREAM_BAD:
		buf_putf(&run->seen, "bad %s %s\n", stream_error_text(e->error), e->reason);
		run->bad = true;
		break;
	case STREAM_MORE:
		break;
	}
}

static void drain(struct run *run)
{
	struct stream_event e;

	do {
		if (stream_next(run->stream, &e) < 0)
			die("stream_next", "machine error");
		note(run, &e);
	} while (e.kind != STREAM_MORE && e.kind != STREAM_BAD);
}

static size_t cut(unsigned mode, unsigned *seed, size_t left)
{
	size_t n = mode == 0   ? left
		   : mode == 1 ? 1
			       : 1 + (size_t)rand_r(seed) % (mode % 2 ? 7 : 300);

	return n < left ? n : left;
}

/* mode 0: whole; 1: byte by byte; others: random cuts. */
static void run_case(const struct test_case *c, unsigned mode, struct run *run)
{
	unsigned seed = mode;

	run->stream = stream_new(&c->limits);
	buf_init(&run->seen, 64 << 20);
	for (unsigned i = 0; i < c->n_steps; i++) {
		const struct step *s = &c->steps[i];
		size_t at = 0, len = buf_len(&s->bytes);

		if (s->kind == STEP_LOGIN)
			stream_set_authenticated(run->stream, true);
		else if (s->kind == STEP_SHRINK)
			stream_shrink(run->stream);
		else if (s->kind == STEP_RESTART || s->kind == STEP_RESTART_KEEP) {
			(s->kind == STEP_RESTART ? stream_restart : stream_restart_keep)(
				run->stream);
			run->bad = run->space = false;
		}
		while (at < len && !run->bad) {
			size_t n = cut(mode, &seed, len - at);
			/* a copy of its own size, so that ASan sees a read past the end */
			char *copy = malloc(n);

			memcpy(copy, buf_ptr(&s->bytes) + at, n);
			if (stream_push(run->stream, copy, n) < 0)
				die("stream_push", c->name);
			free(copy);
			at += n;
			drain(run);
		}
	}
	stream_free(run->stream);
}

static size_t case_bytes(const struct test_case *c)
{
	size_t n = 0;

	for (unsigned i = 0; i < c->n_steps; i++)
		n += buf_len(&c->steps[i].bytes);
	return n;
}

static void judge_case(struct test_case *c)
{
	bool good = true;

	for (unsigned mode = 0; mode < RANDOM_RUNS + 2 && good; mode++) {
		struct run run = { 0 };

		if (mode == 1 && case_bytes(c) > BYTEWISE_MAX)
			continue;
		run_case(c, mode, &run);
		const char *seen = buf_string(&run.seen), *expected = buf_string(&c->expected);
		if (strcmp(seen, expected) != 0) {
			printf("FAIL %s (%s, %u)\n--- expected\n%s--- seen\n%s", c->name,
				mode == 0   ? "whole"
				: mode == 1 ? "byte by byte"
					    : "cut",
				mode, expected, seen);
			good = false;
		}
		buf_fini(&run.seen);
	}
	if (good)
		passes++;
	else
		failures++;
	for (unsigned i = 0; i < c->n_steps; i++)
		buf_fini(&c->steps[i].bytes);
	buf_fini(&c->expected);
}

static void read_line(struct test_case *c, const char *line)
{
	char word[64];
	unsigned long n;

	if (strncmp(line, "push ", 5) == 0)
		put_escaped(push_bytes(c), line, 1);
	else if (sscanf(line, "repeat %lu", &n) == 1)
		put_escaped(push_bytes(c), line, n);
	else if (sscanf(line, "limit %63s %lu", word, &n) == 2)
		set_limit(c, word, n);
	else if (strcmp(line, "login") == 0)
		add_step(c, STEP_LOGIN);
	else if (strcmp(line, "shrink") == 0)
		add_step(c, STEP_SHRINK);
	else if (strcmp(line, "restart") == 0)
		add_step(c, STEP_RESTART);
	else if (strcmp(line, "restart-keep") == 0)
		add_step(c, STEP_RESTART_KEEP);
	else if (strncmp(line, "=> ", 3) == 0)
		buf_putf(&c->expected, "%s\n", line + 3);
	else
		die("not understood", line);
}

int main(int argc, char **argv)
{
	static struct test_case c;
	char *line = NULL;
	size_t cap = 0;
	bool open = false;
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!f)
		die("usage", "run_streams FILE");
	for (ssize_t len; (len = getline(&line, &cap, f)) >= 0;) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strncmp(line, "case ", 5) != 0) {
			if (!open)
				die("before the first case", line);
			read_line(&c, line);
			continue;
		}
		if (open)
			judge_case(&c);
		memset(&c, 0, sizeof c);
		snprintf(c.name, sizeof c.name, "%s", line + 5);
		c.limits = xmpp_limits_default;
		buf_init(&c.expected, 16 << 20);
		open = true;
	}
	if (open)
		judge_case(&c);
	free(line);
	fclose(f);
	printf("%u cases, %u failed\n", passes + failures, failures);
	return failures || passes == 0;
}
