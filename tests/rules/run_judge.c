/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs *.j files: what conditions hold for which stanzas, a case a line, fields between " ; ".
 *
 *   CONDITION ; yes ; STANZA... [; FIELD=ENTRY=TEXT]   the rule holds for the last stanza; that is
 * the first match shown CONDITION ; no ; STANZA...                         it does not RULES ;
 * VERDICT ; STANZA...                        as "xmppwallctl judge" would say it, without id: "drop
 * r", "accept -"
 *
 * ":with TEXT" puts sets and limits before the cases that follow, ":subject KEY=VALUE ..." says
 * what the door knows of the session (it begins anew with each), ":at TIME" what time it is from
 * there on, '#' begins a comment line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rules/rules.h"
#include "xmpp/ns.h"

enum { TEXT_MAX = 1 << 16 };

static unsigned cases, failures, line_number;
static const char *file_name;
static char with[TEXT_MAX], subject_text[TEXT_MAX];
static struct subject subject;

static void fail(const char *wanted, const char *got)
{
	printf("%s:%u: wanted %s, got %s\n", file_name, line_number, wanted, got);
	failures++;
}

/* ---- the subject ---- */

static struct subject_company company;

static void company_get(const struct subject *s, struct subject_company *out)
{
	(void)s;
	*out = company;
}

/* account's sessions, the peer's, its accounts */
static void company_set(const char *value)
{
	unsigned n[3] = { 0 };

	if (sscanf(value, "%u,%u,%u", &n[0], &n[1], &n[2]) != 3)
		fail("company=N,N,N", value);
	company = (struct subject_company){ n[0], n[1], n[2] };
	subject.company = company_get;
}

static void subject_set(const char *key, char *value)
{
	const struct {
		const char *key;
		const char **text;
	} texts[] = {
		{ "service", &subject.service },
		{ "tls.version", &subject.tls_version },
		{ "tls.cipher", &subject.tls_cipher },
		{ "tls.sni", &subject.tls_sni },
		{ "tls.alpn", &subject.tls_alpn },
		{ "mechanism", &subject.sasl_mechanism },
		{ "jid", &subject.session_jid },
		{ "domain", &subject.session_domain },
		{ "remote", &subject.remote_domain },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].text = value;
			return;
		}
	if (strcmp(key, "peer") == 0 && address_parse(span_of(value), &subject.peer) == 0)
		return;
	if (strcmp(key, "direction") == 0)
		subject.direction = strcmp(value, "out") == 0 ? DIRECTION_OUT : DIRECTION_IN;
	else if (strcmp(key, "role") == 0)
		subject.role = service_role_find(value);
	else if (strcmp(key, "port") == 0)
		subject.peer_port = (uint16_t)atoi(value);
	else if (strcmp(key, "verified") == 0)
		subject.tls_verified = atoi(value);
	else if (strcmp(key, "anonymous") == 0)
		subject.session_anonymous = atoi(value);
	else if (strcmp(key, "authenticated") == 0)
		subject.session_authenticated = atoi(value);
	else if (strcmp(key, "age") == 0)
		subject.session_age_ms = (uint64_t)atoi(value);
	else if (strcmp(key, "stanzas") == 0)
		subject.session_stanzas = (uint64_t)atoi(value);
	else if (strcmp(key, "logins") == 0)
		subject.session_logins = (unsigned)atoi(value);
	else if (strcmp(key, "remote.verified") == 0 && remote_verified_find(value, &subject.remote_verified))
		return;
	else if (strcmp(key, "remote.seen") == 0)
		subject.remote_first_seen_ms = (uint64_t)atoll(value);
	else if (strcmp(key, "company") == 0)
		company_set(value);
	else
		fail("a key of subject", key);
}

static void subject_parse(const char *text)
{
	snprintf(subject_text, sizeof(subject_text), "%s", text);
	subject = (struct subject){ .service = "c2s", .session_authenticated = true };
	for (char *save, *word = strtok_r(subject_text, " ", &save); word;
		word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		if (!value) {
			fail("KEY=VALUE", word);
			continue;
		}
		*value++ = '\0';
		subject_set(word, value);
	}
}

/* ---- judging ---- */

static void describe(const struct verdict *v, char *text, size_t size)
{
	const char *condition = v->kind == VERDICT_REJECT  ? stanza_error_text(v->condition)
				: v->kind == VERDICT_CLOSE ? stream_error_text(v->stream_error)
							   : "";
	int n = snprintf(text, size, "%s%s%s %s", verdict_kind_text(v->kind), *condition ? " " : "",
		condition, *v->rule ? v->rule : "-");

	if (v->kind == VERDICT_REDIRECT)
		n += snprintf(text + n, size - (size_t)n, " %s", v->redirect);
	if (v->text)
		n += snprintf(text + n, size - (size_t)n, " \"%s\"", v->text);
	if (v->log || v->log_body)
		n += snprintf(text + n, size - (size_t)n, v->log_body ? " log body" : " log");
	if (v->count)
		n += snprintf(text + n, size - (size_t)n, " count");
	for (unsigned i = 0; i < v->n_marks; i++)
		n += snprintf(text + n, size - (size_t)n, " mark %s", v->marks[i]);
	for (unsigned i = 0; i < v->n_strips; i++)
		n += snprintf(text + n, size - (size_t)n, " strip %s", v->strips[i]);
	if (v->n_masks)
		n += snprintf(text + n, size - (size_t)n, " replace");
	if (v->tarpit_ms)
		n += snprintf(text + n, size - (size_t)n, " tarpit %llu",
			(unsigned long long)v->tarpit_ms);
	if (v->report)
		n += snprintf(text + n, size - (size_t)n, " report %s%s%s", v->report,
			v->report_text ? " " : "", v->report_text ? v->report_text : "");
	if (v->strikes)
		n += snprintf(text + n, size - (size_t)n, " strike %u", v->strikes);
	if (v->ban_ms)
		n += snprintf(
			text + n, size - (size_t)n, " ban %llu", (unsigned long long)v->ban_ms);
	for (const struct verdict *w = v->would; w; w = w->next) {
		n += snprintf(text + n, size - (size_t)n, " would ");
		describe(w, text + n, size - (size_t)n);
		n += (int)strlen(text + n);
	}
}

