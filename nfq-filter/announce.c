/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect.c: TXT records in, verdicts out.
 * An announcement becomes a presence stanza, its sender the instance's name, its texts where a
 * client shows them: msg is the status, nick the nickname, names and addresses a vCard; what else
 * there is stands in an element of its own, so that "text" has it, too. The stanza is read by the
 * same stream machine as all others. It acts on nothing: a datagram can only be let through or not,
 * and whoever holds it does that. */
#include "nfq-filter/announce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/dns.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"
#include "xmpp/xml_char.h"

#define NS_TXT   "urn:xmppwall:txt"
#define NS_VCARD "vcard-temp"

enum { TEXT_MAX = 512 * 1024, STANZA_MAX = 256 * 1024 };

struct announcer {
	struct xmpp_limits limits;
	struct stream *stream;
	struct buf text, clean;
	uint64_t names[ANNOUNCE_NAMES_MAX]; /* of the datagram, told already */
	unsigned n_names;
};

/* What is at hand while a datagram is judged. */
struct announcement {
	struct announcer *a;
	struct inspector *of;
	const struct packet *packet;
	void (*judged)(void *arg, struct inspection *i, const struct inspect_verdict *v);
	void *arg;
	bool forbidden;
};

struct announcer *announcer_new(void)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->limits = xmpp_limits_default;
	if (a->limits.stanza_bytes < STANZA_MAX)
		a->limits.stanza_bytes = STANZA_MAX;
	buf_init(&a->text, TEXT_MAX);
	buf_init(&a->clean, TEXT_MAX);
	return a;
}

void announcer_free(struct announcer *a)
{
	if (!a)
		return;
	stream_free(a->stream);
	buf_fini(&a->text);
	buf_fini(&a->clean);
	free(a);
}

/* ---- the stanza ---- */

/* What is no character of XML's: controls vanish, as they do on a screen, and bytes that are not
 * UTF-8 are each a replacement character. */
static int put_clean(struct announcer *a, const unsigned char *p, size_t len)
{
	int r = 0;

	buf_clear(&a->clean);
	for (size_t i = 0; i < len && r == 0;) {
		int n = p[i] < 0x80 ? 1 : xml_char_length(p + i, len - i);

		if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n')
			n = 1;
		else if (n <= 0)
			r = buf_puts(&a->clean, "\xef\xbf\xbd");
		else
			r = buf_put(&a->clean, p + i, (size_t)n);
		i += n > 0 ? (size_t)n : 1;
	}
	return r < 0 || buf_len(&a->clean) == 0 ? r : write_text(&a->text, buf_span(&a->clean));
}

static int put_element(
	struct announcer *a, const char *start, const unsigned char *p, size_t len, const char *end)
{
	int r;

	if (len == 0)
		return 0;
	if ((r = buf_puts(&a->text, start)) < 0 || (r = put_clean(a, p, len)) < 0)
		return r;
	return buf_puts(&a->text, end);
}

/* XEP-0174 4: what people read, and where a stanza has it. Without a place: of machines only. */
static const struct {
	const char *key, *start, *end;
} keys[] = {
	{ "msg", "<status>", "</status>" },
	{ "nick", "<nick xmlns='" NS_NICK "'>", "</nick>" },
	{ "status", "<show>", "</show>" },
	{ "1st", "<vCard xmlns='" NS_VCARD "'><N><GIVEN>", "</GIVEN></N></vCard>" },
	{ "last", "<vCard xmlns='" NS_VCARD "'><N><FAMILY>", "</FAMILY></N></vCard>" },
	{ "email", "<vCard xmlns='" NS_VCARD "'><EMAIL><USERID>", "</USERID></EMAIL></vCard>" },
	{ "jid", "<vCard xmlns='" NS_VCARD "'><JABBERID>", "</JABBERID></vCard>" },
	{ "txtvers", NULL, NULL },
	{ "port.p2pj", NULL, NULL },
	{ "phsh", NULL, NULL },
	{ "node", NULL, NULL },
	{ "ver", NULL, NULL },
	{ "hash", NULL, NULL },
	{ "vc", NULL, NULL },
	{ "ext", NULL, NULL },
};

