/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind inspect.c and bosh.c, in front of the rules: a stanza gets its verdict.
 * In: a stanza, its place in the stream, and what its connection told of who is speaking. Out: the
 * verdict, counted and told to whoever holds the packets. It carries nothing out. */
#include "door/barred.h"
#include "nfq-filter/bosh.h"
#include "nfq-filter/inspect_int.h"
#include "nfq-filter/inspect_login.h"
#include "nfq-filter/inspect_peer.h"

int inspection_judge(struct inspection *i, const struct stanza *st, struct inspect_verdict *told)
{
	struct inspect_half *h = &i->half[told->side];
	struct subject subject;
	struct verdict verdict;
	int r;

	login_stanza(i, told->side, st);
	subject = peer_subject(i, told->side, st);
	if (i->bosh)
		bosh_subject(i->bosh, told->side, &subject);
	if (i->of->hooks.judging)
		i->of->hooks.judging(i->of->hooks.arg, i, told->side, &subject);
	if (!(barred_any() && barred_judge(&subject, &verdict)) &&
		(r = judge_stanza(i->of->judge, i->of->policy, &subject, &verdict)) < 0)
		return r;
	h->stanzas++;
	h->stanza_bytes += st->raw.len;
	i->verdicts[verdict.kind]++;
	told->subject = &subject;
	told->verdict = &verdict;
	i->of->hooks.judged(i->of->hooks.arg, i, told);
	return 0;
}
