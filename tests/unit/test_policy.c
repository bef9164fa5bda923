/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies judged through the public face: verdicts, orders, chains, hooks, what is reported. */
#include "judge_rig.h"
#include "rules/field.h"

/* ---- verdicts and orders ---- */

static const char all_verdicts[] =
	"chain test { hook c2s; policy drop;"
	" rule pass   { body is \"pass\"   accept }"
	" rule quiet  { body is \"quiet\"  drop }"
	" rule no     { body is \"no\"     reject forbidden \"not here\" }"
	" rule plain  { body is \"plain\"  reject }"
	" rule end    { body is \"end\"    close policy-violation \"good bye\" }"
	" rule short  { body is \"short\"  close }"
	" rule orders { body is \"orders\" log body, count, mark seen, strike 3, ban 1h, accept }"
	" rule one    { body is \"two\"    strike, mark a, log }"
	" rule two    { body is \"two\"    strike 2, mark b, mark a, ban 5m }"
	" rule three  { body is \"two\"    ban 1m, drop } }";

static void test_verdicts(void **state)
{
	const struct verdict *v;
	struct rig r;

	(void)state;
	rig_init(&r, all_verdicts);
	v = rig_say(&r, "pass");
	assert_int_equal(v->kind, VERDICT_ACCEPT);
	assert_string_equal(v->rule, "pass");
	assert_string_equal(v->chain, "test");
	assert_false(verdict_is_notable(v));
	v = rig_say(&r, "quiet");
	assert_int_equal(v->kind, VERDICT_DROP);
	assert_true(verdict_is_notable(v));
	v = rig_say(&r, "no");
	assert_int_equal(v->kind, VERDICT_REJECT);
	assert_int_equal(v->condition, STANZA_ERROR_FORBIDDEN);
	assert_string_equal(v->text, "not here");
	v = rig_say(&r, "plain");
	assert_int_equal(v->kind, VERDICT_REJECT);
	assert_int_equal(v->condition, STANZA_ERROR_POLICY_VIOLATION);
	assert_null(v->text);
	v = rig_say(&r, "end");
	assert_int_equal(v->kind, VERDICT_CLOSE);
	assert_int_equal(v->stream_error, STREAM_ERROR_POLICY_VIOLATION);
	assert_string_equal(v->text, "good bye");
	v = rig_say(&r, "short");
	assert_int_equal(v->kind, VERDICT_CLOSE);
	assert_int_equal(v->stream_error, STREAM_ERROR_POLICY_VIOLATION);
	v = rig_say(&r, "something else");
	assert_int_equal(v->kind, VERDICT_DROP);
	assert_string_equal(v->rule, "");
	assert_string_equal(v->chain, "test");
	assert_int_equal(v->n_matches, 0);
	rig_fini(&r);
}

static void test_orders(void **state)
{
	const struct verdict *v;
	struct rig r;

	(void)state;
	rig_init(&r, all_verdicts);
	v = rig_say(&r, "orders");
	assert_int_equal(v->kind, VERDICT_ACCEPT);
	assert_true(v->log && v->log_body && v->count);
	assert_int_equal(v->strikes, 3);
	assert_int_equal(v->ban_ms, 3600000);
	assert_int_equal(v->n_marks, 1);
	assert_string_equal(v->marks[0], "seen");
	assert_true(verdict_is_notable(v));
	/* Orders of rules that do not decide add up; the longest ban counts; a mark stands once. */
	v = rig_say(&r, "two");
	assert_int_equal(v->kind, VERDICT_DROP);
	assert_string_equal(v->rule, "three");
	assert_true(v->log);
	assert_false(v->log_body || v->count);
	assert_int_equal(v->strikes, 3);
	assert_int_equal(v->ban_ms, 300000);
	assert_int_equal(v->n_marks, 2);
	assert_string_equal(v->marks[0], "a");
	assert_string_equal(v->marks[1], "b");
	/* Nothing of the last verdict is left in the next. */
	v = rig_say(&r, "pass");
	assert_false(v->log || v->strikes || v->ban_ms || v->n_marks);
	assert_int_equal(v->n_matches, 1);
	rig_fini(&r);
}

