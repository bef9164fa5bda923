/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza's text, counted for a "similar" block: all values of its field folded, made a signature,
 * put into its group with sender and recipient. In: the judgement. Out: whether too many send it,
 * or to too many. What is empty or short counts nowhere. */
#include "rules/similar_count.h"

#include "rules/jid_cache.h"

static uint64_t who(struct judge *j, enum view_jid which)
{
	struct jid_known *known = view_address(&j->view, which);
	uint64_t hash;

	if (!known->bare.len)
		return 0;
	hash = jid_hash(&known->bare_memo, known->bare);
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
		const struct folded *folded;

		if (!similar->field->get(&j->view, similar->param, i, &value))
			break;
		if (value.text.len && (folded = judge_fold(j, value.text)))
			shingle_add(&shingle, (struct span){ folded->text, folded->len });
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
	similar_table_add(table, &text, who(j, VIEW_FROM), who(j, VIEW_TO), judge_now_ns(j),
		similar->evicted, count);
	return (!similar->senders || count->senders > similar->senders) &&
	       (!similar->recipients || count->recipients > similar->recipients);
}
