/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules and what they lead to: actions that exist in this version, conditions of reject and close
 * that RFC 6120 knows, jumps that end. Then expectations, which name rules and verdicts. Fills the
 * targets of jumps. Rules that can never be reached are warned of, not refused: they harm nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rules/check_int.h"
#include "rules/edit.h"
#include "rules/field.h"
#include "rules/program.h"
#include "rules/rules.h"
#include "xmpp/jid.h"
#include "xmpp/text.h"

enum { CONDITIONS_MAX = 64, TARPIT_MAX_MS = 300000 };

/* ---- actions ---- */

static size_t condition_words(bool stream, const char *words[CONDITIONS_MAX])
{
	size_t n = 0;

	for (int i = 0; !stream && i < STANZA_ERROR_COUNT; i++)
		words[n++] = stanza_error_text((enum stanza_error)i);
	for (int i = STREAM_ERROR_NONE + 1; stream && i < STREAM_ERROR_COUNT; i++)
		words[n++] = stream_error_text((enum stream_error)i);
	return n;
}

void check_condition_word(struct checker *c, bool stream, const char *word, struct loc at)
{
	const char *words[CONDITIONS_MAX];
	size_t n = condition_words(stream, words);

	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return;
	diag_error(c->diags, at, diag_suggest(c->diags, word, words, n), "unknown %s error '%s'",
		stream ? "stream" : "stanza", word);
}

static bool action_is_final(const struct ast_action *a)
{
	return a->kind <= ACTION_RETURN;
}

static bool is_hooked(const struct ast_item *chain)
{
	for (const struct ast_setting *s = chain->settings; s; s = s->next)
		if (strcmp(s->name, "hook") == 0)
			return true;
	return false;
}

/* Does nothing but failed logins come here? */
static bool is_login_chain(const struct ast_item *chain)
{
	bool login = false;

	for (const struct ast_setting *s = chain->settings; s; s = s->next) {
		if (strcmp(s->name, "hook") != 0)
			continue;
		for (const struct ast_value *v = s->values; v; v = v->next) {
			if (!v->text || strcmp(v->text, "login") != 0)
				return false;
			login = true;
		}
	}
	return login;
}

/* There is no stanza to answer, keep or change. */
static void check_login_action(struct checker *c, const struct ast_action *a)
{
	static const char *const words[] = { [ACTION_REJECT] = "reject",
		[ACTION_REDIRECT] = "redirect",
		[ACTION_QUARANTINE] = "quarantine",
		[ACTION_STRIP] = "strip",
		[ACTION_REPLACE] = "replace",
		[ACTION_REPORT] = "report" };

	if ((size_t)a->kind < sizeof(words) / sizeof(*words) && words[a->kind])
		diag_error(c->diags, a->at, "close, drop, tarpit, strike, ban",
			"'%s' needs a stanza; a login that failed is none", words[a->kind]);
}

static void check_target(struct checker *c, struct ast_action *a)
{
	a->target = check_find(c, ITEM_CHAIN, a->word);
	if (!a->target)
		diag_error(c->diags, a->word_at, check_suggest(c, ITEM_CHAIN, a->word),
			"no such chain '%s'", a->word);
	else if (is_hooked(a->target))
		diag_error(c->diags, a->word_at, "move its rules into a chain without 'hook'",
			"chain '%s' is hooked; rules lead only to chains that are not", a->word);
}

static void check_strip(struct checker *c, const struct ast_action *a)
{
	const char *close = *a->word == '{' ? strchr(a->word, '}') : NULL;
	const char *name = close ? close + 1 : a->word;

	if (!*name || strpbrk(name, "{}:/@ ") || (!close && *name == '*') ||
		strcmp(a->word, "{*}*") == 0)
		diag_error(c->diags, a->word_at, "such as \"{urn:xmpp:bob}data\", or \"{urn:x}*\"",
			"'%s' names no elements", a->word);
}

