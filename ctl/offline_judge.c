/* SPDX-License-Identifier: BSD-2-Clause */
/* judge: stanzas from standard input through the same stream machine and the same policy as the
 * doors, a verdict a line. The input may be bare stanzas or a whole stream with its header. Bad XML
 * ends the run with the stream error a peer would get. Needs no daemon and no root. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "ctl/cli.h"
#include "ctl/show_trace.h"
#include "rules/login.h"
#include "rules/amend.h"
#include "rules/rules.h"
#include "rules/strict_json.h"
#include "rules/trace.h"
#include "rules/verdict_text.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/safe.h"
#include "xmpp/write.h"

static const char bare_header[] =
	"<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "' version='1.0'>";

struct judging {
	struct cli *cli;
	struct policy *policy;
	struct judge *judge;
	struct subject subject;
	struct subject_login login; /* --service login: what stands for stanzas is <failure/> */
	struct arena arena;
	struct stream *stream;
	unsigned long stanzas;
	const struct strict *strict; /* what the service forwards by; NULL: all */
	bool follows; /* --trace */
	struct trace trace;
};

/* Bare stanzas get a header made for them; a declaration or a stream header brings its own. */
static bool brings_header(struct span head)
{
	while (head.len && strchr(" \t\r\n", head.ptr[0])) {
		head.ptr++;
		head.len--;
	}
	return (head.len >= 5 && memcmp(head.ptr, "<?xml", 5) == 0) ||
	       (head.len >= 8 && memcmp(head.ptr, "<stream:", 8) == 0);
}

/* What goes on, as the door would write it. */
struct crossing {
	bool made; /* anew: the service forwards strictly */
	struct strict_result result;
	struct buf xml;
};

/* Changes the stanza as the verdict says; a refusal takes the verdict's place. */
static int cross(struct judging *run, const struct stanza *stanza, struct verdict *v, struct crossing *c)
{
	const struct xml_element *root = stanza->root;
	int r = 0;

	if (!run->strict || run->subject.login || (v->kind != VERDICT_ACCEPT && v->kind != VERDICT_REDIRECT))
		return 0;
	if (amend_is_due(v))
		r = amend_stanza(stanza, v);
	if (r == 0)
		r = strict_write(run->strict, stanza, stanza->arena, &c->result);
	if (r < 0)
		return r;
	c->made = true;
	if ((root = c->result.root))
		return write_element(&c->xml, root, stanza->root->ns);
	strict_refusal(&c->result, stanza->arena, v);
	return 0;
}

static void add_crossing(json_t *all, const struct judging *run, const struct crossing *c)
{
	if (!c->made)
		return;
	json_object_set_new(all, "strict", strict_json(run->strict, &c->result));
	if (buf_len(&c->xml))
		json_object_set_new(all, "crosses", json_stringn(buf_ptr(&c->xml), buf_len(&c->xml)));
}

/* XML as XML; what a terminal would take for an order is written as a reference. */
static void print_xml(struct span xml)
{
	for (size_t i = 0; i < xml.len; i++) {
		unsigned char c = (unsigned char)xml.ptr[i];
		unsigned char next = i + 1 < xml.len ? (unsigned char)xml.ptr[i + 1] : 0;

		if (c == 0x7f)
			printf("&#x7f;");
		else if (c == 0xc2 && next < 0xa0 && next >= 0x80)
			printf("&#x%x;", (unsigned)(unsigned char)xml.ptr[++i]);
		else
			putchar(c);
	}
}

static void print_crossing(const struct crossing *c)
{
	const struct strict_result *result = &c->result;

	for (unsigned i = 0; c->made && i < result->n_notes; i++)
		printf("  removed %s %s\n", strict_reason_text(result->notes[i].reason),
			safe_text(result->notes[i].path, 0));
	if (c->made && result->n_more)
		printf("  removed %u more\n", result->n_more);
	if (c->made && result->kind == STRICT_REFUSED)
		printf("  refused %s %s\n", strict_reason_text(result->why.reason), safe_text(result->why.path, 0));
	if (!buf_len(&c->xml))
		return;
	printf("  crosses ");
	print_xml(buf_span(&c->xml));
	putchar('\n');
}

