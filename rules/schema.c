/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of blocks and settings. A new setting is a line here, a line in options.c that takes it
 * over, and a line of docs/CONFIG.md, which a test compares with this table. Defaults stand here as
 * text for people; options.c and xmpp/limits.c hold the numbers, and a test compares those, too. It
 * reads no policy and judges nothing. */
#include "rules/schema.h"

#include <string.h>

#define KIB         ((uint64_t)1 << 10)
#define MIB         ((uint64_t)1 << 20)
#define GIB         ((uint64_t)1 << 30)
#define SECOND      ((uint64_t)1000)
#define HOUR        (3600 * SECOND)
#define DAY         (24 * HOUR)
#define COUNT(a)    (sizeof(a) / sizeof(*(a)))
#define RANGE(a, b) .min = (a), .max = (b)
#define WORD(list)  .shape = SHAPE_WORD, .syntax = (list), .words = (list)

static const struct schema_setting service_settings[] = {
	{ "listen", SHAPE_LISTEN, "tcp PORT | tcp { PORT, ... } | on ADDRESS, ...", NULL,
		"on all addresses",
		.doc = "Ports as peers dial them, up to 16; the first byte of a connection tells "
		       "STARTTLS "
		       "from direct TLS. "
		       "\"on\" binds to up to 8 addresses only.",
		.repeat = true, .required = true },
	{ "role", WORD("c2s|s2s|component|serverless"), .initial = "by the name, else c2s",
		.doc = "What speaks on this port: clients, servers, components, or peers without a "
		       "server (XEP-0174; only with mode inspect)." },
	{ "mode", WORD("proxy|inspect"), .initial = "proxy",
		.doc = "proxy ends TLS and XMPP on both legs; inspect judges clear text in flight and "
		       "ends nothing (see the block inspect): what is about the legs means nothing "
		       "then." },
	{ "from", SHAPE_SET, "@SET", NULL, "",
		.doc = "Set of addresses of those who may dial here, if not everybody. With \"direction out\" it "
		       "has to be said: your own servers." },
	{ "direction", WORD("in|out"), .initial = "in",
		.doc = "Of servers (role s2s, mode proxy): remote ones dial ours, or ours dial them. Rules see \"direction in\" "
		       "for what a remote server says in either case." },
	{ "intercept", WORD("tproxy|redirect|none"),
		.initial = "tproxy with upstream original, else none",
		.doc = "How connections come here: tproxy takes in what a gateway routes, redirect "
		       "what "
		       "reaches the server on this very host, none waits to be dialled." },
	{ "tls", WORD("required|optional|none"), .initial = "required",
		.doc = "Must a peer encrypt, may it, or is TLS not offered; with mode inspect, optional unless "
		       "it is written." },
	{ "certificates", SHAPE_STRING, "\"FOLDER\"", NULL, "",
		.doc = "Folder of NAME.crt and NAME.key in PEM, chosen by server name or the "
		       "stream's "
		       "\"to\"; needed unless tls none." },
	{ "upstream", SHAPE_UPSTREAM,
		"original|ADDRESS[:PORT] [plain|starttls|tls] | backend NAME, ...", NULL,
		"original starttls",
		.doc = "Where the server is: where the peer wanted to go, or an address; without a "
		       "port, "
		       "the one the peer dialled. Or one of the backends named: the one that has "
		       "the domain of the stream's \"to\"." },
	{ "verify", SHAPE_VERIFY, "[default|system|off|file \"PEM\"] [name \"NAME\"]", NULL,
		"default",
		.doc = "Which certificate the server may show: a trusted one or the very one we "
		       "present, "
		       "only a trusted one, any, "
		       "or one that a file vouches for; name replaces the name it must bear." },
	{ "source", WORD("own|client"), .initial = "own",
		.doc = "Whose address the server sees: ours, or the peer's own (needs a "
		       "transparent socket)." },
	{ "proxy-protocol", WORD("off|v2"), .initial = "off",
		.doc = "Tell the server the peer's address in a PROXY protocol header." },
	{ "forward", SHAPE_FORWARD, "canonical | verbatim | strict \"FILE\", ... [direction in|out]", NULL, "canonical",
		.doc = "Forward XML written anew as it was understood, or the bytes as they came, or only what profiles name "
		       "([PROFILES.md](PROFILES.md)).",
		.repeat = true },
	{ "audit", WORD("off|on"), .initial = "off",
		.doc = "on: each stanza that crosses or is refused is a line of the audit trail ([GATEWAY.md](GATEWAY.md)); "
		       "while none can be written, nothing crosses." },
	{ "fail", WORD("closed|open"), .initial = "closed",
		.doc = "What becomes of traffic that nobody can judge (no proxy runs, no memory): "
		       "stopped or let through." },
	{ "sessions", SHAPE_NUMBER, "N", NULL, "20000", .doc = "Sessions at once.",
		RANGE(1, 10000000) },
	{ "sessions-per-address", SHAPE_NUMBER, "N", NULL, "200",
		.doc = "Sessions at once from one address; 0 for no such ceiling.",
		RANGE(0, 10000000) },
	{ "streams-preauth", SHAPE_NUMBER, "N", NULL, "half of sessions",
		.doc = "Streams at once that have not logged in: one more pushes out the oldest of the "
		       "address that has most of them; 0 for no such ceiling.",
		RANGE(0, 10000000) },
	{ "streams-preauth-per-address", SHAPE_NUMBER, "N", NULL, "0",
		.doc = "The same of one address, where one more pushes out its oldest; 0 for no such "
		       "ceiling.",
		RANGE(0, 10000000) },
	{ "buffer", SHAPE_SIZE, "SIZE", NULL, "256k",
		.doc = "Unsent bytes kept towards either side before reading from the other stops.",
		RANGE(16 * KIB, 64 * MIB) },
	{ "stream-limits", SHAPE_BLOCK, "{ ... }", NULL, "",
		.doc = "Ceilings of this service's streams, over the global ones.",
		.block = "stream-limits" },
	{ "timeouts", SHAPE_BLOCK, "{ ... }", NULL, "",
		.doc = "Times of this service, over the global ones.", .block = "timeouts" },
};