static bool masks_text(const struct ast_cond *cond)
{
	const struct field *field;

	switch (cond->kind) {
	case COND_AND:
	case COND_OR:
		return masks_text(cond->left) || masks_text(cond->right);
	case COND_TEST:
		field = field_find(cond->text);
		return field && !cond->param && cond->op != OP_NE && edit_masks_field(field->name);
	default:
		return false;
	}
}

/* Each match becomes one mask: long masks would make a stanza grow beyond what was let in. */
static void check_replace(
	struct checker *c, const struct ast_action *a, const struct ast_rule *rule)
{
	if (a->text && (strlen(a->text) > EDIT_MASK_MAX || strpbrk(a->text, "&<>\"") ||
			       text_valid(a->text, strlen(a->text), NULL) != strlen(a->text)))
		diag_error(c->diags, a->word_at, NULL,
			"a mask has at most %d bytes and none of & < > \"", EDIT_MASK_MAX);
	if (!rule->cond || !masks_text(rule->cond))
		diag_error(c->diags, a->at,
			"ask for body, subject, status, thread, text or url in the same rule",
			"rule '%s' finds no text to replace", rule->name);
}

/* The "to" of a message; the resource of a mailbox would be one more thing to go wrong. */
static void check_redirect(struct checker *c, const struct ast_action *a)
{
	struct arena arena;
	struct jid jid;
	int r;

	arena_init(&arena, 0);
	r = jid_parse(&arena, span_of(a->text), &jid);
	if (r == -ENOMEM)
		c->error = r;
	else if (r < 0)
		diag_error(c->diags, a->word_at, NULL, "'%s' is not a JID", a->text);
	arena_fini(&arena);
}

static void check_mark(struct checker *c, struct ast_action *a)
{
	unsigned errors = c->diags->errors;

	if (!a->lookup)
		return;
	if (a->lookup->kind != COND_TEST || a->lookup->op != OP_IN || !a->lookup->operand ||
		a->lookup->operand->kind != VALUE_SET) {
		diag_error(c->diags, a->at, "such as 'mark from.bare in @people'",
			"'mark' wants a name, or a field and a map");
		return;
	}
	check_cond(c, a->lookup);
	if (c->diags->errors == errors && !a->lookup->target->map)
		diag_error(c->diags, a->lookup->operand->at, NULL,
			"'@%s' is a set and gives no marks", a->lookup->target->name);
}

/* What peers or the operator are told stands in a stream: one character that XML does not allow ends
 * it. */
static void check_text(struct checker *c, const struct ast_action *a)
{
	if (a->text && text_valid(a->text, strlen(a->text), NULL) != strlen(a->text))
		diag_error(c->diags, a->at, NULL,
			"the text has a character that no XML stream may carry");
}

static void check_action(struct checker *c, struct ast_action *a, const struct ast_rule *rule)
{
	if (a->kind != ACTION_REPLACE && a->kind != ACTION_REDIRECT)
		check_text(c, a);
	switch (a->kind) {
	case ACTION_REJECT:
	case ACTION_CLOSE:
		if (a->word)
			check_condition_word(c, a->kind == ACTION_CLOSE, a->word, a->word_at);
		break;
	case ACTION_JUMP:
	case ACTION_GOTO:
		check_target(c, a);
		break;
	case ACTION_MARK:
		check_mark(c, a);
		break;
	case ACTION_LOG:
		if (a->word && strcmp(a->word, "body") != 0)
			diag_error(c->diags, a->word_at, "write 'log' or 'log body'",
				"cannot log '%s'", a->word);
		break;
	case ACTION_STRIKE:
		if (a->number < 1 || a->number > 1000)
			diag_error(
				c->diags, a->word_at, NULL, "strikes must be between 1 and 1000");
		break;
	case ACTION_BAN:
		if (a->number < 1000 || a->number > (uint64_t)3650 * 86400000)
			diag_error(c->diags, a->word_at, NULL, "a ban lasts between 1s and 3650d");
		break;
	case ACTION_STRIP:
		check_strip(c, a);
		break;
	case ACTION_REPLACE:
		check_replace(c, a, rule);
		break;
	case ACTION_REDIRECT:
		check_redirect(c, a);
		break;
	case ACTION_TARPIT:
		if (a->number < 1 || a->number > TARPIT_MAX_MS)
			diag_error(c->diags, a->word_at, NULL, "a tarpit holds between 1ms and 5m");
		break;
	case ACTION_REPORT:
		if (a->word && !schema_has_word("spam|abuse", a->word))
			diag_error(c->diags, a->word_at, NULL,
				"a report is of spam or of abuse, not of '%s'", a->word);
		break;
	default:
		break;
	}
}

