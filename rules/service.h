/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration says outside of rules: services, daemon options, punishments. Plain data, made by
 * rules/options.c from the checked tree, owned by the policy. The schema table there is the documentation's source. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/defend.h"
#include "xmpp/limits.h"

struct strict;

enum service_role {
	ROLE_C2S,
	ROLE_S2S,
	ROLE_COMPONENT,
	ROLE_SERVERLESS, /* XEP-0174: two peers, no server between them; mode inspect only */
	SERVICE_ROLES
};
enum service_mode { MODE_PROXY, MODE_INSPECT };
enum service_direction { SERVICE_IN /* remote servers dial ours */, SERVICE_OUT /* ours dial them */ };
enum tls_policy { TLS_REQUIRED, TLS_OPTIONAL, TLS_NONE };
enum intercept { INTERCEPT_NONE, INTERCEPT_TPROXY, INTERCEPT_REDIRECT };
enum upstream_tls { UPSTREAM_PLAIN, UPSTREAM_STARTTLS, UPSTREAM_TLS };
enum upstream_verify {
	VERIFY_DEFAULT,  /* system trust and name, or the very leaf we ourselves present for that domain */
	VERIFY_SYSTEM,   /* system trust and name only */
	VERIFY_FILE,     /* trust anchors in a file, and name */
	VERIFY_OFF,      /* written by the operator, shown by status */
};

enum backend_balance { BALANCE_FIRST, BALANCE_ROUNDROBIN, BALANCE_SOURCE };
enum backend_check { CHECK_OFF, CHECK_TCP, CHECK_STREAM };

enum { BACKENDS_MAX = 32, BACKEND_SERVERS_MAX = 16, BACKEND_DOMAINS_MAX = 64 };

enum { SERVICE_PORTS_MAX = 16, SERVICE_ADDRESSES_MAX = 8, INTERCEPT_PORT_OFFSET = 10000, INTERCEPT_OUT_OFFSET = 20000, SERVICE_QUEUES_MAX = 16 };

/* service c2s { listen tcp { 5222, 5223 }; ... } */
struct service {
	const char *name;
	enum service_role role;   /* role c2s|s2s|component|serverless; default: by name, else c2s */
	enum service_mode mode;
	enum service_direction direction; /* who dials; of servers (role s2s, mode proxy) only */
	uint16_t ports[SERVICE_PORTS_MAX]; /* as peers dial them */
	unsigned n_ports;
	const char *addresses[SERVICE_ADDRESSES_MAX]; /* listen on ADDRESS, ... ; none: all, v4 and v6 */
	unsigned n_addresses;
	enum intercept intercept; /* tproxy and redirect listen elsewhere (service_own_port) */
	enum tls_policy tls;
	const char *certificates; /* folder: NAME.crt + NAME.key (PEM); NULL if none */
	const char *from_set;     /* address set of those who may dial; NULL: everybody */
	bool upstream_original;   /* connect to where the peer wanted to go */
	const char *upstream_host; /* else this address (literal) */
	uint16_t upstream_port;    /* 0: the port the peer dialled */
	const char *backends[BACKENDS_MAX]; /* or: upstream backend NAME, ...: by the stream's "to" */
	unsigned n_backends;
	enum upstream_tls upstream_tls; /* with backends each server has its own */
	enum upstream_verify verify;
	const char *verify_file;
	const char *verify_name;  /* name expected in the certificate; NULL: the stream's "to" */
	bool source_client;       /* source client: upstream sees the peer's address (IP_TRANSPARENT) */
	bool proxy_protocol;      /* proxy-protocol v2 */
	bool forward_verbatim;
	struct strict *strict[2]; /* by enum direction: only what it names goes on; NULL: all does */
	bool audit; /* each crossing and refusal is a line of the audit trail */
	bool fail_open;
	struct xmpp_limits limits; /* stream-limits { ... } of the service over the global ones */
	uint64_t handshake_ms;     /* timeouts { handshake 10s; login 60s; idle 0; connect 10s; close 5s; stanza 30s } */
	uint64_t login_ms, idle_ms /* 0: none */, connect_ms, close_ms;
	uint64_t stanza_ms;        /* a stanza begun must end within */
	unsigned sessions_max;     /* sessions N; default 20000 */
	unsigned sessions_per_address; /* default 200; 0: none */
	unsigned streams_preauth;      /* not logged in; 0: no ceiling of their own; default half of sessions_max */
	unsigned streams_preauth_per_address; /* 0: none */
	size_t buffer_max;         /* unsent bytes kept towards either side before reading stops (256 KiB) */
};

/* reporter { component "firewall.example.org"; server 127.0.0.1:5347; ... } */
struct reporter_options {
	const char *component; /* NULL: no reporter */
	const char *host;      /* literal */
	uint16_t port;
	const char *secret_file, *to;
	uint64_t every_ms;
	unsigned keep; /* reports waiting at most */
};

/* inspect { queues 2; ... }: for services of mode inspect (docs/INSPECTOR.md) */
struct inspect_options {
	unsigned queues;     /* of the kernel, a thread each; 0: one per core */
	uint16_t queue;      /* number of the first; default 5298 */
	unsigned flows;      /* connections at once, a thread; default 65536 */
	uint64_t memory;     /* bytes of packets and copies held, a thread; default 256 MiB */
	uint64_t hold_bytes; /* of an unfinished stanza, default 12 KiB */
	uint64_t hold_ms;    /* default 250 */
	bool midstream;      /* connections whose beginning was not seen are taken up, not ended */
	bool bridge;         /* the queue is on bridges, too */
};