/* What ends a rule runs last, wherever it was written; marks have a ceiling. */
static void test_orders_behind_the_verdict(void **state)
{
	const struct verdict *v;
	struct rig r;

	(void)state;
	rig_init(&r, "chain test { hook c2s; policy accept;"
		     " rule many { mark m1, mark m2, mark m3, mark m4, mark m5, mark m6, mark m7,"
		     "             mark m8, mark m9 }"
		     " rule r { drop, strike 2, log } }");
	v = rig_say(&r, "x");
	assert_int_equal(v->kind, VERDICT_DROP);
	assert_int_equal(v->strikes, 2);
	assert_true(v->log);
	assert_int_equal(v->n_marks, VERDICT_MARKS_MAX);
	rig_fini(&r);
}

/* What people wrote is told where a rule says so: around a match, and as the value of a field. */
static void test_reasons(void **state)
{
	static const char policy[] =
		"chain test { hook c2s; policy accept;"
		" rule seen { size > 1 and type is not error mark x }"
		" rule r { body contains \"casino\" and session.anonymous is false drop%s } }";
	char text[512];
	const struct verdict *v;
	struct rig r;

	(void)state;
	snprintf(text, sizeof(text), policy, ", log body");
	rig_init(&r, text);
	v = rig_say(&r, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
			"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
			"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
			"\xc3\xa9 casino");
	assert_int_equal(v->n_fields, 2);
	assert_string_equal(v->fields[0].field, "body");
	assert_non_null(strstr(v->fields[0].value, "casino"));
	assert_string_equal(v->fields[1].field, "session.anonymous");
	assert_string_equal(v->fields[1].value, "false");
	assert_int_equal(strlen(v->matches[0].before), 59); /* no half character */
	assert_string_equal(v->matches[0].after, "");
	v = rig_say(&r, "casino");
	assert_null(v->matches[0].before); /* nothing is around it */
	/* Only orders: the rules that gave them. */
	v = rig_say(&r, "fine");
	assert_string_equal(v->fields[0].field, "size");
	assert_string_equal(v->fields[1].field, "type");
	snprintf(text, sizeof(text), policy, "");
	rig_load(&r, text);
	v = rig_say(&r, "a casino");
	assert_null(v->fields[0].value);
	assert_int_equal(v->fields[0].bytes, 8);
	assert_null(v->matches[0].before);
	rig_fini(&r);
}

static void test_json(void **state)
{
	char expected[512];
	struct rig r;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	rig_init(&r,
		"set w { type keyword; flags fold; elements = { \"casino\" }; }"
		"chain test { hook c2s; policy accept;"
		" rule r { text contains @w reject forbidden \"no\", strike 2, mark x, log } }");
	rig_say(&r, "The \xd0\xa1"
		    "asino &quot;");
	assert_int_equal(verdict_format_json(&r.verdict, &b), 0);
	snprintf(expected, sizeof(expected),
		"{\"verdict\":\"reject\",\"condition\":\"forbidden\",\"text\":\"no\",\"rule\":"
		"\"r\","
		"\"chain\":\"test\",\"orders\":");
	assert_int_equal(strncmp(buf_string(&b), expected, strlen(expected)), 0);
	snprintf(expected, sizeof(expected),
		"\"matches\":[{\"field\":\"text\",\"entry\":\"casino\","
		"\"text\":\"\xd0\xa1"
		"asino\",\"set\":\"w\",\"start\":4,\"end\":11}],"
		"\"fields\":[{\"field\":\"text\",\"bytes\":13}],\"id\":\"%s\"}",
		r.verdict.id);
	assert_non_null(strstr(buf_string(&b), expected));
	assert_non_null(strstr(buf_string(&b), "strike 2"));
	assert_non_null(strstr(buf_string(&b), "mark x"));
	buf_fini(&b);
	rig_fini(&r);
}

/* ---- chains ---- */

static const char chains[] =
	"chain side { "
	"  rule back   { body contains \"back\"  return }"
	"  rule final  { body contains \"final\" drop }"
	"  rule away   { body contains \"away\"  goto far }"
	"  rule deeper { body contains \"deep\"  jump far } "
	"  rule end    { body contains \"deep\"  mark returned } }"
	"chain far { rule far { body contains \"stop\" reject } rule note { mark far } }"
	"chain test { hook c2s; policy close;"
	"  rule off    { body contains \"off\"   return }"
	"  rule leave  { body contains \"leave\" goto far }"
	"  rule to     { jump side }"
	"  rule rest   { mark rest, accept } }";