static const struct ast_action *check_actions(struct checker *c, struct ast_rule *rule)
{
	const struct ast_action *final = NULL;

	for (struct ast_action *a = rule->actions; a; a = a->next) {
		check_action(c, a, rule);
		if (!action_is_final(a))
			continue;
		if (final)
			diag_error(c->diags, a->at, "make it a rule of its own",
				"rule '%s' has already decided", rule->name);
		final = a;
	}
	return final;
}

void check_chain(struct checker *c, struct ast_item *chain)
{
	const struct ast_rule *end = NULL;
	bool warned = false, login = is_login_chain(chain);

	for (const struct ast_setting *s = chain->settings; s && !is_hooked(chain); s = s->next)
		if (strcmp(s->name, "priority") == 0)
			diag_error(c->diags, s->at, "give it a 'hook', or leave the number out",
				"chain '%s' is asked by other chains; it has no priority",
				chain->name);

	for (struct ast_rule *rule = chain->rules; rule && !c->error; rule = rule->next) {
		const struct ast_action *final = check_actions(c, rule);

		for (const struct ast_action *a = login ? rule->actions : NULL; a; a = a->next)
			check_login_action(c, a);

		if (rule->cond)
			check_cond(c, rule->cond);
		if (end && !warned)
			diag_warn(c->diags, rule->name_at, NULL,
				"never reached: rule '%s' above takes every stanza", end->name);
		warned = warned || end;
		if (!rule->cond && !rule->dry && final && final->kind != ACTION_JUMP)
			end = rule;
	}
}

/* ---- jumps ---- */

struct walk {
	struct checker *c;
	struct map heights; /* chain name -> (void *) (1 + chains below it); WALKING while on the
			       way */
};

#define WALKING ((void *)-1)

/* How many chains lie below this one; -1 after a diagnostic. depth: how many are above it. */
static int walk_chain(struct walk *w, const struct ast_item *chain, int depth);

static int walk_action(struct walk *w, const struct ast_action *a, int depth)
{
	void *known = map_find(&w->heights, a->target->name, strlen(a->target->name));
	int height;

	if (known == WALKING) {
		diag_error(w->c->diags, a->at, NULL, "chain '%s' leads back to itself here",
			a->target->name);
		return -1;
	}
	height = known ? (int)(intptr_t)known - 1 : walk_chain(w, a->target, depth + 1);
	if (height >= 0 && depth + height + 2 > PROGRAM_DEPTH_MAX) {
		diag_error(w->c->diags, a->at, NULL,
			"chains lead more than %d deep into each other", PROGRAM_DEPTH_MAX);
		return -1;
	}
	return height;
}

static int walk_chain(struct walk *w, const struct ast_item *chain, int depth)
{
	size_t len = strlen(chain->name);
	int height = 0, r = depth > PROGRAM_DEPTH_MAX ? -1 : 0;

	if (r < 0) {
		diag_error(w->c->diags, chain->name_at, NULL,
			"chains lead more than %d deep into each other", PROGRAM_DEPTH_MAX);
		return -1;
	}
	if ((r = map_put(&w->heights, chain->name, len, WALKING, NULL)) < 0) {
		w->c->error = r;
		return -1;
	}
	for (const struct ast_rule *rule = chain->rules; rule && height >= 0; rule = rule->next)
		for (const struct ast_action *a = rule->actions; a && height >= 0; a = a->next) {
			int below = a->target ? walk_action(w, a, depth) : -2;

			if (below == -1)
				height = -1;
			else if (below + 1 > height)
				height = below + 1;
		}
	/* One complaint about a loop is enough: what led into it counts as seen. */
	if ((r = map_put(&w->heights, chain->name, len,
		     (void *)(intptr_t)(1 + (height < 0 ? 0 : height)), NULL)) < 0)
		w->c->error = r;
	return height;
}