/* One of a backend's servers. */
struct backend_server {
	const char *text;  /* "198.51.100.10:5222", as it is shown */
	const char *host;  /* an address or a name */
	bool named;        /* a name: the daemon resolves it */
	uint16_t port;
	enum upstream_tls tls;
};

/* backend north { domains "a.example"; servers 192.0.2.1:5222 starttls; check stream every 5s; balance first; } */
struct backend {
	const char *name;
	const char *domains[BACKEND_DOMAINS_MAX]; /* prepared, "*." kept in front; none: all */
	unsigned n_domains;
	struct backend_server servers[BACKEND_SERVERS_MAX];
	unsigned n_servers;
	enum backend_balance balance;
	enum backend_check check;
	const char *check_to; /* whom checks ask for; NULL: the first domain without "*." */
	uint64_t every_ms, timeout_ms; /* of checks */
	unsigned rise, fall;  /* so many checks one after the other change what is held of a server */
	uint64_t resolve_ms;  /* names are looked up again */
};

/* daemon { threads 2; user "xmppwall"; log info; } firewall { mark 0x584d; table 2222; priority ...; } */
struct daemon_options {
	unsigned threads;      /* 0: one per core */
	const char *user;      /* for children; NULL: "xmppwall" if it exists, else the daemon's own */
	const char *log_level; /* default "info" */
	uint32_t mark;         /* packets and upstream sockets; default 0x584d0000; lower 16 bits 0 */
	uint32_t route_table;  /* default 22530 */
	const char *allow_set, *block_set; /* address sets mirrored into the kernel; NULL if none */
	uint64_t drain_ms;         /* of sessions after an upgrade; default one hour */
	uint64_t audit_max_bytes; /* audit.log goes on in a new file at this size */
	uint64_t events_max_bytes; /* rotate events.json at this size (default 100 MiB), one old file kept */
	uint64_t login_window_ms; /* how long a failed login counts; default 10 minutes */
	unsigned login_entries;   /* addresses, and accounts, remembered for it; default 65536 */
	unsigned quarantine_entries; /* kept at most; default 10000 */
	uint64_t quarantine_bytes;   /* default 64 MiB */
	uint64_t quarantine_ms;      /* default 30 days */
	struct reporter_options reporter;
	struct inspect_options inspect;
	struct defend defend;
};

/* The port that is listened on for one that peers dial. Services of both directions may stand on the same ports, so
 * their own differ. Above 65535: there is none. */
static inline unsigned service_own_port(const struct service *s, uint16_t port)
{
	return s->intercept == INTERCEPT_NONE ? port
	       : port + (s->direction == SERVICE_OUT ? (unsigned)INTERCEPT_OUT_OFFSET : (unsigned)INTERCEPT_PORT_OFFSET);
}

/* What the inspector says of a packet's connection, in the packet's mark beside the verdict; the
 * firewall moves it into the connection's mark. Single bits, so that others' marks stay. */
static inline uint32_t service_mark_pass(const struct daemon_options *d)
{
	return d->mark | 4; /* accept, and never queue this connection again */
}
static inline uint32_t service_mark_kill(const struct daemon_options *d)
{
	return d->mark | 8; /* reset this packet and all of its connection that follow */
}

/* The kernel's queues, of which each has a thread; cores: those this host has. */
static inline unsigned service_queues(const struct inspect_options *i, unsigned cores)
{
	unsigned n = i->queues ? i->queues : cores;

	return n < 1 ? 1 : n > SERVICE_QUEUES_MAX ? SERVICE_QUEUES_MAX : n;
}

/* What a rung of the ladder counts and punishes. */
enum punish_of { PUNISH_ADDRESS, PUNISH_SESSION, PUNISH_JID, PUNISH_DOMAIN, PUNISH_PREFIX, PUNISH_OF };

enum { PUNISH_RULES_MAX = 8, PUNISH_SPARE_MAX = 8, PUNISH_FROM_MAX = 64 };

/* punish peer { 5 strikes within 10m; ban 1h; escalate x2 to 7d; spare shared; } */
struct punish {
	const char *name;
	enum punish_of of;
	unsigned prefix4, prefix6; /* of PREFIX: lengths, each as its own family counts */
	unsigned from;             /* of PREFIX: distinct addresses whose strikes are needed */
	unsigned strikes;
	uint64_t within_ms, ban_ms; /* ban_ms 0: of SESSION */
	unsigned escalate; /* factor, 1: none */
	uint64_t escalate_max_ms;
	uint64_t forgive_ms; /* 0: never by and by */
	bool spare_shared; /* no ban on an address that other authenticated JIDs use */
	const char *spare[PUNISH_SPARE_MAX]; /* sets of those who are never banned */
	unsigned n_spare;
};

/* "session" ... */
const char *punish_of_text(enum punish_of of);
/* "c2s", "s2s" and so on. */
const char *service_role_text(enum service_role role);
/* By the usual name of a service or the setting's word; any other is c2s. */
enum service_role service_role_find(const char *word);
