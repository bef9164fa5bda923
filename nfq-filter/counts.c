/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of what packet, flow, reassemble and inspect count: one table, read by summaries and
 * manuals. In: nothing. Out: static texts. It counts nothing itself: a counter belongs to whoever
 * holds the struct. */
#include "nfq-filter/counts.h"

static const struct {
	const char *name, *doc;
} table[COUNT_MAX] = {
	[COUNT_PACKETS] = { "packet.all", "packets read" },
	[COUNT_PACKET_BYTES] = { "packet.bytes", "bytes of packets as captured" },
	[COUNT_PACKET_OTHER] = { "packet.other", "not IP, or neither TCP nor multicast DNS" },
	[COUNT_PACKET_BAD] = { "packet.bad", "headers that contradict themselves" },
	[COUNT_PACKET_LINK] = { "packet.link", "of a link type that is not known" },
	[COUNT_PACKET_CHECKSUM] = { "packet.checksum", "wrong checksum: no receiver takes them" },
	[COUNT_PACKET_CUT] = { "packet.cut", "cut short when they were captured" },
	[COUNT_FRAGMENT] = { "fragment.all", "IP fragments" },
	[COUNT_FRAGMENT_OVERLAP] = { "fragment.overlap",
		"datagrams thrown away because fragments overlap (RFC 5722)" },
	[COUNT_FRAGMENT_LIMIT] = { "fragment.limit", "fragments beyond the ceiling" },
	[COUNT_FRAGMENT_EXPIRED] = { "fragment.expired", "datagrams that were never whole" },
	[COUNT_FLOW] = { "flow.all", "TCP connections" },
	[COUNT_FLOW_MIDSTREAM] = { "flow.midstream", "connections whose beginning was not seen" },
	[COUNT_FLOW_EVICTED] = { "flow.evicted",
		"connections forgotten because the table was full" },
	[COUNT_FLOW_FULL] = { "flow.full", "connections refused because the table was full" },
	[COUNT_FLOW_IDLE] = { "flow.idle", "connections forgotten because nothing was said" },
	[COUNT_FLOW_KILLED] = { "flow.killed", "connections ended by us" },
	[COUNT_FLOW_PASSED] = { "flow.passed", "connections that left the queue for good" },
	[COUNT_HOLD_RELEASED] = { "hold.released",
		"beginnings of stanzas that had to go before their end came" },
	[COUNT_HOLD_MEMORY] = { "hold.memory", "packets dropped for want of room to hold them" },
	[COUNT_JUDGE_FAILED] = { "judge.failed", "connections that could not be judged" },
	[COUNT_TCP_OLD] = { "tcp.retransmission", "segments that held nothing new" },
	[COUNT_TCP_CONFLICT] = { "tcp.conflict",
		"bytes sent again with another value; the first copy counts" },
	[COUNT_TCP_HELD] = { "tcp.out-of-order", "segments that came before their turn" },
	[COUNT_TCP_OUTSIDE] = { "tcp.outside", "segments far outside of any window" },
	[COUNT_TCP_LIMIT] = { "tcp.limit", "segments beyond the ceiling for what is out of order" },
	[COUNT_TCP_GAP] = { "tcp.gap", "places where packets are missing" },
	[COUNT_TCP_GAP_BYTES] = { "tcp.gap-bytes", "bytes missing there" },
	[COUNT_TCP_URGENT] = { "tcp.urgent", "urgent bytes: their receiver reads them elsewhere" },
	[COUNT_TCP_KEEPALIVE] = { "tcp.keepalive", "keepalive probes" },
	[COUNT_TCP_RST_IGNORED] = { "tcp.rst-ignored",
		"resets that are not the next in order (RFC 5961)" },
	[COUNT_TCP_SYN_IGNORED] = { "tcp.syn-ignored", "SYN in the middle of a connection" },
	[COUNT_TCP_NO_ACK] = { "tcp.no-ack", "data without the ACK flag: no receiver takes it" },
	[COUNT_TCP_STAMP] = { "tcp.stamp",
		"timestamp from the past (RFC 7323 5): no receiver takes it" },
	[COUNT_TCP_SIGNED] = { "tcp.signed",
		"signature option (RFC 2385) nobody agreed on: no receiver takes it" },
	[COUNT_STREAM] = { "stream.all", "XML streams" },
	[COUNT_STREAM_PICKED_UP] = { "stream.picked-up",
		"directions read from a stanza on, not from their header" },
	[COUNT_STREAM_SKIPPED_BYTES] = { "stream.skipped-bytes",
		"bytes passed over while looking for a stanza" },
	[COUNT_STREAM_BAD] = { "stream.bad",
		"directions that broke RFC 6120 or a ceiling, not read further" },
	[COUNT_STREAM_MEMORY] = { "stream.memory",
		"directions given up at the ceiling for memory" },
	[COUNT_STREAM_TLS] = { "stream.tls", "connections that are or become TLS" },
	[COUNT_STREAM_FALSE_PROCEED] = { "stream.false-proceed",
		"STARTTLS agreed on, clear text sent" },
	[COUNT_STREAM_COMPRESSED] = { "stream.compressed", "connections that become compressed" },
	[COUNT_STREAM_HTTP] = { "stream.http", "connections that speak HTTP" },
	[COUNT_STREAM_OTHER] = { "stream.other", "connections that speak something else" },
	[COUNT_STREAM_UNFINISHED] = { "stream.unfinished", "directions that end inside a stanza" },
	[COUNT_MDNS] = { "mdns.all", "datagrams of multicast DNS" },
	[COUNT_MDNS_BAD] = { "mdns.bad", "those that contradict themselves" },
	[COUNT_MDNS_LEARNED] = { "mdns.learned",
		"addresses and ports of serverless messaging announced for the first time" },
	[COUNT_MDNS_EVICTED] = { "mdns.evicted",
		"records, sources or ports forgotten because a table was full" },
	[COUNT_MDNS_FORBIDDEN] = { "mdns.forbidden",
		"announcements whose text a rule did not accept" },
	[COUNT_MDNS_FLOOD] = { "mdns.flood", "those beyond what a host may say in a second" },
	[COUNT_SERVERLESS_FROM] = { "serverless.from",
		"serverless streams opened under a name that is announced elsewhere" },
	[COUNT_HTTP_OTHER] = { "http.other", "HTTP messages that carry no BOSH" },
	[COUNT_BOSH] = { "bosh.all", "BOSH bodies, both ways" },
	[COUNT_BOSH_AGAIN] = { "bosh.again",
		"BOSH requests sent again after they were answered: judged, not counted" },
	[COUNT_BOSH_UNKNOWN] = { "bosh.unknown",
		"BOSH requests of a session whose beginning was not seen" },
	[COUNT_BOSH_SCATTERED] = { "bosh.scattered", "stanzas with the line of a chunk inside" },
	[COUNT_BOSH_EVICTED] = { "bosh.evicted",
		"BOSH sessions forgotten because the table was full" },
};

const char *count_name(enum count which)
{
	return table[which].name;
}

const char *count_doc(enum count which)
{
	return table[which].doc;
}
