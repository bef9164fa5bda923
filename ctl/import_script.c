/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a mod_firewall script: lines with their continuations become comments, definitions, chains,
 * and rules of conditions and actions, each knowing its line. In: the bytes of a file from
 * anywhere, text or not. Out: the tree of import_int.h, and notes of lines that fit nowhere. It
 * understands no condition and no action: those who translate do. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_int.h"
#include "rules/lex.h"

struct reader {
	struct import *im;
	const char *at, *end;
	unsigned number;
	enum { READ_NOTHING, READ_CONDITIONS, READ_ACTIONS } state;
	struct fw_chain *chain;
	struct fw_rule *rule;
	struct fw_comment *comments, *last_comment; /* waiting for what they stand above */
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool import_clean(char *text, size_t len)
{
	bool clean = true;

	for (size_t i = 0; i < len;) {
		size_t fine = lex_check_utf8(text + i, len - i);

		for (size_t k = i; k < i + fine; k++)
			if (((unsigned char)text[k] < 0x20 && text[k] != '\t' && text[k] != '\n') ||
				text[k] == 0x7f) {
				text[k] = '?';
				clean = false;
			}
		i += fine;
		if (i < len) {
			text[i++] = '?';
			clean = false;
		}
	}
	return clean;
}

/* One physical line, trimmed; false at the end of the file. */
static bool line_next(struct reader *r, struct span *out, unsigned *column)
{
	const char *start = r->at, *nl, *end;

	if (r->at == r->end)
		return false;
	nl = memchr(start, '\n', (size_t)(r->end - start));
	end = nl ? nl : r->end;
	r->at = nl ? nl + 1 : r->end;
	r->number++;
	*column = 1;
	for (; start < end && is_blank(*start); start++)
		++*column;
	while (end > start && is_blank(end[-1]))
		end--;
	*out = (struct span){ start, (size_t)(end - start) };
	return true;
}

/* A line and what follows behind backslashes. NULL at the end of the file. */
static struct fw_line *line_read(struct reader *r)
{
	struct import *im = r->im;
	struct fw_line *line = arena_zalloc(im->arena, sizeof(*line));
	struct span part;
	struct buf joined;
	unsigned column;
	bool held = true, some = false;

	if (!line) {
		im->error = -ENOMEM;
		return NULL;
	}
	buf_init(&joined, 16 << 20);
	while (held && line_next(r, &part, &column)) {
		if (!some)
			*line = (struct fw_line){ .number = r->number, .column = column };
		some = true;
		held = part.len && part.ptr[part.len - 1] == '\\';
		if (buf_put(&joined, part.ptr, part.len - held) < 0)
			im->error = -ENOMEM;
	}
	if (some) {
		char *text = arena_strndup(
			im->arena, buf_len(&joined) ? buf_ptr(&joined) : "", buf_len(&joined));

		if (!text)
			im->error = -ENOMEM;
		else
			line->bad = !import_clean(text, buf_len(&joined));
		line->text = text ? text : "";
		if (held)
			import_left(im, line, NULL, "the script ends within a continued line");
	}
	buf_fini(&joined);
	return some && !im->error ? line : NULL;
}

/* ---- what a line is ---- */

static void comment_add(struct reader *r, const char *text)
{
	struct fw_comment *c = arena_zalloc(r->im->arena, sizeof(*c));

	if (!c) {
		r->im->error = -ENOMEM;
		return;
	}
	c->text = text;
	if (r->last_comment)
		r->last_comment->next = c;
	else
		r->comments = c;
	r->last_comment = c;
}

static struct fw_comment *comments_take(struct reader *r)
{
	struct fw_comment *taken = r->comments;

	r->comments = r->last_comment = NULL;
	return taken;
}

static bool is_action(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == ' ')
		n++;
	return n > 0 && (text[n] == '.' || text[n] == '=');
}

const char *import_action(const struct fw_line *line, char *name, size_t size)
{
	const char *sign;
	size_t n = 0;

	for (; n + 1 < size && (isalnum((unsigned char)line->text[n]) || line->text[n] == '_' ||
				       line->text[n] == ' ');
		n++)
		name[n] = line->text[n] == ' ' ? '_' : (char)toupper((unsigned char)line->text[n]);
	name[n] = '\0';
	sign = strchr(line->text, '=');
	return sign ? sign + 1 : "";
}

static bool room(struct reader *r)
{
	if (++r->im->things > IMPORT_THINGS_MAX)
		r->im->error = ERR_LIMIT;
	return !r->im->error;
}

static void chain_begin(struct reader *r, struct fw_line *line)
{
	const char *name = line->text + 2;

	while (is_blank(*name))
		name++;
	if (line->bad || !*name) {
		import_left(r->im, line, NULL, "'%s' names no chain", line->text);
		name = "?";
	}
	if (!room(r) || !(r->chain = import_chain(r->im, name)))
		return;
	if (!r->chain->line) {
		r->chain->line = line->number;
		r->chain->comments = comments_take(r);
	}
}

