/* SPDX-License-Identifier: BSD-2-Clause */
/* What xmppwallctl and the daemon say on the control socket: one JSON line each way.
 *
 *   request  {"cmd":"ban","args":{"address":"192.0.2.7","for":3600000,"why":"..."}}
 *   answer   {"ok":true,"result":{...}}  or  {"ok":false,"exit":1,"error":"no such entry","diagnostics":"..."}
 *   events -f: answers {"event":{...}} follow until the client hangs up.
 *
 * cmd and args (all optional unless marked *), result:
 *   status    {}                           {"version","policy","since","uptime_ms","services":[..],"workers":[..],
 *                                           "firewall":{"loaded","tables","sets":{..}},"counters":{name:n},"bans":n,"attention":[text..]}
 *   top       {"peers":20,"sessions":20,"rules":20,"limits":20,"bans":20,"peers_by","sessions_by","match"}
 *                                          {"version","policy","time","uptime_ms","counters":{name:n},"attention":[text..],
 *                                           "firewall","defend","lockdown" as of status,"workers":[{"name","pid","state","sessions","cpu_ms",
 *                                           "memory"}],"totals":{"sessions","online","peers","rules","limits","bans","barred"},
 *                                           "peers":[{"address","sessions","online","in","out","dropped","rejected","rate",
 *                                           "age_ms","jid","banned"}],"sessions":[row of ctl/link.h and "rate"],
 *                                           "rules":[{"chain","name","hits","text"}],"limits":[as of limits],"bans":[as of bans],"barred":[as of bans]}
 *                                          At most so many of each (0: none; 1000 at most, bans 256): peers and sessions the
 *                                          busiest now by "rate" (stanzas a second), or by "sessions", "waiting" (not
 *                                          authenticated), "in", "out", "stopped" (dropped or rejected), "age", and with "match"
 *                                          those whose address or JID has that in it; rules by hits, limits by exceeded, bans the
 *                                          newest. Counters only grow: their differences are rates. Peers are addresses, of IPv6 /64.
 *   rules     {}                           {"rules":[{"chain","name","hits","text"}]}
 *   sessions  {}                           {"sessions":[row of ctl/link.h]}
 *   backends  {}                           {"backends":[{"backend","server","tls","check","state","why","since_ms","checked_ms",
 *                                           "took_ms","checks","failures","sessions","addresses":[..]}]}
 *   events    {"last":20,"follow":false}   {"events":[EVE..]}
 *   explain   {"id"*}                      {"event":EVE,"rule":{"chain","name","text","hits"},"ruleset":{"version","in_force","same"},
 *                                           "entries":[{"set","entry","file","comment","until","history":[{"time","who","what"}]}],
 *                                           "session":row}   exit 1 if unknown; no rule, file, session where there is none any more
 *   trace     {"jid" or "address" or "session"*,"for"*:ms,"bodies":bool}  {"event":{..}} lines as stanzas come, then
 *                                          {"done":true,"stanzas":n,"lost":n}
 *   capture   {"for"*:ms,"service"}          {"event":{"packets":base64 of pcapng,"n","lost"}} lines, the first one empty, then
 *                                          {"done":true,"stanzas":packets,"lost":n}
 *   lists     {}                           {"lists":[{"name","type","path","entries","flags"}]}
 *   list-show {"name"*,"hits":bool}        {"name","entries":[{"entry","comment","until","from"}]}; with hits each has "hits", busiest first
 *   list-add  {"name"*,"entries"*:[text],"until":unix_ms,"comment"}  {"added":n,"present":n}
 *   list-del  {"name"*,"entries"*:[text]}  {"removed":n}    exit 1 if none was there
 *   list-import {"name"*,"text"*}          {"added":n,"present":n}
 *   list-export {"name"*}                  {"name","text"}  a list file: ENTRY until TIME # COMMENT
 *   list-feeds {"name","refresh":bool}     {"feeds":[{"list","name","source","weight","every_ms","entries","bad","bytes",
 *                                           "fetched","changed","age_ms","busy","error"}],"refreshed":n}
 *   list-history {"name"*}                 {"history":[{"time","who","what","entry"}]}
 *   ban       {"address"*,"for":ms,"why"}  {"address" or "jid" or "domain","until"}  address: or a bare JID, or a domain
 *   unban     {"address"*}                 {"removed":n}    exit 1 if it was not banned
 *   ban-batch {"entries"*:[{"op"*:"ban"|"unban","address"*,"for":ms,"why"}]}  {"banned":n,"unbanned":n,"standing":n,
 *                                           "absent":n,"refused":[{"at":index,"error"}]}; standing: bans that were there
 *                                           and end no earlier; absent: unbans of who was not banned.
 *                                           At most REQUEST_BATCH_MAX entries; a ban needs "for"; what a batch may not
 *                                           ban is refused (docs/OTHERS.md)
 *   bans      {"why":bool,"who"}           {"bans":[{"address","since","until","why","rule","id","count","strikes"}],"barred":[the same with
 *                                           "jid" or "domain" for "address"]}; with why each has "who","evidence":[{"time","id","rule","jid"}],
 *                                           and where they are known "rule_text","punish","ladder":{..},"next_ms"; exit 1 when who (an
 *                                           address, prefix, JID or domain) is not banned
 *   limits    {"name"}                     {"limits":[{"name","rate","burst","key","exceeded","evicted","entries","set":bool,
 *                                           and if set "configured":{"rate","burst"},"who","since"}]}
 *   limit-suggest {"name"*,"for":0.95}     {"name","key","since","for","peers","rates":[{"rate","burst","hit","recommended"}],
 *                                          "current":{"rate","burst","hit_least","hit_most"},"histogram":[{"from","to","peers"}]}
 *                                          (shares from 0 to 1; a peer is a key in an hour); exit 1 when nobody was counted
 *   limit-set {"name"*,"rate","burst"} or {"name"*,"default":true}  that limit as in "limits"
 *   quarantine-list {}                     {"quarantine":[{"id","time","until","state","from","to","jid","service","direction",
 *                                           "rule","chain","size"}],"evicted":n}  state: kept, unsure, released
 *   quarantine-show {"id"*}                the same of one with "xml"
 *   quarantine-release {"id"*}             {"id","where":"server"|"client"}  exit 1 when nobody of both is connected
 *   quarantine-delete {"id"*}              {"removed":1}
 *   reload    {"check":bool,"confirm":ms}  {"version","changed":bool,"expectations":n,"diff":{see ctl/compare.h},"until":unix_ms};
 *                                          exit 1 with "diagnostics"
 *             {"shadow":ms}                {"version","diff","shadow":{see rules/shadow.h}}, when the time is over
 *   confirm   {}                           {"version"}   exit 1 if nothing waits
 *   rollback  {}                           as reload     exit 1 if nothing waits
 *   upgrade   {"drain":ms}                 {"former":version,"policy","drain":ms,"retiring":n}; exit 1 with "diagnostics"
 *   firewall  {"action"*:"print|load|unload|check"}  {"text"} or {"checks":[{"name","ok","text"}]}
 *   lockdown  {"action"*:"on|off|show","for":ms,"why","force":bool}  {"on","since","until","why","who","kept":bool};
 *                                          exit 1 when nothing would enforce it, or nobody could come in (force)
 *   stop      {}                           {}
 *
 * Who may: root and the daemon's own user everything; the group given to the socket (xmppwall) read-only
 * commands and list/ban edits, not limit-set/reload/confirm/rollback/upgrade/firewall/lockdown/stop (table role x command in ctl/command.c).
 */
#pragma once

enum { REQUEST_LINE_MAX = 64 * 1024 * 1024, REQUEST_BATCH_MAX = 50000 };
