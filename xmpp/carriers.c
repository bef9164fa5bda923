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
	char *text;
	size_t len, cap;
	bool apart; /* the next bytes begin a new part */
	bool mapped;
	struct carrier_piece *pieces;
	size_t n_pieces, cap_pieces;
	int error;
};

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]))
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
	if (len == 0 || (j->apart && is_blank(text, len)) || !join_reserve(j, len + 2))
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
	if (!join_reserve(j, 1))
		return j->error;
	j->text[j->len] = '\0';
	*out = (struct carrier_text){ j->text, j->len };
	return 0;
}

/* ---- what is what ---- */

static bool is_in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static bool is_content_ns(const char *ns)
{
	static const char *const content[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT,
		NS_COMPONENT_CONNECT, NS_HTTPBIND, NULL };

	return is_in(content, ns);
}

/* A stanza inside another: by name, in a content namespace or as the child of <forwarded/>. */
static bool is_stanza(const struct xml_element *e)
{
	static const char *const names[] = { "message", "presence", "iq", NULL };

	return is_in(names, e->name) &&
	       (is_content_ns(e->ns) || (e->parent && strcmp(e->parent->ns, NS_FORWARD) == 0));
}

/* XHTML that flows inside a line: its text belongs to the text around it. */
static bool is_inline(const struct xml_element *e)
{
	static const char *const blocks[] = { "html", "head", "title", "body", "p", "div", "br",
		"hr", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6",
		"blockquote", "pre", "address", "table", "tr", "td", "th", "style", NULL };

	return strcmp(e->ns, NS_XHTML) == 0 && !is_in(blocks, e->name);
}

/* Namespaces whose protocol attributes are known by name. */
static bool is_known_ns(const char *ns)
{
	static const char *const known[] = { NS_STREAM, NS_STREAMS, NS_STANZAS, NS_SASL, NS_SASL2,
		NS_FAST, NS_BIND, NS_BIND2, NS_SESSION, NS_SM, NS_DIALBACK, NS_TLS, NS_LIMITS,
		NS_ERRORS, NS_MUC, NS_MUC_USER, NS_CARBONS, NS_FORWARD, NS_MAM, NS_PUBSUB,
		NS_PUBSUB_EVENT, NS_DATA, NS_CHATSTATES, NS_RECEIPTS, NS_LABEL,
		"http://jabber.org/protocol/muc#admin", "http://jabber.org/protocol/muc#owner",
		"http://jabber.org/protocol/pubsub#owner", "http://jabber.org/protocol/disco#info",
		"http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/caps",
		"http://jabber.org/protocol/rsm", "http://jabber.org/protocol/ibb",
		"http://jabber.org/protocol/commands", "http://jabber.org/protocol/bytestreams",
		"jabber:iq:roster", "jabber:x:conference", "jabber:x:delay", "urn:xmpp:delay",
		"urn:xmpp:sid:0", "urn:xmpp:hints", "urn:xmpp:chat-markers:0",
		"urn:xmpp:message-correct:0", "urn:xmpp:reply:0", "urn:xmpp:reactions:0",
		"urn:xmpp:jingle:1", "urn:xmpp:bob", "urn:xmpp:avatar:metadata",
		"urn:xmpp:avatar:data", "urn:xmpp:eme:0", "urn:xmpp:hashes:2", "urn:xmpp:ping",
		"eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:occupant-id:0",
		NULL };

	return is_content_ns(ns) || is_in(known, ns);
}

static bool is_protocol(const struct xml_element *e, const struct xml_attr *attr)
{
	static const char *const names[] = { "to", "from", "id", "type", "jid", "by", "node", "ver",
		"hash", "var", "stamp", "sid", "seq", "queryid", "code", "affiliation", "role",
		"subscription", "ask", "h", "max", "block-size", "cid", "mechanism", "action",
		"initiator", "responder", "creator", "senders", "algo", "sessionid", "status",
		"version", "previd", "resume", "complete", "stable", "index", "bytes", "height",
		"width", "rid", "kid", "keyid", "key", "prekey", "namespace", "host", "port",
		"mode", "maxstanzas", "maxchars", "seconds", "since", NULL };

	if (strcmp(attr->ns, NS_XML) == 0)
		return true;
	return attr->ns[0] == '\0' && is_known_ns(e->ns) && is_in(names, attr->name);
}

/* ---- everything ---- */

static void collect_text(struct join *j, const struct xml_element *e)
{
	bool flows = is_inline(e);

	if (!flows)
		join_break(j);
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (n->element)
			collect_text(j, n->element);
		else
			join_put(j, n->text, n->len);
	}
	if (!flows)
		join_break(j);
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
		if (outermost && strcmp(e->ns, NS_XHTML) != 0) {
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
	for (const struct xml_attr *attr = e->attrs; attr; attr = attr->next)
		if (!is_protocol(e, attr))
			join_part(j, attr->value, attr->len);
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->element)
			collect_attrs(j, n->element);
}

static void collect_all(struct join *j, const struct stanza *s)
{
	collect_text(j, s->root);
	collect_mixed(j, s->root, true);
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
		bool stanza = n->element && is_stanza(n->element);

		if (!n->element)
			continue;
		if (stanza && !visit(arg, n->element, level + 1))
			return false;
		if (!each_below(n->element, level + stanza, visit, arg))
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
};

/* One text element, as it reads with and without what stands inside it. */
static void put_text_element(struct join *j, const struct xml_element *e)
{
	join_break(j);
	put_direct(j, e);
	join_break(j);
	if (element_first(e)) {
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

	(void)level;
	for (const struct xml_node *n = message->children; n; n = n->next) {
		const struct xml_element *e = n->element;

		if (e && strcmp(e->name, named->name) == 0 &&
			(strcmp(e->ns, message->ns) == 0 || is_content_ns(e->ns)))
			put_text_element(&named->join, e);
	}
	if (strcmp(named->name, "body") == 0)
		put_xhtml(&named->join, message);
	return true;
}

int carriers_named(
	struct arena *a, const struct stanza *s, const char *name, struct carrier_text *out)
{
	struct named named = { join_start(a), name };

	carriers_each_message(s, visit_named, &named);
	return join_finish(&named.join, out);
}

int carriers_map(struct arena *a, const struct stanza *s, const char *name,
	struct carrier_text *out, struct carrier_map *map)
{
	struct named named = { join_start(a), name };
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
	if (strcmp(e->name, "presence") == 0) {
		if (!type || element_child(e, NS_MUC, "x"))
			put_resource(j, element_attr(e, "to"));
		if (room)
			put_resource(j, element_attr(e, "from"));
	} else if (type && strcmp(type, "groupchat") == 0) {
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