/* Escapes as definitions know them; others stay. */
static const char *text_unescape(struct import *im, const char *text)
{
	static const char letters[] = "nrt\\\"'", values[] = "\n\r\t\\\"'";
	char *out = arena_strdup(im->arena, text), *at = out;
	const char *found;

	if (!out) {
		im->error = -ENOMEM;
		return "";
	}
	for (; *text; text++) {
		found = *text == '\\' && text[1] ? strchr(letters, text[1]) : NULL;
		*at++ = found ? values[found - letters] : *text;
		text += found != NULL;
	}
	*at = '\0';
	return out;
}

/* "%WHAT name: value" */
static void definition_read(struct reader *r, struct fw_line *line)
{
	struct import *im = r->im;
	const char *at = line->text + 1, *what, *name, *value;
	size_t n_what, n_name;
	struct fw_definition *d;

	for (; is_blank(*at); at++)
		;
	what = at;
	n_what = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	name = at + n_what + strspn(at + n_what, " ");
	n_name = strcspn(name, " :");
	value = strchr(line->text, ':');
	if (line->bad || n_what == 0 || name == at + n_what || n_name == 0 || !value) {
		import_left(im, line, "%WHAT name: value", "this defines nothing");
		return;
	}
	if (!room(r) || !(d = arena_zalloc(im->arena, sizeof(*d)))) {
		im->error = im->error ? im->error : -ENOMEM;
		return;
	}
	d->what = import_copy(im, what, n_what);
	d->name = import_copy(im, name, n_name);
	if (strcmp(d->what, "ZONE") != 0 && strcmp(d->what, "RATE") != 0 &&
		strcmp(d->what, "LIST") != 0 && strcmp(d->what, "SEARCH") != 0 &&
		strcmp(d->what, "PATTERN") != 0) {
		import_left(im, line, "ZONE, RATE, LIST, SEARCH and PATTERN are",
			"%%%s is not known", d->what);
		return;
	}
	d->value = value + 1 + (value[1] == ' ');
	if (*d->value == '<' && value[1] == '<' && strcmp(d->what, "PATTERN") != 0) {
		import_left(im, line, "write what the file holds behind the ':'",
			"a definition is not read from a file");
		return;
	}
	d->value = text_unescape(im, d->value);
	d->line = line;
	d->comments = comments_take(r);
	if (import_definition(im, d->what, d->name))
		import_differs(im, line, NULL, "%s '%s' is defined twice; the last one counts",
			d->what, d->name);
	if (im->last_definition)
		im->last_definition->next = d;
	else
		im->definitions = d;
	im->last_definition = d;
	if (!im->error)
		im->error = map_put(&im->definition_map,
			import_format(im, "%s %s", d->what, d->name), n_what + n_name + 1, d, NULL);
}

static void rule_begin(struct reader *r)
{
	struct fw_rule *rule = arena_zalloc(r->im->arena, sizeof(*rule));

	if (!r->chain && !(r->chain = import_chain(r->im, "deliver")))
		return;
	if (!rule) {
		r->im->error = -ENOMEM;
		return;
	}
	if (!r->chain->line)
		r->chain->line = r->number;
	rule->comments = comments_take(r);
	if (r->chain->last)
		r->chain->last->next = rule;
	else
		r->chain->rules = rule;
	r->chain->last = r->rule = rule;
}

static void rule_add(struct reader *r, struct fw_line *line)
{
	if (r->im->error)
		return;
	if (r->rule->last)
		r->rule->last->next = line;
	else
		r->rule->lines = line;
	r->rule->last = line;
}

static void rule_read(struct reader *r, struct fw_line *line)
{
	line->action = is_action(line->text);
	if (!line->action && r->state == READ_ACTIONS) {
		import_differs(r->im, line, NULL,
			"a blank line is missing above; another rule begins here");
		r->state = READ_NOTHING;
	}
	if (r->state == READ_NOTHING)
		rule_begin(r);
	r->state = line->action ? READ_ACTIONS : READ_CONDITIONS;
	rule_add(r, line);
}

static void rule_end(struct reader *r)
{
	if (r->state == READ_CONDITIONS && !r->im->error)
		import_left(r->im, r->rule->last,
			"actions have a '.' or a '=', such as DROP. or BOUNCE=forbidden",
			"no action follows these conditions");
	r->state = READ_NOTHING;
}

void import_read(struct import *im)
{
	struct reader r = {
		.im = im,
		.at = im->script->bytes,
		.end = im->script->bytes + im->script->len,
	};
	struct fw_line *line;

	while (!im->error && (line = line_read(&r))) {
		/* What begins a chain or a definition ends a rule, blank line or not. */
		if (r.state == READ_ACTIONS &&
			(*line->text == '%' || strncmp(line->text, "::", 2) == 0)) {
			import_differs(im, line, NULL, "a blank line is missing above");
			rule_end(&r);
		}
		if (*line->text == '#' || *line->text == ';')
			comment_add(&r, line->text + 1);
		else if (!*line->text)
			rule_end(&r);
		else if (r.state == READ_NOTHING && strncmp(line->text, "::", 2) == 0)
			chain_begin(&r, line);
		else if (r.state == READ_NOTHING && *line->text == '%')
			definition_read(&r, line);
		else
			rule_read(&r, line);
	}
	rule_end(&r);
}