/* One "key=value". A key nobody knows is text as well: who knows who shows it. */
static int put_string(struct announcer *a, const unsigned char *p, size_t len, bool *nick)
{
	const unsigned char *sign = memchr(p, '=', len);
	size_t key = sign ? (size_t)(sign - p) : len;
	size_t skip = sign ? key + 1 : key;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].key) != key ||
			strncasecmp(keys[i].key, (const char *)p, key) != 0)
			continue;
		*nick = *nick || (strcmp(keys[i].key, "nick") == 0 && len > skip);
		return keys[i].start
			       ? put_element(a, keys[i].start, p + skip, len - skip, keys[i].end)
			       : 0;
	}
	return put_element(a, "<txt xmlns='" NS_TXT "'>", p, len, "</txt>");
}

static int put_strings(struct announcer *a, const unsigned char *p, size_t len, bool *nick)
{
	int r = 0;

	while (len > 0 && r == 0) {
		size_t n = p[0] < len - 1 ? p[0] : len - 1;

		r = put_string(a, p + 1, n, nick);
		p += n + 1;
		len -= n + 1;
	}
	return r;
}

/* txt NULL: only the name is told. */
static int write_presence(
	struct announcer *a, const unsigned char *name, size_t len, const struct dns_record *txt)
{
	bool nick = false;
	int r;

	buf_clear(&a->text);
	if ((r = buf_puts(&a->text,
		     txt && txt->ttl == 0 ? "<presence type='unavailable'>" : "<presence>")) < 0 ||
		(r = put_element(a, "<name xmlns='" NS_TXT "'>", name, len, "</name>")) < 0)
		return r;
	if (txt && (r = put_strings(a, txt->data, txt->len, &nick)) < 0)
		return r;
	/* Without a nickname, the name is what is shown. */
	if (!nick && (r = put_element(a, "<nick xmlns='" NS_NICK "'>", name, len, "</nick>")) < 0)
		return r;
	return buf_puts(&a->text, "</presence>");
}

/* ---- its verdict ---- */

static int stream_begin(struct announcer *a)
{
	const char *header = detect_header(ROLE_SERVERLESS);
	struct stream_event ev;
	int r;

	if (a->stream)
		stream_restart(a->stream);
	else if (!(a->stream = stream_new(&a->limits)))
		return -ENOMEM;
	stream_set_authenticated(a->stream, true);
	if ((r = stream_push(a->stream, header, strlen(header))) < 0)
		return r;
	return stream_next(a->stream, &ev);
}

bool announce_is_accepted(const struct verdict *v)
{
	return v->kind == VERDICT_ACCEPT && v->n_masks == 0 && v->n_strips == 0;
}

static int judge_announced(struct announcement *n, const struct stanza *st, char *name)
{
	struct inspector *of = n->of;
	const struct packet *p = n->packet;
	struct inspection i = { .of = of,
		.client = p->src,
		.server = p->dst,
		.speaks = SPEAKS_XMPP,
		.role = ROLE_SERVERLESS,
		.conf = detect_service_role(of->policy, ROLE_SERVERLESS),
		.outward = inspector_is_inside(of, &p->src.address),
		.jid = name,
		.first_ns = of->now_ns };
	struct verdict verdict;
	struct subject subject = { .stanza = st,
		.role = ROLE_SERVERLESS,
		.peer = p->src.address,
		.peer_port = p->src.port,
		.session_jid = name };
	struct inspect_verdict told = {
		.side = FLOW_CLIENT, .subject = &subject, .verdict = &verdict
	};
	int r;

	i.service = i.conf ? i.conf->name : service_role_text(ROLE_SERVERLESS);
	subject.service = i.service;
	subject.direction = inspection_direction(&i, FLOW_CLIENT);
	if ((r = element_set_attr(st->arena, st->root, "from", name)) < 0 ||
		(r = judge_stanza(of->judge, of->policy, &subject, &verdict)) < 0)
		return r;
	n->forbidden = n->forbidden || !announce_is_accepted(&verdict);
	n->judged(n->arg, &i, &told);
	return 0;
}