static bool has_mark(const struct verdict *v, const char *mark)
{
	for (unsigned i = 0; i < v->n_marks; i++)
		if (strcmp(v->marks[i], mark) == 0)
			return true;
	return false;
}

static void test_chains(void **state)
{
	const struct verdict *v;
	struct rig r;

	(void)state;
	rig_init(&r, chains);
	v = rig_say(&r, "nothing");
	assert_string_equal(v->rule, "rest");
	v = rig_say(&r, "back final"); /* return leaves the jumped chain only */
	assert_string_equal(v->rule, "rest");
	assert_true(has_mark(v, "rest"));
	v = rig_say(&r, "final");
	assert_int_equal(v->kind, VERDICT_DROP);
	assert_string_equal(v->rule, "final");
	assert_string_equal(v->chain, "side");
	v = rig_say(&r, "away"); /* goto: the end of far goes back behind the jump, not into side */
	assert_string_equal(v->rule, "rest");
	assert_true(has_mark(v, "far"));
	v = rig_say(&r, "away stop");
	assert_string_equal(v->rule, "far");
	assert_string_equal(v->chain, "far");
	v = rig_say(&r, "deep");
	assert_true(has_mark(v, "far") && has_mark(v, "returned"));
	assert_string_equal(v->rule, "rest");
	/* From the hooked chain itself both end in its policy. */
	v = rig_say(&r, "off");
	assert_int_equal(v->kind, VERDICT_CLOSE);
	assert_string_equal(v->rule, "");
	assert_string_equal(v->chain, "test");
	v = rig_say(&r, "leave");
	assert_int_equal(v->kind, VERDICT_CLOSE);
	assert_string_equal(v->chain, "test");
	assert_true(has_mark(v, "far"));
	rig_fini(&r);
}

static void test_two_hooked_chains(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"chain one { hook c2s; policy accept;"
		" rule skip { body is \"rule\" accept } rule note { mark one } }"
		"chain two { hook c2s; policy reject forbidden \"default\"; rule note { mark two }"
		" rule ok { body is \"ok\" accept } }"
		"chain three { hook c2s; policy accept; rule never { drop } }");
	/* a rule's accept is final: chain two does not see it */
	rig_say(&r, "rule");
	assert_string_equal(r.verdict.rule, "skip");
	assert_int_equal(r.verdict.n_marks, 0);
	/* a chain's policy accept lets the next chain speak, one that refuses ends it */
	rig_say(&r, "x");
	assert_int_equal(r.verdict.kind, VERDICT_REJECT);
	assert_int_equal(r.verdict.condition, STANZA_ERROR_FORBIDDEN);
	assert_string_equal(r.verdict.text, "default");
	assert_string_equal(r.verdict.chain, "two");
	assert_int_equal(r.verdict.n_marks, 2);
	rig_say(&r, "ok");
	assert_string_equal(r.verdict.rule, "ok");
	assert_null(r.verdict.text);
	rig_fini(&r);
}

static void test_hooks(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"service web { listen tcp 5222; role c2s; tls none; }"
		"chain a { hook c2s direction in; policy accept; rule ra { drop } }"
		"chain b { hook s2s; policy accept; rule rb { drop } }"
		"chain c { hook web direction out; policy accept; rule rc { drop } }"
		"chain d { hook component, c2s direction out; policy accept; rule rd { drop } }");
	assert_string_equal(rig_rule(&r, "x"), "ra");
	r.subject.direction = DIRECTION_OUT;
	assert_string_equal(rig_rule(&r, "x"), "rd");
	r.subject.service = "web";
	assert_string_equal(rig_rule(&r, "x"), "rc");
	r.subject.direction = DIRECTION_IN;
	assert_string_equal(rig_rule(&r, "x"), "ra"); /* no service is called c2s: all of that role */
	r.subject.service = "s2s";
	r.subject.role = ROLE_S2S;
	assert_string_equal(rig_rule(&r, "x"), "rb");
	r.subject.service = NULL; /* a door without a name for it: by role */
	assert_string_equal(rig_rule(&r, "x"), "rb");
	r.subject.role = ROLE_COMPONENT;
	assert_string_equal(rig_rule(&r, "x"), "");
	r.subject.direction = DIRECTION_OUT;
	assert_string_equal(rig_rule(&r, "x"), "rd");
	rig_load(&r, "chain any { hook any; policy accept; rule all { drop } }");
	assert_string_equal(rig_rule(&r, "x"), "all");
	rig_fini(&r);
}

