/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind mask_stream.c: what may be read of a stream of XML by whoever gets the capture.
 * In: the bytes of one direction in order, in pieces of any size. Out: the same bytes with 'x' over
 * every byte of text and of attribute values, but for what is listed here: namespaces, words of the
 * protocol, addresses; ids become other ids, the same ones the same. So whatever is not known is
 * masked. It accepts no more than XMPP allows (no comment, no DTD, no instruction) and gives up at
 * the first byte that cannot be; it looks ahead nowhere and keeps nothing but where it is. */
#include "nfq-filter/mask_xml.h"

#include <string.h>
#include "base/map.h"

enum state {
	TEXT,
	LESS,
	TAG_NAME,
	TAG,
	ATTR_NAME,
	ATTR_SPACE,
	ATTR_EQUAL,
	VALUE,
	EMPTY,
	END_NAME,
	END_SPACE,
	BANG,
	CDATA,
	DECLARATION,
};

/* What becomes of the bytes of a value or a text. */
enum policy {
	POLICY_MASK,
	POLICY_KEEP, /* namespaces */
	POLICY_WORD, /* letters, digits, dots, dashes */
	POLICY_ADDRESS,
	POLICY_ID,
};

enum element { ELEMENT_OTHER, ELEMENT_WORD, ELEMENT_BIND, ELEMENT_JID, ELEMENT_STREAM };

enum { DECLARATION_MAX = 200 };

static const char cdata_start[] = "[CDATA[";

void mask_xml_init(struct mask_xml *m, unsigned depth)
{
	*m = (struct mask_xml){ .state = TEXT, .depth = depth, .blank = true };
}

bool mask_xml_is_between(const struct mask_xml *m)
{
	return m->state == TEXT && m->depth <= 1;
}

/* ---- bytes ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_start(char c)
{
	return is_alnum(c) || c == '_' || c == ':' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
	return is_name_start(c) || c == '-' || c == '.';
}

static void name_begin(struct mask_xml *m, char c)
{
	m->name[0] = c;
	m->name_len = 1;
}

/* Longer ones are none that is known. */
static void name_add(struct mask_xml *m, char c)
{
	if (m->name_len < MASK_XML_NAME)
		m->name[m->name_len] = c;
	m->name_len += m->name_len <= MASK_XML_NAME;
}

static bool name_is(const struct mask_xml *m, const char *text)
{
	return strlen(text) == m->name_len && memcmp(m->name, text, m->name_len) == 0;
}

static bool name_is_of(const struct mask_xml *m, const char *const *names)
{
	for (; *names; names++)
		if (name_is(m, *names))
			return true;
	return false;
}

/* Each byte becomes a letter by all bytes before it: the same in, the same out, whatever is behind.
 * The key is the process's own. */
static char pseudonym(struct mask_xml *m, char c)
{
	unsigned char what[sizeof(m->run) + 1];

	memcpy(what, &m->run, sizeof(m->run));
	what[sizeof(m->run)] = (unsigned char)c;
	m->run = map_hash(what, sizeof(what));
	return (char)('a' + m->run % 26);
}

static char address_byte(struct mask_xml *m, bool names, char c)
{
	if (!names)
		return c;
	if (c == '@' || c == '/' || c == '.') {
		m->run = 0;
		return c;
	}
	return pseudonym(m, c);
}

void mask_xml_name(char *text, size_t len)
{
	struct mask_xml m = { .run = 0 };

	for (size_t i = 0; i < len; i++)
		text[i] = address_byte(&m, true, text[i]);
}

static char masked_byte(struct mask_xml *m, bool names, char c)
{
	switch ((enum policy)m->policy) {
	case POLICY_KEEP:
		return c > 0x20 && c < 0x7f ? c : 'x';
	case POLICY_WORD:
		return is_alnum(c) || c == '.' || c == '-' || c == '_' || c == '+' ? c : 'x';
	case POLICY_ADDRESS:
		return address_byte(m, names, c);
	case POLICY_ID:
		return pseudonym(m, c);
	default:
		return 'x';
	}
}

/* ---- elements ---- */

static enum element element_of(struct mask_xml *m)
{
	static const char *const words[] = { "mechanism", "priority", "show", "method", NULL };
	const char *colon = m->name_len <= MASK_XML_NAME ? memchr(m->name, ':', m->name_len) : NULL;
	bool prefixed = colon;