/* The name as a string: no control characters, UTF-8. */
static int take_name(struct announcer *a, const unsigned char *name, size_t len, char **out)
{
	int r;

	buf_clear(&a->text);
	if ((r = put_clean(a, name, len)) < 0)
		return r;
	*out = buf_take(&a->clean);
	return *out ? 0 : -ENOMEM;
}

static int announce(struct announcement *n, const unsigned char *label, size_t len,
	const struct dns_record *txt)
{
	struct announcer *a = n->a;
	struct stream_event ev;
	char *name = NULL;
	int r;

	if ((r = take_name(a, label, len, &name)) < 0)
		return r;
	if ((r = write_presence(a, label, len, txt)) == 0 && (r = stream_begin(a)) == 0 &&
		(r = stream_push(a->stream, buf_ptr(&a->text), buf_len(&a->text))) == 0 &&
		(r = stream_next(a->stream, &ev)) == 0) {
		if (ev.kind == STREAM_STANZA)
			r = judge_announced(n, &ev.stanza, name);
		else /* too much of it */
			n->forbidden = true;
	}
	if (r == ERR_LIMIT) {
		n->forbidden = true;
		r = 0;
	}
	free(name);
	return r;
}

/* ---- the datagram ---- */

/* Names whose TXT is in the datagram are told with it; others alone, each once. */
static bool is_told(struct announcement *n, const struct dns_name *name)
{
	struct announcer *a = n->a;
	uint64_t hash = map_hash(name->bytes, name->len);

	for (unsigned i = 0; i < a->n_names; i++)
		if (a->names[i] == hash)
			return true;
	/* Nobody honest names so many at once. */
	if (a->n_names == ANNOUNCE_NAMES_MAX)
		n->forbidden = true;
	else
		a->names[a->n_names++] = hash;
	return n->forbidden;
}

static int take_record(struct announcement *n, struct dns_record *d, bool texts)
{
	struct dns_name *who = d->type == DNS_PTR ? &d->target : &d->name;
	const unsigned char *label;
	struct dns_name key;
	size_t len;

	if (!d->internet || (d->type != DNS_TXT && d->type != DNS_SRV && d->type != DNS_PTR) ||
		(d->type == DNS_TXT) != texts || !dns_name_is_presence(who, &label, &len))
		return 0;
	key = *who;
	dns_name_lower(&key);
	if (!texts && (d->ttl == 0 || is_told(n, &key)))
		return 0;
	if (texts)
		is_told(n, &key);
	return n->forbidden ? 0 : announce(n, label, len, texts ? d : NULL);
}

static int take_records(struct announcement *n, bool texts)
{
	struct dns_reader reader;
	struct dns_record d;
	int r = 0;

	if (!dns_begin(&reader, n->packet->payload, n->packet->len) || !reader.response)
		return 0;
	while (r == 0 && !n->forbidden && dns_next(&reader, &d) == DNS_RECORD)
		r = take_record(n, &d, texts);
	return r;
}

int announcer_judge(struct announcer *a, struct inspector *of, const struct packet *p,
	void (*judged)(void *arg, struct inspection *i, const struct inspect_verdict *v), void *arg)
{
	struct announcement n = { a, of, p, judged, arg, false };
	int r;

	a->n_names = 0;
	if ((r = take_records(&n, true)) < 0 || (r = take_records(&n, false)) < 0)
		return r;
	counts_add(of->counts, COUNT_MDNS_FORBIDDEN, n.forbidden);
	return !n.forbidden;
}
