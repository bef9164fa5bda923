/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy's counters in the shared page, found once. */
#pragma once

#include "base/metrics.h"
#include "rules/rules.h"

struct counters {
	metric *session_opened, *session_closed, *session_active;
	metric *session_own; /* those of this child in session_active */
	metric *session_pushed; /* out, unauthenticated ones, by others */
	metric *stanza_in, *stanza_out, *bytes_in, *bytes_out;
	metric *verdict[VERDICT_KINDS]; /* by enum verdict_kind */
	metric *login_ok, *login_failed, *login_evicted, *sasl_downgrade;
	metric *login_excused; /* failed, and the server is to blame */
	metric *login_closed; /* ended by a chain that hooks logins */
	metric *tls_handshake, *tls_failed;
	metric *listen_accepted, *listen_refused, *listen_exhausted, *listen_direct,
		*listen_unknown;
	metric *upstream_connected, *upstream_failed;
	metric *backend_up, *backend_down, *backend_failover, *backend_none;
	metric *starttls_injection, *sasl_stripped, *killed, *tarpitted, *keep_refused,
		*keep_delivered, *timeout, *limit_buffer, *limit_space, *judge_failed;
	metric *dns_asked, *dns_full; /* questions; those that were not asked, for want of room */
	metric *dns_secure, *dns_insecure, *dns_bogus, *dns_failed; /* answers */
	metric *leaf_wanted, *leaf_kept, *leaf_minted, *leaf_failed; /* asked for; already there; came; did not */
	metric *crossing_sent, *crossing_lost, *crossing_full; /* answers between servers */
	metric *strict_changed, *strict_refused, *strict_removed /* pieces */;
	metric *audit_lines, *audit_waits, *audit_refused; /* refused: no line could be taken after all */
	metric *event_lost, *sm_translated, *sm_unknown;
	metric *sm_slots, *sm_evicted, *sm_full, *sm_orphaned, *sm_damaged, *sm_adopted,
		*sm_resumed, *sm_again, *sm_repeated, *sm_lied;
};

extern struct counters counters;

/* m may be NULL (tests): all count into a dummy. */
void counters_init(struct metrics *m);
/* Which child this is ("start" of ctl/link.h). */
void counters_set_slot(unsigned slot);
/* "PREFIX.NAME", for names known only when they happen; both from fixed vocabularies of ours, never
 * peer text. */
void counters_add(const char *prefix, const char *name);