	if (prefixed) {
		size_t skip = (size_t)(colon - m->name) + 1;

		m->name_len -= skip;
		memmove(m->name, m->name + skip, m->name_len);
	}
	return name_is_of(m, words)               ? ELEMENT_WORD
	       : name_is(m, "bind")               ? ELEMENT_BIND
	       : name_is(m, "jid")                ? ELEMENT_JID
	       : prefixed && name_is(m, "stream") ? ELEMENT_STREAM
						  : ELEMENT_OTHER;
}

static enum element element_at(const struct mask_xml *m, unsigned depth)
{
	return depth > 0 && depth <= MASK_XML_DEPTH ? m->elements[depth - 1] : ELEMENT_OTHER;
}

/* A new stream inside of the old one: the end of a login. */
static void tag_begin(struct mask_xml *m)
{
	m->element = (unsigned char)element_of(m);
	if (m->depth == 1 && m->element == ELEMENT_STREAM)
		m->depth = 0;
}

static void text_begin(struct mask_xml *m)
{
	m->state = TEXT;
	m->blank = true;
	m->run = 0;
	m->policy = element_at(m, m->depth) == ELEMENT_WORD ? POLICY_WORD
		    : element_at(m, m->depth) == ELEMENT_JID &&
				    element_at(m, m->depth - 1) == ELEMENT_BIND
			    ? POLICY_ADDRESS
			    : POLICY_MASK;
}

static void tag_open(struct mask_xml *m)
{
	m->depth++;
	if (m->depth <= MASK_XML_DEPTH)
		m->elements[m->depth - 1] = m->element;
	text_begin(m);
}

static bool tag_close(struct mask_xml *m)
{
	if (m->depth == 0)
		return false;
	m->depth--;
	text_begin(m);
	return true;
}

static void value_begin(struct mask_xml *m, char quote)
{
	static const char *const addresses[] = { "to", "from", "by", "jid", NULL };
	static const char *const ids[] = { "id", "previd", "sid", "stream", NULL };
	static const char *const words[] = { "type", "version", "xml:lang", "mechanism", "h", "max",
		"resume", "location", "affiliation", "role", "code", "subscription", "ask",
		"action", "rid", "ack", "wait", "hold", "requests", "polling", "inactivity",
		"maxpause", "secure", "ver", "xmpp:version", "xmpp:restart", "xmpp:restartlogic",
		"condition", "encoding", NULL };

	m->state = VALUE;
	m->quote = (unsigned char)quote;
	m->run = 0;
	m->policy = name_is(m, "xmlns") || (m->name_len > 6 && memcmp(m->name, "xmlns:", 6) == 0)
			    ? POLICY_KEEP
		    : name_is_of(m, addresses) ? POLICY_ADDRESS
		    : name_is_of(m, ids)       ? POLICY_ID
		    : name_is_of(m, words)     ? POLICY_WORD
					       : POLICY_MASK;
}

/* ---- a byte ---- */

static bool take_text(struct mask_xml *m, bool names, char *c)
{
	if (*c == '<') {
		m->state = LESS;
		return true;
	}
	if (m->depth <= 1)
		return is_space(*c);
	if (m->blank && is_space(*c))
		return true;
	m->blank = false;
	*c = masked_byte(m, names, *c);
	return true;
}

static bool take_less(struct mask_xml *m, char c)
{
	m->matched = 0;
	if (c == '/' && m->depth > 0)
		m->state = END_NAME;
	else if (c == '!' && m->depth > 1)
		m->state = BANG;
	else if (c == '?' && m->depth <= 1)
		m->state = DECLARATION;
	else if (is_name_start(c))
		m->state = TAG_NAME;
	else
		return false;
	name_begin(m, c);
	return true;
}

/* Behind a name or a value of a tag. */
static bool take_tag(struct mask_xml *m, char c)
{
	if (c == '>') {
		tag_open(m);
	} else if (c == '/') {
		m->state = EMPTY;
	} else if (is_space(c)) {
		m->state = TAG;
	} else if (m->state == TAG && is_name_start(c)) {
		name_begin(m, c);
		m->state = ATTR_NAME;
	} else {
		return false;
	}
	return true;
}

