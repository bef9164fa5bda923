/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon and its workers (xmppwall-proxy, xmppwall-nfq) say to each other over base/channel.h:
 * JSON objects, "m" names the message. A message that does not fit ends the worker (ERR_PROTO): a broken
 * sibling is presumed hostile. Addresses are text, times are milliseconds.
 *
 * daemon -> worker
 *   part      {"m"} + memfd                       something compiled (rules/part.h) for the policy or shadow that follows
 *   policy    {"m","path","generation"} + memfd   bundle of sources (rules/source.h) to load and swap in
 *   listen    {"m","service","address","port","thread"} + socket  bound and listening; port as peers dial it
 *   unlisten  {"m","service","port"}              close those listeners (a reload took them away)
 *   streams   {"m"} + file or memfd               the shelf (base/shelf.h) with stream management's ledgers; before start
 *   audit     {"m"} + file                    a ring (base/spool.h) for lines of the audit trail, before a policy with
 *             "audit on"; without one such services are not heard
 *   start     {"m","serial","slot"}               enter the sandbox, accept from now on; sessions are numbered behind serial;
 *             slot: number of its own gauges in the shared page
 *   list      {"m","seq","set","add":[..],"del":[..]}
 *   limits    {"m","seq","set":[{"name","period_ns","tolerance_ns","events","window_ns"}]}  rates that go over the policy's, all of them
 *   kill      {"m","address":"A/LEN"}, or "jid", "domain", "session" (its number), "strangers" (a set: all that are not in it)  end those sessions now ("reason": text
 *             for the log); a domain's: those of its accounts and of its servers
 *   bar       {"m","add":[[kind,name,rule]..]}    keep them out; kind 0: a bare JID, 1: a domain, prepared; rule: the rung's
 *             name, "operator" by hand. With "anew": instead of all that was told before. Before start
 *   unbar     {"m","del":[[kind,name]..]}         no longer
 *   seen      {"m","rows":[[name,first]..]}       when remote domains were verified first, since 1970: all that are known before
 *             start, then those that some child told
 *   sessions  {"m","seq"}, for "top" with {"top":{"sessions":N,"sessions_by","peers":N,"peers_by","match"}}: not all of them,
 *             but sums and the busiest (door/crowd.h); a child of an older program does not know "top" and tells all
 *   using     {"m","seq","address":"A/LEN"}      who uses these addresses now
 *   backends  {"m","seq"}                         which servers are up
 *   addresses {"m","name","addresses":[..],"error"}  what a name of a server means from now on; none: why not
 *   hits      {"m","seq","set","max"}             how often its entries matched, most often first
 *   trace     {"m","trace","ms","bodies"} and one of "jid", "address" (A or A/LEN), "session"  follow their stanzas
 *   capture   {"m","trace","ms","ports":[..]}     copies of the packets from or to those ports (none: all) that an inspector's
 *             queue shows; told as a trace, ended as one
 *   untrace   {"m","trace"}                       no longer
 *   shadow    {"m","shadow","path","ms"} + memfd  bundle of a policy that judges, too, without acting
 *   unshadow  {"m","shadow"}                      no longer; the report comes at once
 *   observed  {"m","seq"}                       what did the limits see
 *   deliver   {"m","seq","jid","from","to","service","direction","xml"}  a stanza released from the quarantine: into the session that
 *             wrote it (direction "in"), else to whom it is for; without "jid" into one between servers, of that service, on which the
 *             pair of domains is valid; never to two
 *   minted    {"m","seq","ok","error"} or {"m","seq","ok","leaf","chain":[..],"authority"}  the answer to "mint": the leaf and
 *             what stands between it and the authority, each in PEM; authority: SHA-256 of the certificate that signs, in hex
 *   authority {"m"}                               there is another one, or none: leaves that are kept are let go. Only to a
 *             child that has ever asked for one
 *   retire    {"m","ms"}                          another child takes the new sessions: keep those you have for so long at
 *             most, then exit; may come again with another time
 *   stop      {"m"}                               say system-shutdown to all, then exit
 *
 * worker -> daemon
 *   ready     {"m","sandbox","version"}           after start
 *   count     {"m","sessions"}                    how many there are, when that changed, once a second at most
 *   retired   {"m"}                               the time is over or nobody is left; it exits
 *   policy    {"m","generation","ok","error"}     the answer; the old one stays when not ok
 *   list      {"m","seq","ok","error"}
 *   limits    {"m","seq","ok","error"}
 *   sessions  {"m","seq","rows":[{…}],"more"}     at most 200 rows a message; the last has "more":false. For "top" a row is
 *             {"all":{"sessions","online","peers"}}, {"session":row with "rate","rank"} or {"peer":{"address","sessions",
 *             "online","in","out","dropped","rejected","rate","age_ms","jid"},"rank"}
 *   backends  {"m","seq","rows":[{…}],"more"}     as of docs/CONTROL.md
 *   down      {"m","rows":[{"backend","server","why"}]}  all servers that are down, whenever one goes or comes
 *   hits      {"m","seq","rows":[{"entry","hits"}],"more"}  at most 100 rows a message
 *   trace     {"m","trace","event":{…}}           a stanza's way through the rules (docs/CONTROL.md)
 *             of a capture the event is {"packets","n","lost"}: a section of a pcapng file in base64, of n packets; lost: not told
 *   shadow    {"m","shadow","ok","error"} or {"m","shadow","ok","report":{…}}  refused; or what differed (rules/shadow.h)
 *   observed  {"m","seq","rows":[{"name","key","ended","running"}],"more"}   counts as of rules/sketch.h: the hours over
 *             since the last time (said once), and the one that is not; the last has "more":false
 *   using     {"m","seq","rows":[JID..]}           bare JIDs that have logged in, at most LINK_OTHERS; true behind them: more
 *   deliver   {"m","seq","ok","where":"server"|"client"}  ok false: nobody of both is connected
 *   mint      {"m","seq","domain","verified","key","not_after"}  a leaf of the local authority is wanted (ctl/mint.h) for that
 *             domain (prepared), which was verified by "pin", "dane", "pkix" or "dialback"; key: the public one in PEM; it
 *             ends by not_after (0: by itself). The worker waits for ten seconds
 *   quarantine {"m","stanza":{"id","from","to","jid","service","direction","rule","chain","xml"}}  to be kept
 *   serverless {"m","add":[{"address","port","ttl_ms"}],"del":[{"address","port"}]}  where streams without a
 *             server are taken, as multicast DNS tells, and no longer; at most LINK_SERVERLESS of both (mdns_tell)
 *   known     {"m","addresses":[..]}              somebody logged in from there (IPv6: a /64), told once a second, at most
 *             LINK_KNOWN in a message, and again while a session stands, LINK_KNOWN_AGAIN times in the time a class names
 *   domains   {"m","names":[..]}                  remote domains, prepared, that were verified for the first time, or (once an hour
 *             at most) again; at most LINK_DOMAINS in a message (door/domains.h)
 *   event     {"m","event":{EVE},"act":{"strikes","ban","shared","others":[..],"more","address","session","jid","domain",
 *             "rule","chain","id"}}
 *             "act" only where strikes or a ban are ordered; shared: other authenticated bare JIDs use the
 *             address at this moment: others, at most LINK_OTHERS of them, more: not all are told. jid: the bare JID that
 *             did it, if it has logged in; domain: that of a peer which is a server, if it was verified
 */
