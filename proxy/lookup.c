/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks DNS: below dane_ask.c, above libunbound, which has no other room.
 * In: names and types, from the workers' threads. Out: records with what DNSSEC says of them, on
 * the thread that asked. The library resolves and validates on a thread of its own, so that
 * signatures made to be dear (CVE-2023-50387) hold up no session; the main thread only takes the
 * answers out of its pipe and puts each into its worker's box. What it keeps is bounded by numbers
 * below; how long an asker waits is the asker's business (dane_ask.c), and a question counts until
 * the library is done with it. It opens no file after lookup_read_system, and follows nothing: one
 * question, one answer. */
#include "proxy/lookup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdatomic.h>
#include <unbound.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/worker.h"

enum { RESOLVERS_MAX = 3, SYSTEM_FILE_MAX = 65536, ANCHORS_MAX = 64, CLASS_IN = 1 };

struct lookup {
	struct lookup *next, **link; /* among those under way, then in its worker's box */
	struct worker *worker;
	void (*done)(void *arg, const struct lookup_answer *answer); /* NULL: nobody waits */
	void *arg;
	struct ub_result *result; /* NULL: none came */
};

/* What the library is made of. */
struct lookup_settings {
	_Atomic unsigned refs;
	char resolvers[RESOLVERS_MAX][64]; /* ADDRESS@PORT */
	size_t n_resolvers;
	char *anchors;
};

/* The lock is over what workers and the main thread both touch; the library has locks of its own.
 */
static struct {
	pthread_mutex_t lock;
	struct ub_ctx *ctx; /* NULL: nobody is asked */
	struct lookup *under_way;
	unsigned n;
	/* main thread only */
	uv_loop_t *loop;
	uv_poll_t *poll;
	struct lookup_settings *settings;
} lookups = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- what this host says ---- */

static struct {
	char resolvers[RESOLVERS_MAX][64];
	size_t n_resolvers;
	char *anchors;
} system_says;

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = f ? calloc(1, SYSTEM_FILE_MAX + 1) : NULL;

	if (text && fread(text, 1, SYSTEM_FILE_MAX, f) == 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

static void system_take_resolver(const char *address)
{
	struct in6_addr any;

	if (system_says.n_resolvers < RESOLVERS_MAX &&
		(inet_pton(AF_INET, address, &any) == 1 || inet_pton(AF_INET6, address, &any) == 1))
		snprintf(system_says.resolvers[system_says.n_resolvers++],
			sizeof(system_says.resolvers[0]), "%s@53", address);
}

void lookup_read_system(void)
{
	cleanup_free char *conf = file_text("/etc/resolv.conf");
	char *save = NULL, address[INET6_ADDRSTRLEN];

	system_says.n_resolvers = 0;
	for (char *line = conf ? strtok_r(conf, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, " nameserver %45s", address) == 1)
			system_take_resolver(address);
	}
	free(system_says.anchors);
	system_says.anchors = file_text("/usr/share/dns/root.key"); /* package dns-root-data */
}

/* ---- the library ---- */

/* Every ceiling it has. A resolver may take three seconds for an answer; one that is silent is
 * asked once in five seconds until it is back, and what was asked meanwhile fails at once. (The
 * library holds keys it could not get for bogus for a minute.) */
static const struct {
	const char *name, *value;
} unbound_options[] = {
	{ "module-config:", "validator iterator" },
	{ "do-not-query-localhost:", "no" }, /* the resolver is often there */
	{ "num-queries-per-thread:", "256" },
	{ "outgoing-range:", "64" },
	{ "outgoing-num-tcp:", "16" },
	{ "msg-cache-size:", "2m" },
	{ "rrset-cache-size:", "4m" },
	{ "key-cache-size:", "1m" },
	{ "neg-cache-size:", "256k" },
	{ "infra-cache-numhosts:", "64" },
	{ "infra-host-ttl:", "5" },
	{ "infra-cache-max-rtt:", "3000" },
	{ "outbound-msg-retry:", "3" },
	{ "cache-max-ttl:", "3600" },
	{ "cache-max-negative-ttl:", "300" },
	{ "val-bogus-ttl:", "10" },
	/* Nobody but the resolver learns of us, and it no more than the question. */
	{ "trust-anchor-signaling:", "no" },
	{ "prefetch:", "no" },
	{ "serve-expired:", "no" },
	{ "use-syslog:", "no" },
};