static bool take_tag_name(struct mask_xml *m, char c)
{
	if (is_name(c)) {
		name_add(m, c);
		return true;
	}
	tag_begin(m);
	return take_tag(m, c);
}

static bool take_attr(struct mask_xml *m, char c)
{
	if (m->state == ATTR_NAME && is_name(c))
		name_add(m, c);
	else if (m->state == ATTR_EQUAL && (c == '"' || c == '\''))
		value_begin(m, c);
	else if (m->state != ATTR_EQUAL && c == '=')
		m->state = ATTR_EQUAL;
	else if (is_space(c))
		m->state = m->state == ATTR_NAME ? ATTR_SPACE : m->state;
	else
		return false;
	return true;
}

static bool take_value(struct mask_xml *m, bool names, char *c)
{
	if ((unsigned char)*c == m->quote)
		m->state = TAG;
	else if (*c == '<')
		return false;
	else
		*c = masked_byte(m, names, *c);
	return true;
}

static bool take_end(struct mask_xml *m, char c)
{
	if (c == '>')
		return tag_close(m);
	if (is_space(c))
		m->state = END_SPACE;
	return is_space(c) || (m->state == END_NAME && is_name(c));
}

/* Brackets stay: whether they are the end is seen later. */
static bool take_cdata(struct mask_xml *m, char *c)
{
	if (*c == ']') {
		m->matched = (unsigned char)(m->matched < 2 ? m->matched + 1 : 2);
		return true;
	}
	if (*c == '>' && m->matched == 2) {
		m->state = TEXT;
		return true;
	}
	m->matched = 0;
	*c = 'x';
	return true;
}

static bool take_bang(struct mask_xml *m, char c)
{
	if (c != cdata_start[m->matched])
		return false;
	if (cdata_start[++m->matched] == '\0') {
		m->state = CDATA;
		m->matched = 0;
		m->blank = false;
		m->policy = POLICY_MASK;
	}
	return true;
}

static bool take_declaration(struct mask_xml *m, char *c)
{
	static const char start[] = "xml";

	if (m->matched < 3)
		return *c == start[m->matched++];
	if (m->matched++ == 3)
		return is_space(*c);
	if (*c == '?') {
		m->quote = '?';
		return m->matched < DECLARATION_MAX;
	}
	if (*c == '>') {
		m->depth = 0;
		text_begin(m);
		return m->quote == '?';
	}
	m->quote = 0;
	if (!is_alnum(*c) && !is_space(*c) && !strchr(".='\"_-", *c))
		*c = 'x';
	return *c && m->matched < DECLARATION_MAX;
}

static bool take_byte(struct mask_xml *m, bool names, char *c)
{
	switch ((enum state)m->state) {
	case TEXT:
		return take_text(m, names, c);
	case LESS:
		return take_less(m, *c);
	case TAG_NAME:
		return take_tag_name(m, *c);
	case TAG:
		return take_tag(m, *c);
	case ATTR_NAME:
	case ATTR_SPACE:
	case ATTR_EQUAL:
		return take_attr(m, *c);
	case VALUE:
		return take_value(m, names, c);
	case EMPTY:
		text_begin(m);
		return *c == '>';
	case END_NAME:
	case END_SPACE:
		return take_end(m, *c);
	case BANG:
		return take_bang(m, *c);
	case CDATA:
		return take_cdata(m, c);
	case DECLARATION:
		return take_declaration(m, c);
	}
	return false;
}

/* Text that goes, up to the next markup, at once. */
static size_t mask_run(struct mask_xml *m, char *bytes, size_t len)
{
	const char *end;
	size_t n;

	if (m->policy != POLICY_MASK ||
		!((m->state == TEXT && m->depth > 1 && !m->blank) || m->state == VALUE))
		return 0;
	end = memchr(bytes, m->state == TEXT ? '<' : m->quote, len);
	n = end ? (size_t)(end - bytes) : len;
	if (m->state == VALUE && memchr(bytes, '<', n))
		return 0;
	memset(bytes, 'x', n);
	return n;
}

size_t mask_xml_push(struct mask_xml *m, bool names, char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		at += mask_run(m, bytes + at, len - at);
		if (at == len)
			break;
		if (!take_byte(m, names, bytes + at))
			return at;
		at++;
	}
	return len;
}
