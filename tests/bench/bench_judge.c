/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging and folding beside what expat takes to parse the same stanza of 300 bytes, in one run:
 * expat bare, with handlers that build nothing. Prints Markdown tables; processor time on one core,
 * medians of five, the parties taken in turn so that a change of the machine's pace meets all.
 * Asserts only that the policies let the stanza through and have looked at all of it. */
#include <expat.h>

#include "base/buf.h"
#include "bench.h"
#include "xmpp/carriers.h"
#include "xmpp/text.h"

enum { STANZA_BYTES = 300, SLICE_MS = 60, CASES_MAX = 16, SENDERS_MAX = 20000 };

/* clang-format off */
static const char ascii[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>Hello, are we "
	"still on for tomorrow evening? The train leaves at 18:05 from platform 4. Bring "
	"books.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>";
/* Latin, Cyrillic, Greek, full-width and a word that mixes them */
static const char mixed[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>Meeting завтра "
	"в 18:05, платформа 4: ｗｗｗ. Γειά σου, Ελένη. Free сasinо, café</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>";
static const char cyrillic[] =
	"<message type='chat' id='b7f3' to='juliet@capulet.example/balcony'><body>Здравствуй, мы "
	"ещё встречаемся завтра вечером? Поезд в 18:05."
	"</body><active xmlns='http://jabber.org/protocol/chatstates'/>";
/* clang-format on */

struct text {
	const char *name;
	char xml[STANZA_BYTES + 1];
};

/* These programs are built without assertions. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Exactly so many bytes: the id of XEP-0359 that clients add fills up. */
static struct text text_of(const char *name, const char *start)
{
	static const char open[] = "<origin-id xmlns='urn:xmpp:sid:0' id='",
			  close[] = "'/></message>";
	struct text t = { .name = name };
	size_t used = strlen(start), tail = sizeof(close) - 1, head = used + sizeof(open) - 1;

	must(head + tail <= STANZA_BYTES);
	memcpy(t.xml, start, used);
	memcpy(t.xml + used, open, sizeof(open) - 1);
	memset(t.xml + head, '7', STANZA_BYTES - head - tail);
	memcpy(t.xml + STANZA_BYTES - tail, close, tail);
	return t;
}

/* ---- the parties ---- */

struct party {
	const char *name;
	void (*once)(struct party *p);
	double runs[RUNS];
	XML_Parser parser;
	const char *xml;
	struct door door;
	struct policy *policy;
	struct source_set sources;
	struct arena arena, carried;
	struct carrier_text text;
};

static void start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	(void)arg;
	(void)name;
	(void)attrs;
}

static void end(void *arg, const XML_Char *name)
{
	(void)arg;
	(void)name;
}

static void chars(void *arg, const XML_Char *text, int len)
{
	(void)arg;
	(void)text;
	(void)len;
}

static void expat_once(struct party *p)
{
	if (XML_Parse(p->parser, p->xml, STANZA_BYTES, 0) != XML_STATUS_OK)
		abort();
}

static void expat_init(struct party *p, const char *xml)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>";

	*p = (struct party){ .name = "expat", .once = expat_once, .xml = xml };
	p->parser = XML_ParserCreateNS("UTF-8", '\n');
	must(p->parser);
	XML_SetElementHandler(p->parser, start, end);
	XML_SetCharacterDataHandler(p->parser, chars);
	if (XML_Parse(p->parser, header, sizeof(header) - 1, 0) != XML_STATUS_OK)
		abort();
}

static void parse_once(struct party *p)
{
	stream_push(p->door.stream, p->xml, STANZA_BYTES);
	stream_next(p->door.stream, &p->door.event);
}

static void parse_init(struct party *p, const char *xml)
{
	*p = (struct party){ .name = "our parsing", .once = parse_once, .xml = xml };
	door_take(&p->door, xml);
}

static void fold_once(struct party *p)
{
	struct folded f;

	arena_reset(&p->arena);
	if (text_fold(&p->arena, (struct span){ p->text.text, p->text.len }, &f) < 0)
		abort();
}

static void fold_init(struct party *p, const char *xml)
{
	*p = (struct party){ .name = "folding", .once = fold_once };
	door_take(&p->door, xml);
	arena_init(&p->arena, 1 << 20);
	arena_init(&p->carried, 1 << 20);
	if (carriers_all(&p->carried, p->door.subject.stanza, &p->text) < 0)
		abort();
}

static void judge_once(struct party *p)
{
	struct verdict v;

	judge_stanza(p->door.judge, p->policy, &p->door.subject, &v);
}

/* ---- policies ---- */

enum {
	TOGETHER,
	/* fifty rules, two of them with the sets */ APART /* a rule for each regex too */
};