static const struct schema_setting daemon_settings[] = {
	{ "threads", SHAPE_NUMBER, "N", NULL, "0", .doc = "Threads of the proxy; 0: one a core.",
		RANGE(0, 1024) },
	{ "user", SHAPE_USER, "NAME", NULL, "xmppwall if there is such a user",
		.doc = "User the children run as." },
	{ "country-database", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "Where the field peer.country looks: a file in MaxMind's format, such as "
		       "GeoLite2-Country.mmdb. Without it, or where it is missing, the field has no "
		       "value." },
	{ "timezone", SHAPE_STRING, "\"NAME\"", NULL, "\"UTC\"",
		.doc = "Where the clock hangs that the fields time and weekday look at: a name of "
		       "the IANA database, such as Europe/Berlin." },
	{ "log", WORD("debug|info|warn|error"), .initial = "info", .doc = "What is logged." },
	{ "login-window", SHAPE_DURATION, "TIME", NULL, "10m",
		.doc = "How long a failed login counts in login.failures.peer and .account (an eighth "
		       "of it less, at most).",
		RANGE(SECOND, 30 * DAY) },
	{ "login-entries", SHAPE_NUMBER, "N", NULL, "65536",
		.doc = "Addresses and, once more, accounts whose failed logins are remembered; beyond "
		       "it those with the fewest are forgotten. A change takes effect with the next start.",
		RANGE(1024, 4000000) },
	{ "drain", SHAPE_DURATION, "TIME", NULL, "1h",
		.doc = "How long sessions may go on in the old program after an upgrade.",
		RANGE(SECOND, 30 * DAY) },
	{ "events-max", SHAPE_SIZE, "SIZE", NULL, "100M",
		.doc = "events.json is rotated at this size; one old file is kept.",
		RANGE(MIB, 1024 * GIB) },
	{ "audit-max", SHAPE_SIZE, "SIZE", NULL, "100M",
		.doc = "audit.log goes on in a new file at this size; the old ones are kept: audit.log.1, .2 and so on.",
		RANGE(MIB, 1024 * GIB) },
	{ "quarantine-entries", SHAPE_NUMBER, "N", NULL, "10000",
		.doc = "Messages kept in quarantine at most; the oldest give way.",
		RANGE(1, 1000000) },
	{ "quarantine-size", SHAPE_SIZE, "SIZE", NULL, "64M",
		.doc = "Bytes of messages kept in quarantine at most.", RANGE(MIB, 64 * GIB) },
	{ "quarantine-keep", SHAPE_DURATION, "TIME", NULL, "30d",
		.doc = "How long a message is kept in quarantine.",
		RANGE(60000, (uint64_t)3650 * 86400000) },
};

