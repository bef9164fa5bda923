/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the whole table of the session: every cell filled, and the laws that no edit may break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/session_table.h"

static void every_cell_is_filled(void **state)
{
	(void)state;
	for (int s = 0; s < SESSION_STATES; s++) {
		assert_non_null(session_state_text(s));
		for (int e = 0; e < SESSION_EVENTS; e++) {
			assert_int_not_equal(session_table_find(s, e), ACT_NONE);
			assert_in_range(session_table_find(s, e), ACT_NEVER, SESSION_ACTS - 1);
		}
	}
	for (int e = 0; e < SESSION_EVENTS; e++)
		assert_non_null(session_event_text(e));
}

static void names_are_unique(void **state)
{
	(void)state;
	for (int a = 0; a < SESSION_STATES; a++)
		for (int b = a + 1; b < SESSION_STATES; b++)
			assert_string_not_equal(session_state_text(a), session_state_text(b));
}

/* A side that is not heard cannot make events; one that is heard has an answer for its end. */
static void only_the_heard_speak(void **state)
{
	(void)state;
	for (int s = 0; s < SESSION_STATES; s++) {
		for (int e = EVENT_CLIENT_OPEN;
			e <= EVENT_CLIENT_END && !session_table_hears_client(s); e++)
			assert_int_equal(session_table_find(s, e), ACT_NEVER);
		for (int e = EVENT_SERVER_OPEN;
			e <= EVENT_SERVER_END && !session_table_hears_server(s); e++)
			assert_int_equal(session_table_find(s, e), ACT_NEVER);
		if (session_table_hears_client(s))
			assert_int_not_equal(session_table_find(s, EVENT_CLIENT_END), ACT_NEVER);
		/* A connection that is not made yet is refused instead. */
		if (session_table_hears_server(s) && s != SESSION_DIAL)
			assert_int_not_equal(session_table_find(s, EVENT_SERVER_END), ACT_NEVER);
	}
}

static void stanzas_pass_only_between_open_streams(void **state)
{
	(void)state;
	for (int s = 0; s < SESSION_STATES; s++) {
		bool open = s == SESSION_LOGIN || s == SESSION_ONLINE || s == SESSION_CLOSING;

		assert_int_equal(session_table_find(s, EVENT_CLIENT_STANZA) == ACT_JUDGE, open);
		assert_int_equal(session_table_find(s, EVENT_SERVER_STANZA) == ACT_JUDGE, open);
		assert_int_equal(session_table_find(s, EVENT_CLIENT_ELEMENT) == ACT_NONZA, open);
		assert_int_equal(session_table_find(s, EVENT_SERVER_ELEMENT) == ACT_NONZA, open);
	}
}

/* RFC 6120 5.4.1: nothing but <starttls/> before TLS; and no keepalive inside STARTTLS and SASL. */
static void before_tls_only_starttls(void **state)
{
	(void)state;
	assert_int_equal(session_table_find(SESSION_OFFER, EVENT_CLIENT_ELEMENT), ACT_STARTTLS);
	assert_int_equal(session_table_find(SESSION_OFFER, EVENT_CLIENT_STANZA), ACT_REFUSE);
	for (int s = 0; s < SESSION_STATES; s++) {
		if (s != SESSION_ONLINE) {
			assert_int_not_equal(session_table_find(s, EVENT_CLIENT_SPACE), ACT_SPACE);
			assert_int_not_equal(session_table_find(s, EVENT_SERVER_SPACE), ACT_SPACE);
		}
		if (s != SESSION_OFFER)
			assert_int_not_equal(
				session_table_find(s, EVENT_CLIENT_ELEMENT), ACT_STARTTLS);
	}
}

static void bad_bytes_always_end(void **state)
{
	(void)state;
	for (int s = 0; s < SESSION_STATES; s++) {
		enum session_act client = session_table_find(s, EVENT_CLIENT_BAD);
		enum session_act server = session_table_find(s, EVENT_SERVER_BAD);

		assert_true(client == ACT_BAD_CLIENT || client == ACT_NEVER);
		assert_true(server == ACT_BAD_SERVER || server == ACT_NEVER);
	}
}

/* Whoever waits is bounded, and the operator always gets his way until the end has begun. */
static void time_and_operator_reach_every_state(void **state)
{
	(void)state;
	for (int s = 0; s < SESSION_CLOSED; s++) {
		enum session_act late = session_table_find(s, EVENT_TIMEOUT);

		assert_int_equal(late, s == SESSION_DRAIN ? ACT_CUT : ACT_TIMEOUT);
		if (s < SESSION_CLOSING) {
			assert_int_equal(session_table_find(s, EVENT_KILL), ACT_KILL);
			assert_int_equal(session_table_find(s, EVENT_STOP), ACT_STOP);
		}
	}
	for (int e = EVENT_TIMEOUT; e < SESSION_EVENTS; e++)
		assert_int_equal(session_table_find(SESSION_CLOSED, e), ACT_IGNORE);
}

/* Loss stays a loss (resumable) once logged in; before, the client is told that the server is not
 * to be had. */
static void a_lost_server(void **state)
{
	(void)state;
	assert_int_equal(session_table_find(SESSION_ONLINE, EVENT_SERVER_END), ACT_LOST);
	assert_int_equal(session_table_find(SESSION_ONLINE, EVENT_CLIENT_END), ACT_LOST);
	for (int s = SESSION_SERVER_CLEAR; s <= SESSION_LOGIN; s++)
		assert_int_equal(session_table_find(s, EVENT_SERVER_END),
			s == SESSION_VERIFYING ? ACT_NEVER : ACT_UNREACHED);
	assert_int_equal(session_table_find(SESSION_DIAL, EVENT_SERVER_REFUSED), ACT_UNREACHED);
}

/* Whoever waits for its certificate is in its handshake; while a stranger is being verified nobody
 * speaks. */
static void strangers_are_verified_alone(void **state)
{
	(void)state;
	assert_false(session_table_hears_client(SESSION_VERIFYING));
	assert_false(session_table_hears_server(SESSION_VERIFYING));
	for (int s = 0; s < SESSION_CLOSED; s++) {
		assert_int_equal(session_table_find(s, EVENT_CLIENT_ASKS),
			s == SESSION_SECURING ? ACT_CLIENT_ASKS : ACT_NEVER);
		assert_int_equal(session_table_find(s, EVENT_VERIFIED),
			s == SESSION_VERIFYING ? ACT_VERIFIED : ACT_NEVER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_filled),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(only_the_heard_speak),
		cmocka_unit_test(stanzas_pass_only_between_open_streams),
		cmocka_unit_test(before_tls_only_starttls),
		cmocka_unit_test(bad_bytes_always_end),
		cmocka_unit_test(time_and_operator_reach_every_state),
		cmocka_unit_test(a_lost_server),
		cmocka_unit_test(strangers_are_verified_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
