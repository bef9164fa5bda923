/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a worker that has verified a remote domain and the local authority. In: public keys with
 * the domain and how it was verified. Out: xmppwall-ca (ca/main.c, by ctl/errand.c) sent with all
 * that wait, one at a time; its answers to whoever asked; an event for each leaf, which is the
 * record of what this host has vouched for. The daemon reads neither key nor certificate, it hands
 * the authority's folder over as a descriptor, and hands texts through whose length it has looked
 * at. */
#include "ctl/mint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/errand.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum {
	WAITING_MAX = 256,
	DOMAIN_MAX = 1023,
	KEY_MAX = 4096,
	ERROR_MAX = 200,
	ANSWER_MAX = 1 << 20,
	TIMEOUT_MS = 8000, /* less than a worker waits */
	LOOK_MS = 2000,    /* whether there is another authority */
};

struct asked {
	TAILQ_ENTRY(asked) link;
	json_int_t life, seq; /* of whom, which */
	json_t *what;         /* for the program; "verified" is for the record */
};
TAILQ_HEAD(asked_list, asked);

struct mint {
	struct daemon *d;
	uv_timer_t timer;
	struct asked_list waiting, out; /* out: with the program */
	size_t n_waiting;
	struct errand *errand;
	bool closing, told; /* told: that there is no authority */
	struct stat seen;   /* of the authority's certificate; zeros: none */
	uint64_t minted, refused;
	char trouble[256];
};

static void mint_next(struct mint *m);

static const struct federation_options *options(const struct mint *m)
{
	return policy_federation(m->d->config->policy);
}

/* ---- the authority ---- */

static int folder_open(const struct mint *m)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/ca", m->d->spec.state_dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static struct stat authority_stat(const struct mint *m)
{
	cleanup_fd int folder = folder_open(m);
	struct stat st;

	if (folder < 0 || fstatat(folder, "authority.crt", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct stat){ 0 };
	return st;
}

static bool authority_is_there(const struct mint *m)
{
	return m->seen.st_ino != 0;
}

/* Leaves of another authority are of no use to who trusts this one. */
static void authority_look(struct mint *m)
{
	struct stat now = authority_stat(m);

	if (now.st_ino == m->seen.st_ino && now.st_dev == m->seen.st_dev &&
		now.st_mtim.tv_sec == m->seen.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == m->seen.st_mtim.tv_nsec && now.st_size == m->seen.st_size)
		return;
	m->seen = now;
	log_info("event=authority state=%s", authority_is_there(m) ? "changed" : "none");
	*m->trouble = '\0';
	mint_configure(m);
	if (m->d->workers)
		workers_authority(m->d->workers);
}

static void on_timer(uv_timer_t *timer)
{
	authority_look(timer->data);
}

/* ---- answers ---- */

static void asked_free(struct asked *a)
{
	json_decref(a->what);
	free(a);
}

static const char *text_of(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

static void asked_fail(struct mint *m, struct asked *a, const char *why)
{
	m->refused++;
	if (authority_is_there(m))
		log_warn("event=leaf domain=%s error=%s",
			log_quote(span_of(text_of(a->what, "domain"))), log_quote(span_of(why)));
	workers_minted(m->d->workers, a->life,
		json_pack(
			"{s:s,s:I,s:b,s:s}", "m", "minted", "seq", a->seq, "ok", 0, "error", why));
}

/* The record of what this host has vouched for. */
static void leaf_tell(struct mint *m, const struct asked *a, const json_t *one)
{
	const char *domain = text_of(a->what, "domain"), *how = text_of(a->what, "verified"),
		   *serial = text_of(one, "serial");
	json_t *until = json_object_get(one, "until"), *event;
	char stamp[40];

	log_info("event=leaf domain=%s verified=%s serial=%s until=%lld",
		log_quote(span_of(domain)), how, log_quote(span_of(serial)),
		(long long)json_integer_value(until));
	clock_format_wall(clock_wall_ms(), stamp, sizeof stamp);
	event = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s,s:I}}", "timestamp", stamp, "event_type",
		"leaf", "app_proto", "xmpp", "leaf", "domain", domain, "verified", how, "serial",
		serial, "until", json_integer_value(until));
	if (event)
		daemon_event(m->d, event);
	json_decref(event);
}