static const struct schema_setting firewall_settings[] = {
	{ "mark", SHAPE_NUMBER, "N", NULL, "0x584d0000",
		.doc = "Mark of intercepted packets, upstream sockets and inspected connections; the "
		       "upper 16 bits are ours there, of the lower ones five.",
		RANGE(0x10000, 0xffff0000) },
	{ "table", SHAPE_NUMBER, "N", NULL, "22530",
		.doc = "Routing table that leads intercepted packets here.", RANGE(1, 0xffffffff) },
	{ "allow", SHAPE_SET, "@SET", NULL, "",
		.doc = "Set of addresses the kernel lets through before any block." },
	{ "block", SHAPE_SET, "@SET", NULL, "", .doc = "Set of addresses the kernel drops." },
};

static const struct schema_setting defend_settings[] = {
	{ "connections", SHAPE_BLOCK, "[NAME] { ... }", NULL, "",
		.doc = "What a class of peers may; without a name, everybody of no other class. Up to 16, "
		       "asked in the order of the file, the one without a name last.",
		.repeat = true, .block = "connections", .title_free = true },
	{ "synproxy", SHAPE_DEFEND, "off|on [mss N] [wscale N]", NULL, "off",
		.doc = "on: the kernel answers SYNs by itself and opens only connections that come about; mss (1460) "
		       "and wscale (7) are what the server would offer." },
	{ "entries", SHAPE_NUMBER, "N", NULL, "65536",
		.doc = "Addresses remembered by each meter; who is new while one is full is not limited by it.",
		RANGE(1024, 4000000) },
};

static const struct schema_setting connections_settings[] = {
	{ "from", SHAPE_DEFEND, "@SET | authenticated TIME", NULL, "",
		.doc = "Whose connections: the addresses of a set, or those that logged in within a time." },
	{ "rate", SHAPE_DEFEND, "N/second|minute|hour|day [burst N] [per /V4 /V6]", NULL,
		"any; burst N, per /32 /64",
		.doc = "New connections of addresses alike in so many bits (of IPv4 and IPv6; /0 /0: of all "
		       "together); what is over is dropped. Up to four.",
		.repeat = true },
	{ "concurrent", SHAPE_DEFEND, "N [per /V4 /V6]", NULL, "any; per /32 /64",
		.doc = "Connections at once; one more is refused." },
	{ "penalty", SHAPE_DURATION, "TIME", NULL, "none",
		.doc = "An address over its own rate gets no new connection for so long.",
		RANGE(SECOND, DAY) },
};

static const struct schema_setting reporter_settings[] = {
	{ "component", SHAPE_STRING, "\"DOMAIN\"", NULL, "",
		.doc = "Name under which reports are sent; the server knows it as an external "
		       "component (XEP-0114).",
		.required = true },
	{ "server", SHAPE_ENDPOINT, "ADDRESS:PORT", NULL, "",
		.doc = "Where the server listens for components; in clear text, so on this host or "
		       "a wire of your own.",
		.required = true },
	{ "secret-file", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "File whose first line is the secret shared with the server; read at each "
		       "delivery.",
		.required = true },
	{ "to", SHAPE_STRING, "\"JID\"", NULL, "", .doc = "Who gets the reports.",
		.required = true },
	{ "every", SHAPE_DURATION, "TIME", NULL, "10s",
		.doc = "Time between deliveries; what comes meanwhile goes together.",
		RANGE(SECOND, DAY) },
	{ "keep", SHAPE_NUMBER, "N", NULL, "1000",
		.doc = "Reports waiting at most, while the server is away; the oldest give way.",
		RANGE(1, 100000) },
};