static int unbound_configure(struct ub_ctx *ctx, const struct lookup_settings *s)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(unbound_options) / sizeof(unbound_options[0]) && r == 0;
		i++) {
		r = ub_ctx_set_option(ctx, unbound_options[i].name, unbound_options[i].value);
		if (r != 0)
			log_error(
				"dns option=%s error=%s", unbound_options[i].name, ub_strerror(r));
	}
	for (size_t i = 0; i < s->n_resolvers && r == 0; i++)
		r = ub_ctx_set_fwd(ctx, s->resolvers[i]);
	return r;
}

/* The library takes a record without its digest or key for one of an algorithm to come, and the
 * zone for unsigned. */
static bool anchor_is_whole(const char *line)
{
	static const char blanks[] = " \t";
	const char *data = strstr(line, "DNSKEY");
	size_t n = 0;

	if (!data && !(data = strstr(line, "DS")))
		return false;
	for (int field = 0; field < 4; field++) { /* the type, three numbers */
		data += strcspn(data, blanks);
		data += strspn(data, blanks);
	}
	for (; *data; data++) {
		if (isalnum((unsigned char)*data) || strchr("+/=", *data))
			n++;
		else if (!strchr(blanks, *data))
			return false;
	}
	return n >= 40; /* SHA-1 in hexadecimal; any key is longer */
}

/* One record a line; comments begin with ';' or '#', and may follow a record. */
static int unbound_add_anchors(struct ub_ctx *ctx, const char *text)
{
	cleanup_free char *copy = strdup(text);
	char *save = NULL, *line;
	unsigned n = 0;
	int r = copy ? 0 : UB_NOMEM;

	for (line = copy ? strtok_r(copy, "\r\n", &save) : NULL; line && r == 0;
		line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		line[strcspn(line, ";#")] = '\0';
		if (*line)
			r = ++n > ANCHORS_MAX || !anchor_is_whole(line) ? UB_SYNTAX
									: ub_ctx_add_ta(ctx, line);
	}
	return r ? r : n ? 0 : UB_SYNTAX;
}

/* Made and set up whole, without its thread; NULL with the library's code in *r. */
static struct ub_ctx *unbound_new(const struct lookup_settings *s, int *r)
{
	struct ub_ctx *ctx = ub_ctx_create();

	if (!ctx) {
		*r = UB_NOMEM;
		return NULL;
	}
	/* It would write to our standard error in a shape of its own. */
	ub_ctx_debugout(ctx, NULL);
	/* To remove a zone it answers by itself (RFC 6761) is what makes it read all it was told.
	 * An inner network may have such a zone: its resolver knows. */
	if ((*r = unbound_configure(ctx, s)) == 0 &&
		(*r = unbound_add_anchors(ctx, s->anchors)) == 0 &&
		(*r = ub_ctx_async(ctx, 1)) == 0 && (*r = ub_ctx_zone_remove(ctx, "test.")) == 0 &&
		(*r = ub_ctx_zone_remove(ctx, "home.arpa.")) == 0)
		return ctx;
	ub_ctx_delete(ctx);
	return NULL;
}

/* ---- settings ---- */

static void settings_take_resolvers(struct lookup_settings *s, const struct lookup_options *options)
{
	if (options->resolver) {
		snprintf(s->resolvers[0], sizeof(s->resolvers[0]), "%s@%u", options->resolver,
			options->port ? options->port : 53u);
		s->n_resolvers = 1;
		return;
	}
	memcpy(s->resolvers, system_says.resolvers, sizeof(s->resolvers));
	s->n_resolvers = system_says.n_resolvers;
}

static bool settings_are_same(const struct lookup_settings *a, const struct lookup_settings *b)
{
	if (!a || !b)
		return a == b;
	return a->n_resolvers == b->n_resolvers && strcmp(a->anchors, b->anchors) == 0 &&
	       memcmp(a->resolvers, b->resolvers, sizeof(a->resolvers)) == 0;
}

int lookup_settings_new(const struct lookup_options *options, struct lookup_settings *previous,
	struct buf *why, struct lookup_settings **out)
{
	struct lookup_settings *s;
	struct ub_ctx *trial;
	int r = 0;

