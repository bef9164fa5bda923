/* SPDX-License-Identifier: BSD-2-Clause */
/* The session's law: which act answers which event in which state, for session.c to look up.
 * In: a state and an event. Out: an act by name. STARTTLS and the restart after SASL are states
 * here, not flags, so that "may this be said now?" has one answer in one place. A side that is not
 * heard in a state keeps its bytes to itself: its events cannot come, and its cells say so. It
 * never holds code: the acts live in session_open, session_server, session_close and relay. */
#include "proxy/session_table.h"

#include <stddef.h>
#include <stdint.h>

#define __ ACT_NEVER
#define ig ACT_IGNORE
#define no ACT_REFUSE
#define bc ACT_BAD_CLIENT
#define bs ACT_BAD_SERVER
#define un ACT_UNREACHED
#define lo ACT_LOST
#define ju ACT_JUDGE
#define nz ACT_NONZA
#define cl ACT_CLOSE
#define lv ACT_LEAVE
#define ti ACT_TIMEOUT
#define ki ACT_KILL
#define st ACT_STOP

/* The parts of a row. */
#define FIRST(...) __VA_ARGS__
#define TLS(...)   __VA_ARGS__
#define PEER(...)  __VA_ARGS__
#define DIAL(...)  __VA_ARGS__
#define FED(...)   __VA_ARGS__
#define END(...)   __VA_ARGS__

#define NO_FIRST  FIRST(__, __, __)
#define NO_TLS    TLS(__, __)
#define NO_PEER   PEER(__, __, __, __, __, __, __)
#define NO_DIAL   DIAL(__, __)
#define NO_SERVER NO_DIAL, NO_TLS, NO_PEER
#define NO_FED    FED(__, __)

/* clang-format off */
static const uint8_t table[SESSION_STATES][SESSION_EVENTS] = {
/* FIRST: TLS, XML, other.  TLS: secure, insecure.  PEER: open, stanza, element, space, close, bad, end.
 * DIAL: connected, refused.  FED: a certificate is asked for, verified.  END: timeout, kill, stop. */
[SESSION_HELLO] = {
	FIRST(ACT_BEGIN_TLS, ACT_BEGIN_XML, ACT_REFUSE_BYTES), NO_TLS, PEER(__, __, __, __, __, __, lv),
	NO_SERVER, NO_FED, END(ti, ki, st) },
[SESSION_CLEAR] = {
	NO_FIRST, NO_TLS, PEER(ACT_OPEN_CLEAR, no, no, ig, no, bc, lv),
	NO_SERVER, NO_FED, END(ti, ki, st) },
[SESSION_OFFER] = {
	NO_FIRST, NO_TLS, PEER(no, no, ACT_STARTTLS, ig, lv, bc, lv),
	NO_SERVER, NO_FED, END(ti, ki, st) },
[SESSION_SECURING] = {
	NO_FIRST, TLS(ACT_SECURED, ACT_TLS_FAILED), PEER(__, __, __, __, __, __, lv),
	NO_SERVER, FED(ACT_CLIENT_ASKS, __), END(ti, ki, st) },
[SESSION_HEADER] = {
	NO_FIRST, NO_TLS, PEER(ACT_OPEN, no, no, ig, no, bc, lv),
	NO_SERVER, NO_FED, END(ti, ki, st) },
[SESSION_DIAL] = {
	NO_FIRST, NO_TLS, NO_PEER,
	DIAL(ACT_CONNECTED, un), NO_TLS, NO_PEER, NO_FED, END(ti, ki, st) },
[SESSION_SERVER_CLEAR] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, NO_TLS, PEER(ACT_SERVER_GREETED, un, un, ig, un, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_SERVER_OFFER] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, NO_TLS, PEER(un, un, ACT_SERVER_OFFERED, ig, un, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_SERVER_PROCEED] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, NO_TLS, PEER(un, un, ACT_SERVER_PROCEED, ig, un, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_SERVER_SECURING] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, TLS(ACT_SERVER_SECURED, un), PEER(__, __, __, __, __, __, un), NO_FED, END(ti, ki, st) },
[SESSION_VERIFYING] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_SERVER, FED(__, ACT_VERIFIED), END(ti, ki, st) },
[SESSION_OPENING] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, NO_TLS, PEER(ACT_SERVER_OPENED, un, un, ig, un, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_LOGIN] = {
	NO_FIRST, NO_TLS, PEER(no, ju, nz, ig, cl, bc, lo),
	NO_DIAL, NO_TLS, PEER(bs, ju, nz, ig, cl, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_RESTART] = {
	NO_FIRST, NO_TLS, PEER(ACT_REOPEN, no, no, ig, no, bc, lo),
	NO_SERVER, NO_FED, END(ti, ki, st) },
[SESSION_REOPENING] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_DIAL, NO_TLS, PEER(ACT_SERVER_OPENED, un, un, ig, un, bs, un), NO_FED, END(ti, ki, st) },
[SESSION_ONLINE] = {
	NO_FIRST, NO_TLS, PEER(no, ju, nz, ACT_SPACE, cl, bc, lo),
	NO_DIAL, NO_TLS, PEER(bs, ju, nz, ACT_SPACE, cl, bs, lo), NO_FED, END(ti, ki, st) },
