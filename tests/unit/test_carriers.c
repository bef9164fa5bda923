/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/carriers: where text hides, how its pieces are put together, forwarded stanzas, nicks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "xmpp/carriers.h"
#include "xmpp/ns.h"

static struct arena arena;

/* ---- building ---- */

static struct xml_element *add(struct xml_element *parent, const char *ns, const char *name)
{
	struct xml_element *e = element_new(&arena, ns, name);

	assert_non_null(e);
	if (parent)
		assert_int_equal(element_add(&arena, parent, e), 0);
	return e;
}

static void add_text(struct xml_element *e, const char *text)
{
	assert_int_equal(element_add_text(&arena, e, text, strlen(text)), 0);
}

static struct xml_element *leaf(
	struct xml_element *parent, const char *ns, const char *name, const char *text)
{
	struct xml_element *e = add(parent, ns, name);

	add_text(e, text);
	return e;
}

static void attr(struct xml_element *e, const char *name, const char *value)
{
	assert_int_equal(element_set_attr(&arena, e, name, value), 0);
}

static struct stanza stanza_of(struct xml_element *root)
{
	return (struct stanza){ .arena = &arena, .root = root, .kind = STANZA_MESSAGE };
}

/* ---- asking ---- */

static const char *all(struct xml_element *root)
{
	struct stanza s = stanza_of(root);
	struct carrier_text t;

	assert_int_equal(carriers_all(&arena, &s, &t), 0);
	assert_int_equal(strlen(t.text), t.len);
	return t.text;
}

static const char *named(struct xml_element *root, const char *name)
{
	struct stanza s = stanza_of(root);
	struct carrier_text t;

	assert_int_equal(carriers_named(&arena, &s, name, &t), 0);
	assert_int_equal(strlen(t.text), t.len);
	return t.text;
}

static const char *nick(struct xml_element *root)
{
	struct stanza s = stanza_of(root);
	struct carrier_text t;

	assert_int_equal(carriers_nick(&arena, &s, &t), 0);
	return t.text;
}

static void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static struct xml_element *message(void)
{
	struct xml_element *m = add(NULL, NS_CLIENT, "message");

	attr(m, "to", "juliet@example.net");
	attr(m, "id", "x1");
	attr(m, "type", "chat");
	return m;
}

static void test_bodies(void **state)
{
	struct xml_element *m = message();
	(void)state;

	leaf(m, NS_CLIENT, "subject", "Topic");
	leaf(m, NS_CLIENT, "body", "hello");
	attr(leaf(m, NS_CLIENT, "body", "hallo"), "lang", "de");
	leaf(m, NS_CLIENT, "thread", "t-1");
	leaf(m, "urn:other", "body", "not mine");
	assert_string_equal(named(m, "body"), "hello\nhallo");
	assert_string_equal(named(m, "subject"), "Topic");
	assert_string_equal(named(m, "thread"), "t-1");
	assert_string_equal(named(m, "status"), "");
	assert_string_equal(all(m), "Topic\nhello\nhallo\nt-1\nnot mine\nde");
}

static void test_addresses_are_no_text(void **state)
{
	struct xml_element *m = message();
	(void)state;

	assert_string_equal(all(m), "");
	attr(m, "weird", "hidden text");
	assert_string_equal(all(m), "hidden text");
}

/* Foreign elements inside a body: as read by clients that skip them and by those that look through.
 */
static void test_split_body(void **state)
{
	struct xml_element *m = message();
	struct xml_element *body = leaf(m, NS_CLIENT, "body", "cas");
	(void)state;

	leaf(body, "urn:x", "x", "ABC");
	add_text(body, "ino");
	assert_string_equal(named(m, "body"), "casino\ncasABCino");
	assert_holds(all(m), "cas\nABC\nino");
	assert_holds(all(m), "\ncasino");
	assert_holds(all(m), "casABCino");
}

static struct xml_element *xhtml_body(struct xml_element *m)
{
	return add(add(m, NS_XHTML_IM, "html"), NS_XHTML, "body");
}

static void test_xhtml(void **state)
{
	struct xml_element *m = message(), *p, *e;
	(void)state;

	leaf(m, NS_CLIENT, "body", "plain");
	p = add(xhtml_body(m), NS_XHTML, "p");
	add_text(p, "ca");
	e = leaf(p, NS_XHTML, "span", "s");
	attr(e, "style", "color: red");
	leaf(e, NS_XHTML, "em", "in");
	e = leaf(p, NS_XHTML, "a", "o");
	attr(e, "href", "http://evil.example/");
	e = leaf(p->parent, NS_XHTML, "p", "next");
	attr(add(e, NS_XHTML, "img"), "alt", "picture");
	assert_holds(all(m), "plain\ncasino\nnext");
	assert_holds(all(m), "\nhttp://evil.example/");
	assert_holds(all(m), "\npicture");
	assert_holds(named(m, "body"), "plain\ncasino\nnext");
}

