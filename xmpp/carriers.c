/* SPDX-License-Identifier: BSD-2-Clause */
/* Where text hides in a stanza. In comes a stanza's tree, out go its texts joined in the arena, for
 * the keyword and URL fields of rules. A text is given as a client may put it together: XHTML
 * joined across inline elements, and where foreign elements stand inside a text, both without and
 * with what they hold. Protocol attributes of namespaces known here (ids, types, addresses) are no
 * text; all others are. It folds nothing, judges nothing and changes nothing; recursion is as deep
 * as the tree, which the parser bounds. */
#include "xmpp/carriers.h"

#include <errno.h>
#include <string.h>
#include "xmpp/ns.h"

/* ---- joining ---- */

struct join {
	struct arena *arena;
	char *text; /* cap is 0: borrowed from the stanza, and all there is so far */
	size_t len, cap;
	bool apart; /* the next bytes begin a new part */
	bool mapped;
	bool mixed,
		attrs; /* on the way elements were met that collect_mixed, collect_attrs see to */
	struct carrier_piece *pieces;
	size_t n_pieces, cap_pieces;
	int error;
};

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	return true;
}

static bool join_reserve(struct join *j, size_t more)
{
	size_t cap = j->cap ? j->cap * 2 : 256;
	char *text;

	if (j->error)
		return false;
	if (j->len + more <= j->cap)
		return true;
	while (cap < j->len + more)
		cap *= 2;
	if (!(text = arena_alloc(j->arena, cap))) {
		j->error = -ENOMEM;
		return false;
	}
	if (j->len)
		memcpy(text, j->text, j->len);
	j->text = text;
	j->cap = cap;
	return true;
}

static void join_break(struct join *j)
{
	j->apart = true;
}

static void join_note(struct join *j, const char *text, size_t len)
{
	size_t cap = j->cap_pieces ? j->cap_pieces * 2 : 32;
	struct carrier_piece *grown;

	if (j->n_pieces == j->cap_pieces) {
		if (!(grown = arena_alloc(j->arena, cap * sizeof(*grown)))) {
			j->error = -ENOMEM;
			return;
		}
		if (j->n_pieces)
			memcpy(grown, j->pieces, j->n_pieces * sizeof(*grown));
		j->pieces = grown;
		j->cap_pieces = cap;
	}
	j->pieces[j->n_pieces++] = (struct carrier_piece){ j->len, { text, len } };
}

/* Goes on with the part; blanks begin none. */
static void join_put(struct join *j, const char *text, size_t len)
{
	if (len == 0 || (j->apart && is_blank(text, len)))
		return;
	if (j->len == 0 && !j->mapped && !j->error) {
		/* Mostly it stays the only one. */
		j->text = (char *)text;
		j->len = len;
		j->cap = 0;
		j->apart = false;
		return;
	}
	if (!join_reserve(j, len + 2))
		return;
	if (j->apart && j->len)
		j->text[j->len++] = '\n';
	j->apart = false;
	if (j->mapped)
		join_note(j, text, len);
	memcpy(j->text + j->len, text, len);
	j->len += len;
}

static void join_part(struct join *j, const char *text, size_t len)
{
	join_break(j);
	join_put(j, text, len);
	join_break(j);
}

static struct join join_start(struct arena *a)
{
	return (struct join){ .arena = a, .apart = true };
}

static int join_finish(struct join *j, struct carrier_text *out)
{
	if (j->error)
		return j->error;
	if (j->cap == 0) { /* nothing, or one text of the stanza, which ends with NUL itself */
		*out = (struct carrier_text){ j->len ? j->text : "", j->len };
		return 0;
	}
	if (!join_reserve(j, 1))
		return j->error;
	j->text[j->len] = '\0';
	*out = (struct carrier_text){ j->text, j->len };
	return 0;
}

/* ---- what is what ---- */

/* A name with its length, so that most of a list is passed over without a look at its letters. */
struct word {
	const char *text;
	size_t len;
};
#define WORD(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define IS_IN(list, name) is_in(list, sizeof(list) / sizeof(*(list)), name)

static bool is_in(const struct word *list, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (list[i].len == len && memcmp(list[i].text, name, len) == 0)
			return true;
	return false;
}

static bool is_content_ns(const char *ns)
{
	static const struct word content[] = { WORD(NS_CLIENT), WORD(NS_SERVER), WORD(NS_COMPONENT),
		WORD(NS_COMPONENT_CONNECT), WORD(NS_HTTPBIND) };

	return IS_IN(content, ns);
}