static const struct schema_setting inspect_settings[] = {
	{ "queues", SHAPE_NUMBER, "N", NULL, "0",
		.doc = "Queues of the kernel, each with a thread of its own; 0: one a core, up to 16.",
		RANGE(0, 16) },
	{ "queue", SHAPE_NUMBER, "N", NULL, "5298",
		.doc = "Number of the first queue, the others follow.", RANGE(0, 65519) },
	{ "flows", SHAPE_NUMBER, "N", NULL, "65536",
		.doc = "TCP connections at once, a thread; beyond it new ones do not come up.",
		RANGE(64, 4000000) },
	{ "memory", SHAPE_SIZE, "SIZE", NULL, "256M",
		.doc = "Packets and copies held, a thread; beyond it packets are dropped, and their "
		       "senders send them again.",
		RANGE(MIB, 64 * GIB) },
	{ "hold-size", SHAPE_SIZE, "SIZE", NULL, "12k",
		.doc = "How much of an unfinished stanza is held; beyond it its beginning goes on, and "
		       "a verdict against it ends the connection.",
		RANGE(512, 16 * MIB) },
	{ "hold-time", SHAPE_DURATION, "TIME", NULL, "250ms", .doc = "The same as time.",
		RANGE(20, 60000) },
	{ "midstream", WORD("close|accept"), .initial = "close",
		.doc = "What becomes of connections whose beginning was not seen, as after a restart: "
		       "ended, or taken up at their next stanza." },
	{ "bridge", WORD("off|on"), .initial = "off",
		.doc = "Inspect what this host bridges, too." },
};

static const struct schema_setting stream_settings[] = {
	{ "stanza", SHAPE_SIZE, "SIZE", NULL, "256k",
		.doc = "One stanza after login (RFC 6120 13.12 wants 10000 at least).",
		RANGE(10000, 16 * MIB) },
	{ "stanza-preauth", SHAPE_SIZE, "SIZE", NULL, "16k", .doc = "One element before login.",
		RANGE(1024, MIB) },
	{ "header", SHAPE_SIZE, "SIZE", NULL, "4k", .doc = "XML declaration and stream header.",
		RANGE(256, 64 * KIB) },
	{ "token", SHAPE_SIZE, "SIZE", NULL, "64k",
		.doc = "One tag, its name and all its attributes.", RANGE(KIB, MIB) },
	{ "attribute", SHAPE_SIZE, "SIZE", NULL, "32k", .doc = "One attribute's value.",
		RANGE(256, MIB) },
	{ "depth", SHAPE_NUMBER, "N", NULL, "64", .doc = "Elements inside each other.",
		RANGE(8, 512) },
	{ "elements", SHAPE_NUMBER, "N", NULL, "4096", .doc = "Elements in one stanza after login.",
		RANGE(64, 1000000) },
	{ "elements-preauth", SHAPE_NUMBER, "N", NULL, "64",
		.doc = "Elements in one element before login.", RANGE(8, 4096) },
	{ "attributes", SHAPE_NUMBER, "N", NULL, "64", .doc = "Attributes on one element.",
		RANGE(8, 1024) },
	{ "namespaces", SHAPE_NUMBER, "N", NULL, "16",
		.doc = "Namespace declarations on one element.", RANGE(2, 256) },
	{ "name", SHAPE_SIZE, "SIZE", NULL, "1k",
		.doc = "One name of an element or attribute, or one namespace.",
		RANGE(64, 16 * KIB) },
	{ "space", SHAPE_SIZE, "SIZE", NULL, "1k",
		.doc = "White space between stanzas taken silently each second.", RANGE(16, MIB) },
};

static const struct schema_setting timeout_settings[] = {
	{ "handshake", SHAPE_DURATION, "TIME", NULL, "10s",
		.doc = "Connection and TLS until the stream begins.", RANGE(SECOND, HOUR) },
	{ "login", SHAPE_DURATION, "TIME", NULL, "60s", .doc = "From there to the login.",
		RANGE(SECOND, HOUR) },
	{ "idle", SHAPE_DURATION, "TIME", NULL, "0",
		.doc = "Nothing heard from the peer after login; 0: for ever.",
		RANGE(0, 30 * DAY) },
	{ "connect", SHAPE_DURATION, "TIME", NULL, "10s",
		.doc = "Reaching the server, TLS included.", RANGE(SECOND, HOUR) },
	{ "close", SHAPE_DURATION, "TIME", NULL, "5s",
		.doc = "For the other side to close its half.", RANGE(100, HOUR) },
	{ "stanza", SHAPE_DURATION, "TIME", NULL, "30s", .doc = "A stanza begun must end within.",
		RANGE(SECOND, HOUR) },
};