	*out = NULL;
	if (!options->anchors.len && !system_says.anchors)
		return 0;
	if (!(s = calloc(1, sizeof(*s))))
		return -ENOMEM;
	atomic_init(&s->refs, 1);
	settings_take_resolvers(s, options);
	s->anchors = options->anchors.len ? strndup(options->anchors.ptr, options->anchors.len)
					  : strdup(system_says.anchors);
	if (s->anchors && s->n_resolvers > 0 && settings_are_same(s, previous)) {
		*out = lookup_settings_ref(previous);
	} else if (s->anchors && s->n_resolvers > 0) {
		if ((trial = unbound_new(s, &r))) {
			ub_ctx_delete(trial);
			*out = lookup_settings_ref(s);
		} else {
			buf_puts(why,
				"no usable trust anchor of DNSSEC (lines of DNSKEY or DS records)");
		}
	}
	if (!s->anchors || r == UB_NOMEM)
		r = -ENOMEM;
	lookup_settings_unref(s);
	return r == -ENOMEM ? r : r ? ERR_SYNTAX : 0;
}

struct lookup_settings *lookup_settings_ref(struct lookup_settings *s)
{
	if (s)
		atomic_fetch_add(&s->refs, 1);
	return s;
}

void lookup_settings_unref(struct lookup_settings *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	free(s->anchors);
	free(s);
}

/* ---- under way ---- */

static void lookup_link(struct lookup *l, struct lookup **list)
{
	l->next = *list;
	l->link = list;
	if (l->next)
		l->next->link = &l->next;
	*list = l;
}

static void lookup_unlink(struct lookup *l)
{
	*l->link = l->next;
	if (l->next)
		l->next->link = l->link;
}

static void lookup_free(struct lookup *l)
{
	if (l->result)
		ub_resolve_free(l->result);
	free(l);
}

/* On the main thread; l is no longer under way. */
static void lookup_post(struct lookup *l)
{
	struct worker *w = l->worker;

	pthread_mutex_lock(&w->lock);
	lookup_link(l, &w->answers);
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->wake);
}

static void lookup_on_result(void *arg, int err, struct ub_result *result)
{
	struct lookup *l = arg;

	pthread_mutex_lock(&lookups.lock);
	lookup_unlink(l);
	lookups.n--;
	pthread_mutex_unlock(&lookups.lock);
	l->result = err ? NULL : result;
	lookup_post(l);
}

int lookup_ask(struct worker *w, const char *name, enum lookup_type type,
	void (*done)(void *arg, const struct lookup_answer *answer), void *arg, struct lookup **out)
{
	struct lookup *l = NULL;
	int r = 0, id;

	pthread_mutex_lock(&lookups.lock);
	if (!lookups.ctx)
		r = ERR_UNSUPPORTED;
	else if (lookups.n >= LOOKUPS_MAX)
		r = ERR_LIMIT;
	else if (!(l = calloc(1, sizeof(*l))))
		r = -ENOMEM;
	if (l) {
		*l = (struct lookup){ .worker = w, .done = done, .arg = arg };
		lookup_link(l, &lookups.under_way);
		lookups.n++;
		r = ub_resolve_async(
			lookups.ctx, name, (int)type, CLASS_IN, l, lookup_on_result, &id);
		if (r != 0) {
			lookup_unlink(l);
			lookups.n--;
			free(l);
			r = r == UB_SYNTAX ? ERR_SYNTAX : r == UB_NOMEM ? -ENOMEM : ERR_LIBRARY;
		}
	}
	pthread_mutex_unlock(&lookups.lock);
	metric_add(
		r == ERR_LIMIT ? counters.dns_full : counters.dns_asked, r == 0 || r == ERR_LIMIT);
	*out = r == 0 ? l : NULL;
	return r;
}

void lookup_forget(struct lookup *l)
{
	l->done = NULL;
}

/* ---- answers ---- */

static enum lookup_trust result_trust(const struct ub_result *result)
{
	enum { NOERROR = 0, NXDOMAIN = 3 };

