/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts what the proxy does, in the page it shares with the daemon.
 * In: one call at the start, with the page. Out: pointers that any thread may add to.
 * Names are written once, here, so that status, metrics and the manual agree.
 * It never takes a name from a peer: the page has a fixed number of slots. */
#include "proxy/counters.h"

#include <stddef.h>
#include <stdio.h>
#include "ctl/link.h"

struct counters counters;
static struct metrics *counters_page;

static const struct {
	const char *name;
	size_t offset;
} counter_names[] = {
#define COUNTER(text, member)                                                                      \
	{                                                                                          \
		text, offsetof(struct counters, member)                                            \
	}
	COUNTER("session.opened", session_opened),
	COUNTER("session.closed", session_closed),
	COUNTER("session.active", session_active),
	COUNTER("session.pushed-out", session_pushed),
	COUNTER("stanza.in", stanza_in),
	COUNTER("stanza.out", stanza_out),
	COUNTER("bytes.in", bytes_in),
	COUNTER("bytes.out", bytes_out),
	COUNTER("verdict.accept", verdict[0]),
	COUNTER("verdict.drop", verdict[1]),
	COUNTER("verdict.reject", verdict[2]),
	COUNTER("verdict.close", verdict[3]),
	COUNTER("verdict.redirect", verdict[4]),
	COUNTER("verdict.quarantine", verdict[5]),
	COUNTER("quarantine.refused", keep_refused),
	COUNTER("quarantine.delivered", keep_delivered),
	COUNTER("crossing.sent", crossing_sent),
	COUNTER("crossing.lost", crossing_lost),
	COUNTER("crossing.full", crossing_full),
	COUNTER("session.tarpitted", tarpitted),
	COUNTER("login.ok", login_ok),
	COUNTER("login.failed", login_failed),
	COUNTER("login.evicted", login_evicted),
	COUNTER("login.closed", login_closed),
	COUNTER("login.excused", login_excused),
	COUNTER("sasl.downgrade", sasl_downgrade),
	COUNTER("tls.handshake", tls_handshake),
	COUNTER("tls.failed", tls_failed),
	COUNTER("listen.accepted", listen_accepted),
	COUNTER("listen.refused", listen_refused),
	COUNTER("listen.exhausted", listen_exhausted),
	COUNTER("listen.direct", listen_direct),
	COUNTER("listen.unknown", listen_unknown),
	COUNTER("upstream.connected", upstream_connected),
	COUNTER("upstream.failed", upstream_failed),
	COUNTER("backend.up", backend_up),
	COUNTER("backend.down", backend_down),
	COUNTER("backend.failover", backend_failover),
	COUNTER("backend.none", backend_none),
	COUNTER("starttls.injection", starttls_injection),
	COUNTER("sasl.stripped", sasl_stripped),
	COUNTER("session.killed", killed),
	COUNTER("session.timeout", timeout),
	COUNTER("limit.buffer", limit_buffer),
	COUNTER("limit.space", limit_space),
	COUNTER("judge.failed", judge_failed),
	COUNTER("dns.asked", dns_asked),
	COUNTER("dns.full", dns_full),
	COUNTER("dns.secure", dns_secure),
	COUNTER("dns.insecure", dns_insecure),
	COUNTER("dns.bogus", dns_bogus),
	COUNTER("dns.failed", dns_failed),
	COUNTER("leaf.wanted", leaf_wanted),
	COUNTER("leaf.kept", leaf_kept),
	COUNTER("leaf.minted", leaf_minted),
	COUNTER("leaf.failed", leaf_failed),
	COUNTER("audit.lines", audit_lines),
	COUNTER("audit.waits", audit_waits),
	COUNTER("audit.refused", audit_refused),
	COUNTER("event.lost", event_lost),
	COUNTER("strict.changed", strict_changed),
	COUNTER("strict.refused", strict_refused),
	COUNTER("strict.removed", strict_removed),
	COUNTER("sm.translated", sm_translated),
	COUNTER("sm.unknown", sm_unknown),
	COUNTER("sm.slots", sm_slots),
	COUNTER("sm.evicted", sm_evicted),
	COUNTER("sm.full", sm_full),
	COUNTER("sm.orphaned", sm_orphaned),
	COUNTER("sm.damaged", sm_damaged),
	COUNTER("sm.adopted", sm_adopted),
	COUNTER("sm.resumed", sm_resumed),
	COUNTER("sm.again", sm_again),
	COUNTER("sm.repeated", sm_repeated),
	COUNTER("sm.lied", sm_lied),
#undef COUNTER
};

void counters_init(struct metrics *m)
{
	counters_page = m;
	for (size_t i = 0; i < sizeof(counter_names) / sizeof(counter_names[0]); i++)
		*(metric **)((char *)&counters + counter_names[i].offset) =
			metrics_find(m, counter_names[i].name);
	counters.session_own = metrics_find(NULL, "child"); /* until it is known */
}

void counters_set_slot(unsigned slot)
{
	char name[METRIC_NAME_MAX];

	snprintf(name, sizeof(name), LINK_GAUGE_SESSIONS, slot);
	counters.session_own = metrics_find(counters_page, name);
	metric_set(counters.session_own, 0);
}

void counters_add(const char *prefix, const char *name)
{
	char text[METRIC_NAME_MAX];

	snprintf(text, sizeof(text), "%s.%s", prefix, name);
	metric_add(metrics_find(counters_page, text), 1);
}