static const struct schema_setting set_settings[] = {
	{ "type", WORD("keyword|regex|domain|jid|address|namespace|hash|country"), .initial = "",
		.doc = "What its entries are.", .required = true },
	{ "flags", .shape = SHAPE_WORDS, .syntax = "fold|nocase|substring|suffix, ...",
		.words = "fold|nocase|substring|suffix", .initial = "none",
		.doc = "keyword: fold sees through case, compatibility forms, invisible characters "
		       "and look-alikes, nocase "
		       "through case only, substring matches inside words. domain: suffix stands "
		       "for all names below." },
	{ "of", WORD("jid|domain|url"), .initial = "",
		.doc = "hash: what the hashes were made of." },
	{ "salt", SHAPE_STRING, "\"TEXT\"", NULL, "none",
		.doc = "hash: what stood before each text when its SHA-256 was made." },
	{ "elements", SHAPE_ELEMENTS, "{ ENTRY, ... }", NULL, "", .doc = "Entries written here." },
	{ "file", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "Entries in a file, one a line; xmppwallctl list edits it live." },
	{ "feed", SHAPE_BLOCK, "NAME { ... }", NULL, "",
		.doc = "Entries that somebody else keeps, fetched now and then; at most 32.",
		.repeat = true, .block = "feed", .titled = true },
	{ "votes", SHAPE_NUMBER, "N", NULL, "1",
		.doc = "What the weights of the feeds that name an entry must add up to for it to "
		       "be in force.",
		RANGE(1, 32000) },
	{ "except", SHAPE_ELEMENTS, "{ ENTRY, ... }", NULL, "",
		.doc = "Entries that no feed can put in force." },
	{ "except-file", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "The same in a file, one a line; picked up when it changes." },
};

static const struct schema_setting feed_settings[] = {
	{ "url", SHAPE_STRING, "\"http://...\"", NULL, "",
		.doc = "Where it is fetched from (http or https); this or file." },
	{ "file", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "A file that something else writes; this or url." },
	{ "every", SHAPE_DURATION, "TIME", NULL, "1h", .doc = "How often it is looked at.",
		RANGE(SECOND, 30 * DAY) },
	{ "weight", SHAPE_NUMBER, "N", NULL, "1", .doc = "What its naming an entry counts.",
		RANGE(1, 1000) },
	{ "shrink", SHAPE_NUMBER, "PERCENT", NULL, "50",
		.doc = "A feed that lost more than this of its entries at once is taken for "
		       "broken, and its last good copy stays; 100: never.",
		RANGE(1, 100) },
	{ "size", SHAPE_SIZE, "SIZE", NULL, "64M", .doc = "The most it may have.",
		RANGE(KIB, 256 * MIB) },
	{ "timeout", SHAPE_DURATION, "TIME", NULL, "60s", .doc = "How long fetching it may take.",
		RANGE(SECOND, HOUR) },
};

static const struct schema_setting map_settings[] = {
	{ "type", WORD("jid|domain|address|namespace|hash"), .initial = "",
		.doc = "What its entries are.", .required = true },
	{ "flags", .shape = SHAPE_WORDS, .syntax = "suffix", .words = "suffix", .initial = "none",
		.doc = "domain: an entry stands for all names below, too." },
	{ "of", WORD("jid|domain|url"), .initial = "",
		.doc = "hash: what the hashes were made of." },
	{ "salt", SHAPE_STRING, "\"TEXT\"", NULL, "none",
		.doc = "hash: what stood before each text when its SHA-256 was made." },
	{ "elements", SHAPE_ELEMENTS, "{ ENTRY : MARK, ... }", NULL, "",
		.doc = "Entries written here, each with the mark it gives." },
	{ "file", SHAPE_STRING, "\"PATH\"", NULL, "",
		.doc = "Entries in a file, ENTRY : MARK on each line; xmppwallctl list edits it "
		       "live." },
};

