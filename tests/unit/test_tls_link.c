/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls, proxy/tls_link between servers: who shows which certificate to whom, and when; both
 * ends of a handshake over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/err.h"
#include "base/log.h"
#include "certs_made.h"
#include "proxy/tls_link.h"

enum { STEPS_MAX = 64 };

struct side {
	struct tls_link tls;
	struct buf prefix;
	enum tls_result result;
};

struct pair {
	struct side dialled, dialling;
	int fds[2];
};

static struct made root, verona, mantua, verona_own;
static struct source_set sources;
static struct certs *certs;
static SSL_CTX *asks, *takes, *of_clients;

static int make_all(void **state)
{
	struct buf why;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	if (tls_init() < 0 || tls_link_init() < 0)
		return -1;
	root = made_authority("Root", NULL);
	verona = made_new((struct made_like){
		.names = made_dns(made_names(), "verona.example", 14), .by = &root });
	mantua = made_new((struct made_like){
		.names = made_dns(made_names(), "mantua.example", 14), .by = &root });
	verona_own = made_new((struct made_like){ .cn = "verona.example" });
	source_init(&sources, false);
	made_add(&sources, "/c/verona.example.crt", &verona_own, false);
	made_add(&sources, "/c/verona.example.key", &verona_own, true);
	buf_init(&why, 0);
	if (certs_load(&sources, "/c/x.conf", "/c", NULL, &why, &certs) < 0)
		return -1;
	buf_fini(&why);
	asks = tls_federation_server_context();
	takes = tls_federation_client_context();
	of_clients = tls_server_context();
	return asks && takes && of_clients ? 0 : -1;
}

static int free_all(void **state)
{
	(void)state;
	made_free(&root);
	made_free(&verona);
	made_free(&mantua);
	made_free(&verona_own);
	certs_unref(certs);
	source_fini(&sources);
	SSL_CTX_free(asks);
	SSL_CTX_free(takes);
	SSL_CTX_free(of_clients);
	return 0;
}

static void pair_make(struct pair *p, SSL_CTX *server, const char *to)
{
	*p = (struct pair){ 0 };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
	buf_init(&p->dialled.prefix, 65536);
	buf_init(&p->dialling.prefix, 65536);
	assert_int_equal(tls_link_accept(&p->dialled.tls, server, p->fds[0], &p->dialled.prefix,
				 certs, NULL, "xmpp-server"),
		0);
	assert_int_equal(tls_link_connect(&p->dialling.tls, takes, p->fds[1], &p->dialling.prefix,
				 NULL, to, to, "xmpp-server"),
		0);
}

static void pair_free(struct pair *p)
{
	tls_link_free(&p->dialled.tls);
	tls_link_free(&p->dialling.tls);
	buf_fini(&p->dialled.prefix);
	buf_fini(&p->dialling.prefix);
	close(p->fds[0]);
	close(p->fds[1]);
}

/* Until both are done, one waits for its certificate, or one has failed. */
static void pair_shake(struct pair *p)
{
	struct side *a = &p->dialled, *b = &p->dialling;

	a->result = b->result = TLS_AGAIN;
	for (int i = 0; i < STEPS_MAX && (a->result == TLS_AGAIN || b->result == TLS_AGAIN); i++) {
		if (b->result == TLS_AGAIN)
			b->result = tls_link_handshake(&b->tls);
		if (a->result == TLS_AGAIN)
			a->result = tls_link_handshake(&a->tls);
		if (a->result != TLS_AGAIN && a->result != TLS_DONE)
			return;
	}
}

static void assert_done(const struct pair *p)
{
	assert_int_equal(p->dialled.result, TLS_DONE);
	assert_int_equal(p->dialling.result, TLS_DONE);
}

/* Bytes go both ways; in TLS 1.3 this is when the dialling side hears of a refusal. */
static void assert_talks(struct pair *p)
{
	char got[8];

	assert_int_equal(tls_link_write(&p->dialled.tls, "header", 6), 6);
	assert_int_equal(tls_link_read(&p->dialling.tls, got, sizeof(got)), 6);
	assert_int_equal(tls_link_write(&p->dialling.tls, "answer", 6), 6);
	assert_int_equal(tls_link_read(&p->dialled.tls, got, sizeof(got)), 6);
}

static void a_certificate_is_asked_for(void **state)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	char alpn[32];
	struct pair p;

	(void)state;
	sk_X509_push(chain, root.leaf);
	pair_make(&p, asks, "verona.example");
	assert_int_equal(tls_link_show(&p.dialling.tls, mantua.leaf, mantua.key, chain), 0);
	assert_null(tls_link_peer(&p.dialled.tls));
	pair_shake(&p);
	assert_done(&p);
	assert_talks(&p);
	/* A client's chain is without its leaf, a server's begins with it. */
	assert_int_equal(X509_cmp(tls_link_peer(&p.dialled.tls), mantua.leaf), 0);
	assert_int_equal(sk_X509_num(tls_link_peer_chain(&p.dialled.tls)), 1);
	assert_int_equal(X509_cmp(tls_link_peer(&p.dialling.tls), verona_own.leaf), 0);
	assert_int_equal(sk_X509_num(tls_link_peer_chain(&p.dialling.tls)), 1);
	assert_int_equal(
		X509_cmp(sk_X509_value(tls_link_peer_chain(&p.dialling.tls), 0), verona_own.leaf),
		0);
	tls_link_alpn(&p.dialled.tls, alpn, sizeof(alpn));
	assert_string_equal(alpn, "xmpp-server");
	assert_string_equal(tls_link_sni(&p.dialled.tls), "verona.example");
	pair_free(&p);
	sk_X509_free(chain);
}

