/* SPDX-License-Identifier: BSD-2-Clause */
/* What "forward strict" did to a stanza, as events, the audit trail and "judge --json" tell it. In:
 * a result. Out: JSON whose text is valid whatever the sender wrote. */
#include "rules/strict_json.h"

static json_t *note_json(const struct strict_note *note)
{
	return json_pack(
		"{s:s, s:s}", "reason", strict_reason_text(note->reason), "path", note->path);
}

json_t *strict_json_removed(const struct strict_result *result)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < result->n_notes; i++)
		json_array_append_new(all, note_json(&result->notes[i]));
	return all;
}

json_t *strict_json(const struct strict *p, const struct strict_result *result)
{
	static const char *const kinds[] = {
		[STRICT_SAME] = "same",
		[STRICT_CHANGED] = "changed",
		[STRICT_REFUSED] = "refused",
	};
	json_t *out =
		json_pack("{s:s, s:s}", "result", kinds[result->kind], "profile", strict_names(p));

	if (!out)
		return NULL;
	if (result->kind == STRICT_REFUSED)
		json_object_set_new(out, "why", note_json(&result->why));
	if (result->n_notes)
		json_object_set_new(out, "removed", strict_json_removed(result));
	if (result->n_more)
		json_object_set_new(out, "more", json_integer(result->n_more));
	return out;
}
