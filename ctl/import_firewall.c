/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns a mod_firewall script into rules. Stands between the file (import_script.c reads it) and
 * those who know single conditions, actions, lists and patterns: here chains get their names and
 * hooks, notes are kept in the order of lines, and the whole is put together. It opens no file but
 * through the sources it is given, and never runs what a script would have run. */
#include "ctl/import_firewall.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ctl/import_int.h"

enum { SCRIPT_MAX = 8 << 20, NAME_LENGTH_MAX = 56 };

/* ---- text ---- */

const char *import_copy(struct import *im, const char *text, size_t len)
{
	char *copy = arena_strndup(im->arena, text, len);

	if (!copy)
		im->error = -ENOMEM;
	return copy ? copy : "";
}

static const char *format_arena(struct import *im, const char *format, va_list ap)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0 || !(text = arena_alloc(im->arena, (size_t)n + 1))) {
		im->error = -ENOMEM;
		return "";
	}
	vsnprintf(text, (size_t)n + 1, format, ap);
	return text;
}

const char *import_format(struct import *im, const char *format, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, format);
	text = format_arena(im, format, ap);
	va_end(ap);
	return text;
}

const char *import_quote(struct import *im, const char *text)
{
	char *out = arena_alloc(im->arena, 2 * strlen(text) + 3), *at = out;

	if (!out) {
		im->error = -ENOMEM;
		return "\"\"";
	}
	*at++ = '"';
	for (; *text; text++) {
		char letter = *text == '\n'   ? 'n'
			      : *text == '\r' ? 'r'
			      : *text == '\t' ? 't'
					      : *text;

		if (letter != *text || letter == '"' || letter == '\\')
			*at++ = '\\';
		*at++ = letter;
	}
	*at++ = '"';
	*at = '\0';
	return out;
}

/* ---- notes ---- */

static void note_add(struct import *im, const struct fw_line *line, bool warning, const char *hint,
	const char *format, va_list ap)
{
	struct import_note *n = arena_zalloc(im->arena, sizeof(*n)), **at = &im->result->notes;

	if (!n) {
		im->error = -ENOMEM;
		return;
	}
	*n = (struct import_note){
		.line = line->number, .column = line->column, .warning = warning, .hint = hint
	};
	n->length = (unsigned)strlen(line->text);
	n->message = format_arena(im, format, ap);
	im->result->left += !warning;
	/* Notes come nearly in order: the last one is where to look first. */
	if (im->last_note && im->last_note->line <= n->line)
		at = &im->last_note->next;
	while (*at && (*at)->line <= n->line)
		at = &(*at)->next;
	n->next = *at;
	*at = n;
	im->last_note = n;
}

void import_left(
	struct import *im, const struct fw_line *line, const char *hint, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note_add(im, line, false, hint, format, ap);
	va_end(ap);
}

void import_differs(
	struct import *im, const struct fw_line *line, const char *hint, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note_add(im, line, true, hint, format, ap);
	va_end(ap);
}

/* ---- names ---- */

const char *import_name(struct import *im, struct map *names, const char *wanted)
{
	char name[NAME_LENGTH_MAX + 1], numbered[NAME_LENGTH_MAX + 16];
	const char *found = name;
	size_t n = 0;
	bool letter = (*wanted >= 'a' && *wanted <= 'z') || (*wanted >= 'A' && *wanted <= 'Z') ||
		      *wanted == '_';

	if (!letter)
		name[n++] = '_';
	for (; *wanted && n < NAME_LENGTH_MAX; wanted++) {
		char c = *wanted;
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-';

		name[n++] = fine ? c : '_';
	}
	name[n] = '\0';
	for (unsigned i = 2; map_has(names, found, strlen(found)); i++) {
		snprintf(numbered, sizeof(numbered), "%s_%u", name, i);
		found = numbered;
	}
	found = import_copy(im, found, strlen(found));
	if (!im->error)
		im->error = map_put(names, found, strlen(found), im, NULL);
	return found;
}

struct fw_definition *import_definition(struct import *im, const char *what, const char *name)
{
	const char *key = import_format(im, "%s %s", what, name);

	return map_find(&im->definition_map, key, strlen(key));
}

struct fw_chain *import_chain(struct import *im, const char *name)
{
	struct fw_chain *chain = map_find(&im->chain_map, name, strlen(name));

