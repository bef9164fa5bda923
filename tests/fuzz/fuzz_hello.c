/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* A stranger before TLS, on a socket: any bytes in any cuts to a session that demands TLS. Nothing
 * goes towards a server, what we say is a header, our features, one <proceed/> or one error and
 * the end, in this order; what stands behind <starttls/> is a record that OpenSSL gets unchanged,
 * or the end; and whoever sends the same bytes one by one hears the same.
 * The first byte chooses the arrangement, the second the cuts. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/hello.h"
#include "proxy/leg.h"
#include "proxy/login.h"
#include "proxy/relay_sasl.h"
#include "proxy/session.h"
#include "proxy/tls.h"
#include "proxy/worker.h"
#include "tests/unit/gear_of.h"
#include "xmpp/ns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16384, HEARD_MAX = 65536, HELD_MAX = 1 << 20 };
enum { AT_STARTTLS = 1, END_SHIFT = 1 }; /* of the first byte */

static const char text[] =
	"service c2s { listen tcp { 5222 }; mode proxy; intercept none; tls required;\n"
	" certificates \"/certs\"; upstream 127.0.0.1:9 plain; }\n"
	"chain inbound { hook c2s; rule no { message body contains \"no\" reject } }\n";
static const char prologue[] =
	"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' to='x.example' "
	"version='1.0'><starttls xmlns='" NS_TLS "'/>";

/* What a client learned. */
struct outcome {
	bool direct, proceed;
	char error[64];
};

struct world {
	struct session s;
	struct span said; /* all bytes */
	size_t at;        /* how many of them were written */
	size_t step;      /* where the last cut was */
	int fd;           /* the client's end */
};

static struct worker worker;
static struct xmpp_limits ours; /* our own words are long where a name was made of escapes */

static void add_pem(struct source_set *set, const char *path, BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	assert(source_add(set, path, bytes, (size_t)len) == 0);
	BIO_free(bio);
}

