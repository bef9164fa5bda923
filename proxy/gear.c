/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a policy bundle into something sessions can run on: behind main.c's channel, before the
 * workers. In: the sources. Out: the compiled rules plus, for each service in proxy mode, a copy of
 * its settings with certificates and TLS contexts. What cannot be honoured (a service without
 * usable certificate, a role this door does not speak) refuses the whole policy with a reason: the
 * one in force stays. It never touches a session: they hold on to what they began with. */
#include "proxy/gear.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "door/loader.h"
#include "proxy/tls.h"
#include "rules/strict.h"

static int copy_text(const char **text)
{
	if (*text && !(*text = strdup(*text)))
		return -ENOMEM;
	return 0;
}

/* Every string of a struct service. */
static size_t service_texts(struct service *s, const char ***texts)
{
	size_t n = 0;

	texts[n++] = &s->name;
	texts[n++] = &s->certificates;
	texts[n++] = &s->upstream_host;
	texts[n++] = &s->verify_file;
	texts[n++] = &s->verify_name;
	for (unsigned i = 0; i < s->n_addresses; i++)
		texts[n++] = &s->addresses[i];
	for (unsigned i = 0; i < s->n_backends; i++)
		texts[n++] = &s->backends[i];
	return n;
}

static int service_copy(struct service *to, const struct service *from)
{
	const char **texts[5 + SERVICE_ADDRESSES_MAX + BACKENDS_MAX];
	size_t n, i;
	int r = 0;

	*to = *from;
	for (unsigned d = 0; d < 2; d++)
		strict_ref(to->strict[d]);
	n = service_texts(to, texts);
	for (i = 0; i < n && r == 0; i++)
		r = copy_text(texts[i]);
	/* What was not copied must not be freed. */
	if (r < 0) {
		for (i = i - 1; i < n; i++)
			*texts[i] = NULL;
	}
	return r;
}

struct gear_service *gear_service_ref(struct gear_service *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void gear_service_unref(struct gear_service *s)
{
	const char **texts[5 + SERVICE_ADDRESSES_MAX + BACKENDS_MAX];
	size_t n;

	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	n = service_texts(&s->conf, texts);
	for (size_t i = 0; i < n; i++)
		free((char *)*texts[i]);
	for (unsigned d = 0; d < 2; d++)
		strict_unref(s->conf.strict[d]);
	SSL_CTX_free(s->server_ctx);
	SSL_CTX_free(s->client_ctx);
	certs_unref(s->certs);
	backends_unref(s->backends);
	free(s);
}

static int service_make_server(struct gear_service *s, const struct gear_service *former,
	struct source_set *sources, const char *path, struct buf *why)
{
	int r;

	if (s->conf.tls == TLS_NONE)
		return 0;
	if (!s->conf.certificates) {
		buf_puts(why, "TLS needs 'certificates'");
		return ERR_NOTFOUND;
	}
	if ((r = certs_load(sources, path, s->conf.certificates, former ? former->certs : NULL, why,
		     &s->certs)) < 0)
		return r;
	s->server_ctx =
		s->conf.role == ROLE_S2S ? tls_federation_server_context() : tls_server_context();
	if (!s->server_ctx) {
		buf_puts(why, "TLS cannot be set up");
		return ERR_TLS;
	}
	return 0;
}

static int service_make_client(
	struct gear_service *s, struct source_set *sources, const char *path, struct buf *why)
{
	const struct source_file *file = NULL;
	struct span anchors = { NULL, 0 };
	int r;

	if (s->conf.upstream_tls == UPSTREAM_PLAIN)
		return 0;
	if (s->conf.role == ROLE_S2S && s->conf.direction == SERVICE_OUT) {
		s->client_ctx = tls_federation_client_context();
		return s->client_ctx ? 0 : ERR_TLS;
	}
	if (s->conf.verify == VERIFY_FILE) {
		r = source_find(
			sources, path, s->conf.verify_file ? s->conf.verify_file : "", &file);
		if (r < 0) {
			buf_putf(why, "%s: %s",
				s->conf.verify_file ? s->conf.verify_file : "verify file",
				err_text(r));
			return r;
		}
		anchors = (struct span){ file->bytes, file->len };
	}
	if (!(s->client_ctx = tls_client_context(s->conf.verify, anchors))) {
		buf_putf(why, "%s: no usable trust anchor", file ? file->path : "upstream TLS");
		return ERR_TLS;
	}
	return 0;
}

static int service_check(const struct service *s, struct buf *why)
{
	if (s->role != ROLE_C2S && s->role != ROLE_S2S) {
		buf_puts(why, "mode proxy speaks c2s and s2s; use 'mode inspect' here");
		return ERR_UNSUPPORTED;
	}
	if (s->upstream_original && s->intercept == INTERCEPT_NONE) {
		buf_puts(why, "'upstream original' needs 'intercept tproxy' or 'redirect'");
		return ERR_UNSUPPORTED;
	}
	if (!s->upstream_original && !s->upstream_host && s->n_backends == 0) {
		buf_puts(why, "no upstream");
		return ERR_UNSUPPORTED;
	}
	return 0;
}

static int gear_add(struct gear *g, const struct service *from, const struct gear *previous,
	struct source_set *sources, const char *path, struct buf *why)
{
	struct gear_service *s = calloc(1, sizeof(*s));
	struct buf reason;
	int r;

	if (!s)
		return -ENOMEM;
	buf_init(&reason, 0);
	atomic_init(&s->refs, 1);
	s->backends = backends_ref(g->backends);
	if ((r = service_copy(&s->conf, from)) == 0 &&
		(r = service_check(&s->conf, &reason)) == 0 &&
		(r = service_make_server(
			 s, gear_find(previous, from->name), sources, path, &reason)) == 0)
		r = service_make_client(s, sources, path, &reason);
	/* The high half is the table's mark; the low bit says "upstream leg". */
	if (s->conf.intercept != INTERCEPT_NONE || s->conf.source_client)
		s->mark = policy_daemon(g->policy)->mark | 1;
	if (r < 0) {
		buf_putf(why, "service %s: %s", from->name,
			buf_len(&reason) ? buf_string(&reason) : err_text(r));
		gear_service_unref(s);
	} else {
		g->services[g->n++] = s;
	}
	buf_fini(&reason);
	return r;
}

static bool gear_speaks_s2s(const struct gear *g)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->services[i]->conf.role == ROLE_S2S)
			return true;
	}
	return false;
}