struct shape {
	const char *name;
	unsigned rules, regexes, keywords;
	int how;
};

static void regex_write(struct buf *b, unsigned i)
{
	buf_putf(b, "/\\b(order|item)[ -]?%u\\d{%u}\\b/", i, 3 + i % 5);
}

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
	unsigned sets = s->how == TOGETHER ? !!s->regexes + !!s->keywords : !!s->keywords;

	for (unsigned i = 0; i + sets < s->rules; i++) {
		const char *c = conditions[i % 8], *mark = strchr(c, '#');

		buf_putf(
			b, " rule r%u { %.*s%u%s drop }\n", i, (int)(mark - c), c, i + 1, mark + 1);
	}
}

static void policy_write(struct buf *b, const struct shape *s)
{
	if (s->keywords)
		buf_puts(b, "set words { type keyword; flags fold; file \"words.txt\"; }\n");
	if (s->regexes && s->how == TOGETHER)
		buf_puts(b, "set shapes { type regex; file \"shapes.txt\"; }\n");
	buf_puts(b, "chain bench { hook c2s; policy accept;\n");
	if (s->keywords)
		buf_puts(b, " rule word { message text contains @words drop }\n");
	if (s->regexes && s->how == TOGETHER)
		buf_puts(b, " rule shape { message text matches @shapes drop }\n");
	for (unsigned i = 0; s->how == APART && i < s->regexes; i++) {
		buf_putf(b, " rule re%u { message text matches ", i);
		regex_write(b, i);
		buf_puts(b, " drop }\n");
	}
	rules_write(b, s);
	buf_puts(b, "}\n");
}

static void judge_init(struct party *p, const char *xml, const struct shape *s)
{
	struct verdict v;
	struct buf b, shapes;

	*p = (struct party){ .name = s->name, .once = judge_once };
	buf_init(&b, 0);
	buf_init(&shapes, 0);
	source_init(&p->sources, false);
	words_add(&p->sources, s->keywords);
	for (unsigned i = 0; i < s->regexes; i++) {
		regex_write(&shapes, i);
		buf_puts(&shapes, "\n");
	}
	if (source_add(&p->sources, "shapes.txt", buf_ptr(&shapes), buf_len(&shapes)) < 0)
		abort();
	policy_write(&b, s);
	p->policy = load(&p->sources, buf_string(&b), NULL);
	door_take(&p->door, xml);
	judge_stanza(p->door.judge, p->policy, &p->door.subject, &v);
	must(v.kind == VERDICT_ACCEPT);
	buf_fini(&b);
	buf_fini(&shapes);
}

static void party_fini(struct party *p)
{
	if (p->parser)
		XML_ParserFree(p->parser);
	if (p->door.stream)
		door_leave(&p->door);
	arena_fini(&p->arena);
	arena_fini(&p->carried);
	if (p->policy) {
		policy_unref(p->policy);
		source_fini(&p->sources);
	}
}

/* ---- measuring ---- */

static double slice_ns(struct party *p)
{
	uint64_t began, now, n = 0;

	for (int i = 0; i < 200; i++)
		p->once(p);
	began = now = cpu_ns();
	while (now - began < SLICE_MS * 1000000ull) {
		for (int i = 0; i < 100; i++, n++)
			p->once(p);
		now = cpu_ns();
	}
	return (double)(now - began) / (double)n;
}

/* The first is what the others are measured by. */
static void parties_measure(struct party *parties, unsigned n)
{
	for (int run = 0; run < RUNS; run++)
		for (unsigned i = 0; i < n; i++)
			parties[i].runs[run] = slice_ns(&parties[i]);
}

static void parties_print(const struct text *t, struct party *parties, unsigned n)
{
	double base = median(parties[0].runs, RUNS);

	printf("\n| %s, %d bytes | ns | of expat |\n|---|--:|--:|\n", t->name, STANZA_BYTES);
	for (unsigned i = 0; i < n; i++) {
		double ns = median(parties[i].runs, RUNS);

		printf("| %s | %.0f | %.2f |\n", parties[i].name, ns, ns / base);
	}
	fflush(stdout);
}

static void text_measure(const struct text *t, const struct shape *shapes, unsigned n_shapes)
{
	struct party parties[CASES_MAX];
	unsigned n = 0;

	must(n_shapes + 3 <= CASES_MAX);
	expat_init(&parties[n++], t->xml);
	parse_init(&parties[n++], t->xml);
	fold_init(&parties[n++], t->xml);
	for (unsigned i = 0; i < n_shapes; i++)
		judge_init(&parties[n++], t->xml, &shapes[i]);
	parties_measure(parties, n);
	parties_print(t, parties, n);
	for (unsigned i = 0; i < n; i++)
		party_fini(&parties[i]);
}

