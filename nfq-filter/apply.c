/* SPDX-License-Identifier: BSD-2-Clause */
/* The only file of the inspector that turns a verdict into an act: behind inspect.c and rules/.
 * In: a stanza, its verdict, and how much of it its receiver has already. Out: the bytes that stand
 * in its place, exactly as many as it had: white space between stanzas means nothing (RFC 6120
 * 11.7), and a shorter text before it is a stanza. What cannot be said in that room, or was let go
 * in part, ends the connection. It changes no packet: reassembly keeps the bytes, hold.c sends
 * them. A message that is rejected vanishes, for no byte can be added the other way; an iq is
 * answered by its own receiver, who is made not to understand it. */
#include "nfq-filter/apply.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "rules/amend.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* That says who did it; where there is no room for that. Nobody knows either. */
#define APPLY_NS       "urn:xmppwall:refused"
#define APPLY_NS_SHORT "urn:x"

const char *gate_act_text(enum gate_act act)
{
	static const char *const texts[] = {
		[GATE_FORWARDED] = "forwarded",
		[GATE_BLANKED] = "blanked",
		[GATE_ANSWERED] = "answered",
		[GATE_CHANGED] = "changed",
		[GATE_KILLED] = "killed",
	};

	return texts[act];
}

/* Filled up with white space. False: too long. */
static bool fits(struct buf *out, size_t len, int *error)
{
	static const char space[] =
		"                                                                ";

	*error = 0;
	if (buf_len(out) > len)
		return false;
	while (buf_len(out) < len && *error == 0) {
		size_t n = len - buf_len(out);

		*error = buf_put(out, space, n < sizeof(space) - 1 ? n : sizeof(space) - 1);
	}
	return *error == 0;
}

static const char *content_ns(const struct inspection *i, const struct inspect_verdict *v)
{
	const char *ns = i->half[v->side].header.content_ns;

	return ns ? ns : "";
}

static int copy_attr(
	struct arena *a, struct xml_element *to, const struct xml_element *from, const char *name)
{
	const char *value = element_attr(from, name);

	return value ? element_set_attr(a, to, name, value) : 0;
}

/* An iq of the same address and id: a request in a namespace that nobody understands, or an answer
 * that failed; ns NULL: without a word. */
static int write_iq(const struct inspection *i, const struct inspect_verdict *v, struct buf *out,
	const char *ns)
{
	const struct stanza *st = v->subject->stanza;
	const char *type = stanza_type(st);
	bool asks = strcmp(type, "get") == 0 || strcmp(type, "set") == 0;
	struct xml_element *iq = element_new(st->arena, st->root->ns, "iq"), *child;
	int r;

	if (!iq || (r = element_set_attr(st->arena, iq, "type", asks ? "get" : "error")) < 0 ||
		(r = copy_attr(st->arena, iq, st->root, "id")) < 0 ||
		(r = copy_attr(st->arena, iq, st->root, "from")) < 0 ||
		(r = copy_attr(st->arena, iq, st->root, "to")) < 0)
		return -ENOMEM;
	if (ns) {
		child = asks ? element_new(st->arena, ns, "x")
			     : element_new(st->arena, st->root->ns, "error");
		if (!child || element_add(st->arena, iq, child) < 0 ||
			(!asks && element_set_attr(st->arena, child, "type", "cancel") < 0))
			return -ENOMEM;
	}
	buf_clear(out);
	r = write_element(out, iq, content_ns(i, v));
	return r == ERR_LIMIT ? -ENOMEM : r;
}

static int answer(const struct inspection *i, const struct inspect_verdict *v, size_t len,
	struct buf *out, enum gate_act *act)
{
	const char *type = stanza_type(v->subject->stanza);
	bool asks = strcmp(type, "get") == 0 || strcmp(type, "set") == 0;
	int r;

	*act = GATE_ANSWERED;
	if ((r = write_iq(i, v, out, APPLY_NS)) < 0 || fits(out, len, &r) || r < 0)
		return r;
	if ((r = write_iq(i, v, out, asks ? APPLY_NS_SHORT : NULL)) < 0 || fits(out, len, &r) ||
		r < 0)
		return r;
	*act = GATE_KILLED;
	return 0;
}

/* What counts as one stanza and does nothing: the answer to a question nobody asked. */
static int tombstone(const struct inspection *i, const struct inspect_verdict *v, size_t len,
	struct buf *out, enum gate_act *act)
{
	static const char *const texts[] = { "<iq type='result' id='xmppwall'/>",
		"<iq type='result' id='x'/>" };
	bool declared = strcmp(v->subject->stanza->root->ns, content_ns(i, v)) == 0;
	int r = 0;

	*act = GATE_BLANKED;
	for (size_t n = 0; declared && n < sizeof(texts) / sizeof(texts[0]); n++) {
		buf_clear(out);
		if ((r = buf_puts(out, texts[n])) < 0 || fits(out, len, &r) || r < 0)
			return r;
	}
	*act = GATE_KILLED;
	return 0;
}

static int blank(const struct inspection *i, const struct inspect_verdict *v, size_t len,
	struct buf *out, enum gate_act *act)
{
	int r;

	if (i->counted)
		return tombstone(i, v, len, out, act);
	buf_clear(out);
	*act = fits(out, len, &r) ? GATE_BLANKED : GATE_KILLED;
	return r;
}

static int change(const struct inspection *i, const struct inspect_verdict *v, size_t len,
	struct buf *out, enum gate_act *act)
{
	int r = amend_stanza(v->subject->stanza, v->verdict);

	if (r < 0)
		return r;
	buf_clear(out);
	r = write_element(out, v->subject->stanza->root, content_ns(i, v));
	if (r == -ENOMEM)
		return r;
	*act = r == 0 && fits(out, len, &r) ? GATE_CHANGED : GATE_KILLED;
	return r == -ENOMEM ? r : 0;
}

int apply_verdict(const struct inspection *i, const struct inspect_verdict *v, uint64_t released,
	struct buf *out, enum gate_act *act)
{
	const struct stanza *st = v->subject->stanza;
	enum verdict_kind kind = v->verdict->kind;
	size_t len = (size_t)(v->end - v->start);

	*act = GATE_FORWARDED;
	if (kind == VERDICT_ACCEPT && !amend_is_due(v->verdict))
		return 0;
	*act = GATE_KILLED;
	if (kind == VERDICT_CLOSE || v->start < released || v->scattered)
		return 0;
	if (kind == VERDICT_ACCEPT || kind == VERDICT_REDIRECT)
		return change(i, v, len, out, act);
	if (kind == VERDICT_REJECT && st->kind == STANZA_IQ)
		return answer(i, v, len, out, act);
	return blank(i, v, len, out, act);
}