[SESSION_CLOSING] = {
	NO_FIRST, NO_TLS, PEER(no, ju, nz, ig, ACT_CLOSE_LAST, bc, ACT_CLOSE_LAST),
	NO_DIAL, NO_TLS, PEER(bs, ju, nz, ig, ACT_CLOSE_LAST, bs, ACT_CLOSE_LAST), NO_FED, END(ti, ig, st) },
[SESSION_DRAIN] = {
	NO_FIRST, NO_TLS, PEER(__, __, __, __, __, __, ACT_DRAINED),
	NO_DIAL, NO_TLS, PEER(__, __, __, __, __, __, ACT_DRAINED), NO_FED, END(ACT_CUT, ig, ig) },
[SESSION_CLOSED] = {
	NO_FIRST, NO_TLS, NO_PEER,
	NO_SERVER, NO_FED, END(ig, ig, ig) },
};

static const struct {
	const char *text;
	bool client, server; /* heard */
} states[SESSION_STATES] = {
	[SESSION_HELLO] = { "hello", true, false },
	[SESSION_CLEAR] = { "clear", true, false },
	[SESSION_OFFER] = { "offer", true, false },
	[SESSION_SECURING] = { "securing", true, false },
	[SESSION_HEADER] = { "header", true, false },
	[SESSION_DIAL] = { "dial", false, true },
	[SESSION_SERVER_CLEAR] = { "server-clear", false, true },
	[SESSION_SERVER_OFFER] = { "server-offer", false, true },
	[SESSION_SERVER_PROCEED] = { "server-proceed", false, true },
	[SESSION_SERVER_SECURING] = { "server-securing", false, true },
	[SESSION_VERIFYING] = { "verifying", false, false },
	[SESSION_OPENING] = { "opening", false, true },
	[SESSION_LOGIN] = { "login", true, true },
	[SESSION_RESTART] = { "restart", true, false },
	[SESSION_REOPENING] = { "reopening", false, true },
	[SESSION_ONLINE] = { "online", true, true },
	[SESSION_CLOSING] = { "closing", true, true },
	[SESSION_DRAIN] = { "drain", true, true },
	[SESSION_CLOSED] = { "closed", false, false },
};

static const char *const event_texts[SESSION_EVENTS] = {
	[EVENT_HELLO_TLS] = "hello-tls", [EVENT_HELLO_XML] = "hello-xml",
	[EVENT_HELLO_OTHER] = "hello-other",
	[EVENT_CLIENT_ASKS] = "client-asks", [EVENT_VERIFIED] = "verified",
	[EVENT_CLIENT_SECURE] = "client-secure", [EVENT_CLIENT_INSECURE] = "client-insecure",
	[EVENT_CLIENT_OPEN] = "client-open", [EVENT_CLIENT_STANZA] = "client-stanza",
	[EVENT_CLIENT_ELEMENT] = "client-element", [EVENT_CLIENT_SPACE] = "client-space",
	[EVENT_CLIENT_CLOSE] = "client-close", [EVENT_CLIENT_BAD] = "client-bad",
	[EVENT_CLIENT_END] = "client-end",
	[EVENT_SERVER_CONNECT] = "server-connect", [EVENT_SERVER_REFUSED] = "server-refused",
	[EVENT_SERVER_SECURE] = "server-secure", [EVENT_SERVER_INSECURE] = "server-insecure",
	[EVENT_SERVER_OPEN] = "server-open", [EVENT_SERVER_STANZA] = "server-stanza",
	[EVENT_SERVER_ELEMENT] = "server-element", [EVENT_SERVER_SPACE] = "server-space",
	[EVENT_SERVER_CLOSE] = "server-close", [EVENT_SERVER_BAD] = "server-bad",
	[EVENT_SERVER_END] = "server-end",
	[EVENT_TIMEOUT] = "timeout", [EVENT_KILL] = "kill", [EVENT_STOP] = "stop",
};
/* clang-format on */

enum session_act session_table_find(enum session_state state, enum session_event event)
{
	return (enum session_act)table[state][event];
}

bool session_table_hears_client(enum session_state state)
{
	return states[state].client;
}

bool session_table_hears_server(enum session_state state)
{
	return states[state].server;
}

const char *session_state_text(enum session_state state)
{
	return states[state].text;
}

const char *session_event_text(enum session_event event)
{
	return event_texts[event];
}