/* DNS is asked about servers only. */
static int gear_make_lookups(struct gear *g, const struct gear *previous,
	struct source_set *sources, const char *path, struct buf *why)
{
	const struct federation_options *f = policy_federation(g->policy);
	struct lookup_options options = { .resolver = f->resolver, .port = f->resolver_port };
	const struct source_file *file;
	struct buf reason;
	int r;

	if (!gear_speaks_s2s(g))
		return 0;
	if (f->anchor_file) {
		if ((r = source_find(sources, path, f->anchor_file, &file)) < 0) {
			buf_putf(why, "anchor %s: %s", f->anchor_file, err_text(r));
			return r;
		}
		options.anchors = (struct span){ file->bytes, file->len };
	}
	buf_init(&reason, 0);
	r = lookup_settings_new(
		&options, previous ? previous->lookups : NULL, &reason, &g->lookups);
	if (r < 0)
		buf_putf(why, "anchor %s: %s", f->anchor_file ? f->anchor_file : "of the system",
			buf_len(&reason) ? buf_string(&reason) : err_text(r));
	buf_fini(&reason);
	return r;
}

int gear_load(struct source_set *sources, const char *path, struct gear *previous,
	struct metrics *metrics, struct buf *why, struct gear **out)
{
	struct gear *g = calloc(1, sizeof(*g));
	const struct service *services;
	const struct backend *backends;
	size_t n, n_backends;
	int r;

	if (!g)
		return -ENOMEM;
	atomic_init(&g->refs, 1);
	if ((r = loader_policy_load(sources, path, previous ? previous->policy : NULL, metrics, why,
		     &g->policy)) == 0) {
		backends = policy_backends(g->policy, &n_backends);
		r = backends_new(
			backends, n_backends, previous ? previous->backends : NULL, &g->backends);
	}
	if (r == 0)
		r = trust_load(g->policy, sources, path, why, &g->trust);
	if (r < 0) {
		gear_unref(g);
		return r;
	}
	services = policy_services(g->policy, &n);
	if (!(g->services = calloc(n ? n : 1, sizeof(struct gear_service *))))
		r = -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (services[i].mode == MODE_PROXY)
			r = gear_add(g, &services[i], previous, sources, path, why);
	}
	if (r == 0)
		r = gear_make_lookups(g, previous, sources, path, why);
	if (r < 0) {
		gear_unref(g);
		return r;
	}
	*out = g;
	return 0;
}

struct gear *gear_ref(struct gear *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

void gear_unref(struct gear *g)
{
	if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	for (size_t i = 0; i < g->n; i++)
		gear_service_unref(g->services[i]);
	free(g->services);
	lookup_settings_unref(g->lookups);
	backends_unref(g->backends);
	trust_free(g->trust);
	policy_unref(g->policy);
	free(g);
}

struct gear_service *gear_find(const struct gear *g, const char *name)
{
	for (size_t i = 0; g && i < g->n; i++) {
		if (strcmp(g->services[i]->conf.name, name) == 0)
			return g->services[i];
	}
	return NULL;
}

X509_STORE *gear_trust(const struct gear *g, const struct remote_policy *remote)
{
	return trust_find(g->trust, remote);
}
