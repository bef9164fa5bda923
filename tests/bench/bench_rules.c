/* SPDX-License-Identifier: BSD-2-Clause */
/* What judging costs: one chat message against keywords, expressions and rules in several numbers,
 * and what an edit of a long list costs. Prints Markdown tables; medians of five on one core
 * (the edits on two, with traffic beside them), judging in processor time, edits by the clock on
 * the wall. Nothing here is a test: it asserts only that the policy does what is measured. */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench.h"
#include "rules/rules.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

enum { BUDGET_MS = 300 /* one measurement */ };

static const char message[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>Hello, are we "
	"still on for tomorrow evening? The train leaves at 18:05 from platform 4, see "
	"https://trains.example/time?from=a&amp;to=b for the table. Yours, R.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/></message>";

static const char message_plain[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>Hello, are we "
	"still on for tomorrow evening? The train leaves at 18:05 from platform 4, bring "
	"something warm and do not forget the letters we talked about. Yours, R.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/></message>";

/* "Zdravstvuj, my vstrechaemsja zavtra..." in Cyrillic: the text that is not ASCII. */
static const char message_cyrillic[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>"
	"Здравствуй, мы ещё встречаемся завтра вечером? Поезд уходит в 18:05 с четвёртого пути, "
	"возьми что-нибудь тёплое и не забудь письма. Твой Р.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/></message>";

/* ---- policies ---- */

struct shape {
	const char *name;
	unsigned keywords, regexes, rules;
};

/* The rules of a common policy, over and over; '#' becomes the rule's number. */
static void rules_write(struct buf *b, const struct shape *s)
{
	static const char *const conditions[] = {
		"message from.domain is \"spam#.example\"",
		"url.host is \"bad#.example\"",
		"message type is groupchat and to.domain is \"rooms#.example\"",
		"iq payload.ns is \"urn:example:#\"",
		"message body contains \"offer number #\"",
		"session.anonymous and to.local is \"admin#\"",
		"presence status contains \"status #\"",
		"size > #000000",
	};

	for (unsigned i = 0; i < s->rules; i++) {
		const char *c = conditions[i % 8], *mark = strchr(c, '#');

		buf_putf(
			b, " rule r%u { %.*s%u%s drop }\n", i, (int)(mark - c), c, i + 1, mark + 1);
	}
}

static struct policy *policy_of(struct source_set *sources, const struct shape *s)
{
	struct policy *p;
	struct buf b;

	buf_init(&b, 0);
	words_add(sources, s->keywords);
	buf_puts(&b, "set words { type keyword; flags fold; file \"words.txt\"; }\n"
		     "limit chatter { rate 100000000/second; key from.bare; entries 10000; }\n"
		     "chain bench { hook c2s; policy accept;\n");
	if (s->keywords)
		buf_puts(&b, " rule word { message text contains @words drop }\n");
	for (unsigned i = 0; i < s->regexes; i++)
		buf_putf(&b,
			" rule re%u { message text matches /\\b(order|item)[ -]?%u\\d{%u}\\b/ "
			"drop }\n",
			i, i, 3 + i % 5);
	rules_write(&b, s);
	buf_puts(&b, "}\n");
	p = load(sources, buf_string(&b), NULL);
	buf_fini(&b);
	return p;
}

/* ---- judging ---- */

static double judge_ns(struct policy *p, const char *xml)
{
	double runs[RUNS];
	struct verdict v;
	struct door d;

	door_take(&d, xml);
	for (int i = 0; i < 100; i++)
		judge_stanza(d.judge, p, &d.subject, &v);
	assert(v.kind == VERDICT_ACCEPT);
	for (int run = 0; run < RUNS; run++) {
		uint64_t began = cpu_ns(), now = began, n = 0;
		while (now - began < BUDGET_MS * 1000000ull / RUNS) {
			for (int i = 0; i < 100; i++, n++)
				judge_stanza(d.judge, p, &d.subject, &v);
			now = cpu_ns();
		}
		runs[run] = (double)(now - began) / (double)n;
	}
	door_leave(&d);
	return median(runs, RUNS);
}

/* What comes before judging, for comparison. */
static double parse_ns(const char *xml)
{
	double runs[RUNS];
	struct door d;

	door_take(&d, "<presence/>");
	for (int run = 0; run < RUNS; run++) {
		uint64_t began = cpu_ns(), now = began, n = 0;
		while (now - began < BUDGET_MS * 1000000ull / RUNS) {
			for (int i = 0; i < 100; i++, n++) {
				stream_push(d.stream, xml, strlen(xml));
				stream_next(d.stream, &d.event);
			}
			now = cpu_ns();
		}
		runs[run] = (double)(now - began) / (double)n;
	}
	door_leave(&d);
	return median(runs, RUNS);
}

static void shapes_measure(void)
{
	static const struct shape shapes[] = {
		{ "no rule", 0, 0, 0 },
		{ "5 rules", 0, 0, 5 },
		{ "50 rules", 0, 0, 50 },
		{ "10 keywords", 10, 0, 0 },
		{ "1,000 keywords", 1000, 0, 0 },
		{ "100,000 keywords", 100000, 0, 0 },
		{ "10 regexes", 0, 10, 0 },
		{ "100 regexes", 0, 100, 0 },
		{ "1,000 keywords, 10 regexes, 5 rules", 1000, 10, 5 },
		{ "100,000 keywords, 100 regexes, 50 rules", 100000, 100, 50 },
	};

	printf("| ns for one message | plain text | with a URL | Cyrillic | load, ms "
	       "|\n|---|--:|--:|--:|--:|\n");
	printf("| (parsing the stanza) | %.0f | %.0f | %.0f | |\n", parse_ns(message_plain),
		parse_ns(message), parse_ns(message_cyrillic));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct source_set sources;
		struct policy *p;
		uint64_t began;
		double ms;

		source_init(&sources, false);
		began = cpu_ns();
		p = policy_of(&sources, &shapes[i]);
		ms = (double)(cpu_ns() - began) / 1e6;
		printf("| %s | %.0f | %.0f | %.0f | %.0f |\n", shapes[i].name,
			judge_ns(p, message_plain), judge_ns(p, message),
			judge_ns(p, message_cyrillic), ms);
		fflush(stdout);
		policy_unref(p);
		source_fini(&sources);
	}
}

/* ---- edits ---- */

static bool drops(struct door *d, struct policy *p)
{
	struct verdict v;

	judge_stanza(d->judge, p, &d->subject, &v);
	return v.kind == VERDICT_DROP;
}

/* From the call to the end of the first judgement that is made by it. */
static double edit_ms(struct policy *p, struct door *d, bool in)
{
	struct span word = span_of("tomorrow");
	uint64_t began = clock_mono_ns();

	if (policy_list_edit(p, "words", &word, in, &word, !in) < 0 || drops(d, p) != in)
		abort();
	return (double)(clock_mono_ns() - began) / 1e6;
}

static void bulk_add(struct policy *p, unsigned from, unsigned n)
{
	struct span *texts = calloc(n, sizeof(*texts));
	char *bytes = calloc(n, 32);

	assert(texts && bytes);
	for (unsigned i = 0; i < n; i++) {
		sprintf(bytes + 32 * (size_t)i, "late%u", from + i);
		texts[i] = span_of(bytes + 32 * (size_t)i);
	}
	if (policy_list_edit(p, "words", texts, n, NULL, 0) < 0)
		abort();
	free(texts);
	free(bytes);
}

/* Traffic beside the edits: how long a stanza may have to wait for one. */
struct traffic {
	struct policy *policy;
	_Atomic bool begun, ends;
	uint64_t longest_ns, judged, late; /* late: more than 10 ms */
};

/* Any core but the one the edits are made on. */
static void unpin(void)
{
	cpu_set_t cores;

	memset(&cores, 0xff, sizeof(cores));
	CPU_CLR(sched_getcpu(), &cores);
	(void)sched_setaffinity(0, sizeof(cores), &cores);
}

static void *traffic_run(void *arg)
{
	struct traffic *t = arg;
	struct door d;

	unpin();
	door_take(&d, message_plain);
	while (!t->ends) {
		uint64_t began = clock_mono_ns(), took;

		(void)drops(&d, t->policy);
		took = clock_mono_ns() - began;
		t->judged++;
		t->begun = true;
		t->late += took > 10000000;
		if (took > t->longest_ns)
			t->longest_ns = took;
	}
	door_leave(&d);
	return NULL;
}

static void traffic_begin(struct traffic *t, struct policy *p, pthread_t *thread)
{
	*t = (struct traffic){ .policy = p };
	if (pthread_create(thread, NULL, traffic_run, t) != 0)
		abort();
	while (!t->begun)
		sched_yield();
}

static void traffic_end(struct traffic *t, pthread_t thread)
{
	t->ends = true;
	pthread_join(thread, NULL);
}

static void edits_measure(void)
{
	static const struct shape shape = { "", 100000, 0, 0 };
	static const unsigned waiting[] = { 0, 100, 1000, 2000 };
	struct source_set sources;
	unsigned added = 0;
	struct policy *p;
	uint64_t began;
	struct door d;

	source_init(&sources, false);
	p = policy_of(&sources, &shape);
	door_take(&d, message_plain);
	printf("\n| list of 100,000 words, so many edits waiting | add, ms | remove, ms | longest "
	       "of the "
	       "stanzas judged meanwhile, ms | over 10 ms |\n|---|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < sizeof(waiting) / sizeof(*waiting); i++) {
		double in[RUNS], out[RUNS];
		struct traffic traffic;
		pthread_t thread;

		if (waiting[i] > added)
			bulk_add(p, added, waiting[i] - added);
		added = waiting[i];
		traffic_begin(&traffic, p, &thread);
		for (int run = 0; run < RUNS; run++) {
			in[run] = edit_ms(p, &d, true);
			out[run] = edit_ms(p, &d, false);
		}
		traffic_end(&traffic, thread);
		printf("| %u | %.1f | %.1f | %.1f | %llu of %llu |\n", waiting[i], median(in, RUNS),
			median(out, RUNS), (double)traffic.longest_ns / 1e6,
			(unsigned long long)traffic.late, (unsigned long long)traffic.judged);
	}
	bulk_add(p, added, 100);
	began = clock_mono_ns();
	if (policy_list_settle(p) < 0)
		abort();
	printf("\nFolding 2,100 edits into the base takes %.0f ms in the background.\n",
		(double)(clock_mono_ns() - began) / 1e6);
	door_leave(&d);
	policy_unref(p);
	source_fini(&sources);
}

/* ---- tables ---- */

enum { SENDERS = 20000, TEXTS = 5000 };

static const char *const words[] = { "meeting", "tomorrow", "platform", "children", "recipe",
	"station", "broken", "weekend", "address", "dentist", "parser", "slides", "evening",
	"holiday", "ticket", "garden", "window", "letter", "doctor", "summer", "coffee", "museum",
	"island", "bridge" };

/* One stanza from many senders, or many texts from them: each judgement meets another entry. */
static double table_ns(struct policy *p, bool texts)
{
	static char jids[SENDERS][40];
	double runs[RUNS];
	struct verdict v;
	struct door *doors = calloc(TEXTS, sizeof(*doors));
	unsigned n_doors = texts ? TEXTS : 1, at = 0;
	char xml[600];

	srandom(1);
	for (unsigned i = 0; i < SENDERS; i++)
		snprintf(jids[i], sizeof(jids[i]), "user%u@capulet.example/x", i);
	for (unsigned i = 0; i < n_doors; i++) {
		size_t len = (size_t)snprintf(xml, sizeof(xml),
			"<message type='chat' to='juliet@capulet.example'><body>");
		for (unsigned k = 0; k < 22; k++)
			len += (size_t)snprintf(xml + len, sizeof(xml) - len, "%s ",
				words[(unsigned long)random() % (sizeof(words) / sizeof(*words))]);
		snprintf(xml + len, sizeof(xml) - len, "</body></message>");
		door_take(&doors[i], xml);
	}
	for (int run = 0; run < RUNS; run++) {
		uint64_t began = cpu_ns(), now = began, n = 0;

		while (now - began < BUDGET_MS * 1000000ull / RUNS) {
			for (int i = 0; i < 100; i++, n++, at++) {
				struct door *d = &doors[at % n_doors];

				d->subject.session_jid = jids[(at * 7919u) % SENDERS];
				judge_stanza(doors[0].judge, p, &d->subject, &v);
			}
			now = cpu_ns();
		}
		runs[run] = (double)(now - began) / (double)n;
	}
	for (unsigned i = 0; i < n_doors; i++)
		door_leave(&doors[i]);
	free(doors);
	return median(runs, RUNS);
}

static void tables_measure(void)
{
	static const struct {
		const char *name, *rules;
	} cases[] = {
		{ "no table", "" },
		{ "a limit by sender", "limit a { rate 1000000/second; key from.bare; }" },
		{ "a limit by sender and recipient",
			"limit a { rate 1000000/second; key from.bare, to.bare; }" },
		{ "ten limits by sender", "ten" },
		{ "similar, over the body",
			"similar a { text body; senders 200; recipients 200; }" },
	};

	printf("\n| ns for one message from one of %d senders | one text | %d texts "
	       "|\n|---|--:|--:|\n",
		SENDERS, TEXTS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned limits = strcmp(cases[i].rules, "ten") == 0 ? 10 : 0;
		struct source_set sources;
		struct policy *p;
		struct buf b;

		buf_init(&b, 0);
		for (unsigned k = 0; k < limits; k++)
			buf_putf(&b, "limit a%u { rate 1000000/second; key from.bare; }\n", k);
		buf_putf(&b, "%s\nchain bench { hook c2s; policy accept;\n",
			limits ? "" : cases[i].rules);
		for (unsigned k = 0; k < limits; k++)
			buf_putf(&b, " rule r%u { limit a%u exceeded drop }\n", k, k);
		if (!limits && *cases[i].rules)
			buf_putf(&b, " rule r { %.*s a exceeded drop }\n",
				(int)strcspn(cases[i].rules, " "), cases[i].rules);
		buf_puts(&b, "}\n");
		source_init(&sources, false);
		p = load(&sources, buf_string(&b), NULL);
		printf("| %s | %.0f | %.0f |\n", cases[i].name, table_ns(p, false),
			table_ns(p, true));
		fflush(stdout);
		policy_unref(p);
		source_fini(&sources);
		buf_fini(&b);
	}
}

int main(int argc, char **argv)
{
	pin();
	if (argc > 1 && strcmp(argv[1], "tables") == 0) {
		tables_measure();
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "edits") == 0) {
		edits_measure();
		return 0;
	}
	shapes_measure();
	tables_measure();
	edits_measure();
	return 0;
}
