/* SPDX-License-Identifier: BSD-2-Clause */
/* At the end of a judgement: the tests that the deciding rule made, as fields with the values they
 * looked at. In come the nodes that condition.c noted, out go copies in the verdict. What people
 * wrote is no value but its length, unless a rule said "log body". It costs nothing for a stanza
 * that nobody will hear of. */
#include "rules/reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/judge.h"

enum { REASON_VALUES_MAX = 4, REASON_VALUE_MAX = 256 };

void reason_keep(struct judge *j, bool final)
{
	if (final)
		j->n_told = 0;
	for (unsigned i = 0; i < j->n_looked && j->n_told < LOOKED_MAX; i++)
		j->told[j->n_told++] = j->looked[i];
}

/* Several values in one, cut where a character ends. */
static void value_join(char *text, size_t size, struct span value)
{
	size_t at = strlen(text), len;

	if (at && at + 2 < size) {
		memcpy(text + at, ", ", 3);
		at += 2;
	}
	len = span_cut(value, size - 1 - at);
	memcpy(text + at, value.ptr, len);
	text[at + len] = '\0';
}

static void field_add(struct judge *j, const struct node *n)
{
	const struct field *f = n->field;
	bool hidden = f->type == FIELD_TEXT && !j->verdict->log_body;
	bool number = f->type == FIELD_NUMBER || f->type == FIELD_BOOL;
	struct verdict_field *out = &j->verdict->fields[j->verdict->n_fields];
	char text[REASON_VALUE_MAX] = "", digits[24];
	size_t bytes = 0;

	for (unsigned i = 0; i < REASON_VALUES_MAX && !j->view.error; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!f->get(&j->view, n->param, i, &value))
			break;
		bytes += value.text.len;
		if (number) {
			snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value.number);
			value.text = span_of(f->type == FIELD_NUMBER ? digits
					     : value.number          ? "true"
								     : "false");
		}
		if (!hidden && value.text.len)
			value_join(text, sizeof(text), value.text);
		if (!f->many)
			break;
	}
	*out = (struct verdict_field){ .field = f->name, .bytes = bytes };
	if (!hidden && !(out->value = arena_strdup(&j->arena, text)))
		j->error = -ENOMEM;
	else
		j->verdict->n_fields++;
}

void reason_tell(struct judge *j)
{
	struct verdict *v = j->verdict;

	if (!verdict_is_notable(v))
		return;
	for (unsigned i = 0; i < j->n_told && v->n_fields < VERDICT_FIELDS_MAX && !j->error; i++) {
		const struct node *n = j->told[i];
		bool known = !n->field || n->quiet;

		for (unsigned k = 0; k < i && !known; k++)
			known = j->told[k]->field == n->field && j->told[k]->param == n->param;
		if (!known)
			field_add(j, n);
	}
}