#pragma once

#include "base/channel.h"

/* Of the shelf of stream management: bytes of a slot, version of what is in it (proxy/sm.c). */
enum { LINK_SM_SLOT = 2560, LINK_SM_VERSION = 1 };

/* Sessions of the child in that slot, in the shared page: what it leaves in session.active when it dies. */
#define LINK_GAUGE_SESSIONS "child.%u.sessions"

/* Daemon's ceiling for a line from a worker; worker's for a line from the daemon. */
enum { LINK_LINE_FROM_WORKER = 256 * 1024, LINK_LINE_FROM_DAEMON = 16 * 1024 * 1024,
	LINK_QUEUE = 32 * 1024 * 1024 };

/* Of those who share an address, in an act. */
enum { LINK_OTHERS = 32 };

/* Pairs in a message, and the longest time to live that is believed. */
enum { LINK_SERVERLESS = 128, LINK_SERVERLESS_TTL_MS = 2 * 3600 * 1000 + 1 };

/* Addresses in a message "known"; how often they are told. */
enum { LINK_KNOWN = 512, LINK_KNOWN_AGAIN = 8 };

/* Names in a message "domains", bytes of one at most. */
enum { LINK_DOMAINS = 128, LINK_DOMAIN_SIZE = 1023 };

/* A session row: {"id","service","address","port","server","jid","state","tls","age_ms","in","out","dropped","rejected"}, and between
 * servers "direction","local","remote","verified","pairs","bidi" */
