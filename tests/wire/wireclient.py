#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""One user on an unmodified slixmpp, led by JSON lines: orders on standard input, what it saw on standard output.

    {"do":"connect","jid":…,"password":…,"address":…,"port":5222,"direct":false,"source":…,"ca":…,"plugins":[…]}
    {"do":"send","xml":…}   {"do":"message","to":…,"body":…,"receipt":true}   {"do":"roster"}   {"do":"mam"}
    {"do":"join","room":…,"nick":…}   {"do":"carbons"}   {"do":"cut"}   {"do":"resume"}   {"do":"close"}

Answers {"done":N,"result":…} or {"done":N,"error":…}; events {"event":NAME,"xml"|"text":…} as they come. Names resolve to the
address ordered (with "dns": by SRV records, asked of the namespace's name server) and the source address is bound; slixmpp itself is as Debian ships it."""
import asyncio
import datetime
import json
import logging
import socket
import ssl
import sys
import threading
import xml.etree.ElementTree as ET

import slixmpp

PLUGINS = ["xep_0030", "xep_0045", "xep_0059", "xep_0184", "xep_0199", "xep_0280", "xep_0297", "xep_0313"]
EVENTS = ["session_start", "session_resumed", "session_end", "disconnected", "connection_failed", "failed_auth",
          "failed_all_auth", "ssl_invalid_chain", "stream_error", "sm_enabled", "sm_failed", "tls_success", "auth_success",
          "carbon_received", "carbon_sent", "receipt_received", "stanza_acked", "killed"]


def say(**what):
    sys.stdout.write(json.dumps(what, ensure_ascii=True) + "\n")
    sys.stdout.flush()


class Loop:
    """The loop's two doors to the network: a hosts file of one line, and the source address."""

    def __init__(self, loop):
        self.names, self.source = {}, None
        self.lookup, self.dial = loop.getaddrinfo, loop.create_connection
        loop.getaddrinfo, loop.create_connection = self.getaddrinfo, self.create_connection

    async def getaddrinfo(self, host, port, **kwargs):
        return await self.lookup(self.names.get(host, host), port, **kwargs)

    async def create_connection(self, factory, host=None, port=None, **kwargs):
        local = (self.source, 0) if self.source else None
        return await self.dial(factory, self.names.get(host, host), port, local_addr=local, **kwargs)


class User:
    def __init__(self, loop):
        self.loop, self.network, self.xmpp = loop, Loop(loop), None

    async def connect(self, jid, password, address, port, ca, direct=False, source=None, plugins=(), mechanism=None,
                      tls=None):
        self.named = address == "dns"
        self.network.names = {} if self.named else {jid.split("/")[0].split("@")[1]: address}
        self.network.source = None if self.named else source
        self.where = (jid.split("/")[0].split("@")[1], port, direct)
        x = self.xmpp = slixmpp.ClientXMPP(jid, password, sasl_mech=mechanism)
        x.use_aiodns, x.ca_certs, x.auto_reconnect, x.default_port = self.named, ca, False, port
        if tls:
            x.ssl_context.minimum_version = x.ssl_context.maximum_version = ssl.TLSVersion[tls]
        for plugin in [*PLUGINS, *plugins]:
            x.register_plugin(plugin, {"window": 1} if plugin == "xep_0198" else {})
        for name in EVENTS:
            x.add_event_handler(name, lambda data, name=name: say(event=name, text=str(data)[:4000]))
        x.add_filter("in", self.saw)
        self.dial()

    def dial(self):
        domain, port, direct = self.where
        if self.named:
            self.xmpp.connect(use_ssl=direct, force_starttls=not direct, disable_starttls=direct)
            self.xmpp.dns_service = "xmpps-client" if direct else "xmpp-client"
            return
        self.xmpp.connect((domain, port), use_ssl=direct, force_starttls=not direct, disable_starttls=direct)

    def saw(self, stanza):
        say(event=stanza.name, xml=str(stanza))
        return stanza

    async def tls(self):
        tls = self.xmpp.transport.get_extra_info("ssl_object")
        return {"version": tls.version(), "cipher": tls.cipher(), "certificate": tls.getpeercert()}

    async def mechanism(self):
        return self.xmpp["feature_mechanisms"].mech.name

    async def send(self, xml):
        self.xmpp.send_raw(xml)

    async def stanza(self, xml):
        """Through slixmpp's own stanza objects, so that stream management counts and resends it."""
        element = ET.fromstring(xml.replace("<message", "<message xmlns='jabber:client'", 1))
        self.xmpp.send(slixmpp.Message(self.xmpp, element))

    async def message(self, to, body, kind="chat", receipt=False, id=None):
        m = self.xmpp.make_message(to, body, mtype=kind)
        m["id"] = id or m["id"] or self.xmpp.new_id()
        if receipt:
            m["request_receipt"] = True
        m.send()
        return m["id"]

    async def presence(self, **kwargs):
        self.xmpp.send_presence(**kwargs)

    async def roster(self):
        answer = await self.xmpp.get_roster(timeout=15)
        return sorted(str(jid) for jid in answer["roster"]["items"])

    async def roster_add(self, jid, name):
        await self.xmpp.update_roster(jid, name=name)

    async def join(self, room, nick):
        await self.xmpp["xep_0045"].join_muc_wait(room, nick, timeout=20, maxchars=0)
        return self.xmpp["xep_0045"].get_roster(room)

    async def carbons(self):
        await self.xmpp["xep_0280"].enable(timeout=15)

    async def mam(self, with_jid=None, since=0):
        start = datetime.datetime.fromtimestamp(since, datetime.timezone.utc)
        answer = await self.xmpp["xep_0313"].retrieve(with_jid=with_jid, start=start, timeout=15)
        return [str(m["mam_result"]["forwarded"]["stanza"]["body"]) for m in answer["mam"]["results"]]

    async def ping(self, jid=None):
        return await self.xmpp["xep_0199"].ping(jid, timeout=15)

    async def cut(self):
        """The TCP connection dies without a word of XMPP."""
        raw = self.xmpp.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.xmpp.transport.abort()

    async def resume(self):
        self.dial()

    async def close(self):
        await self.xmpp.disconnect(wait=5)


async def obey(user, order):
    number = order.pop("n")
    try:
        say(done=number, result=await getattr(user, order.pop("do"))(**order))
    except Exception as error:  # a stanza error is an answer too; the test judges it
        say(done=number, error=f"{type(error).__name__}: {error}", xml=str(getattr(error, "iq", "") or getattr(error, "presence", "")))


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    user = User(loop)

    def read():
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(obey(user, json.loads(line)), loop)
        loop.call_soon_threadsafe(loop.stop)

    threading.Thread(target=read, daemon=True).start()
    say(event="ready", text="")
    loop.run_forever()


if __name__ == "__main__":
    main()
