/* SPDX-License-Identifier: BSD-2-Clause */
/* How a service forwards: the word, or profiles, read here and made ready, so that a broken one refuses the policy and a
 * bundle carries the files. Each direction has its own or none. */
#include <string.h>

#include "base/err.h"
#include "rules/options_int.h"
#include "rules/profile.h"
#include "rules/rules.h"
#include "rules/strict.h"

enum { FORWARD_FILES_MAX = 32 };

/* The directions a statement is about, as bits; strict ones only. */
static unsigned forward_directions(const struct ast_setting *set)
{
	const struct ast_value *v = set->values;

	while (v && strcmp(v->text, "direction") != 0)
		v = v->next;
	if (!v || v->kind != VALUE_WORD)
		return 1u << DIRECTION_IN | 1u << DIRECTION_OUT;
	return strcmp(v->next->text, "in") == 0 ? 1u << DIRECTION_IN : 1u << DIRECTION_OUT;
}

static struct strict *forward_load(struct collector *c, const struct ast_setting *set)
{
	struct profile_file files[FORWARD_FILES_MAX];
	struct strict *out = NULL;
	size_t n = 0;
	int r;

	for (const struct ast_value *v = set->values->next; v && v->kind == VALUE_STRING; v = v->next) {
		if (n == FORWARD_FILES_MAX) {
			diag_error(c->diags, v->at, "one file may include others", "at most %d profiles",
				FORWARD_FILES_MAX);
			return NULL;
		}
		files[n++] = (struct profile_file){ v->at.file->path, v->text, v->at };
	}
	/* Anything but lack of memory was said with its place. */
	if ((r = profile_load(c->sources, files, n, c->diags, &out)) < 0 && c->diags->errors == 0)
		c->error = r;
	return out;
}

static void forward_strict(struct collector *c, struct service *s, const struct ast_setting *set, unsigned *seen)
{
	unsigned directions = forward_directions(set);
	struct strict *p;

	if (*seen & directions) {
		diag_error(c->diags, set->at, "forward strict \"FILE\", \"FILE\"; puts several together",
			"'forward strict' is already set for this direction");
		return;
	}
	*seen |= directions;
	p = forward_load(c, set);
	for (unsigned d = 0; d < 2; d++)
		if (directions >> d & 1)
			s->strict[d] = strict_ref(p);
	strict_unref(p);
}

void options_forward(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *word = NULL;
	unsigned seen = 0;

	for (const struct ast_setting *set = item->settings; set && !c->error; set = set->next) {
		if (strcmp(set->name, "forward") != 0)
			continue;
		if (strcmp(set->values->text, "strict") == 0) {
			forward_strict(c, s, set, &seen);
			continue;
		}
		if (word)
			diag_error(c->diags, set->at, NULL, "'forward' is already set above");
		word = set;
		s->forward_verbatim = strcmp(set->values->text, "verbatim") == 0;
	}
	if (word && seen == 3)
		diag_warn(c->diags, word->at, "leave it out", "'forward strict' is set for both directions");
}

void options_fini(struct options *o)
{
	for (size_t i = 0; i < o->n_services; i++)
		for (unsigned d = 0; d < 2; d++)
			strict_unref(o->services[i].strict[d]);
	o->n_services = 0;
}