/* ---- conditions ---- */

static void test_negation(void **state)
{
	static const char sets[] = "set w { type keyword; elements = { casino }; }";
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
#define HOLDS(cond, body)                                                                          \
	rig_holds(&r, sets, cond, "<message to='a@b'><body>" body "</body></message>")
	assert_true(HOLDS("not body contains @w", "x"));
	assert_false(HOLDS("not body contains @w", "casino"));
	assert_true(HOLDS("body is not \"x\"", "y"));
	assert_false(HOLDS("body is not \"x\"", "x"));
	assert_true(HOLDS("not (body is \"x\" or body is \"y\")", "z"));
	assert_false(HOLDS("not (body is \"x\" or body is \"y\")", "y"));
	assert_true(HOLDS("not not body is \"x\"", "x"));
	assert_true(HOLDS("not subject exists", "x"));
	assert_true(HOLDS("not presence", "x"));
	assert_true(HOLDS("not body matches /^y/", "x"));
	assert_false(HOLDS("not body not matches /^x/ and body is \"y\"", "x"));
	assert_true(HOLDS("subject is not \"x\"", "y")); /* what is absent is not x */
	/* what failed to hold is no match to show */
	HOLDS("not body contains @w", "x");
	assert_int_equal(r.verdict.n_matches, 0);
#undef HOLDS
	rig_fini(&r);
}

static void test_and_or(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
#define HOLDS(cond) rig_holds(&r, "", cond, "<message type='chat'><body>a b</body></message>")
	assert_true(HOLDS("body contains \"a\" and body contains \"b\""));
	assert_false(HOLDS("body contains \"a\" and body contains \"c\""));
	assert_true(HOLDS("body contains \"c\" or body contains \"b\""));
	assert_true(HOLDS("body contains \"c\" or body contains \"a\" and type is chat"));
	assert_false(HOLDS("(body contains \"c\" or body contains \"a\") and type is headline"));
	assert_true(HOLDS("message body contains \"a\""));
	assert_false(HOLDS("presence body contains \"a\""));
	assert_true(HOLDS("body contains { \"z\", \"b\" }"));
	assert_true(HOLDS("message.body contains \"b\""));
	assert_false(HOLDS("presence.status contains \"b\""));
#undef HOLDS
	rig_fini(&r);
}

/* ---- what is reported ---- */

static const struct verdict_match *match_of(const struct verdict *v, const char *field)
{
	for (unsigned i = 0; i < v->n_matches; i++)
		if (strcmp(v->matches[i].field, field) == 0)
			return &v->matches[i];
	fail_msg("no match of %s", field);
	return NULL;
}

/* The text and its place are those of the original, before folding. */
static void test_match_offsets(void **state)
{
	const struct verdict_match *m;
	struct rig r;

	(void)state;
	rig_init(&r, "set w { type keyword; flags fold; elements = { casino, \"free money\" }; }"
		     "chain test { hook c2s; policy accept;"
		     " rule both { body contains @w and type is chat drop }"
		     " rule re { body matches /n(o+)pe/ drop }"
		     " rule ref { body matches /y[ae]s/f drop } }");
	/* Cyrillic Es, soft hyphen, full-width letters */
	rig_say(&r, "\xc3\xa4 big \xd0\xa1"
		    "a\xc2\xadsi\xef\xbd\x8eo!");
	m = match_of(&r.verdict, "body");
	assert_string_equal(m->text, "\xd0\xa1"
				     "a\xc2\xadsi\xef\xbd\x8eo");
	assert_string_equal(m->entry, "casino");
	assert_string_equal(m->set, "w");
	assert_int_equal(m->start, 7);
	assert_int_equal(m->end, 7 + strlen(m->text));
	m = match_of(&r.verdict, "type");
	assert_string_equal(m->text, "chat");
	assert_string_equal(m->set, "");
	rig_say(&r, "get FREE  \n\t money");
	assert_string_equal(match_of(&r.verdict, "body")->text, "FREE  \n\t money");
	rig_say(&r, "nope nooope");
	m = match_of(&r.verdict, "body");
	assert_string_equal(m->text, "nope");
	assert_string_equal(m->entry, "/n(o+)pe/");
	assert_int_equal(m->start, 0);
	rig_say(&r, "oh Y\xd0\xb5S");
	m = match_of(&r.verdict, "body");
	assert_string_equal(m->text, "Y\xd0\xb5S");
	assert_int_equal(m->start, 3);
	rig_fini(&r);
}

