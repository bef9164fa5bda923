/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy for the gate's tests, a component's stream under it, and what is said there. */
#pragma once

#include "tests/unit/gate_lab.h"
#include "xmpp/ns.h"

enum { PORT = 5347 };

static const char rules[] =
	"service component { listen tcp { 5347 }; mode proxy; tls none; upstream 192.0.2.9 plain; "
	"role component; }\n"
	"service c2s { listen tcp { 5222 }; mode proxy; tls optional; certificates \"c\"; upstream "
	"192.0.2.9 plain; }\n"
	"service must { listen tcp { 5223 }; role c2s; mode proxy; tls required; certificates "
	"\"c\"; upstream 192.0.2.9 plain; }\n"
	"chain all { hook any; policy accept;\n"
	" rule spam { body contains \"casino\" drop }\n"
	" rule no { iq payload.ns == \"urn:bad\" reject forbidden }\n"
	" rule mask { body contains \"secret\" replace \"***\" }\n"
	" rule shut { body contains \"guillotine\" close policy-violation } }\n";

#define HEAD(ns, more) "<stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "' " more ">"

static inline struct lab *component(void)
{
	struct lab *l = lab_begin(PORT);

	shake(l);
	say(l, FLOW_CLIENT, HEAD(NS_COMPONENT, "to='irc.example'"));
	say(l, FLOW_SERVER, HEAD(NS_COMPONENT, "from='irc.example' id='1'"));
	say(l, FLOW_CLIENT, "<handshake>aa</handshake>");
	say(l, FLOW_SERVER, "<handshake/>");
	return l;
}

#define GOOD "<message from='a@irc.example' to='b@x'><body>hello</body></message>"
#define BAD  "<message from='a@irc.example' to='b@x'><body>the casino</body></message>"
#define SHUT "<message from='a@irc.example' to='b@x'><body>guillotine</body></message>"
#define MASK "<message from='a@irc.example' to='b@x'><body>my secret</body></message>"
#define QUERY                                                                                      \
	"<iq type='get' id='7' from='a@irc.example' to='x'><q xmlns='urn:bad'>some words</q></iq>"

static inline bool has(const struct lab *l, enum flow_side side, const char *text)
{
	return strstr(got(l, side), text);
}

static inline size_t spaces(const char *text)
{
	size_t n = 0, best = 0;

	for (; *text; text++) {
		n = *text == ' ' ? n + 1 : 0;
		best = n > best ? n : best;
	}
	return best;
}

static inline int load(void **state)
{
	(void)state;
	return lab_load(rules);
}

static inline int unload(void **state)
{
	(void)state;
	policy_unref(policy);
	return 0;
}
