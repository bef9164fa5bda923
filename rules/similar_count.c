/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza's text, counted for a "similar" block: all values of its field folded, made a signature,
 * put into its group with sender and recipient. In: the judgement. Out: whether too many send it,
 * or to too many. What is empty or short counts nowhere. */
#include "rules/similar_count.h"

#include <errno.h>

#include "base/map.h"

static uint64_t who(struct judge *j, const char *field)
{
	const struct field *f = field_find(field);
	struct field_value value = { .text = { "", 0 } };
	uint64_t hash;

	if (!f || !f->get(&j->view, NULL, 0, &value) || !value.text.len)
		return 0;
	hash = map_hash(value.text.ptr, value.text.len);
	return hash ? hash : 1;
}

static bool text_sign(struct judge *j, const struct similar *similar, struct signature *out)
{
	struct shingle shingle;
	uint64_t salt[2];

	similar_salt(salt);
	shingle_begin(&shingle, salt);
	for (unsigned i = 0; !j->error; i++) {
		struct field_value value = { .text = { "", 0 } };
		struct folded folded;
		int r;

		if (!similar->field->get(&j->view, similar->param, i, &value))
			break;
		if (value.text.len && (r = text_fold(&j->arena, value.text, &folded)) < 0)
			j->error = r;
		else if (value.text.len)
			shingle_add(&shingle, (struct span){ folded.text, folded.len });
		if (!similar->field->many)
			break;
	}
	return !j->error && shingle_end(&shingle, similar->words, out);
}

bool similar_is_exceeded(struct judge *j, const struct similar *similar,
	struct similar_table *table, struct similar_count *count)
{
	struct signature text;

	if (!text_sign(j, similar, &text))
		return false;
	similar_table_add(table, &text, who(j, "from.bare"), who(j, "to.bare"), judge_now_ns(j),
		similar->evicted, count);
	return (!similar->senders || count->senders > similar->senders) &&
	       (!similar->recipients || count->recipients > similar->recipients);
}