	if (!result)
		return LOOKUP_FAILED;
	if (result->bogus)
		return LOOKUP_BOGUS;
	if (result->rcode != NOERROR && result->rcode != NXDOMAIN)
		return LOOKUP_FAILED;
	return result->secure ? LOOKUP_SECURE : LOOKUP_INSECURE;
}

static void lookup_tell(struct lookup *l)
{
	struct lookup_answer answer = { .trust = result_trust(l->result) };
	metric *const counts[] = { counters.dns_secure, counters.dns_insecure, counters.dns_bogus,
		counters.dns_failed };

	metric_add(counts[answer.trust], 1);
	if (!l->done)
		return;
	/* What is not signed is not even shown. */
	if (answer.trust == LOOKUP_SECURE && l->result->havedata) {
		answer.data = (const unsigned char *const *)l->result->data;
		answer.len = l->result->len;
		while (answer.data[answer.n])
			answer.n++;
	}
	l->done(l->arg, &answer);
}

/* One at a time: done may forget those that are still in the box. */
void lookup_deliver(struct worker *w)
{
	struct lookup *l;

	for (;;) {
		pthread_mutex_lock(&w->lock);
		if ((l = w->answers))
			lookup_unlink(l);
		pthread_mutex_unlock(&w->lock);
		if (!l)
			return;
		lookup_tell(l);
		lookup_free(l);
	}
}

void lookup_drop(struct worker *w)
{
	struct lookup *l;

	while ((l = w->answers)) {
		lookup_unlink(l);
		lookup_free(l);
	}
}

/* ---- the main thread ---- */

static void lookup_on_readable(uv_poll_t *poll, int status, int events)
{
	int r;

	(void)events;
	if (poll == lookups.poll && (status < 0 || (r = ub_process(lookups.ctx)) != 0)) {
		log_error("dns error=%s", status < 0 ? uv_strerror(status) : ub_strerror(r));
		lookup_use(NULL);
	}
}

static void lookup_on_closed(uv_handle_t *handle)
{
	free(handle);
}

static int lookup_watch(struct ub_ctx *ctx)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	if ((r = uv_poll_init(lookups.loop, poll, ub_fd(ctx))) < 0) {
		free(poll);
		return r;
	}
	if ((r = uv_poll_start(poll, UV_READABLE, lookup_on_readable)) < 0) {
		uv_close((uv_handle_t *)poll, lookup_on_closed);
		return r;
	}
	lookups.poll = poll;
	return 0;
}

/* Its thread has ended when this returns; nothing it found comes any more. */
static void lookup_stop(void)
{
	struct ub_ctx *ctx;
	struct lookup *l, *left;

	pthread_mutex_lock(&lookups.lock);
	ctx = take_ptr(lookups.ctx);
	if ((left = take_ptr(lookups.under_way)))
		left->link = &left;
	lookups.n = 0;
	pthread_mutex_unlock(&lookups.lock);
	if (lookups.poll) {
		uv_poll_stop(lookups.poll);
		uv_close((uv_handle_t *)take_ptr(lookups.poll), lookup_on_closed);
	}
	ub_ctx_delete(ctx);
	while ((l = left)) {
		lookup_unlink(l);
		lookup_post(l);
	}
}

static void lookup_start(struct lookup_settings *settings)
{
	struct ub_ctx *ctx;
	int r;

	if (!(ctx = unbound_new(settings, &r))) {
		log_error("dns error=%s: nothing is verified by dane", ub_strerror(r));
		return;
	}
	if ((r = lookup_watch(ctx)) < 0) {
		log_error("dns error=%s: nothing is verified by dane", err_text(r));
		ub_ctx_delete(ctx);
		return;
	}
	pthread_mutex_lock(&lookups.lock);
	lookups.ctx = ctx;
	pthread_mutex_unlock(&lookups.lock);
}

void lookup_open(uv_loop_t *loop)
{
	lookups.loop = loop;
}

void lookup_use(struct lookup_settings *settings)
{
	if (!lookups.loop || settings_are_same(settings, lookups.settings))
		return;
	lookup_stop();
	lookup_settings_unref(lookups.settings);
	lookups.settings = lookup_settings_ref(settings);
	if (settings)
		lookup_start(settings);
}

void lookup_close(void)
{
	lookup_use(NULL);
	lookups.loop = NULL;
}