static const struct schema_setting limit_settings[] = {
	{ "rate", SHAPE_RATE, "N/second|minute|hour|day", NULL, "",
		.doc = "How many events are fine; N/10m is N in ten minutes, 64k/second are bytes "
		       "(with count size).",
		.required = true },
	{ "burst", SHAPE_AMOUNT, "N", NULL, "the rate's number",
		.doc = "How many may come at once; a stanza that counts more than this alone always "
		       "exceeds.",
		RANGE(1, 1000000000) },
	{ "count", SHAPE_FIELD, "stanzas|FIELD", "stanzas", "stanzas",
		.doc = "What a stanza counts: one, or what a field that is a number says, such as "
		       "size (bytes), recipients or file.size." },
	{ "distinct", SHAPE_FIELD, "FIELD", NULL, "every stanza counts",
		.doc = "Counts only values of this field, such as to.bare, that the key has not had "
		       "within the rate's time; not together with count FIELD." },
	{ "key", SHAPE_FIELD, "FIELD, ...", NULL, "one count for all",
		.doc = "Each value of this field (of several: each combination) is counted by "
		       "itself." },
	{ "entries", SHAPE_NUMBER, "N", NULL, "65536",
		.doc = "Keys remembered (and with distinct as many values of keys); beyond it the "
		       "coldest is forgotten, never to a key's loss.",
		RANGE(16, 16000000) },
};

static const struct schema_setting similar_settings[] = {
	{ "text", SHAPE_FIELD, "FIELD", NULL, "text", .doc = "Which text is compared." },
	{ "window", SHAPE_DURATION, "TIME", NULL, "10m",
		.doc = "How long a sender or recipient counts.", RANGE(10 * SECOND, 7 * DAY) },
	{ "senders", SHAPE_NUMBER, "N", NULL, "any number",
		.doc = "How many distinct senders (from.bare) of nearly the same text are fine.",
		RANGE(1, 200) },
	{ "recipients", SHAPE_NUMBER, "N", NULL, "any number",
		.doc = "How many distinct recipients (to.bare) are fine. With both, both must be "
		       "exceeded; one of them is needed.",
		RANGE(1, 200) },
	{ "words", SHAPE_NUMBER, "N", NULL, "8", .doc = "Shorter texts do not count.",
		RANGE(1, 1000) },
	{ "entries", SHAPE_NUMBER, "N", NULL, "16384",
		.doc = "Texts remembered, at some 450 bytes each; beyond it the coldest is "
		       "forgotten.",
		RANGE(16, 4000000) },
};

static const struct schema_setting chain_settings[] = {
	{ "hook", SHAPE_HOOK, "SERVICE, ... [direction in|out|both]", NULL, "",
		.doc = "Where stanzas enter this chain (any: every service); without one, only "
		       "other chains jump here.",
		.repeat = true },
	{ "priority", SHAPE_NUMBER, "N", NULL, "100",
		.doc = "Of chains that hook the same service, the one with the lower number is "
		       "asked first; of equal ones, the one that stands first.",
		RANGE(0, 1000) },
	{ "policy", SHAPE_POLICY, "accept|drop|reject [CONDITION] [\"TEXT\"]|close [CONDITION]|quarantine [\"TEXT\"]",
		NULL, "accept", .doc = "What becomes of a stanza no rule decided." },
	{ "rule", SHAPE_EXPECT, "NAME [dry] { [CONDITION] ACTION, ... }", NULL, "",
		.doc = "See RULES.md.", .repeat = true },
};

static const struct schema_setting punish_settings[] = {
	{ "strikes", SHAPE_STRIKES, "(written N strikes within TIME)", NULL, "",
		.doc = "How many strikes in which time are too many.", .required = true },
	{ "of", SHAPE_OF, "session|jid|domain|address|prefix /N4 /N6 [from N addresses]", NULL,
		"address",
		.doc = "Whose strikes are counted, and who is punished: the session (closed), its "
		       "account, the peer's domain (of servers), its address, or the networks of "
		       "these lengths (IPv4, IPv6), once so many addresses of one have strikes (4 if "
		       "not said)." },
	{ "ban", SHAPE_DURATION, "TIME", NULL, "",
		.doc = "How long the first ban lasts. Needed for all but sessions.",
		RANGE(SECOND, 3650 * DAY) },
	{ "escalate", SHAPE_ESCALATE, "xN to TIME", NULL, "x1",
		.doc = "Each further ban lasts N times as long, up to a ceiling." },
	{ "forgive", SHAPE_DURATION, "TIME", NULL, "all, after 90d",
		.doc = "Each such time without a ban takes one off their number, from which "
		       "'escalate' reckons.",
		RANGE(SECOND, 3650 * DAY) },
	{ "spare", SHAPE_SPARE, "shared|none|@SET, ...", NULL, "none",
		.doc = "shared: no ban on an address that other, well-behaved logged-in JIDs use, "
		       "too. @SET: nor on those in it: a set of addresses, or of JIDs or domains "
		       "for their rungs." },
};