static void asked_answer(struct mint *m, struct asked *a, const json_t *answer, const json_t *one)
{
	const char *leaf = text_of(one, "leaf"), *error = text_of(one, "error");

	if (!*leaf) {
		char why[ERROR_MAX + 1];

		snprintf(why, sizeof why, "%.*s", (int)span_cut(span_of(error), ERROR_MAX), error);
		asked_fail(m, a, *why ? why : "no reason given");
		return;
	}
	m->minted++;
	leaf_tell(m, a, one);
	workers_minted(m->d->workers, a->life,
		json_pack("{s:s,s:I,s:b,s:s,s:O,s:s}", "m", "minted", "seq", a->seq, "ok", 1,
			"leaf", leaf, "chain", json_object_get(answer, "chain"), "authority",
			text_of(answer, "authority")));
}

/* Of all that were with the program; answer is NULL where none is. */
static void answers_give(struct mint *m, const json_t *answer, const char *why)
{
	const json_t *leaves = json_object_get(answer, "leaves");
	struct asked *a;

	for (size_t i = 0; (a = TAILQ_FIRST(&m->out)); i++) {
		TAILQ_REMOVE(&m->out, a, link);
		if (answer)
			asked_answer(m, a, answer, json_array_get(leaves, i));
		else
			asked_fail(m, a, why);
		asked_free(a);
	}
}

static size_t out_count(const struct mint *m)
{
	const struct asked *a;
	size_t n = 0;

	TAILQ_FOREACH(a, &m->out, link) n++;
	return n;
}

/* Has the answer the form it must have? Its leaves are for whoever asked to judge. */
static bool answer_fits(const struct mint *m, const json_t *answer)
{
	return json_array_size(json_object_get(answer, "leaves")) == out_count(m) &&
	       json_is_array(json_object_get(answer, "chain")) && *text_of(answer, "authority");
}

static void failed(struct mint *m, const char *why)
{
	char text[sizeof m->trouble];

	snprintf(text, sizeof text, "%.*s", (int)span_cut(span_of(why), ERROR_MAX), why);
	if (strcmp(m->trouble, text) != 0)
		log_warn("event=authority error=%s", log_quote(span_of(text)));
	memcpy(m->trouble, text, sizeof text);
	answers_give(m, NULL, text);
}

static void lists_clear(struct asked_list *list)
{
	struct asked *a;

	while ((a = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, a, link);
		asked_free(a);
	}
}

static void mint_free(uv_handle_t *handle)
{
	struct mint *m = handle->data;

	lists_clear(&m->waiting);
	lists_clear(&m->out);
	free(m);
}

static void on_returned(void *arg, const json_t *answer, const char *trouble)
{
	struct mint *m = arg;
	const char *error = text_of(answer, "error");

	m->errand = NULL;
	if (m->closing) {
		uv_close((uv_handle_t *)&m->timer, mint_free);
		return;
	}
	if (answer_fits(m, answer)) {
		*m->trouble = '\0';
		answers_give(m, answer, "");
	} else {
		failed(m, *error ? error : *trouble ? trouble : "it said something else");
	}
	authority_look(m); /* behind the answers of the one before */
	mint_next(m);
}

/* ---- asking ---- */

/* All that wait and whose worker lives, as the program wants it. */
static json_t *batch_take(struct mint *m)
{
	json_t *leaves = json_array();
	struct asked *a;

	while ((a = TAILQ_FIRST(&m->waiting))) {
		TAILQ_REMOVE(&m->waiting, a, link);
		m->n_waiting--;
		if (!workers_lives(m->d->workers, a->life)) {
			asked_free(a);
			continue;
		}
		TAILQ_INSERT_TAIL(&m->out, a, link);
		json_array_append(leaves, a->what);
	}
	return leaves;
}

static json_t *request_new(struct mint *m, json_t *leaves)
{
	return json_pack(
		"{s:I,s:o}", "life", (json_int_t)options(m)->leaf_life_ms, "leaves", leaves);
}

static void mint_next(struct mint *m)
{
	cleanup_fd int folder = -1;
	struct errand_spec spec = { &m->d->loop, m->d->spec.libexec_dir, "xmppwall-ca", NULL, -1,
		ANSWER_MAX, TIMEOUT_MS, on_returned, m, ANSWER_MAX };
	json_t *request;
	int r;

	if (m->errand || m->closing || TAILQ_EMPTY(&m->waiting))
		return;
	request = request_new(m, batch_take(m));
	if (TAILQ_EMPTY(&m->out)) {
		json_decref(request);
		return;
	}
	folder = options(m)->authority == AUTHORITY_OFF ? -ENOENT : folder_open(m);
	spec.request = request;
	spec.body = folder;
	r = folder < 0 ? folder : !request ? -ENOMEM : errand_start(&spec, &m->errand);
	json_decref(request);
	if (r == -ENOENT)
		answers_give(m, NULL, "no authority"); /* said once, by mint_configure */
	else if (r < 0)
		failed(m, err_text(r));
}

