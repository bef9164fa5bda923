/* SPDX-License-Identifier: BSD-2-Clause */
/* What "forward strict" costs: a stanza made anew from a profile and written, beside the same
 * stanza written canonically and beside our parsing of it, in one run. Prints a Markdown table;
 * processor time on one core, medians of five, the parties taken in turn. Run it on a release
 * build: bench_strict PROFILE (docs/examples/profiles/gateway.profile). Then the same with a
 * profile of a thousand elements more in each message: the cost must not follow. */
#include "bench.h"
#include "base/buf.h"
#include "rules/profile.h"
#include "rules/source.h"
#include "rules/strict.h"
#include "xmpp/write.h"

enum { SLICE_MS = 60, MORE = 1000 };

struct sample {
	const char *name, *xml;
};

/* clang-format off */
static const struct sample samples[] = {
	{ "chat",
	  "<message type='chat' id='b7f3' from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony'><body>Are we still on for "
	  "tomorrow? The train leaves at 18:05.</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>" },
	{ "chat, with what goes",
	  "<message type='chat' id='b7f3' from='romeo@montague.example/orchard' to='juliet@capulet.example/balcony'><body>Are we still on for "
	  "tomorrow?</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>Are</p></body></html>"
	  "<origin-id xmlns='urn:xmpp:sid:0' id='7'/><x xmlns='jabber:x:oob'><url>http://a/</url></x></message>" },
	{ "presence in a room",
	  "<presence from='room@rooms.example/nick' to='juliet@capulet.example/balcony'><show>away</show><x xmlns='http://jabber.org/protocol/muc#user'>"
	  "<item affiliation='member' role='participant' jid='a@b.example/c'/><status code='110'/></x></presence>" },
	{ "labelled, with a delay",
	  "<message type='chat' id='b7f3' from='a@high.example/x' to='b@low.example'><body>x</body><securitylabel xmlns='urn:xmpp:sec-label:0'>"
	  "<displaymarking>UNCLASSIFIED</displaymarking><label/></securitylabel><delay xmlns='urn:xmpp:delay' stamp='2026-11-21T20:00:00Z'/></message>" },
};
/* clang-format on */

struct party {
	const char *name, *xml;
	void (*once)(struct party *p);
	struct door door;
	struct strict *profile;
	struct arena arena;
	struct buf out;
	double runs[RUNS];
};

static struct strict *profile_of(const char *path, unsigned more)
{
	struct profile_file files[2] = { { .path = path }, { .path = "/more.profile" } };
	struct strict *out = NULL;
	struct source_set sources;
	struct diag_list diags;
	struct buf text;

	source_init(&sources, true);
	diag_init(&diags);
	buf_init(&text, 0);
	buf_puts(&text, "profile more { message { ");
	for (unsigned i = 0; i < more; i++)
		buf_putf(&text, "element e%u in \"urn:more:%u\" { attribute a token; }\n", i, i);
	buf_puts(&text, "} }");
	source_add(&sources, "/more.profile", buf_ptr(&text), buf_len(&text));
	if (profile_load(&sources, files, 2, &diags, &out) < 0) {
		diag_print(&diags, stderr, false);
		exit(1);
	}
	buf_fini(&text);
	diag_fini(&diags);
	source_fini(&sources);
	return out;
}

static void write_once(struct party *p)
{
	buf_clear(&p->out);
	if (write_element(&p->out, p->door.subject.stanza->root, NS_CLIENT) < 0)
		abort();
}

static void strict_once(struct party *p)
{
	struct strict_result result;

	buf_clear(&p->out);
	arena_reset(&p->arena);
	if (strict_write(p->profile, p->door.subject.stanza, &p->arena, &result) < 0 ||
		!result.root || write_element(&p->out, result.root, NS_CLIENT) < 0)
		abort();
}

static void parse_once(struct party *p)
{
	stream_push(p->door.stream, p->xml, strlen(p->xml));
	stream_next(p->door.stream, &p->door.event);
}

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

static void sample_measure(const struct sample *s, struct strict *usual, struct strict *large)
{
	struct party parties[] = {
		{ .name = "written canonically", .once = write_once },
		{ .name = "made anew and written", .once = strict_once, .profile = usual },
		{ .name = "the same, 1,000 elements more in the profile",
			.once = strict_once,
			.profile = large },
		{ .name = "our parsing", .once = parse_once },
	};
	enum { N = sizeof(parties) / sizeof(parties[0]) };
	double base;

	for (unsigned i = 0; i < N; i++) {
		parties[i].xml = s->xml;
		door_take(&parties[i].door, s->xml);
		arena_init(&parties[i].arena, 0);
		buf_init(&parties[i].out, 0);
	}
	for (int run = 0; run < RUNS; run++)
		for (unsigned i = 0; i < N; i++)
			parties[i].runs[run] = slice_ns(&parties[i]);
	base = median(parties[0].runs, RUNS);
	printf("\n| %s | ns | of writing |\n|---|--:|--:|\n", s->name);
	for (unsigned i = 0; i < N; i++) {
		double ns = median(parties[i].runs, RUNS);

		printf("| %s | %.0f | %.2f |\n", parties[i].name, ns, ns / base);
		door_leave(&parties[i].door);
		arena_fini(&parties[i].arena);
		buf_fini(&parties[i].out);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "docs/examples/profiles/gateway.profile";
	struct strict *usual = profile_of(path, 0), *large = profile_of(path, MORE);

	pin();
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		sample_measure(&samples[i], usual, large);
	strict_unref(usual);
	strict_unref(large);
	return 0;
}