	if (chain || !(chain = arena_zalloc(im->arena, sizeof(*chain)))) {
		im->error = chain ? im->error : -ENOMEM;
		return chain;
	}
	chain->name = name;
	chain->where = strcmp(name, "preroute") == 0         ? FW_PREROUTE
		       : strcmp(name, "deliver") == 0        ? FW_DELIVER
		       : strcmp(name, "deliver_remote") == 0 ? FW_REMOTE
							     : 0;
	chain->hooked = chain->where != 0;
	chain->out = import_name(
		im, &im->chain_names, strncmp(name, "user/", 5) == 0 && name[5] ? name + 5 : name);
	if (im->last_chain)
		im->last_chain->next = chain;
	else
		im->chains = chain;
	im->last_chain = chain;
	if (!im->error)
		im->error = map_put(&im->chain_map, name, strlen(name), chain, NULL);
	return im->error ? NULL : chain;
}

/* ---- chains ---- */

/* Chains that are only jumped to exist, too: other scripts would have filled them. */
static void chains_enter_targets(struct import *im)
{
	char action[32];

	for (struct fw_chain *c = im->chains; c; c = c->next)
		for (struct fw_rule *r = c->rules; r; r = r->next)
			for (struct fw_line *l = r->lines; l && !im->error; l = l->next) {
				const char *target =
					l->action ? import_action(l, action, sizeof(action)) : "";

				if (*target && !l->bad && strcmp(action, "JUMP_CHAIN") == 0 &&
					strncmp(target, "user/", 5) == 0)
					import_chain(im, target);
				if (im->chain_map.count > IMPORT_THINGS_MAX)
					im->error = ERR_LIMIT;
			}
}

/* Each pass carries what reaches a chain one jump further; bits only come on, so it ends. */
static void chains_find_reach(struct import *im)
{
	char action[32];
	bool again = true;

	for (unsigned pass = 0; again && pass < 64 && !im->error; pass++) {
		again = false;
		for (struct fw_chain *c = im->chains; c; c = c->next)
			for (struct fw_rule *r = c->where ? c->rules : NULL; r; r = r->next)
				for (struct fw_line *l = r->lines; l; l = l->next) {
					const char *target =
						l->action ? import_action(l, action, sizeof(action))
							  : "";
					struct fw_chain *to;

					if (!*target || strcmp(action, "JUMP_CHAIN") != 0 ||
						!(to = map_find(&im->chain_map, target,
							  strlen(target))) ||
						to->hooked || (to->where | c->where) == to->where)
						continue;
					to->where |= c->where;
					again = true;
				}
	}
}

/* ---- the whole ---- */

static void zone_of_local(struct import *im)
{
	if (!im->options->local || !(im->local = arena_zalloc(im->arena, sizeof(*im->local)))) {
		im->error = im->options->local ? -ENOMEM : im->error;
		return;
	}
	im->local->what = "ZONE";
	im->local->name = "local";
	im->local->value = im->options->local;
	im->local->line = arena_zalloc(im->arena, sizeof(struct fw_line));
	if (!im->local->line)
		im->error = -ENOMEM;
	else
		*im->local->line = (struct fw_line){ .number = 1, .column = 1, .text = "" };
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void put_name(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_put(out,
			(unsigned char)*name < 0x20 || (unsigned char)*name > 0x7e ? "?" : name, 1);
}

static void assemble(struct import *im)
{
	struct buf *out = &im->result->text;

	for (struct fw_chain *c = im->chains; c && !im->error; c = c->next)
		if (c->taint == TAINT_UNKNOWN)
			import_turn_chain(im, c);
	buf_puts(out, "# Made by \"xmppwallctl import mod_firewall\" from ");
	put_name(out, base_name(im->script->path));
	buf_puts(out, ".\n");
	import_write_definitions(im, out);
	for (const struct fw_chain *c = im->chains; c && !im->error; c = c->next)
		im->error = buf_puts(out, c->text);
}

int import_firewall(struct source_set *sources, const struct source_file *script,
	const struct import_options *options, struct import_result *out)
{
	struct import im = {
		.result = out,
		.arena = &out->arena,
		.options = options,
		.sources = sources,
		.script = script,
	};

	*out = (struct import_result){ 0 };
	arena_init(&out->arena, 0);
	buf_init(&out->text, IMPORT_TEXT_MAX);
	if (script->len > SCRIPT_MAX)
		return ERR_LIMIT;
	map_init(&im.chain_map);
	map_init(&im.definition_map);
	map_init(&im.set_names);
	map_init(&im.chain_names);
	map_init(&im.limit_names);
	map_init(&im.feed_names);
	zone_of_local(&im);
	import_read(&im);
	chains_enter_targets(&im);
	chains_find_reach(&im);
	if (!im.error)
		assemble(&im);
	map_fini(&im.chain_map, NULL);
	map_fini(&im.definition_map, NULL);
	map_fini(&im.set_names, NULL);
	map_fini(&im.chain_names, NULL);
	map_fini(&im.limit_names, NULL);
	map_fini(&im.feed_names, NULL);
	return im.error;
}

void import_result_fini(struct import_result *result)
{
	buf_fini(&result->text);
	arena_fini(&result->arena);
}