/* The verdict's object with the steps in it; takes nothing. */
static int print_json(struct judging *run, const struct verdict *v, const struct crossing *c)
{
	struct buf line;
	json_t *all;
	int r;

	buf_init(&line, 0);
	if ((r = verdict_format_json(v, &line)) == 0 && (run->follows || c->made)) {
		all = json_loadb(buf_ptr(&line), buf_len(&line), 0, NULL);
		add_crossing(all, run, c);
		if (run->follows)
			json_object_set_new(all, "trace", json_incref(run->trace.steps));
		if (run->follows && run->trace.cut)
			json_object_set_new(all, "cut", json_true());
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(all);
	} else if (r == 0) {
		printf("%.*s\n", (int)buf_len(&line), buf_ptr(&line));
	}
	buf_fini(&line);
	return r;
}

static int judge_one(struct judging *run, const struct stanza *stanza)
{
	struct crossing c = { .made = false };
	struct verdict verdict;
	int r;

	if (run->subject.login)
		login_try(&run->login, stanza->root);
	else
		run->subject.stanza = stanza;
	run->subject.session_stanzas = run->stanzas++;
	trace_reset(&run->trace);
	buf_init(&c.xml, 0);
	if ((r = judge_stanza(run->judge, run->policy, &run->subject, &verdict)) == 0 &&
		(r = cross(run, stanza, &verdict, &c)) == 0 && run->cli->json) {
		r = print_json(run, &verdict, &c);
	} else if (r == 0) {
		verdict_print(stdout, &verdict);
		print_crossing(&c);
		if (run->follows)
			show_steps(stdout, run->trace.steps, run->trace.cut, run->cli->colour);
	}
	buf_fini(&c.xml);
	return r;
}

/* EXIT_DONE while the input is good. */
static int drain(struct judging *run)
{
	struct stream_event event;
	int r;

	for (;;) {
		if ((r = stream_next(run->stream, &event)) < 0)
			break;
		if (event.kind == STREAM_MORE)
			return EXIT_DONE;
		if (event.kind == STREAM_BAD) {
			fprintf(stderr,
				"xmppwallctl judge: stanza %lu: a peer would get <%s/> (%s)\n",
				run->stanzas + 1, stream_error_text(event.error), event.reason);
			return EXIT_NO;
		}
		if (event.kind != STREAM_STANZA && event.kind != STREAM_ELEMENT)
			continue;
		if ((r = judge_one(run, &event.stanza)) < 0)
			break;
	}
	fprintf(stderr, "xmppwallctl judge: %s\n", err_text(r));
	return EXIT_NO;
}

static int judge_input(struct judging *run, FILE *in)
{
	char chunk[16384];
	bool first = true;
	int r = EXIT_DONE, pushed = 0;
	size_t n;

	while (r == EXIT_DONE && pushed == 0 && (n = fread(chunk, 1, sizeof chunk, in)) > 0) {
		if (first && !brings_header((struct span){ chunk, n })) {
			pushed = stream_push(run->stream, bare_header, sizeof bare_header - 1);
			r = pushed == 0 ? drain(run) : r;
		}
		first = false;
		if (r == EXIT_DONE && pushed == 0)
			pushed = stream_push(run->stream, chunk, n);
		if (r == EXIT_DONE && pushed == 0)
			r = drain(run);
		fflush(stdout);
	}
	if (pushed < 0) {
		fprintf(stderr, "xmppwallctl judge: %s\n", err_text(pushed));
		return EXIT_NO;
	}
	if (r == EXIT_DONE && stream_is_partial(run->stream)) {
		fprintf(stderr, "xmppwallctl judge: the input ends inside stanza %lu\n",
			run->stanzas + 1);
		return EXIT_NO;
	}
	return r;
}

/* What was written of the remote server, once the clock shows what it will. */
static int take_remote(struct cli *cli, struct arena *arena, struct subject *subject, const char *verified, const char *seen)
{
	const char *domain = subject->remote_domain;
	uint64_t ms = 0, now = (uint64_t)clock_wall_ms();

	if (!domain)
		return verified || seen ? cli_usage_error(cli, "--verified and --seen are about --remote DOMAIN") : EXIT_DONE;
	if (jid_prep_domain(arena, span_of(domain), &subject->remote_domain) < 0)
		return cli_usage_error(cli, "--remote '%s' is not a domain", domain);
	if (verified && !remote_verified_find(verified, &subject->remote_verified))
		return cli_usage_error(cli, "--verified is pin, dane, pkix, dialback or none");
	if (seen && (clock_parse_duration(seen, strlen(seen), &ms) < 0 || ms >= now))
		return cli_usage_error(cli, "--seen '%s' is not a time such as 3d", seen);
	if (seen)
		subject->remote_first_seen_ms = now - ms;
	return EXIT_DONE;
}