struct outcome {
	char verdict[512], match[1024];
	bool held;
};

static void outcome_take(struct outcome *o, const struct verdict *v)
{
	describe(v, o->verdict, sizeof(o->verdict));
	o->held = strcmp(v->rule, "r") == 0;
	o->match[0] = '\0';
	if (v->n_matches)
		snprintf(o->match, sizeof(o->match), "%s=%s=%s", v->matches[0].field,
			v->matches[0].entry, v->matches[0].text);
}

static bool judge_all(struct policy *policy, const char *xml, struct outcome *o)
{
	struct stream *stream = stream_new(&xmpp_limits_default);
	struct judge *judge = judge_new();
	char header[256];
	struct stream_event event;
	struct verdict verdict;
	struct subject now = subject;
	bool judged = false;

	snprintf(header, sizeof(header),
		"<stream:stream xmlns='%s' xmlns:stream='%s' version='1.0'>",
		subject.role == ROLE_S2S ? NS_SERVER : NS_CLIENT, NS_STREAM);
	stream_set_authenticated(stream, true);
	stream_push(stream, header, strlen(header));
	stream_push(stream, xml, strlen(xml));
	while (stream_next(stream, &event) == 0 && event.kind != STREAM_MORE) {
		if (event.kind == STREAM_BAD) {
			fail("good XML", event.reason);
			break;
		}
		if (event.kind != STREAM_STANZA && event.kind != STREAM_ELEMENT)
			continue;
		now.stanza = &event.stanza;
		judged = judge_stanza(judge, policy, &now, &verdict) == 0;
		if (judged)
			outcome_take(o, &verdict);
		now.session_stanzas++;
	}
	judge_free(judge);
	stream_free(stream);
	return judged;
}

static struct policy *policy_make(const char *rules, bool condition)
{
	static char text[TEXT_MAX * 2];
	struct source_set sources;
	struct diag_list diags;
	struct policy *policy = NULL;

	snprintf(text, sizeof(text),
		condition ? "%s chain t { hook any; rule r { %s drop } }"
			  : "%s chain t { hook any; %s }",
		with, rules);
	source_init(&sources, false);
	diag_init(&diags);
	source_add(&sources, "case.rules", text, strlen(text));
	policy_load(&sources, "case.rules", NULL, NULL, &diags, &policy);
	if (!policy)
		fail("a policy", diags.first ? diags.first->message : "none");
	diag_fini(&diags);
	source_fini(&sources);
	return policy;
}

static char *field_next(char **rest)
{
	char *field = *rest, *end = field ? strstr(field, " ; ") : NULL;

	*rest = end ? end + 3 : NULL;
	if (end)
		*end = '\0';
	return field;
}

static void run_case(char *line)
{
	char *rest = line, *rules = field_next(&rest), *wanted = field_next(&rest),
	     *xml = field_next(&rest), *match = field_next(&rest);
	struct outcome o = { 0 };
	bool condition = wanted && (strcmp(wanted, "yes") == 0 || strcmp(wanted, "no") == 0);
	struct policy *policy;

	cases++;
	if (!xml) {
		fail("three fields", line);
		return;
	}
	if (!(policy = policy_make(rules, condition)))
		return;
	if (!judge_all(policy, xml, &o))
		fail("a verdict", "none");
	else if (condition && o.held != (strcmp(wanted, "yes") == 0))
		fail(wanted, o.verdict);
	else if (!condition && strcmp(o.verdict, wanted) != 0)
		fail(wanted, o.verdict);
	else if (match && strcmp(o.match, match) != 0)
		fail(match, o.match);
	policy_unref(policy);
}

static void at_set(const char *text)
{
	int64_t wall_ms;

	if (clock_parse_wall(text, strlen(text), &wall_ms) < 0)
		fail("a moment", text);
	else
		clock_freeze(clock_mono_ns(), wall_ms);
}

static void run_line(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, ":with", 5) == 0)
		snprintf(with, sizeof(with), "%s", line + 5);
	else if (strncmp(line, ":subject", 8) == 0)
		subject_parse(line + 8);
	else if (strncmp(line, ":at ", 4) == 0)
		at_set(line + 4);
	else if (*line && *line != '#')
		run_case(line);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;

	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");

		if (!in) {
			perror(argv[i]);
			return 1;
		}
		file_name = argv[i];
		with[0] = '\0';
		subject_parse("");
		for (line_number = 1; getline(&line, &size, in) > 0; line_number++)
			run_line(line);
		fclose(in);
	}
	free(line);
	printf("%u cases, %u failed\n", cases, failures);
	return cases == 0 || failures > 0;
}