/* A stanza inside another: by name, in a content namespace or as the child of <forwarded/>. */
static bool is_stanza(const struct xml_element *e)
{
	const char *name = e->name;

	if (*name != 'm' && *name != 'p' && *name != 'i')
		return false;
	return (string_equal(name, "message") || string_equal(name, "presence") ||
		       string_equal(name, "iq")) &&
	       (is_content_ns(e->ns) || (e->parent && string_equal(e->parent->ns, NS_FORWARD)));
}

/* XHTML that flows inside a line: its text belongs to the text around it. */
static bool is_inline(const struct xml_element *e)
{
	static const struct word blocks[] = { WORD("html"), WORD("head"), WORD("title"),
		WORD("body"), WORD("p"), WORD("div"), WORD("br"), WORD("hr"), WORD("ul"),
		WORD("ol"), WORD("li"), WORD("dl"), WORD("dt"), WORD("dd"), WORD("h1"), WORD("h2"),
		WORD("h3"), WORD("h4"), WORD("h5"), WORD("h6"), WORD("blockquote"), WORD("pre"),
		WORD("address"), WORD("table"), WORD("tr"), WORD("td"), WORD("th"), WORD("style") };

	return string_equal(e->ns, NS_XHTML) && !IS_IN(blocks, e->name);
}

/* Namespaces whose protocol attributes are known by name. */
static bool is_known_ns(const char *ns)
{
	static const struct word known[] = { /* the most frequent first */ WORD("urn:xmpp:sid:0"),
		WORD("urn:xmpp:occupant-id:0"), WORD("urn:xmpp:delay"), WORD(NS_RECEIPTS),
		WORD("urn:xmpp:chat-markers:0"), WORD("urn:xmpp:message-correct:0"),
		WORD("urn:xmpp:reply:0"), WORD(NS_DATA), WORD(NS_MUC_USER),
		WORD("http://jabber.org/protocol/caps"), WORD(NS_PUBSUB), WORD(NS_PUBSUB_EVENT),
		WORD(NS_MAM), WORD(NS_STREAM), WORD(NS_STREAMS), WORD(NS_STANZAS), WORD(NS_SASL),
		WORD(NS_SASL2), WORD(NS_FAST), WORD(NS_BIND), WORD(NS_BIND2), WORD(NS_SESSION),
		WORD(NS_SM), WORD(NS_DIALBACK), WORD(NS_TLS), WORD(NS_LIMITS), WORD(NS_ERRORS),
		WORD(NS_MUC), WORD(NS_CARBONS), WORD(NS_FORWARD), WORD(NS_CHATSTATES),
		WORD(NS_LABEL), WORD("http://jabber.org/protocol/muc#admin"),
		WORD("http://jabber.org/protocol/muc#owner"),
		WORD("http://jabber.org/protocol/pubsub#owner"),
		WORD("http://jabber.org/protocol/disco#info"),
		WORD("http://jabber.org/protocol/disco#items"),
		WORD("http://jabber.org/protocol/rsm"), WORD("http://jabber.org/protocol/ibb"),
		WORD("http://jabber.org/protocol/commands"),
		WORD("http://jabber.org/protocol/bytestreams"), WORD("jabber:iq:roster"),
		WORD("jabber:x:conference"), WORD("jabber:x:delay"), WORD("urn:xmpp:hints"),
		WORD("urn:xmpp:reactions:0"), WORD("urn:xmpp:jingle:1"), WORD("urn:xmpp:bob"),
		WORD("urn:xmpp:avatar:metadata"), WORD("urn:xmpp:avatar:data"),
		WORD("urn:xmpp:eme:0"), WORD("urn:xmpp:hashes:2"), WORD("urn:xmpp:ping"),
		WORD("eu.siacs.conversations.axolotl"), WORD("urn:xmpp:omemo:2") };

	return is_content_ns(ns) || IS_IN(known, ns);
}