static void certificate_make(struct source_set *set)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *leaf = X509_new();
	BIO *crt = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());

	assert(key && leaf && crt && pem);
	X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
	X509_gmtime_adj(X509_getm_notAfter(leaf), 365L * 86400);
	X509_set_pubkey(leaf, key);
	assert(X509_sign(leaf, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(crt, leaf);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	add_pem(set, "/certs/x.example.crt", crt);
	add_pem(set, "/certs/x.example.key", pem);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static void worker_make(void)
{
	struct source_set sources;

	counters_init(NULL);
	log_set_level(LOG_LEVEL_ERROR);
	assert(tls_init() == 0 && tls_link_init() == 0);
	source_init(&sources, false);
	certificate_make(&sources);
	ours = xmpp_limits_default;
	ours.header_bytes = ours.token_bytes = ours.attribute_bytes = HEARD_MAX;
	worker.gear = gear_of(&sources, text);
	worker.judge = judge_new();
	assert(worker.judge && uv_loop_init(&worker.loop) == 0);
}

/* ---- the small parsers, beside the rule in plain words ---- */

static bool plain_is_record(const uint8_t *data, size_t size)
{
	return size == 0 || (size == 1 && data[0] == 22) ||
	       (size > 1 && data[0] == 22 && data[1] == 3);
}

static bool plain_is_clear(uint8_t c)
{
	return c == '<' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xef ||
	       c == 0xfe || c == 0xff;
}

static void check_hello(const uint8_t *data, size_t size)
{
	struct span all = { (const char *)data, size };
	enum hello_kind want = size == 0                     ? HELLO_MORE
			       : plain_is_record(data, size) ? HELLO_TLS
			       : plain_is_clear(data[0])     ? HELLO_CLEAR
							     : HELLO_OTHER;

	assert(hello_classify(all) == want);
	assert(hello_is_record(all) == plain_is_record(data, size));
	/* Once there, it stays so. */
	for (size_t n = size; n > 0 && n + 64 > size && !hello_is_whole(all); n--)
		assert(!hello_is_whole((struct span){ all.ptr, n - 1 }));
}

static void check_alpn(const uint8_t *data, size_t size)
{
	struct span list = { (const char *)data, size }, chosen = { NULL, 0 };
	bool broken = false, found = false;
	enum hello_alpn got = hello_choose_alpn(list, "xmpp-client", &chosen);
	size_t at;

	for (at = 0; at < size && !broken; at += 1u + data[at]) {
		broken = data[at] == 0 || data[at] > size - at - 1;
		found |= !broken && data[at] == 11 && !memcmp(data + at + 1, "xmpp-client", 11);
	}
	if (size == 0)
		assert(got == HELLO_ALPN_NONE);
	else
		assert(got == (found && !broken ? HELLO_ALPN_CHOSEN : HELLO_ALPN_REFUSE));
	if (got == HELLO_ALPN_CHOSEN)
		assert(span_is(chosen, "xmpp-client") && chosen.ptr > list.ptr &&
			chosen.ptr + chosen.len <= list.ptr + size);
}

/* ---- a session ---- */

static void on_nothing(struct conn *c)
{
	(void)c;
}

static void world_make(struct world *w, const uint8_t *data, size_t size)
{
	struct session *s = &w->s;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	*w = (struct world){ .said = { (const char *)data, size }, .fd = fds[1] };
	*s = (struct session){
		.worker = &worker, .service = gear_find(worker.gear, "c2s"), .serial = 1
	};
	assert(s->service && s->state == SESSION_HELLO);
	sm_init(&s->sm);
	leg_init(&s->client, s);
	leg_init(&s->server, s);
	assert(s->client.in && s->server.in);
	assert(conn_open(&s->client.conn, &worker.loop, fds[0], false) == 0);
	s->client.conn.on_ready = s->client.conn.on_closed = on_nothing;
}

static void world_unmake(struct world *w)
{
	struct session *s = &w->s;

	conn_close(&s->client.conn, false);
	while (s->client.conn.open)
		uv_run(&worker.loop, UV_RUN_NOWAIT);
	conn_fini(&s->client.conn);
	conn_fini(&s->server.conn);
	sm_fini(&s->sm, false);
	session_forget_jid(s);
	login_forget(s);
	stream_free(s->client.in);
	stream_free(s->server.in);
	free(s->domain);
	free(s->from);
	free(s->lang);
	close(w->fd);
}

static bool is_over(const struct session *s)
{
	return s->state == SESSION_DRAIN || s->state == SESSION_CLOSED;
}

static void check_bounds(struct session *s)
{
	assert(s->state <= SESSION_SECURING || is_over(s));
	assert(s->server.conn.fd < 0 && !s->server.opened && buf_len(&s->server.conn.out) == 0);
	assert(!s->authenticated && !s->jid && !s->upstream.port);
	assert(stream_memory(s->client.in) < HELD_MAX);
	assert(buf_len(&s->client.conn.prefix) <= INPUT_MAX);
}

/* TLS has just begun: what it will read first is the end of what was said, from a record on. */
static void check_prefix(const struct world *w)
{
	struct span got = { buf_ptr(&w->s.client.conn.prefix), buf_len(&w->s.client.conn.prefix) };
	size_t at = w->at - got.len;

	assert(got.len <= w->at - w->step);
	assert(got.len == 0 || memcmp(got.ptr, w->said.ptr + at, got.len) == 0);
	assert(plain_is_record((const uint8_t *)got.ptr, got.len));
	if (w->s.direct) {
		assert(at == 0 && got.len > 0);
		return;
	}
	while (at > w->step && memchr(" \t\r\n", w->said.ptr[at - 1], 4))
		at--;
	assert(at > w->step && w->said.ptr[at - 1] == '>');
}

/* The next bytes in one piece, then all that follows from them. */
static void say(struct world *w, size_t n)
{
	struct session *s = &w->s;
	enum session_state was;

	if (n > w->said.len - w->at)
		n = w->said.len - w->at;
	assert(send(w->fd, w->said.ptr + w->at, n, MSG_NOSIGNAL) == (ssize_t)n);
	w->step = w->at;
	w->at += n;
	s->client.conn.readable = true;
	do {
		leg_resume(&s->client, UINT64_MAX / 2);
		was = s->state;
		if (is_over(s) || !leg_step(s, &s->client))
			break;
		if (s->state == SESSION_SECURING && was != SESSION_SECURING)
			check_prefix(w);
		check_bounds(s);
	} while (true);
	conn_flush(&s->client.conn);
}

/* ---- what we said ---- */

/* Records by their type. A hello of an odd version is answered in that version. */
static void check_tls(const char *bytes, size_t len)
{
	assert(len == 0 || (bytes[0] >= 20 && bytes[0] <= 22));
}

static void check_features(const struct xml_element *features)
{
	const struct xml_element *one = element_child(features, NULL, NULL);

	assert(element_is(features, NS_STREAM, "features"));
	assert(one && element_is(one, NS_TLS, "starttls") && !element_next(one, NULL, NULL));
	assert(element_child(one, NS_TLS, "required"));
}

static void check_header(const struct session *s, const struct stream_event *e)
{
	assert(e->kind == STREAM_OPEN && strcmp(e->header.content_ns, NS_CLIENT) == 0);
	assert(*e->header.id && strcmp(e->header.version, "1.0") == 0);
	assert(strcmp(e->header.from, s->domain ? s->domain : "") == 0);
	assert(strcmp(e->header.to, s->from ? s->from : "") == 0);
}

/* Header, features, then <proceed/> and TLS, or an error, and the close. */
static void check_words(const struct session *s, struct stream *in, struct outcome *o)
{
	bool features = false, closed = false;
	const struct xml_element *error;
	struct stream_event e;

	assert(stream_next(in, &e) == 0);
	check_header(s, &e);
	while (stream_next(in, &e) == 0 && e.kind != STREAM_MORE) {
		struct span rest = stream_rest(in);

		assert(!closed && !o->proceed);
		closed = e.kind == STREAM_CLOSE;
		if (closed)
			continue;
		assert(e.kind == STREAM_ELEMENT && !*o->error);
		if (element_is(e.stanza.root, NS_STREAM, "error")) {
			error = element_child(e.stanza.root, NULL, NULL);
			assert(error);
			snprintf(o->error, sizeof(o->error), "%s", error->name);
		} else if (!features) {
			check_features(e.stanza.root);
			features = true;
		} else {
			assert(element_is(e.stanza.root, NS_TLS, "proceed"));
			o->proceed = true;
			check_tls(rest.ptr, rest.len);
			return;
		}
	}
	assert(!stream_is_partial(in) && (closed || !*o->error));
	assert(s->state != SESSION_SECURING);
}

static void check_heard(struct world *w, struct outcome *o)
{
	static char heard[HEARD_MAX];
	ssize_t n = recv(w->fd, heard, sizeof(heard), 0);
	struct stream *in;

	o->direct = w->s.direct;
	if (n <= 0) {
		assert(w->s.state <= SESSION_CLEAR || o->direct || is_over(&w->s));
		return;
	}
	if (o->direct) {
		check_tls(heard, (size_t)n);
		return;
	}
	in = stream_new(&ours);
	assert(in && (size_t)n < sizeof(heard));
	stream_set_authenticated(in, true);
	assert(stream_push(in, heard, (size_t)n) == 0);
	check_words(&w->s, in, o);
	stream_free(in);
}

/* ---- one input ---- */

static size_t cut_next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return 1 + (*seed >> 16) % 48;
}

/* cuts 0: in one piece, 1: byte by byte. */
static struct outcome run(const uint8_t *data, size_t size, unsigned cuts, unsigned end)
{
	static const enum session_event ends[] = { EVENT_CLIENT_END, EVENT_TIMEOUT, EVENT_KILL,
		EVENT_STOP };
	struct outcome o = { 0 };
	struct world w;

	world_make(&w, data, size);
	while (w.at < size && !is_over(&w.s))
		say(&w, cuts == 0 ? size : cuts == 1 ? 1 : cut_next(&cuts));
	if (!is_over(&w.s)) {
		session_handle(&w.s, ends[end], NULL);
		assert(is_over(&w.s));
		check_bounds(&w.s);
		conn_flush(&w.s.client.conn);
	}
	check_heard(&w, &o);
	world_unmake(&w);
	return o;
}

/* Behind <starttls/> in the same piece: white space, then a record or nothing. */
static void fuzz_behind(const uint8_t *data, size_t size, unsigned end)
{
	static uint8_t all[sizeof(prologue) + INPUT_MAX];
	const uint8_t *rest = data;
	struct outcome o;

	memcpy(all, prologue, sizeof(prologue) - 1);
	memcpy(all + sizeof(prologue) - 1, data, size);
	while (rest < data + size && memchr(" \t\r\n", *rest, 4))
		rest++;
	o = run(all, sizeof(prologue) - 1 + size, 0, end);
	assert(!o.direct);
	assert(o.proceed == plain_is_record(rest, (size_t)(data + size - rest)));
	assert(o.proceed ? !*o.error : strcmp(o.error, "policy-violation") == 0);
}

static void fuzz_cuts(const uint8_t *data, size_t size, unsigned cuts, unsigned end)
{
	struct outcome some = run(data, size, cuts, end), each = run(data, size, 1, end);

	/* A record's second byte, and what is injected, are seen where they come in one piece. */
	if (size == 0 || data[0] == 22)
		return;
	if (each.proceed && !some.proceed)
		assert(strcmp(some.error, "policy-violation") == 0);
	else
		assert(some.proceed == each.proceed && strcmp(some.error, each.error) == 0);
	assert(!some.direct && !each.direct);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned end;

	if (!worker.judge)
		worker_make();
	if (size < 2 || size > INPUT_MAX)
		return 0;
	end = data[0] >> END_SHIFT & 3;
	check_hello(data + 2, size - 2);
	check_alpn(data + 2, size - 2);
	if (data[0] & AT_STARTTLS)
		fuzz_behind(data + 2, size - 2, end);
	else
		fuzz_cuts(data + 2, size - 2, data[1], end);
	return 0;
}
