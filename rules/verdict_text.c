/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside verdict.c, which writes verdicts for programs: the same for people. In: a verdict. Out: a
 * line, with the peer's text in it made harmless. It decides nothing and keeps nothing. */
#include "rules/verdict_text.h"

#include "xmpp/safe.h"

void verdict_print(FILE *out, const struct verdict *v)
{
	fprintf(out, "%s%s", v->dry ? "  would " : "", verdict_kind_text(v->kind));
	if (v->kind == VERDICT_REJECT)
		fprintf(out, " %s", stanza_error_text(v->condition));
	if (v->kind == VERDICT_CLOSE)
		fprintf(out, " %s", stream_error_text(v->stream_error));
	if (v->kind == VERDICT_REDIRECT)
		fprintf(out, " to %s", v->redirect);
	if (*v->rule)
		fprintf(out, " by %s/%s", v->chain, v->rule);
	else if (*v->chain)
		fprintf(out, " by policy of %s", v->chain);
	for (unsigned i = 0; i < v->n_matches; i++)
		fprintf(out, "%s%s \"%s\" is \"%s\"%s%s", i == 0 ? ": " : ", ", v->matches[i].field,
			safe_text(v->matches[i].text, 60), safe_text(v->matches[i].entry, 60),
			*v->matches[i].set ? " of @" : "", v->matches[i].set);
	if (v->strikes)
		fprintf(out, ", strike %u", v->strikes);
	if (v->dry)
		fprintf(out, " (dry)\n");
	else
		fprintf(out, " [%s]\n", v->id);
	for (const struct verdict *w = v->would; w; w = w->next)
		verdict_print(out, w);
}