/* Names of protocol attributes, by their first letter. */
static bool is_protocol_name(const char *name)
{
	/* clang-format off */
	static const char *const names[26][11] = {
		['a' - 'a'] = { "affiliation", "ask", "action", "algo" },
		['b' - 'a'] = { "by", "block-size", "bytes" },
		['c' - 'a'] = { "code", "cid", "creator", "complete" },
		['f' - 'a'] = { "from" },
		['h' - 'a'] = { "hash", "h", "height", "host" },
		['i' - 'a'] = { "id", "initiator", "index" },
		['j' - 'a'] = { "jid" },
		['k' - 'a'] = { "kid", "keyid", "key" },
		['m' - 'a'] = { "max", "mechanism", "mode", "maxstanzas", "maxchars" },
		['n' - 'a'] = { "node", "namespace" },
		['p' - 'a'] = { "previd", "prekey", "port" },
		['q' - 'a'] = { "queryid" },
		['r' - 'a'] = { "role", "responder", "resume", "rid" },
		['s' - 'a'] = { "stamp", "sid", "seq", "subscription", "senders", "sessionid", "status", "stable", "seconds", "since" },
		['t' - 'a'] = { "to", "type" },
		['v' - 'a'] = { "ver", "var", "version" },
		['w' - 'a'] = { "width" },
	};
	/* clang-format on */
	const char *const *list;

	if (*name < 'a' || *name > 'z')
		return false;
	for (list = names[*name - 'a']; *list; list++) {
		size_t i = 1;

		while (name[i] && name[i] == (*list)[i])
			i++;
		if (name[i] == (*list)[i])
			return true;
	}
	return false;
}

/* known: is the element's namespace one of those? */
static bool is_protocol(const struct xml_attr *attr, bool known)
{
	if (attr->ns[0])
		return string_equal(attr->ns, NS_XML);
	return known && is_protocol_name(attr->name);
}

static bool has_text_attr(const struct xml_element *e)
{
	bool known;

	if (!e->attrs)
		return false;
	known = is_known_ns(e->ns);
	for (const struct xml_attr *attr = e->attrs; attr; attr = attr->next)
		if (!is_protocol(attr, known))
			return true;
	return false;
}

/* ---- everything ---- */

static void collect_text(struct join *j, const struct xml_element *e)
{
	bool flows = is_inline(e), text = false, element = false;

	if (!flows)
		join_break(j);
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (n->element) {
			element = true;
			collect_text(j, n->element);
		} else {
			text = text || !is_blank(n->text, n->len);
			join_put(j, n->text, n->len);
		}
	}
	if (!flows)
		join_break(j);
	j->mixed |= text && element;
	j->attrs = j->attrs || has_text_attr(e);
}

/* All character data below e in one run. */
static void put_content(struct join *j, const struct xml_element *e)
{
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (n->element)
			put_content(j, n->element);
		else
			join_put(j, n->text, n->len);
	}
}

static void put_direct(struct join *j, const struct xml_element *e)
{
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (!n->element)
			join_put(j, n->text, n->len);
}

/* Is text split by elements, so that it reads otherwise when these are skipped? */
static bool is_mixed(const struct xml_element *e)
{
	bool text = false, element = false;

	for (const struct xml_node *n = e->children; n; n = n->next) {
		element |= n->element != NULL;
		text |= !n->element && !is_blank(n->text, n->len);
	}
	return text && element;
}

/* Texts with elements inside, as clients may read them that skip foreign elements, or that look
 * through them. The latter for the outermost only, or deep trees would be copied once a level. */
static void collect_mixed(struct join *j, const struct xml_element *e, bool outermost)
{
	if (is_mixed(e)) {
		join_break(j);
		put_direct(j, e);
		if (outermost && !string_equal(e->ns, NS_XHTML)) {
			join_break(j);
			put_content(j, e);
		}
		outermost = false;
	}
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->element)
			collect_mixed(j, n->element, outermost);
}

static void collect_attrs(struct join *j, const struct xml_element *e)
{
	bool known = e->attrs && is_known_ns(e->ns);

	for (const struct xml_attr *attr = e->attrs; attr; attr = attr->next)
		if (!is_protocol(attr, known))
			join_part(j, attr->value, attr->len);
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->element)
			collect_attrs(j, n->element);
}

static void collect_all(struct join *j, const struct stanza *s)
{
	collect_text(j, s->root);
	if (j->mixed)
		collect_mixed(j, s->root, true);
	if (j->attrs)
		collect_attrs(j, s->root);
}

int carriers_all(struct arena *a, const struct stanza *s, struct carrier_text *out)
{
	struct join j = join_start(a);

	collect_all(&j, s);
	return join_finish(&j, out);
}

/* ---- forwarded stanzas ---- */

typedef bool (*visit_message)(void *arg, const struct xml_element *message, unsigned level);