static bool verified_is_word(const char *text)
{
	static const char *const words[] = { "pin", "dane", "pkix", "dialback" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

int mint_hear(struct mint *m, json_int_t life, json_t *msg)
{
	const char *domain = text_of(msg, "domain"), *key = text_of(msg, "key"),
		   *verified = text_of(msg, "verified");
	json_t *seq = json_object_get(msg, "seq"), *end = json_object_get(msg, "not_after");
	struct asked *a;

	if (!json_is_integer(seq) || !json_is_integer(end) || !*domain ||
		strlen(domain) > DOMAIN_MAX || !*key || strlen(key) > KEY_MAX ||
		!verified_is_word(verified))
		return ERR_PROTO;
	if (m->closing || !(a = calloc(1, sizeof *a)))
		return 0; /* it does not wait for ever */
	a->life = life;
	a->seq = json_integer_value(seq);
	a->what = json_pack("{s:s,s:s,s:s,s:O}", "domain", domain, "verified", verified, "key", key,
		"not_after", end);
	if (!a->what || m->n_waiting >= WAITING_MAX) {
		asked_fail(m, a, a->what ? "too many are being minted" : err_text(-ENOMEM));
		asked_free(a);
		return 0;
	}
	TAILQ_INSERT_TAIL(&m->waiting, a, link);
	m->n_waiting++;
	mint_next(m);
	return 0;
}

/* ---- life ---- */

/* The name of a service that leads servers through the proxy and could show them leaves; NULL:
 * there is none. */
static const char *service_of_servers(const struct mint *m)
{
	const struct service *services;
	size_t n;

	services = policy_services(m->d->config->policy, &n);
	for (size_t i = 0; i < n; i++)
		if (services[i].role == ROLE_S2S && services[i].mode == MODE_PROXY &&
			options(m)->authority != AUTHORITY_OFF)
			return services[i].name;
	return NULL;
}

void mint_configure(struct mint *m)
{
	const char *service = service_of_servers(m);
	bool lacks = service && !authority_is_there(m);

	if (lacks && !m->told)
		log_warn("event=authority state=none service=%s note=\"remote servers are verified "
			 "towards our own by dialback only; see xmppwallctl ca init\"",
			service);
	m->told = lacks;
}

struct mint *mint_new(struct daemon *d)
{
	struct mint *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->d = d;
	TAILQ_INIT(&m->waiting);
	TAILQ_INIT(&m->out);
	uv_timer_init(&d->loop, &m->timer);
	m->timer.data = m;
	uv_timer_start(&m->timer, on_timer, LOOK_MS, LOOK_MS);
	m->seen = authority_stat(m);
	mint_configure(m);
	return m;
}

void mint_close(struct mint *m)
{
	if (!m)
		return;
	m->closing = true;
	uv_timer_stop(&m->timer);
	if (m->errand)
		errand_end(m->errand);
	else
		uv_close((uv_handle_t *)&m->timer, mint_free);
}

bool mint_is_idle(const struct mint *m)
{
	return !m->errand && m->n_waiting == 0;
}

json_t *mint_json(const struct mint *m)
{
	if (!authority_is_there(m) && !service_of_servers(m))
		return NULL;
	return json_pack("{s:b,s:I,s:I,s:I,s:s}", "present", authority_is_there(m), "minted",
		(json_int_t)m->minted, "refused", (json_int_t)m->refused, "waiting",
		(json_int_t)m->n_waiting, "trouble", m->trouble);
}

void mint_attention(const struct mint *m, json_t *lines)
{
	const char *service = service_of_servers(m);

	if (service && !authority_is_there(m))
		json_array_append_new(lines,
			json_sprintf(
				"service %s has no local authority (xmppwallctl ca init): what "
				"is verified of remote servers, our own server does not learn",
				service));
	else if (*m->trouble)
		json_array_append_new(
			lines, json_sprintf("the local authority signs nothing: %s", m->trouble));
}