/* A long span is cut at 128 bytes, never inside a character; matches have a ceiling, and those of
 * the deciding rule come first. */
static void test_match_ceilings(void **state)
{
	char body[1024] = "x";
	struct rig r;

	(void)state;
	rig_init(&r, "chain test { hook c2s; policy accept;"
		     " rule long { body matches /x.*x/ drop } }");
	for (int i = 0; i < 100; i++)
		strcat(body, "\xe2\x82\xac");
	strcat(body, "x");
	rig_say(&r, body);
	assert_int_equal(strlen(r.verdict.matches[0].text), 127);
	assert_int_equal(r.verdict.matches[0].end, 302);
	rig_load(&r,
		"chain test { hook c2s; policy accept;"
		" rule a { body contains \"a\" and body contains \"b\" and body contains \"c\""
		"   and body contains \"d\" and body contains \"e\" and body contains \"f\" log }"
		" rule b { body contains \"x\" and body contains \"y\" and body contains \"z\""
		"   drop } }");
	rig_say(&r, "a b c d e f x y z");
	assert_int_equal(r.verdict.n_matches, VERDICT_MATCHES_MAX);
	assert_string_equal(r.verdict.matches[0].entry, "x");
	assert_string_equal(r.verdict.matches[2].entry, "z");
	assert_string_equal(r.verdict.matches[3].entry, "a");
	rig_fini(&r);
}

static void test_ids(void **state)
{
	enum { N = 5000 };
	static char ids[N][VERDICT_ID_SIZE];
	struct map seen;
	struct rig r;

	(void)state;
	map_init(&seen);
	rig_init(&r, "chain test { hook c2s; policy accept; rule r { body is \"x\" drop } }");
	for (int i = 0; i < N; i++) {
		memcpy(ids[i], rig_say(&r, i % 2 ? "x" : "y")->id, VERDICT_ID_SIZE);
		assert_true(strlen(ids[i]) > 8 && strlen(ids[i]) < VERDICT_ID_SIZE);
		assert_null(map_find(&seen, ids[i], strlen(ids[i])));
		assert_int_equal(map_put(&seen, ids[i], strlen(ids[i]), ids[i], NULL), 0);
	}
	map_fini(&seen, NULL);
	rig_fini(&r);
}

/* A door that knows nothing yet, not even a stanza: what is unknown is absent, never a crash. */
static void test_nothing_known(void **state)
{
	struct subject none = { .service = NULL };
	struct buf b;
	struct rig r;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "chain test { hook any; policy accept;");
	for (size_t i = 0; i < field_count; i++) {
		const struct field *f = &field_table[i];

		if (strcmp(f->name, "direction") != 0 && /* the door always knows, and so does the clock */
			strcmp(f->name, "time") != 0 && strcmp(f->name, "weekday") != 0)
			buf_putf(&b, " rule r%zu { %s%s%s drop }", i, f->name,
				f->param ? " \"{*}a/{*}b@c\"" : "",
				f->type == FIELD_BOOL            ? ""
				: f->type == FIELD_NUMBER        ? " > 0"
				: f->type == FIELD_TEXT && i % 2 ? " matches /^/"
								 : " exists");
	}
	buf_puts(&b, "}");
	rig_init(&r, buf_string(&b));
	assert_int_equal(judge_stanza(r.judge, r.policy, &none, &r.verdict), 0);
	assert_string_equal(r.verdict.rule, "");
	assert_int_equal(r.verdict.kind, VERDICT_ACCEPT);
	none.service = none.tls_version = none.tls_cipher = none.tls_sni = none.tls_alpn = "";
	none.sasl_mechanism = none.session_jid = none.session_domain = "";
	assert_int_equal(judge_stanza(r.judge, r.policy, &none, &r.verdict), 0);
	assert_string_equal(r.verdict.rule, "");
	buf_fini(&b);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_orders_behind_the_verdict),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_two_hooked_chains),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_negation),
		cmocka_unit_test(test_and_or),
		cmocka_unit_test(test_match_offsets),
		cmocka_unit_test(test_match_ceilings),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_nothing_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
