#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The same as soak_slixmpp.py on nbxmpp (Gajim's library, on GLib's sockets and TLS).

nbxmpp forgets the session it would resume when a connection ends with </stream:stream> before anything was resumed on it
(smacks.close_session); here it does so only for streams that were up. Nothing else is changed."""
import collections
import json
import logging
import os
import random
import socket
import sys
import threading
import time

import gi
gi.require_version("Soup", "3.0")
from gi.repository import GLib  # noqa: E402
from nbxmpp.client import Client  # noqa: E402
from nbxmpp.const import ConnectionProtocol, ConnectionType, StreamState  # noqa: E402
from nbxmpp.protocol import Message, Presence  # noqa: E402
from nbxmpp.structs import StanzaHandler  # noqa: E402

KINDS = ["keep"] * 5 + ["dropin", "dropout", "bouncein", "bounceout"]
BACK_MS = (20, 300)


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def note(user, *what):
    """The diary, for whoever wants to know how it came: standard error, kept by soak_sm.py --keep."""
    print(f"{time.time():.3f}", user.spec["jid"], *what, file=sys.stderr)


class User:
    def __init__(self, spec, seed):
        self.spec, self.random = spec, random.Random(f"{seed} {spec['jid']}")
        self.sent, self.got, self.errors = {}, collections.Counter(), collections.Counter()
        self.cycles = self.resumed = self.failed = self.sessions = self.number = 0
        self.passed, self.trouble, self.up, self.going, self.waiting = [], [], False, False, False
        account, resource = spec["jid"].split("/")
        name, domain = account.split("@")
        c = self.client = Client(log_context=spec["jid"])
        c.set_domain(domain)
        c.set_username(name)
        c.set_resource(resource)
        c.set_password(spec["password"])
        c.set_ignore_tls_errors(True)
        c.set_custom_host(f"{spec['address']}:5222", ConnectionProtocol.TCP, ConnectionType.START_TLS)
        for signal, handler in (("connected", self.on_connected), ("resume-successful", self.on_resumed),
                                ("resume-failed", self.on_failed), ("disconnected", self.on_gone),
                                ("connection-failed", self.on_gone)):
            c.subscribe(signal, handler)
        c.register_handler(StanzaHandler(name="message", callback=self.on_message))
        close = c._smacks.close_session
        c._smacks.close_session = lambda: close() if self.up else None
        count = c._smacks.count_incoming
        c._smacks.count_incoming = lambda name: count(name) if name in ("message", "presence", "iq") else self.odd(name)
        c.connect()
        GLib.timeout_add(10, self.step)

    def odd(self, name):
        if name not in ("a", "r", "enabled", "resumed"):
            self.trouble.append(f"uncounted: {name}")

    def on_connected(self, *_):
        self.sessions += 1
        self.client.send_stanza(Presence())

    def on_resumed(self, *_):
        self.resumed += 1
        note(self, "resumed", "it has", self.client._smacks._acked_h, "we have", self.client._smacks._in_h)

    def on_failed(self, *_):
        self.failed += 1
        self.trouble.append("failed")

    def on_gone(self, *_):
        note(self, "gone")
        if self.up and self.client.has_error:
            self.trouble.append(f"ended: {self.client.get_error()}"[:400])
        self.up = False
        if not self.waiting:
            self.waiting = True
            GLib.timeout_add(self.random.randint(*BACK_MS), self.back)

    def back(self):
        if self.client.state == StreamState.DISCONNECTED:
            self.waiting = False
            self.client.connect()
            return False
        return True

    def on_message(self, _client, stanza, _properties):
        number = (stanza.getID() or "").split("-")
        if stanza.getType() == "error":
            if number[0] == "soak":
                self.errors[number[1]] += 1
                note(self, "error", *number[1:])
        elif (stanza.getBody() or "").startswith("soak "):
            number, kind = stanza.getBody().split()[1:]
            note(self, "got", number, kind, "from", stanza.getFrom())
            if kind != "keep":
                self.passed.append(f"{number} {kind}")
            if str(stanza.getFrom()) == self.spec["peer"] and str(stanza.getTo()) == self.spec["jid"]:
                self.got[number] += 1
            else:
                self.trouble.append(f"a stray message from {stanza.getFrom()} to {stanza.getTo()}: {number} {kind}")

    def write(self):
        number, kind = str(self.number + 1), self.random.choice(KINDS)
        message = Message(self.spec["peer"], f"soak {number} {kind}", typ="chat")
        message.setID(f"soak-{number}-{kind}")
        self.number += 1
        self.sent[number] = kind
        note(self, "sent", number, kind)
        self.client.send_stanza(message)

    def cut(self):
        with socket.socket(fileno=os.dup(self.client._con._con.get_socket().get_fd())) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.client._con._con.get_socket().close()
        self.up = False
        self.cycles += 1

    def step(self):
        smacks = self.client._smacks
        self.up = self.client.state == StreamState.ACTIVE and smacks.enabled and self.client._con is not None and \
            not self.waiting
        if self.going and self.up:
            for _ in range(self.random.randint(1, 8)):
                self.write()
            if self.random.random() < 0.5:
                GLib.timeout_add(self.random.choice((1, 5, 20, 100)), self.cut_later)
        GLib.timeout_add(self.random.choice((50, 100, 200)), self.step)
        return False

    def cut_later(self):
        if self.up and self.client._con is not None:
            self.cut()
        return False

    def report(self):
        smacks = self.client._smacks
        if not self.going and self.up:
            smacks._request_ack()
        return {"sent": self.sent, "got": self.got, "errors": self.errors, "cycles": self.cycles, "resumed": self.resumed,
                "failed": self.failed, "sessions": self.sessions, "passed": self.passed, "trouble": self.trouble[:5], "up": self.up,
                "queue": len(smacks._uqueue) + len(smacks._old_uqueue)}


class Soak:
    def __init__(self, loop):
        self.loop, self.users = loop, []

    def do(self, order):
        what = order["do"]
        if what == "users":
            self.users = [User(spec, order["seed"]) for spec in order["list"]]
            GLib.timeout_add(20, self.wait_ready)
        elif what in ("go", "stop"):
            for user in self.users:
                user.going = what == "go"
            say(done=what)
        elif what == "report":
            say(users={u.spec["jid"]: u.report() for u in self.users})
        return False

    def wait_ready(self):
        if not all(u.up for u in self.users):
            return True
        say(ready=len(self.users))
        return False


def main():
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    loop = GLib.MainLoop()
    soak = Soak(loop)

    def read():
        for line in sys.stdin:
            GLib.idle_add(soak.do, json.loads(line))
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