static bool each_below(const struct xml_element *e, unsigned level, visit_message visit, void *arg)
{
	for (const struct xml_node *n = e->children; n; n = n->next) {
		bool stanza;

		if (!n->element)
			continue;
		stanza = is_stanza(n->element);
		if (stanza && !visit(arg, n->element, level + 1))
			return false;
		if (n->element->children && !each_below(n->element, level + stanza, visit, arg))
			return false;
	}
	return true;
}

void carriers_each_message(const struct stanza *s, visit_message visit, void *arg)
{
	if (visit(arg, s->root, 0))
		each_below(s->root, 0, visit, arg);
}

/* ---- by name ---- */

struct named {
	struct join join;
	const char *name;
	bool body;
};

/* One text element, as it reads with and without what stands inside it. */
static void put_text_element(struct join *j, const struct xml_element *e)
{
	bool element = false;

	join_break(j);
	for (const struct xml_node *n = e->children; n; n = n->next) {
		element |= n->element != NULL;
		if (!n->element)
			join_put(j, n->text, n->len);
	}
	join_break(j);
	if (element) {
		put_content(j, e);
		join_break(j);
	}
}

/* The formatted body beside the plain one: what most people see. */
static void put_xhtml(struct join *j, const struct xml_element *message)
{
	const struct xml_element *html = element_child(message, NS_XHTML_IM, "html");

	for (; html; html = element_next(html, NS_XHTML_IM, "html")) {
		collect_text(j, html);
		collect_mixed(j, html, true);
	}
}

static bool visit_named(void *arg, const struct xml_element *message, unsigned level)
{
	struct named *named = arg;
	bool html = false;

	(void)level;
	for (const struct xml_node *n = message->children; n; n = n->next) {
		const struct xml_element *e = n->element;

		if (!e)
			continue;
		html |= e->name[0] == 'h';
		if (string_equal(e->name, named->name) &&
			(e->ns == message->ns || string_equal(e->ns, message->ns) ||
				is_content_ns(e->ns)))
			put_text_element(&named->join, e);
	}
	if (html && named->body)
		put_xhtml(&named->join, message);
	return true;
}

static struct named named_start(struct arena *a, const char *name)
{
	return (struct named){ join_start(a), name, name && strcmp(name, "body") == 0 };
}

int carriers_named(
	struct arena *a, const struct stanza *s, const char *name, struct carrier_text *out)
{
	struct named named = named_start(a, name);

	carriers_each_message(s, visit_named, &named);
	return join_finish(&named.join, out);
}

int carriers_map(struct arena *a, const struct stanza *s, const char *name,
	struct carrier_text *out, struct carrier_map *map)
{
	struct named named = named_start(a, name);
	int r;

	named.join.mapped = true;
	if (name)
		carriers_each_message(s, visit_named, &named);
	else
		collect_all(&named.join, s);
	if (named.join.error)
		return named.join.error;
	if ((r = join_finish(&named.join, out)) == 0)
		*map = (struct carrier_map){ named.join.pieces, named.join.n_pieces };
	return r;
}

/* ---- nicks ---- */

static void put_resource(struct join *j, const char *jid)
{
	const char *slash = jid ? strchr(jid, '/') : NULL;

	if (slash)
		join_part(j, slash + 1, strlen(slash + 1));
}

/* A room nick is the resource of the address: in "to" on the way into a room, in "from" out of it.
 */
static bool visit_room_nick(void *arg, const struct xml_element *e, unsigned level)
{
	struct join *j = arg;
	const char *type = element_attr(e, "type");
	const struct xml_element *room = element_child(e, NS_MUC_USER, "x");

	(void)level;
	if (string_equal(e->name, "presence")) {
		if (!type || element_child(e, NS_MUC, "x"))
			put_resource(j, element_attr(e, "to"));
		if (room)
			put_resource(j, element_attr(e, "from"));
	} else if (type && string_equal(type, "groupchat")) {
		put_resource(j, element_attr(e, "from"));
	}
	return true;
}

/* <nick/> wherever it stands, and the nick attribute of room items. */
static void collect_nicks(struct join *j, const struct xml_element *e)
{
	const char *nick = element_attr(e, "nick");

	if (element_is(e, NS_NICK, "nick"))
		put_text_element(j, e);
	if (nick)
		join_part(j, nick, strlen(nick));
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->element)
			collect_nicks(j, n->element);
}

int carriers_nick(struct arena *a, const struct stanza *s, struct carrier_text *out)
{
	struct join j = join_start(a);

	carriers_each_message(s, visit_room_nick, &j);
	collect_nicks(&j, s->root);
	return join_finish(&j, out);
}
