/* SPDX-License-Identifier: BSD-2-Clause */
/* Logins that fail: beside relay_sasl.c, which sees them pass.
 * In: the client's first SASL message (only its name is read: sasl_name.c), the server's
 * <failure/>. Out: counts by address and by account in tables that all threads share
 * (rules/login.h), and a verdict of the chains that hook "login", which apply.c carries out. A
 * failure that says nothing about who logs in, such as a database that is down
 * (temporary-auth-failure, RFC 6120 6.5.9), is judged and not counted; so is one that our own
 * taking away of -PLUS has brought about. Tables live as long as the process; a change of the
 * window begins them anew. It never sees a password and never logs a name. */
#include "proxy/login.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "door/barred.h"
#include "door/eve.h"
#include "door/outage.h"
#include "proxy/apply.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "proxy/relay.h"
#include "proxy/sasl_name.h"
#include "proxy/session_close.h"
#include "proxy/worker.h"
#include "rules/login.h"
#include "rules/shadow.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

enum login_of { LOGIN_PEER, LOGIN_ACCOUNT, LOGIN_OF };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct login_table *tables[LOGIN_OF];
static uint64_t window_ms;

/* Under the lock. False: without memory nobody is counted. */
static bool login_ready(const struct session *s)
{
	const struct daemon_options *options = policy_daemon(s->worker->gear->policy);

	if (window_ms == options->login_window_ms)
		return true;
	for (unsigned i = 0; i < LOGIN_OF; i++) {
		login_table_free(tables[i]);
		tables[i] =
			login_table_new(options->login_entries, options->login_window_ms * 1000000);
	}
	window_ms = tables[LOGIN_PEER] && tables[LOGIN_ACCOUNT] ? options->login_window_ms : 0;
	return window_ms != 0;
}

/* Whoever has one address of an IPv6 /64 has them all. */
static uint64_t peer_key(const struct session *s)
{
	struct peer_address key = session_peer(s)->address;

	if (!address_is_v4(&key))
		memset(key.bytes + 8, 0, 8);
	return map_hash(key.bytes, sizeof(key.bytes));
}

static uint64_t login_count(enum login_of of, uint64_t key, bool add)
{
	uint64_t now = clock_mono_ns();

	return add ? login_table_add(tables[of], key, now, counters.login_evicted)
		   : login_table_count(tables[of], key, now);
}

/* Counts, or only looks. */
static void login_look(struct session *s, bool add)
{
	struct subject_login *l = &s->login;

	pthread_mutex_lock(&lock);
	if (login_ready(s)) {
		l->of_peer = login_count(LOGIN_PEER, peer_key(s), add);
		l->of_account = l->account ? login_count(LOGIN_ACCOUNT,
						     map_hash(l->account, strlen(l->account)), add)
					   : 0;
	}
	pthread_mutex_unlock(&lock);
}

/* The bare JID as servers prepare it; NULL where the name makes none. */
static char *account_make(struct arena *a, const char *name, const char *domain)
{
	size_t size = strlen(name) + strlen(domain) + 2;
	const char *bare = NULL;
	char *text;
	struct jid jid;

	if (!*name || !(text = arena_alloc(a, size)))
		return NULL;
	/* Some clients give the whole address for the name. */
	strcpy(text, name);
	if (!strchr(name, '@'))
		strcat(strcat(text, "@"), domain);
	if (jid_parse(a, span_of(text), &jid) == 0 && *jid.local)
		bare = jid_bare(a, &jid);
	return bare ? strdup(bare) : NULL;
}

void login_begin(struct session *s, const struct stanza *st, const char *text)
{
	struct sasl_name first;

	login_forget(s);
	s->sasl_yes = s->sasl_answered = false;
	s->sasl_first = !text || !*text;
	if (s->sasl_first)
		return;
	sasl_name_read(s->mechanism, span_of(text), &first);
	s->login.account = account_make(st->arena, first.name, s->domain);
	s->sasl_yes = first.flag == 'y' && s->plus_stripped;
}

void login_forget(struct session *s)
{
	free((char *)s->login.account);
	s->login = (struct subject_login){ .failure = NULL };
}

bool login_is_barred(struct session *s, bool sasl2)
{
	struct verdict v;

	if (!barred_any() || !barred_login(s->login.account, &v))
		return false;
	metric_add(counters.login_closed, 1);
	/* Not even the password is looked at: the event tells whose login it was. */
	s->login.failure = "not-authorized";
	event_verdict(s, DIRECTION_IN, NULL, &v);
	s->login.failure = NULL;
	if (relay_puts(s, &s->client,
		    sasl2 ? "<failure xmlns='" NS_SASL2 "'><not-authorized xmlns='" NS_SASL
			    "'/></failure>"
			  : "<failure xmlns='" NS_SASL "'><not-authorized/></failure>"))
		session_end(s, v.stream_error, STREAM_ERROR_NONE, NULL);
	return true;
}

/* "y" says: I could bind to the channel, but you offer nothing for it. A server that did, before we
 * took it out, must refuse (RFC 5802 6), and does so at once. The arrangement is at fault. */
static bool login_is_downgrade(struct session *s, const char *word)
{
	if (!s->sasl_yes || s->sasl_answered || strcmp(word, "temporary-auth-failure") == 0)
		return false;
	metric_add(counters.sasl_downgrade, 1);
	log_warn("login refused service=%s domain=%s mechanism=%s why=downgrade: the server offers "
		 "channel binding that cannot pass a proxy, and refuses clients that know it; see "
		 "DEPLOY-SASL",
		s->service->conf.name, log_quote(span_of(s->domain)),
		log_quote(span_of(s->mechanism)));
	return true;
}

/* Is somebody else to blame, the server or the arrangement? Then nobody is struck for it. */
static bool login_is_excused(struct session *s, const char *word)
{
	bool downgrade = login_is_downgrade(s, word), news = false;
	bool excused = login_failure_is_servers(word) || downgrade;

	/* Who logs in there is our own server: a stranger that will not have it has done nothing. */
	if (session_dials_out(s))
		return true;
	if (login_failure_counts(word) && !downgrade)
		excused = outage_failed(&s->peer.address, clock_mono_ms(), &news);
	if (excused)
		metric_add(counters.login_excused, 1);
	if (news)
		eve_alarm(s->worker->hub, "logins.excused", metric_get(counters.login_excused));
	return excused;
}

enum nonza_fate login_failed(struct session *s, const struct stanza *st)
{
	const char *word = login_failure_word(st->root);
	struct subject subject;
	struct verdict v;
	bool forward, excused;
	int r;

	metric_add(counters.login_failed, 1);
	excused = login_is_excused(s, word);
	login_look(s, login_failure_counts(word) && !excused);
	s->login.failure = word;
	subject = relay_subject(s, DIRECTION_IN, NULL);
	r = judge_stanza(s->worker->judge, s->worker->gear->policy, &subject, &v);
	if (s->worker->shadow && r == 0)
		shadow_judge(s->worker->shadow, s->worker->shadow_judge, &subject, &v);
	if (r == 0 && excused) {
		v.strikes = 0;
		v.ban_ms = 0;
	}
	if (r < 0)
		forward = apply_login_failure(s, r);
	else
		forward = apply_login(s, st, &v);
	/* The word is the tree's. */
	s->login.failure = NULL;
	return forward ? NONZA_FORWARD : NONZA_ENDED;
}

void login_succeeded(struct session *s)
{
	outage_succeeded(&s->peer.address, clock_mono_ms());
	login_look(s, false);
	free(s->account);
	s->account = (char *)s->login.account;
	s->login.account = NULL;
}
