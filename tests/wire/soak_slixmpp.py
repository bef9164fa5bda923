#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Users on slixmpp with stream management, who write numbered messages to each other and lose their connections again and again.

Led by JSON lines on standard input, one object a line:
    {"do":"users","list":[{"jid","password","address","source","peer"}],"ca":…,"seed":…}   log in; answers {"ready":n}
    {"do":"go"}   {"do":"stop"}   write and be cut; be quiet, but stay
    {"do":"report"}               answers {"users":{jid:{"sent":{number:kind},"got":{…},"errors":{…},…}}}

slixmpp 1.8.3 empties its queue when it sends <resume/> (xep_0198, _handle_outgoing) and would lose what it has not had
acknowledged; the queue here keeps it. Nothing else is changed."""
import asyncio
import collections
import json
import logging
import random
import socket
import sys
import threading
import time

import slixmpp

KINDS = ["keep"] * 5 + ["dropin", "dropout", "bouncein", "bounceout"]
BACK_SECONDS, STUCK_SECONDS = (0.02, 0.3), 20


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def note(user, *what):
    """The diary, for whoever wants to know how it came: standard error, kept by soak_sm.py --keep."""
    print(f"{time.time():.3f}", user.spec["jid"], *what, file=sys.stderr)


class Queue(collections.deque):
    """What is not acknowledged, over a resumption; and what has ever been in it was sent."""

    def __init__(self, user):
        super().__init__()
        self.user = user

    def clear(self):
        if not self.user.resuming:
            super().clear()

    def append(self, item):
        super().append(item)
        stanza = item[1]
        if isinstance(stanza, slixmpp.Message) and stanza["id"].startswith("soak-"):
            number, kind = stanza["id"].split("-")[1:]
            self.user.sent[number] = kind
            note(self.user, "sent", number, kind, "as", item[0])


class User:
    def __init__(self, loop, spec, ca, seed):
        self.loop, self.spec, self.random = loop, spec, random.Random(f"{seed} {spec['jid']}")
        self.sent, self.got, self.errors = {}, collections.Counter(), collections.Counter()
        self.cycles = self.resumed = self.failed = self.sessions = self.number = 0
        self.passed, self.trouble, self.up, self.resuming, self.going = [], [], asyncio.Event(), False, False
        self.changed, self.timer = asyncio.Event(), None
        x = self.xmpp = slixmpp.ClientXMPP(spec["jid"], spec["password"])
        x.use_aiodns, x.ca_certs, x.auto_reconnect, x.default_port = False, ca, False, 5222
        x.register_plugin("xep_0030")
        x.register_plugin("xep_0199")
        x.register_plugin("xep_0198", {"window": self.random.choice((1, 2, 5))})
        self.sm = x["xep_0198"]
        self.sm.unacked_queue = Queue(self)
        for name, handler in (("session_start", self.on_start), ("sm_enabled", self.on_enabled),
                              ("session_resumed", self.on_resumed), ("sm_failed", self.on_failed),
                              ("disconnected", self.on_gone), ("connection_failed", self.on_gone),
                              ("stream_error", self.on_error), ("message", self.on_message),
                              ("message_error", self.on_message), ("failed_all_auth", self.on_error)):
            x.add_event_handler(name, handler)
        self.dial()

    def dial(self):
        self.timer = None
        domain = self.spec["jid"].split("/")[0].split("@")[1]
        self.xmpp.connect((domain, 5222), use_ssl=False, force_starttls=True, disable_starttls=False)

    def on_start(self, _):
        self.sessions += 1
        self.xmpp.send_presence()

    def on_enabled(self, _):
        self.resuming = True
        self.up.set()

    def on_resumed(self, _):
        self.resumed += 1
        note(self, "resumed", "it has", self.sm.last_ack, "we have", self.sm.handled, "again", [
            stanza["id"] for _, stanza in self.sm.unacked_queue])
        self.up.set()

    def on_failed(self, stanza):
        self.failed += 1
        self.trouble.append(f"failed: {stanza}"[:400])

    def on_error(self, stanza):
        """A connection may die while it is made; one that was up may not hear of errors."""
        if self.up.is_set():
            self.trouble.append(f"stream error: {stanza}"[:400])

    def on_gone(self, _):
        note(self, "gone")
        self.up.clear()
        self.changed.set()
        if not self.timer:  # an end may be told of twice, and two connections of one client are one too many
            self.timer = self.loop.call_later(self.random.uniform(*BACK_SECONDS), self.dial)

    def on_message(self, message):
        if message["type"] == "error":
            if message["id"].startswith("soak-"):
                self.errors[message["id"].split("-")[1]] += 1
                note(self, "error", message["id"], "as", self.sm.handled)
        elif message["body"].startswith("soak "):
            number, kind = message["body"].split()[1:]
            note(self, "got", number, kind, "as", self.sm.handled, "from", message["from"])
            if kind != "keep":
                self.passed.append(f"{number} {kind}")
            # An account has several users here: what one of them missed its server may give to another.
            if str(message["from"]) == self.spec["peer"] and str(message["to"]) == self.spec["jid"]:
                self.got[number] += 1
            else:
                self.trouble.append(f"a stray message from {message['from']} to {message['to']}: {number} {kind}")

    def write(self):
        self.number += 1
        kind = self.random.choice(KINDS)
        message = self.xmpp.make_message(self.spec["peer"], f"soak {self.number} {kind}")
        message["id"] = f"soak-{self.number}-{kind}"
        message.send()

    def cut(self):
        raw = self.xmpp.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.xmpp.transport.abort()

    async def run(self):
        while True:
            try:
                await asyncio.wait_for(self.up.wait(), STUCK_SECONDS)
            except asyncio.TimeoutError:
                # A connection that dies inside its TLS handshake is not always told of.
                self.xmpp.abort()
                self.on_gone(None)
                continue
            if not self.going:
                await asyncio.sleep(0.05)
                continue
            for _ in range(self.random.randint(1, 8)):
                if self.up.is_set():
                    self.write()
                if self.random.random() < 0.3:
                    await asyncio.sleep(self.random.uniform(0, 0.02))
            await asyncio.sleep(self.random.choice((0, 0.001, 0.005, 0.02, 0.1)))
            if self.up.is_set() and self.xmpp.transport and self.random.random() < 0.7:
                self.changed.clear()
                self.cut()
                await self.changed.wait()
                self.cycles += 1

    def report(self):
        return {"sent": self.sent, "got": self.got, "errors": self.errors, "cycles": self.cycles, "resumed": self.resumed,
                "failed": self.failed, "sessions": self.sessions, "passed": self.passed, "trouble": self.trouble[:5], "up": self.up.is_set(),
                "queue": len(self.sm.unacked_queue)}


class Soak:
    def __init__(self, loop):
        self.loop, self.users, self.hosts, self.sources = loop, [], {}, {}
        self.lookup, self.connect = loop.getaddrinfo, loop.create_connection
        loop.getaddrinfo = self.getaddrinfo

    async def getaddrinfo(self, host, port, **kwargs):
        return await self.lookup(self.hosts.get(host, host), port, **kwargs)

    async def do(self, order):
        what = order["do"]
        if what == "users":
            for spec in order["list"]:
                self.hosts[spec["jid"].split("/")[0].split("@")[1]] = spec["address"]
            self.users = [User(self.loop, spec, order["ca"], order["seed"]) for spec in order["list"]]
            await asyncio.wait_for(asyncio.gather(*(u.up.wait() for u in self.users)), 60)
            self.tasks = [asyncio.ensure_future(u.run()) for u in self.users]
            say(ready=len(self.users))
        elif what in ("go", "stop"):
            for user in self.users:
                user.going = what == "go"
                if what == "stop" and user.up.is_set():
                    user.sm.request_ack()
            say(done=what)
        elif what == "report":
            for user in self.users:
                if not user.going and user.up.is_set():
                    user.sm.request_ack()
            say(users={u.spec["jid"]: u.report() for u in self.users})


def main():
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    soak = Soak(loop)

    def read():
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(soak.do(json.loads(line)), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)

    threading.Thread(target=read, daemon=True).start()
    loop.run_forever()


if __name__ == "__main__":
    main()