static const struct schema_setting backend_settings[] = {
	{ "domains", SHAPE_DOMAINS, "\"NAME\", \"*.NAME\", ...", NULL, "all that no other has",
		.doc = "Whose streams go here, up to 64: compared with the stream's \"to\" prepared "
		       "as servers do. \"*.NAME\" stands for all names below NAME.",
		.repeat = true },
	{ "servers", SHAPE_SERVERS, "ADDRESS[:PORT] | \"NAME[:PORT]\" [plain|starttls|tls], ...",
		NULL, "starttls; port 5222, with tls 5223",
		.doc = "The servers of these domains, up to 16. Names are looked up by the daemon.",
		.repeat = true, .required = true },
	{ "balance", WORD("first|roundrobin|source"), .initial = "first",
		.doc = "Which of the servers that are up: the first one, each in turn, or by the "
		       "client's address." },
	{ "check", SHAPE_CHECK,
		"off|tcp|stream [every TIME] [timeout TIME] [rise N] [fall N] [to \"DOMAIN\"]", NULL,
		"tcp every 5s timeout 3s rise 2 fall 3",
		.doc = "How a server proves that it is up: it takes a connection, or it answers a "
		       "stream for a domain (the first one, unless \"to\" names another) with "
		       "features. So many checks in a row change what is held of it." },
	{ "resolve", SHAPE_DURATION, "TIME", NULL, "1m", .doc = "How often names are looked up.",
		RANGE(SECOND, DAY) },
};

static const struct schema_setting expect_settings[] = {
	{ "from", SHAPE_EXPECT, "\"JID\"", NULL, "as the stanza says",
		.doc = "The stanza's sender." },
	{ "to", SHAPE_EXPECT, "\"JID\"", NULL, "as the stanza says", .doc = "Its recipient." },
	{ "service", SHAPE_EXPECT, "NAME", NULL, "c2s, or the first hooked",
		.doc = "The service it comes through." },
	{ "direction", SHAPE_EXPECT, "in|out", NULL, "in",
		.doc = "in: from the peer towards what is protected." },
	{ "peer", SHAPE_EXPECT, "ADDRESS", NULL, "unknown", .doc = "The peer's address." },
	{ "jid", SHAPE_EXPECT, "\"JID\"", NULL, "the sender (in) or recipient (out)",
		.doc = "The JID the session is bound to." },
	{ "remote", SHAPE_EXPECT, "\"DOMAIN\" [verified pin|dane|pkix|dialback|none] [seen TIME]", NULL, "",
		.doc = "The remote server's domain, how it proved it, and how long ago it did so for the first time." },
	{ "at", SHAPE_EXPECT, "\"YEAR-MONTH-DAY[THOUR:MINUTE:SECONDZ]\"", NULL, "now",
		.doc = "The moment it comes, in UTC." },
	{ "stanza", SHAPE_EXPECT, "\"XML\" ...", NULL, "",
		.doc = "One or more stanzas; several strings are one text. The last stanza's "
		       "verdict "
		       "counts.",
		.required = true },
	{ "verdict", SHAPE_EXPECT, "accept|drop|reject [CONDITION]|close [CONDITION] [by RULE]",
		NULL, "", .doc = "What must become of it.", .required = true },
	{ "crosses", SHAPE_EXPECT, "\"XML\" ...", NULL, "not asked",
		.doc = "What must go on of the last stanza, spelling aside: as rules changed it and, with \"forward strict\", as "
		       "the profiles make it." },
};