/* ---- beside another filter ---- */

static const char *sender(unsigned i)
{
	static char jids[SENDERS_MAX][48];

	if (!jids[i][0])
		snprintf(jids[i], sizeof(jids[i]), "romeo%u@montague.example/orchard", i);
	return jids[i];
}

static unsigned n_senders, next_sender;

static void sender_once(struct party *p)
{
	next_sender = next_sender + 1 < n_senders ? next_sender + 1 : 0;
	p->door.subject.session_jid = sender(next_sender);
	judge_once(p);
}

/* "stanza" prints what is judged; "filter RULES N SENDERS" the nanoseconds of judging it by the one
 * rule that a policy file holds beside N words of the list (bench_modfirewall.py), each message
 * from the next of so many senders. */
static int filter_measure(const char *file, unsigned n_words, unsigned senders)
{
	struct text t = text_of("ASCII", ascii);
	struct party p = { .name = file, .once = senders > 1 ? sender_once : judge_once };
	char rules[4096];
	FILE *f = fopen(file, "r");
	size_t n = f ? fread(rules, 1, sizeof(rules) - 1, f) : 0;

	must(n > 0 && senders <= SENDERS_MAX);
	n_senders = senders;
	fclose(f);
	rules[n] = '\0';
	source_init(&p.sources, false);
	words_add(&p.sources, n_words);
	p.policy = load(&p.sources, rules, NULL);
	door_take(&p.door, t.xml);
	parties_measure(&p, 1);
	printf("%.0f\n", median(p.runs, RUNS));
	party_fini(&p);
	return 0;
}

static int other(int argc, char **argv)
{
	struct text t = text_of("ASCII", ascii);
	char word[32];

	if (strcmp(argv[1], "filter") == 0 && argc == 5)
		return filter_measure(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
	if (strcmp(argv[1], "words") == 0 && argc == 3)
		for (unsigned i = 0; i < (unsigned)atoi(argv[2]); i++) {
			word_write(i, word);
			puts(word);
		}
	else
		puts(t.xml);
	return 0;
}

/* One policy and one text alone, so often, for a profiler that counts instructions. */
static int loop(const struct shape *s, const struct text *t, unsigned times)
{
	struct party p;

	judge_init(&p, t->xml, s);
	for (unsigned i = 0; i < times; i++)
		p.once(&p);
	party_fini(&p);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct shape shapes[] = {
		{ "no rule", 0, 0, 0, TOGETHER },
		{ "50 rules", 50, 0, 0, TOGETHER },
		{ "100 regexes in a set", 1, 100, 0, TOGETHER },
		{ "100 rules with a regex each", 0, 100, 0, APART },
		{ "50 rules, 100 regexes, 1,000 keywords", 50, 100, 1000, TOGETHER },
		{ "50 rules, 100 more with a regex each, 1,000 keywords", 50, 100, 1000, APART },
		{ "50 rules, 100 regexes, 100,000 keywords", 50, 100, 100000, TOGETHER },
		{ "50 rules, 100 more with a regex each, 100,000 keywords", 50, 100, 100000,
			APART },
	};
	static const struct shape curve[] = {
		{ "100 keywords", 1, 0, 100, TOGETHER },
		{ "300 keywords", 1, 0, 300, TOGETHER },
		{ "1,000 keywords", 1, 0, 1000, TOGETHER },
		{ "3,000 keywords", 1, 0, 3000, TOGETHER },
		{ "10,000 keywords", 1, 0, 10000, TOGETHER },
		{ "30,000 keywords", 1, 0, 30000, TOGETHER },
		{ "100,000 keywords", 1, 0, 100000, TOGETHER },
	};
	struct text texts[] = { text_of("ASCII", ascii), text_of("mixed scripts", mixed),
		text_of("Cyrillic", cyrillic) };
	bool digit = argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9';
	bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
	unsigned one = argc > 1 && !quick ? (unsigned)atoi(argv[1]) : 0;

	pin();
	if (argc > 1 && !quick && !digit)
		return other(argc, argv);
	if (one) { /* a single case: CASE [TEXT TIMES] */
		must(one <= sizeof(shapes) / sizeof(*shapes));
		if (argc == 4)
			return loop(&shapes[one - 1], &texts[atoi(argv[2]) % 3],
				(unsigned)atoi(argv[3]));
		text_measure(&texts[0], &shapes[one - 1], 1);
		return 0;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		text_measure(&texts[i], shapes, quick ? 6 : 8);
	if (!quick)
		text_measure(&texts[0], curve, sizeof(curve) / sizeof(*curve));
	return 0;
}
