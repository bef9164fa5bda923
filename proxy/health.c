/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a server up? On the main thread's loop, beside the link to the daemon.
 * In: the backends of the policy in force, time. Out: connections like those of sessions (mark,
 * PROXY header, TLS and verification are the service's own) that go as far as the policy asks: to
 * the connection, or to the server's features behind TLS; results for backends.c. What a server
 * says is bounded in bytes and time. A check begins a while after the last one ended, never twice
 * at once; each waits a little longer or shorter, so that many do not meet. No login, no stanza. */
#include "proxy/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "proxy/conn.h"
#include "proxy/gear.h"
#include "proxy/proxy_header.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

enum { HEALTH_SOON_MS = 1000, HEALTH_LOOK_MS = 250, HEALTH_OUT_MAX = 8192, HEALTH_READ = 4096 };

enum probe_state {
	PROBE_WAITING,
	PROBE_CONNECTING,
	PROBE_CLEAR, /* features before TLS are awaited */
	PROBE_PROCEED,
	PROBE_SECURING,
	PROBE_STREAM, /* features that count are awaited */
	PROBE_ENDING, /* the connection's handle is about to go */
	PROBE_CLOSED, /* nobody wants it any more */
};

struct probe {
	struct probe *next;
	struct health *health;
	struct backends *backends;    /* a reference: conf and server are its */
	struct gear_service *service; /* a reference: how it is dialled */
	const struct backend *conf;
	const struct backend_server *written;
	struct server *server;
	enum probe_state state;
	uv_timer_t timer;
	struct conn conn;
	struct stream *in;
	struct endpoint at;
	uint64_t begun_ms, next_ms; /* since when; when the next one is due */
	size_t heard;
	unsigned handles;
	bool unwanted;
};

struct health {
	uv_loop_t *loop;
	health_told told;
	void *arg;
	struct probe *probes;
};

static void probe_begin(struct probe *p);
static void probe_on_timer(uv_timer_t *timer);

/* ---- life ---- */

static void probe_free(struct probe *p)
{
	conn_fini(&p->conn);
	stream_free(p->in);
	gear_service_unref(p->service);
	backends_unref(p->backends);
	free(p);
}

static void probe_on_timer_closed(uv_handle_t *handle)
{
	struct probe *p = handle->data;

	if (--p->handles == 0)
		probe_free(p);
}

/* Up to a quarter less or more. */
static uint64_t jitter(struct probe *p, uint64_t ms)
{
	uint64_t seed[2] = { (uintptr_t)p, clock_mono_ns() };

	return ms - ms / 4 + map_hash(seed, sizeof(seed)) % (ms / 2 + 1);
}

/* Looks every now and then whether a session was in doubt, until the next check is due. */
static void probe_wait(struct probe *p, uint64_t ms)
{
	p->state = PROBE_WAITING;
	p->next_ms = uv_now(p->health->loop) + ms;
	uv_timer_start(&p->timer, probe_on_timer, ms < HEALTH_LOOK_MS ? ms : HEALTH_LOOK_MS, 0);
}

/* What is about to change is looked at more closely. */
static void probe_rest(struct probe *p)
{
	uint64_t every = p->conf->every_ms;

	if (server_is_wavering(p->server) && every > HEALTH_SOON_MS)
		every = HEALTH_SOON_MS;
	probe_wait(p, jitter(p, every));
}

static void probe_on_conn_closed(struct conn *c)
{
	struct probe *p = c->owner;

	p->handles--;
	if (!p->unwanted)
		probe_rest(p);
	else if (p->handles == 0)
		probe_free(p);
}

/* ---- the end of one check ---- */

static void probe_tell(struct probe *p, const char *why)
{
	enum server_state now;

	if (!server_checked(p->server, p->conf, why, uv_now(p->health->loop) - p->begun_ms, &now))
		return;
	if (now == SERVER_DOWN)
		log_warn("backend=%s server=%s state=down why=%s", p->conf->name, p->written->text,
			log_quote(span_of(why ? why : "")));
	else
		log_info("backend=%s server=%s state=up", p->conf->name, p->written->text);
	p->health->told(p->health->arg, p->conf, p->written, &p->at, now, why ? why : "");
}

/* why NULL: well. */
static void probe_end(struct probe *p, const char *why)
{
	bool polite = !why && p->conf->check == CHECK_STREAM;

	probe_tell(p, why);
	p->state = PROBE_ENDING;
	if (p->conn.fd < 0) {
		/* It was never opened. */
		probe_rest(p);
		return;
	}
	uv_timer_stop(&p->timer);
	if (polite && write_close(&p->conn.out) == 0) {
		conn_finish(&p->conn);
		conn_flush(&p->conn);
	}
	buf_clear(&p->conn.out);
	conn_close(&p->conn, false);
}

/* ---- steps ---- */

static void probe_header(struct probe *p, enum probe_state next)
{
	struct stream_header h = {
		.content_ns = NS_CLIENT, .to = p->conf->check_to, .version = "1.0"
	};

	if (write_header(&p->conn.out, &h) < 0)
		probe_end(p, "out of memory");
	else
		p->state = next;
}

static void probe_secure(struct probe *p, const char *alpn)
{
	const struct service *conf = &p->service->conf;
	const char *to = p->conf->check_to;
	int r = tls_link_connect(&p->conn.tls, p->service->client_ctx, p->conn.fd, &p->conn.prefix,
		conf->verify == VERIFY_DEFAULT ? p->service->certs : NULL, to,
		conf->verify_name ? conf->verify_name : to, alpn);

	if (r < 0) {
		probe_end(p, err_text(r));
		return;
	}
	p->conn.readable = true;
	p->state = PROBE_SECURING;
}

/* Our own address stands for the client's. */
static int probe_introduce(struct probe *p)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint own;

	if (getsockname(p->conn.fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	address_from_sockaddr((struct sockaddr *)&ss, &own.address, &own.port);
	return proxy_header_write(&p->conn.out, &own.address, own.port, &p->at.address, p->at.port);
}

static void probe_connected(struct probe *p)
{
	int r = conn_connected(&p->conn);

	if (r == 0 && p->service->conf.proxy_protocol)
		r = probe_introduce(p);
	if (r < 0) {
		probe_end(p, err_text(r));
		return;
	}
	conn_flush(&p->conn);
	if (p->conf->check == CHECK_TCP)
		probe_end(p, NULL);
	else if (p->written->tls == UPSTREAM_TLS)
		probe_secure(p, "xmpp-client");
	else
		probe_header(p, p->written->tls == UPSTREAM_PLAIN ? PROBE_STREAM : PROBE_CLEAR);
}

static void probe_secured(struct probe *p)
{
	enum tls_result r = conn_handshake(&p->conn);

	p->conn.writable = false;
	if (r == TLS_DONE)
		probe_header(p, PROBE_STREAM);
	else if (r != TLS_AGAIN)
		probe_end(p, p->conn.tls.pick.why ? p->conn.tls.pick.why
			     : p->conn.tls.error  ? p->conn.tls.error
						  : "TLS failed");
}

static void probe_features(struct probe *p, const struct xml_element *e)
{
	if (p->state == PROBE_STREAM)
		probe_end(p, NULL);
	else if (!element_child(e, NS_TLS, "starttls"))
		probe_end(p, "it offers no STARTTLS");
	else if (buf_puts(&p->conn.out, "<starttls xmlns='" NS_TLS "'/>") < 0)
		probe_end(p, "out of memory");
	else
		p->state = PROBE_PROCEED;
}

static void probe_proceed(struct probe *p)
{
	if (stream_rest(p->in).len > 0) {
		probe_end(p, "bytes in clear text behind <proceed/>");
		return;
	}
	stream_restart(p->in);
	probe_secure(p, NULL);
}

static const char *error_of(const struct xml_element *e)
{
	static __thread char text[64];
	const struct xml_element *first = element_first(e);
	const char *name =
		first && strcmp(first->name, "text") != 0 ? first->name : "without a condition";

	snprintf(text, sizeof(text), "stream error %.*s", (int)span_cut(span_of(name), 40), name);
	return text;
}

static void probe_element(struct probe *p, const struct xml_element *e)
{
	if (element_is(e, NS_STREAM, "error"))
		probe_end(p, error_of(e));
	else if (p->state == PROBE_PROCEED && element_is(e, NS_TLS, "proceed"))
		probe_proceed(p);
	else if (p->state != PROBE_PROCEED && element_is(e, NS_STREAM, "features"))
		probe_features(p, e);
	else
		probe_end(p, "an answer that is none");
}

/* One event; false: no more, or the check is over. */
static bool probe_next(struct probe *p)
{
	struct stream_event ev;
	int r = stream_next(p->in, &ev);

	if (r < 0) {
		probe_end(p, err_text(r));
		return false;
	}
	switch (ev.kind) {
	case STREAM_MORE:
		return false;
	case STREAM_OPEN:
		if (strcmp(ev.header.content_ns, NS_CLIENT) != 0)
			probe_end(p, "a stream, but not one for clients");
		break;
	case STREAM_ELEMENT:
		probe_element(p, ev.stanza.root);
		break;
	case STREAM_SPACE:
		break;
	case STREAM_BAD:
		probe_end(p, ev.reason);
		break;
	default:
		probe_end(p, "an answer that is none");
		break;
	}
	return p->state == PROBE_CLEAR || p->state == PROBE_PROCEED || p->state == PROBE_STREAM;
}

static void probe_read(struct probe *p)
{
	char bytes[HEALTH_READ];
	ssize_t n = conn_read(&p->conn, bytes, sizeof(bytes));

	if (n == CONN_READ_AGAIN)
		return;
	if (n < 0) {
		probe_end(p, n == CONN_READ_END ? "it hung up" : "the connection was reset");
		return;
	}
	if ((p->heard += (size_t)n) > HEALTH_BYTES_MAX) {
		probe_end(p, "it talks without end");
		return;
	}
	if (stream_push(p->in, bytes, (size_t)n) < 0) {
		probe_end(p, "out of memory");
		return;
	}
	while (probe_next(p))
		;
}

static bool probe_is_reading(const struct probe *p)
{
	return p->state == PROBE_CLEAR || p->state == PROBE_PROCEED || p->state == PROBE_STREAM;
}

static void probe_on_ready(struct conn *c)
{
	struct probe *p = c->owner;

	if (p->state == PROBE_CONNECTING && c->writable)
		probe_connected(p);
	/* A few reads: the line to the daemon shares this loop. */
	for (unsigned i = 0; i < 8 && c->fd >= 0 && (c->readable || c->writable); i++) {
		if (p->state == PROBE_SECURING)
			probe_secured(p);
		else if (probe_is_reading(p) && c->readable)
			probe_read(p);
		else
			break;
	}
	if (c->fd < 0)
		return;
	conn_flush(c);
	conn_watch(c, true);
}

/* ---- time ---- */

static void probe_late(struct probe *p)
{
	probe_end(p, p->state == PROBE_CONNECTING ? "no connection in time" : "no answer in time");
}

static void probe_on_timer(uv_timer_t *timer)
{
	struct probe *p = timer->data;
	uint64_t now = uv_now(p->health->loop), left;

	if (p->state != PROBE_WAITING) {
		probe_late(p);
		return;
	}
	/* Asked for by a session: at once, but not more often than once a second. */
	if (now < p->next_ms && now - p->begun_ms >= HEALTH_SOON_MS && server_is_doubted(p->server))
		p->next_ms = now;
	left = p->next_ms > now ? p->next_ms - now : 0;
	if (left > 0)
		uv_timer_start(
			timer, probe_on_timer, left < HEALTH_LOOK_MS ? left : HEALTH_LOOK_MS, 0);
	else
		probe_begin(p);
}

static void probe_begin(struct probe *p)
{
	int fd, r;

	p->begun_ms = uv_now(p->health->loop);
	p->heard = 0;
	stream_restart(p->in);
	p->state = PROBE_CONNECTING;
	if (!server_address(p->server, &p->at)) {
		p->at = (struct endpoint){ 0 };
		probe_end(p, "it has no address");
		return;
	}
	if ((r = upstream_dial(&p->at, NULL, p->service->mark, &fd)) < 0 ||
		(r = conn_open(&p->conn, p->health->loop, fd, true)) < 0) {
		probe_end(p, err_text(r));
		return;
	}
	p->handles++;
	uv_timer_start(&p->timer, probe_on_timer, p->conf->timeout_ms, 0);
	conn_watch(&p->conn, true);
}

/* ---- all of them ---- */

/* The first service that goes to that backend; NULL: none does. */
static struct gear_service *service_of(const struct gear *g, const struct backend *b)
{
	for (size_t i = 0; i < g->n; i++)
		for (unsigned k = 0; k < g->services[i]->conf.n_backends; k++)
			if (strcmp(g->services[i]->conf.backends[k], b->name) == 0)
				return g->services[i];
	return NULL;
}

static void probe_add(
	struct health *h, struct gear *g, struct gear_service *service, size_t i, unsigned k)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p || !(p->in = stream_new(&xmpp_limits_default))) {
		log_error("backend=%s error=%s", backends_conf(g->backends, i)->name,
			err_text(-ENOMEM));
		free(p);
		return;
	}
	stream_set_authenticated(p->in, true); /* features may be long */
	p->health = h;
	p->backends = backends_ref(g->backends);
	p->service = gear_service_ref(service);
	p->conf = backends_conf(g->backends, i);
	p->written = &p->conf->servers[k];
	p->server = backends_server(g->backends, i, k);
	conn_init(&p->conn, HEALTH_OUT_MAX, p, probe_on_ready, probe_on_conn_closed);
	uv_timer_init(h->loop, &p->timer);
	p->timer.data = p;
	p->handles = 1;
	p->next = h->probes;
	h->probes = p;
	/* New ones at once; those known from before some time in their turn. */
	probe_wait(p,
		server_state(p->server) == SERVER_UNCHECKED ? 1 : jitter(p, p->conf->every_ms) / 2);
}

static void probes_end(struct health *h)
{
	struct probe *p;

	while ((p = h->probes)) {
		h->probes = p->next;
		p->unwanted = true;
		p->state = PROBE_CLOSED;
		uv_close((uv_handle_t *)&p->timer, probe_on_timer_closed);
		conn_close(&p->conn, false);
	}
}

void health_use(struct health *h, struct gear *g)
{
	probes_end(h);
	for (size_t i = 0; g && g->backends && i < backends_count(g->backends); i++) {
		const struct backend *conf = backends_conf(g->backends, i);
		struct gear_service *service = service_of(g, conf);

		for (unsigned k = 0; service && conf->check != CHECK_OFF && k < conf->n_servers;
			k++)
			probe_add(h, g, service, i, k);
	}
}

int health_new(uv_loop_t *loop, health_told told, void *arg, struct health **out)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct health){ .loop = loop, .told = told, .arg = arg };
	*out = h;
	return 0;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	probes_end(h);
	free(h);
}