const struct schema_block schema_blocks[] = {
	{ "service", ITEM_SERVICE, true, false, "A port that is protected.", service_settings,
		COUNT(service_settings) },
	{ "set", ITEM_SET, true, false, "A list that rules name with @.", set_settings,
		COUNT(set_settings) },
	{ "map", ITEM_SET, true, false, "A set whose entries give marks.", map_settings,
		COUNT(map_settings) },
	{ "feed", ITEM_OPTIONS, true, true,
		"Where entries of a set come from, too: a list in a file or on a web server, one "
		"entry a line.",
		feed_settings, COUNT(feed_settings) },
	{ "limit", ITEM_LIMIT, true, false,
		"A rate that rules ask about with \"limit NAME exceeded\".", limit_settings,
		COUNT(limit_settings) },
	{ "similar", ITEM_SIMILAR, true, false,
		"Nearly the same text from or to many, that rules ask about with \"similar NAME "
		"exceeded\".",
		similar_settings, COUNT(similar_settings) },
	{ "chain", ITEM_CHAIN, true, false, "Rules in order; the first final verdict wins.",
		chain_settings, COUNT(chain_settings) },
	{ "punish", ITEM_PUNISH, true, false, "What becomes of peers that earn strikes.",
		punish_settings, COUNT(punish_settings) },
	{ "backend", ITEM_BACKEND, true, false,
		"Servers of some domains, for services with \"upstream backend\".",
		backend_settings, COUNT(backend_settings) },
	{ "remote", ITEM_REMOTE, true, false, "What remote servers of some domains are held to; the narrowest name counts.",
		schema_remote, SCHEMA_REMOTE },
	{ "clearance", ITEM_CLEARANCE, true, false,
		"Which labels (XEP-0258) may go from one domain to another; rules ask for label.release.",
		schema_clearance, SCHEMA_CLEARANCE },
	{ "expect", ITEM_EXPECT, true, false,
		"A test of the policy: it is loaded only if all of them hold.", expect_settings,
		COUNT(expect_settings) },
	{ "daemon", ITEM_OPTIONS, false, false, "The service itself.", daemon_settings,
		COUNT(daemon_settings) },
	{ "firewall", ITEM_OPTIONS, false, false, "What is put into the kernel.", firewall_settings,
		COUNT(firewall_settings) },
	{ "defend", ITEM_OPTIONS, false, false,
		"How many connections the kernel lets through ([SHIELD.md](SHIELD.md)).", defend_settings,
		COUNT(defend_settings) },
	{ "connections", ITEM_OPTIONS, true, true, "A class of peers and what it may.", connections_settings,
		COUNT(connections_settings) },
	{ "reporter", ITEM_OPTIONS, false, false,
		"Who gets the reports that rules order, as messages.", reporter_settings,
		COUNT(reporter_settings) },
	{ "inspect", ITEM_OPTIONS, false, false,
		"The inspector of services with \"mode inspect\".", inspect_settings,
		COUNT(inspect_settings) },
	{ "federation", ITEM_OPTIONS, false, false, "Servers that speak to servers ([FEDERATION.md](FEDERATION.md)).",
		schema_federation, SCHEMA_FEDERATION },
	{ "stream-limits", ITEM_OPTIONS, false, true, "Ceilings of XMPP streams.", stream_settings,
		COUNT(stream_settings) },
	{ "timeouts", ITEM_OPTIONS, false, true, "How long to wait.", timeout_settings,
		COUNT(timeout_settings) },
};
const size_t schema_block_count = COUNT(schema_blocks);

/* ---- looking ---- */

const struct schema_block *schema_find_block(const char *name)
{
	for (size_t i = 0; i < schema_block_count; i++)
		if (strcmp(schema_blocks[i].name, name) == 0)
			return &schema_blocks[i];
	return NULL;
}

const struct schema_setting *schema_find(const struct schema_block *block, const char *name)
{
	for (size_t i = 0; i < block->n; i++)
		if (strcmp(block->settings[i].name, name) == 0)
			return &block->settings[i];
	return NULL;
}

const struct schema_block *schema_of_item(const struct ast_item *item)
{
	if (item->kind == ITEM_OPTIONS)
		return schema_find_block(item->name);
	if (item->map)
		return schema_find_block("map");
	for (size_t i = 0; i < schema_block_count; i++)
		if (schema_blocks[i].item == item->kind)
			return &schema_blocks[i];
	return NULL;
}