/* A hidden span between two halves: the halves meet. */
static void test_xhtml_hidden(void **state)
{
	struct xml_element *m = message(), *p = add(xhtml_body(m), NS_XHTML, "p");
	(void)state;

	add_text(p, "cas");
	leaf(p, NS_XHTML, "span", "xyz");
	add_text(p, "ino");
	assert_holds(all(m), "casxyzino");
	assert_holds(all(m), "\ncasino");
}

static struct xml_element *forward(struct xml_element *parent, const char *body)
{
	struct xml_element *f = add(parent, NS_FORWARD, "forwarded"), *m;

	attr(add(f, "urn:xmpp:delay", "delay"), "stamp", "2026-11-21T00:00:00Z");
	m = add(f, NS_CLIENT, "message");
	attr(m, "from", "a@example.net/x");
	leaf(m, NS_CLIENT, "body", body);
	return m;
}

static void test_forwarded(void **state)
{
	struct xml_element *carbon = add(NULL, NS_CLIENT, "message");
	struct xml_element *result = add(NULL, NS_CLIENT, "message"), *inner;
	(void)state;

	inner = forward(add(carbon, NS_CARBONS, "received"), "in a carbon");
	assert_string_equal(named(carbon, "body"), "in a carbon");
	forward(inner, "deeper");
	assert_string_equal(named(carbon, "body"), "in a carbon\ndeeper");
	forward(add(result, NS_MAM, "result"), "from the archive");
	assert_string_equal(named(result, "body"), "from the archive");
	assert_string_equal(all(result), "from the archive");
}

/* Without xmlns a forwarded message is in the namespace of its wrapper; some clients take it all
 * the same. */
static void test_forwarded_without_namespace(void **state)
{
	struct xml_element *m = message(), *f = add(m, NS_FORWARD, "forwarded");
	(void)state;

	leaf(add(f, NS_FORWARD, "message"), NS_FORWARD, "body", "sly");
	assert_string_equal(named(m, "body"), "sly");
}

struct visited {
	unsigned n, stop;
	char levels[16];
};

static bool visit(void *arg, const struct xml_element *e, unsigned level)
{
	struct visited *v = arg;

	assert_non_null(e);
	v->levels[v->n++] = (char)('0' + level);
	return v->n != v->stop;
}

static void test_each_message(void **state)
{
	struct xml_element *m = message();
	struct stanza s = stanza_of(m);
	struct visited v = { 0 };
	(void)state;

	forward(forward(add(m, NS_CARBONS, "sent"), "one"), "two");
	forward(m, "three");
	carriers_each_message(&s, visit, &v);
	assert_string_equal(v.levels, "0121");
	v = (struct visited){ .stop = 2 };
	carriers_each_message(&s, visit, &v);
	assert_string_equal(v.levels, "01");
	v = (struct visited){ .stop = 1 };
	carriers_each_message(&s, visit, &v);
	assert_string_equal(v.levels, "0");
}

static void test_forms_and_files(void **state)
{
	struct xml_element *m = message(), *x = add(m, NS_DATA, "x"), *field, *e;
	(void)state;

	attr(x, "type", "form");
	leaf(x, NS_DATA, "title", "Form title");
	field = add(x, NS_DATA, "field");
	attr(field, "var", "protocol-name");
	attr(field, "label", "Field label");
	leaf(field, NS_DATA, "value", "field value");
	e = add(m, NS_OOB, "x");
	leaf(e, NS_OOB, "url", "http://oob.example/");
	leaf(e, NS_OOB, "desc", "a file");
	e = add(add(m, "urn:xmpp:jingle:1", "jingle"), "urn:xmpp:jingle:apps:file-transfer:5",
		"file");
	leaf(e, "urn:xmpp:jingle:apps:file-transfer:5", "name", "invoice.exe");
	attr(add(m, "urn:xmpp:http:upload:0", "request"), "filename", "upload.scr");
	attr(add(m, "jabber:x:conference", "x"), "reason", "come here");
	leaf(add(m, NS_CLIENT, "error"), NS_STANZAS, "text", "error text");
	for (const char *const *part = (const char *const[]){ "Form title", "Field label",
		     "field value", "http://oob.example/", "a file", "invoice.exe", "upload.scr",
		     "come here", "error text", NULL };
		*part; part++)
		assert_holds(all(m), *part);
	assert_null(strstr(all(m), "protocol-name"));
}