void check_jumps(struct checker *c)
{
	struct walk w = { .c = c };

	map_init(&w.heights);
	for (const struct ast_item *i = c->ast->items; i && !c->error; i = i->next) {
		if (i->kind != ITEM_CHAIN || map_has(&w.heights, i->name, strlen(i->name)))
			continue;
		if (is_hooked(i))
			walk_chain(&w, i, 0);
	}
	for (const struct ast_item *i = c->ast->items; i && !c->error; i = i->next) {
		if (i->kind != ITEM_CHAIN || map_has(&w.heights, i->name, strlen(i->name)))
			continue;
		diag_warn(c->diags, i->name_at, NULL,
			"chain '%s' is not hooked and no hooked chain leads here", i->name);
		walk_chain(&w, i, 0);
	}
	map_fini(&w.heights, NULL);
}

/* ---- expectations ---- */

static const char *rule_suggest(struct checker *c, const char *name)
{
	const char *names[CONDITIONS_MAX * 8];
	size_t n = 0;

	if (c->diags->errors >= DIAG_MAX)
		return NULL;
	for (const struct ast_item *i = c->ast->items; i; i = i->next)
		for (const struct ast_rule *r = i->rules; r && n < sizeof(names) / sizeof(*names);
			r = r->next)
			names[n++] = r->name;
	return diag_suggest(c->diags, name, names, n);
}

static void check_expect_verdict(struct checker *c, const struct ast_expect *e)
{
	static const char verdicts[] = "accept|drop|reject|close|redirect|quarantine";

	if (!schema_has_word(verdicts, e->verdict)) {
		diag_error(c->diags, e->verdict_at,
			schema_suggest_word(c->diags, verdicts, e->verdict), "unknown verdict '%s'",
			e->verdict);
		return;
	}
	if (e->condition)
		check_condition_word(
			c, strcmp(e->verdict, "close") == 0, e->condition, e->verdict_at);
	if (e->by && strcmp(e->by, "strict") != 0 && !map_has(&c->rules, e->by, strlen(e->by)))
		diag_error(c->diags, e->verdict_at, rule_suggest(c, e->by), "no such rule '%s'",
			e->by);
}

void check_expect(struct checker *c, const struct ast_item *item)
{
	const struct ast_expect *e = item->expect;
	struct peer_address address;
	enum remote_verified verified;
	int64_t moment;

	if (!e)
		return; /* its braces did not parse */
	if (!e->stanza)
		diag_error(c->diags, item->name_at, NULL, "expect has no 'stanza'");
	if (!e->verdict)
		diag_error(c->diags, item->name_at, NULL, "expect has no 'verdict'");
	else
		check_expect_verdict(c, e);
	if (e->direction && !schema_has_word("in|out", e->direction))
		diag_error(c->diags, item->name_at, NULL, "a direction is in or out, not '%s'",
			e->direction);
	if (e->service)
		check_service_name(c, e->service, item->name_at);
	if (e->moment && clock_parse_wall(e->moment, strlen(e->moment), &moment) < 0)
		diag_error(c->diags, item->name_at, "such as \"2026-11-21T08:30:00Z\", in UTC",
			"'%s' is not a moment", e->moment);
	if (e->verified && !remote_verified_find(e->verified, &verified))
		diag_error(c->diags, e->verified_at,
			schema_suggest_word(c->diags, "pin|dane|pkix|dialback|none", e->verified),
			"nobody is verified by '%s'", e->verified);
	if (e->remote && (!check_is_domain(e->remote) || *e->remote == '*'))
		diag_error(c->diags, e->remote_at, NULL, "'%s' is not a domain", e->remote);
	if (e->peer && address_parse(span_of(e->peer), &address) < 0)
		diag_error(c->diags, item->name_at, NULL, "'%s' is not an address", e->peer);
}