static void none_is_insisted_on(void **state)
{
	struct pair p;

	(void)state;
	pair_make(&p, asks, "verona.example");
	pair_shake(&p);
	assert_done(&p);
	assert_talks(&p);
	assert_null(tls_link_peer(&p.dialled.tls));
	assert_true(sk_X509_num(tls_link_peer_chain(&p.dialled.tls)) <= 0);
	pair_free(&p);
}

/* Whatever is wrong with it is remote.h's to say. */
static void any_is_taken(void **state)
{
	struct made odd[] = {
		made_new((struct made_like){ .cn = "x", .from_s = -1000, .to_s = -10 }),
		made_new((struct made_like){ .cn = "x", .extended = "codeSigning" }),
		made_new((struct made_like){ .cn = "x", .basic = "critical,CA:TRUE" }),
		made_new((struct made_like){ 0 }),
	};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		pair_make(&p, asks, "verona.example");
		assert_int_equal(tls_link_show(&p.dialling.tls, odd[i].leaf, odd[i].key, NULL), 0);
		pair_shake(&p);
		assert_done(&p);
		assert_talks(&p);
		assert_int_equal(X509_cmp(tls_link_peer(&p.dialled.tls), odd[i].leaf), 0);
		pair_free(&p);
		made_free(&odd[i]);
	}
}

static void clients_are_not_asked(void **state)
{
	struct pair p;

	(void)state;
	pair_make(&p, of_clients, "verona.example");
	p.dialled.tls.pick.want_alpn = "xmpp-server";
	assert_int_equal(tls_link_show(&p.dialling.tls, mantua.leaf, mantua.key, NULL), 0);
	pair_shake(&p);
	assert_done(&p);
	assert_null(tls_link_peer(&p.dialled.tls));
	pair_free(&p);
}

static void shown_late(int version)
{
	struct pair p;

	pair_make(&p, asks, "verona.example");
	tls_link_choose_late(&p.dialled.tls);
	SSL_set_max_proto_version(p.dialling.tls.ssl, version);
	assert_int_equal(tls_link_show(&p.dialling.tls, mantua.leaf, mantua.key, NULL), 0);
	pair_shake(&p);
	assert_int_equal(p.dialled.result, TLS_WANTS_CERT);
	assert_string_equal(tls_link_sni(&p.dialled.tls), "verona.example");
	/* Asked again it still waits, and nothing has been said to the peer. */
	assert_int_equal(tls_link_handshake(&p.dialled.tls), TLS_WANTS_CERT);
	assert_int_equal(tls_link_handshake(&p.dialling.tls), TLS_AGAIN);
	assert_int_equal(tls_link_show(&p.dialled.tls, verona.leaf, verona.key, NULL), 0);
	pair_shake(&p);
	assert_done(&p);
	assert_talks(&p);
	assert_int_equal(X509_cmp(tls_link_peer(&p.dialling.tls), verona.leaf), 0);
	assert_int_equal(X509_cmp(tls_link_peer(&p.dialled.tls), mantua.leaf), 0);
	pair_free(&p);
}

static void the_certificate_is_chosen_late(void **state)
{
	(void)state;
	shown_late(TLS1_3_VERSION);
	shown_late(TLS1_2_VERSION);
}

static void half_a_pair_is_not_shown(void **state)
{
	struct pair p;

	(void)state;
	pair_make(&p, asks, "verona.example");
	tls_link_choose_late(&p.dialled.tls);
	pair_shake(&p);
	assert_int_equal(p.dialled.result, TLS_WANTS_CERT);
	assert_int_equal(tls_link_show(&p.dialled.tls, verona.leaf, mantua.key, NULL), ERR_TLS);
	assert_int_equal(tls_link_handshake(&p.dialled.tls), TLS_WANTS_CERT);
	pair_free(&p);
}

/* A resumed session would show no certificate, or be another's. */
static void nothing_is_resumed(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	SSL_SESSION *session;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		pair_make(&p, asks, "verona.example");
		SSL_set_max_proto_version(p.dialling.tls.ssl, versions[i]);
		pair_shake(&p);
		assert_done(&p);
		assert_talks(&p);
		session = SSL_get1_session(p.dialling.tls.ssl);
		assert_false(SSL_SESSION_has_ticket(session));
		pair_free(&p);
		pair_make(&p, asks, "verona.example");
		SSL_set_max_proto_version(p.dialling.tls.ssl, versions[i]);
		SSL_set_session(p.dialling.tls.ssl, session);
		assert_int_equal(tls_link_show(&p.dialling.tls, mantua.leaf, mantua.key, NULL), 0);
		pair_shake(&p);
		assert_done(&p);
		assert_false(SSL_session_reused(p.dialled.tls.ssl));
		assert_int_equal(X509_cmp(tls_link_peer(&p.dialled.tls), mantua.leaf), 0);
		pair_free(&p);
		SSL_SESSION_free(session);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_is_asked_for),
		cmocka_unit_test(none_is_insisted_on),
		cmocka_unit_test(any_is_taken),
		cmocka_unit_test(clients_are_not_asked),
		cmocka_unit_test(the_certificate_is_chosen_late),
		cmocka_unit_test(half_a_pair_is_not_shown),
		cmocka_unit_test(nothing_is_resumed),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