static void test_pubsub(void **state)
{
	struct xml_element *m = message(), *items, *entry;
	(void)state;

	items = add(add(m, NS_PUBSUB_EVENT, "event"), NS_PUBSUB_EVENT, "items");
	attr(items, "node", "urn:xmpp:microblog:0");
	entry = add(add(items, NS_PUBSUB_EVENT, "item"), "http://www.w3.org/2005/Atom", "entry");
	leaf(entry, "http://www.w3.org/2005/Atom", "title", "posted");
	attr(add(entry, "http://www.w3.org/2005/Atom", "link"), "href", "http://post.example/");
	assert_string_equal(all(m), "posted\nhttp://post.example/");
}

static void test_nicks(void **state)
{
	struct xml_element *m = message(), *p = add(NULL, NS_CLIENT, "presence"), *x;
	(void)state;

	leaf(m, NS_NICK, "nick", "Ishmael");
	assert_string_equal(nick(m), "Ishmael");
	attr(p, "to", "room@conf.example/Third Witch");
	add(p, NS_MUC, "x");
	assert_string_equal(nick(p), "Third Witch");
	p = add(NULL, NS_CLIENT, "presence");
	attr(p, "from", "room@conf.example/old");
	attr(p, "type", "unavailable");
	x = add(p, NS_MUC_USER, "x");
	attr(add(x, NS_MUC_USER, "item"), "nick", "new");
	assert_string_equal(nick(p), "old\nnew");
	m = add(NULL, NS_CLIENT, "message");
	attr(m, "from", "room@conf.example/spam.example");
	attr(m, "type", "groupchat");
	assert_string_equal(nick(m), "spam.example");
	attr(m, "type", "chat");
	assert_string_equal(nick(m), "");
	p = add(NULL, NS_CLIENT, "presence");
	attr(p, "to", "a@example.net/phone");
	attr(p, "type", "unavailable");
	assert_string_equal(nick(p), "");
}

static void test_status(void **state)
{
	struct xml_element *p = add(NULL, NS_SERVER, "presence");
	(void)state;

	leaf(p, NS_SERVER, "status", "away");
	leaf(p, NS_CLIENT, "status", "other content namespace");
	assert_string_equal(named(p, "status"), "away\nother content namespace");
}

static void test_white_space_makes_no_parts(void **state)
{
	struct xml_element *m = message();
	(void)state;

	add_text(m, "\n  ");
	leaf(m, NS_CLIENT, "body", " a \n b ");
	add_text(m, "\n");
	assert_string_equal(all(m), " a \n b ");
}

/* As deep and mixed as the parser allows: the texts grow with the tree, not with its square. */
static void test_deep(void **state)
{
	struct xml_element *m = message(), *e = m;
	char text[1001];
	(void)state;

	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (int i = 0; i < 62; i++) {
		e = add(e, "urn:x", "deep");
		add_text(e, text);
	}
	assert_true(strlen(all(m)) < 4 * 62 * 1001);
}

static void test_out_of_memory(void **state)
{
	struct xml_element *m = message();
	struct stanza s = stanza_of(m);
	struct carrier_text t;
	struct arena small;
	(void)state;

	/* A single text is the stanza's own; two have to be joined. */
	leaf(m, NS_CLIENT, "body", "text");
	leaf(m, NS_CLIENT, "body", "more");
	leaf(m, NS_NICK, "nick", "one");
	leaf(m, NS_NICK, "nick", "two");
	arena_init(&small, 64);
	assert_int_equal(carriers_all(&small, &s, &t), -12);
	assert_int_equal(carriers_named(&small, &s, "body", &t), -12);
	assert_int_equal(carriers_nick(&small, &s, &t), -12);
	arena_fini(&small);
}

static int setup(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bodies, setup),
		cmocka_unit_test_setup(test_addresses_are_no_text, setup),
		cmocka_unit_test_setup(test_split_body, setup),
		cmocka_unit_test_setup(test_xhtml, setup),
		cmocka_unit_test_setup(test_xhtml_hidden, setup),
		cmocka_unit_test_setup(test_forwarded, setup),
		cmocka_unit_test_setup(test_forwarded_without_namespace, setup),
		cmocka_unit_test_setup(test_each_message, setup),
		cmocka_unit_test_setup(test_forms_and_files, setup),
		cmocka_unit_test_setup(test_pubsub, setup),
		cmocka_unit_test_setup(test_nicks, setup),
		cmocka_unit_test_setup(test_status, setup),
		cmocka_unit_test_setup(test_white_space_makes_no_parts, setup),
		cmocka_unit_test_setup(test_deep, setup),
		cmocka_unit_test_setup(test_out_of_memory, setup),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