static int take_options(struct cli *cli, const char **rules, struct arena *arena, struct subject *subject)
{
	const char *direction = "in", *peer = NULL, *jid = NULL, *at = NULL, *verified = NULL, *seen = NULL;
	int64_t moment;

	subject->service = "c2s";
	if (!cli_option(cli, "--rules", rules) ||
		!cli_option(cli, "--service", &subject->service) ||
		!cli_option(cli, "--direction", &direction) || !cli_option(cli, "--peer", &peer) ||
		!cli_option(cli, "--jid", &jid) || !cli_option(cli, "--at", &at) ||
		!cli_option(cli, "--remote", &subject->remote_domain) || !cli_option(cli, "--verified", &verified) ||
		!cli_option(cli, "--seen", &seen) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (!*rules)
		return cli_usage_error(cli, "needs --rules FILE");
	if (cli->argc > 0)
		return cli_usage_error(
			cli, "unexpected '%s': stanzas come on standard input", cli->argv[0]);
	if (strcmp(direction, "in") != 0 && strcmp(direction, "out") != 0)
		return cli_usage_error(cli, "--direction is in or out");
	if (peer && address_parse(span_of(peer), &subject->peer) < 0)
		return cli_usage_error(cli, "--peer '%s' is not an address", peer);
	if (at && clock_parse_wall(at, strlen(at), &moment) < 0)
		return cli_usage_error(cli, "--at wants a moment in UTC such as 2026-11-21T08:30:00Z");
	/* Time stands still then, as in expectations. */
	if (at)
		clock_freeze(clock_mono_ns(), moment);
	subject->direction = strcmp(direction, "in") == 0 ? DIRECTION_IN : DIRECTION_OUT;
	subject->session_jid = jid;
	subject->session_authenticated = true;
	return take_remote(cli, arena, subject, verified, seen);
}

/* The role of the service named and its profile, if the rules define it; by its usual name otherwise. */
static void take_role(struct judging *run)
{
	const struct policy *policy = run->policy;
	struct subject *subject = &run->subject;
	const struct service *services;
	size_t n;

	services = policy_services(policy, &n);
	subject->role = service_role_find(subject->service);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(services[i].name, subject->service) != 0)
			continue;
		subject->role = services[i].role;
		run->strict = services[i].strict[subject->direction];
	}
}

/* Failed logins are judged before there is a session: --jid names the account. */
static void take_login(struct judging *run)
{
	struct subject *s = &run->subject;
	struct jid jid;

	if (strcmp(s->service, "login") != 0)
		return;
	if (s->session_jid && jid_parse(&run->arena, span_of(s->session_jid), &jid) == 0)
		run->login.account = jid_bare(&run->arena, &jid);
	s->login = &run->login;
	s->session_jid = NULL;
	s->session_authenticated = false;
}

int cli_judge(struct cli *cli)
{
	struct judging run = { .cli = cli };
	struct source_set sources;
	const char *rules = NULL;
	struct diag_list diags;
	int r, status;

	run.follows = cli_flag(cli, "--trace");
	run.trace.content = cli_flag(cli, "--bodies");
	arena_init(&run.arena, 0);
	if ((status = take_options(cli, &rules, &run.arena, &run.subject)) != EXIT_DONE) {
		arena_fini(&run.arena);
		return status;
	}
	source_init(&sources, true);
	diag_init(&diags);
	r = policy_load(&sources, rules, NULL, NULL, &diags, &run.policy);
	if (r < 0) /* warnings are for check */
		diag_print(&diags, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
	if (r < 0 && diags.errors == 0)
		fprintf(stderr, "xmppwallctl judge: %s: %s\n", rules, err_text(r));
	status = EXIT_NO;
	if (r == 0) {
		take_role(&run);
		take_login(&run);
		run.judge = judge_new();
		run.stream = stream_new(&xmpp_limits_default);
		if (run.judge && run.follows)
			judge_follow(run.judge, &run.trace);
		if (run.judge && run.stream) {
			stream_set_authenticated(run.stream, true);
			status = judge_input(&run, stdin);
		} else {
			fprintf(stderr, "xmppwallctl judge: %s\n", err_text(-ENOMEM));
		}
	}
	trace_reset(&run.trace);
	arena_fini(&run.arena);
	stream_free(run.stream);
	judge_free(run.judge);
	policy_unref(run.policy);
	diag_fini(&diags);
	source_fini(&sources);
	return status;
}
