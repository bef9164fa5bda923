/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles in one spelling: the tree of a file written back, four blanks a level, an include as an
 * include. Comments are not in the tree and do not come back. What is printed and read again prints
 * the same. */
#include <string.h>

#include "base/err.h"
#include "rules/profile_int.h"
#include "rules/source.h"

struct printer {
	struct buf *out;
	const struct source_file *file; /* only what stands in it */
	int error;
};

static void put(struct printer *p, const char *text)
{
	if (!p->error)
		p->error = buf_puts(p->out, text);
}

static void put_number(struct printer *p, long long number)
{
	if (!p->error)
		p->error = buf_putf(p->out, "%lld", number);
}

static void put_line(struct printer *p, unsigned level)
{
	for (unsigned i = 0; i < level; i++)
		put(p, "    ");
}

static void put_string(struct printer *p, const char *text)
{
	static const char letters[] = "\"\\\n\r\t", escapes[] = "\"\\nrt";

	put(p, "\"");
	for (; *text; text++) {
		const char *found = strchr(letters, *text);
		char one[3] = { *text };

		if (found)
			one[0] = '\\', one[1] = escapes[found - letters];
		put(p, one);
	}
	put(p, "\"");
}

static void put_names(struct printer *p, const struct profile_name *names)
{
	for (const struct profile_name *n = names; n; n = n->next) {
		put(p, n == names ? " " : ", ");
		if (n->quoted)
			put_string(p, n->text);
		else
			put(p, n->text);
	}
}

static void put_words(struct printer *p, const struct profile_name *words)
{
	if (!words)
		return;
	put(p, " {");
	put_names(p, words);
	put(p, " }");
}

/* bare: the word of plain text is left out. */
static void put_type(struct printer *p, const struct profile_type *type, bool bare)
{
	if (!bare || type->kind != TYPE_TEXT) {
		put(p, " ");
		put(p, profile_type_words[type->kind]);
	}
	if (type->kind == TYPE_NUMBER) {
		put(p, " ");
		put_number(p, type->low);
		put(p, " to ");
		put_number(p, type->high);
	}
	put_words(p, type->words);
	put(p, type->bare ? " bare" : "");
	if (type->has_max) {
		put(p, " max ");
		put_number(p, (long long)type->max);
	}
}

static void put_policy(struct printer *p, const char *word, enum profile_policy policy)
{
	if (policy == POLICY_UNSAID)
		return;
	put(p, word);
	put(p, policy == POLICY_REFUSE ? " refuse" : " remove");
}

static void put_manner(struct printer *p, const struct profile_decl *d)
{
	put(p, d->required ? " required" : "");
	if (d->kind == DECL_ELEMENT && d->has_max) {
		put(p, " max ");
		put_number(p, d->max);
	}
	put_policy(p, " otherwise", d->otherwise);
}

static void put_body(struct printer *p, const struct profile_decl *body, unsigned level);

static void put_decl(struct printer *p, const struct profile_decl *d, unsigned level)
{
	static const char *const words[] = { "attribute", "element", "text", "use", "", "children",
		"ordered" };

	put_line(p, level);
	put(p, words[d->kind]);
	put_names(p, d->names);
	if (d->ns) {
		put(p, " in ");
		put_string(p, d->ns);
	}
	if (d->type)
		put_type(p, d->type, d->kind == DECL_TEXT);
	if (d->kind == DECL_UNKNOWN)
		put_policy(p, "unknown", d->otherwise);
	else
		put_manner(p, d);
	if (d->kind == DECL_CHILDREN) {
		put(p, " ");
		put_number(p, d->low);
		put(p, " to ");
		put_number(p, d->high);
	}
	if (d->has_body)
		put_body(p, d->body, level);
	else
		put(p, ";\n");
}

static void put_body(struct printer *p, const struct profile_decl *body, unsigned level)
{
	put(p, body ? " {\n" : " { }\n");
	for (const struct profile_decl *d = body; d && !p->error; d = d->next)
		put_decl(p, d, level + 1);
	if (!body)
		return;
	put_line(p, level);
	put(p, "}\n");
}

static void put_limits(struct printer *p, const struct profile_item *item)
{
	put(p, "limits {\n");
	for (unsigned k = 0; k < PROFILE_LIMIT_KINDS; k++) {
		if (!item->limits[k])
			continue;
		put(p, "    ");
		put(p, profile_limit_words[k]);
		put(p, " ");
		put_number(p, (long long)item->limits[k]);
		put(p, ";\n");
	}
	put(p, "}\n");
}

static void put_items(struct printer *p, const struct profile_item *items, unsigned level);

static void put_item(struct printer *p, const struct profile_item *i, unsigned level)
{
	put_line(p, level);
	switch (i->kind) {
	case PROFILE_INCLUDE:
		put(p, "include ");
		put_string(p, i->name);
		put(p, ";\n");
		break;
	case PROFILE_BLOCK:
		put(p, "profile ");
		put(p, i->name);
		put(p, i->items ? " {\n" : " { }\n");
		put_items(p, i->items, level + 1);
		put(p, i->items ? "}\n" : "");
		break;
	case PROFILE_GROUP:
		put(p, "group ");
		put(p, i->name);
		put_body(p, i->body, level);
		break;
	case PROFILE_STANZA:
		put(p, i->name);
		put_names(p, i->words);
		put_body(p, i->body, level);
		break;
	case PROFILE_LIMITS:
		put_limits(p, i);
		break;
	case PROFILE_UNKNOWN:
		put_policy(p, "unknown", i->policy);
		put(p, ";\n");
		break;
	}
}

/* Blocks and groups stand apart. */
static void put_items(struct printer *p, const struct profile_item *items, unsigned level)
{
	enum profile_item_kind last = PROFILE_INCLUDE;
	bool first = true;

	for (const struct profile_item *i = items; i && !p->error; i = i->next) {
		if (level == 0 && i->at.file != p->file)
			continue;
		if (!first && level == 0 &&
			(i->kind != last || i->kind == PROFILE_BLOCK || i->kind == PROFILE_GROUP))
			put(p, "\n");
		put_item(p, i, level);
		last = i->kind;
		first = false;
	}
}

int profile_print(
	struct source_set *sources, const char *path, struct diag_list *diags, struct buf *out)
{
	struct profile_file file = { .path = path };
	struct printer p = { .out = out };
	struct strict *made = NULL;
	struct profile_tree tree;
	int r = profile_parse(sources, &file, 1, diags, &tree);

	if (r == 0 && (r = profile_compile(&tree, diags, &made)) == 0 &&
		(r = source_find(sources, NULL, path, &p.file)) == 0) {
		put_items(&p, tree.items, 0);
		r = p.error;
	}
	strict_unref(made);
	profile_free(&tree);
	return r;
}
