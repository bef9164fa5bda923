# SPDX-License-Identifier: BSD-2-Clause
"""Honest traffic over bad lines on both sides of the firewall arrives unharmed: numbered stanzas in both directions of component
and client streams in clear text, while each line loses 5 %, delays 5 % and doubles 2 % of the packets, byte for byte equal.

Here 8,000 stanzas; XMPPWALL_LOSS_STANZAS=100000 is the long form (half a minute). The same once more through a program that
accepts every packet shows that the lines and the talkers are not to blame."""
import contextlib
import os
import random
import shutil
import socket
import threading

import pytest

import wall as walls
from bridge import BadLine
from lab import Lab, Process, wait_for

STANZAS = int(os.environ.get("XMPPWALL_LOSS_STANZAS", "8000"))
SEED = int(os.environ.get("XMPPWALL_LOSS_SEED", "1"))
CONNECTIONS, SERVER = 20, "198.51.100.10"
PORTS = {"component": 5347, "c2s": 5222}
CONFIG = """
service component { listen tcp { 5347 }; mode inspect; tls none; }
service c2s { listen tcp { 5222 }; mode inspect; tls none; }
set words { type keyword; flags fold; elements = { "free crypto", "act now" }; }
chain inbound { hook component, c2s; policy accept; rule spam { message text contains @words drop, log } }
"""
COMPONENT = ("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' {}>")
CLIENT = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' {} version='1.0'>")
# What each side says before stanzas, in turn, and the last words of the turn: the client begins.
TALK = {
    "component": [COMPONENT.format("to='irc.padua.example'"), COMPONENT.format("from='irc.padua.example' id='s1'"),
                  "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>", "<handshake/>"],
    "c2s": [CLIENT.format("to='padua.example'"),
            CLIENT.format("from='padua.example' id='s1'")
            + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGJpYW5jYQBsdXRl</auth>",
            "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
            CLIENT.format("to='padua.example'"),
            CLIENT.format("from='padua.example' id='s2'") + "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
            "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>a</resource></bind></iq>",
            "<iq type='result' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>bianca@padua.example/a</jid></bind></iq>"],
}
END = b"</stream:stream>"
WORDS = "the quick brown fox jumps over a lazy dog while seven wizards quietly box my five dozen liquor jugs at noon".split()


def script(kind, side, number, count):
    """Everything one side says after the login."""
    luck = random.Random(f"{SEED} {kind} {side} {number}")
    out = []
    for i in range(count):
        body = " ".join(luck.choices(WORDS, k=luck.choice((3, 20, 40, 40, 200)))) + " \u00e9\u4e2d"
        out.append(f"<message from='a{number}@irc.padua.example' to='b@padua.example' type='chat' id='{side}{i}'><body>{i} {body}</body></message>".encode())
    return out + [END]


class Talk:
    """One connection: both sides log in, then say all they have at once, and hear the other to its end."""

    def __init__(self, lab, kind, number, count):
        self.lab, self.kind, self.number, self.error = lab, kind, number, None
        self.says = [script(kind, side, number, count) for side in "cs"]
        self.heard = [None, None]
        self.ends, self.accepted = [], threading.Event()
        self.dialer = threading.Thread(target=self._guard, args=(self._log_in,), daemon=True)
        self.threads = [threading.Thread(target=self._guard, args=(work, side), daemon=True) for side in (0, 1) for work in (self._say, self._hear)]

    def _guard(self, work, *side):
        try:
            work(*side)
        except Exception as error:
            self.error = self.error or f"{self.kind}, side {side}, {work.__name__}: {error!r}"

    def accept(self, end):
        """The server's end of it."""
        self.ends.append(end)
        self.accepted.set()

    def _log_in(self):
        address = f"192.0.2.{11 + self.number % 20}"
        self.ends.append(self.lab.client.connect(SERVER, PORTS[self.kind], source=address, timeout=60))
        assert self.accepted.wait(60)
        self.ends.sort(key=lambda end: end.getsockname() != (address, end.getsockname()[1]))
        for end in self.ends:
            end.settimeout(60)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.number % 2)
        for turn, text in enumerate(TALK[self.kind]):
            self.ends[turn % 2].sendall(text.encode())
            got = b""
            while len(got) < len(text):
                chunk = self.ends[1 - turn % 2].recv(len(text.encode()) - len(got))
                assert chunk, f"ended in turn {turn}"
                got += chunk
            assert got == text.encode()

    def _say(self, side):
        luck = random.Random(side)
        data, at = b"".join(self.says[side]), 0
        while at < len(data):
            size = luck.choice((300, 1400, 1400, 9000))
            self.ends[side].sendall(data[at:at + size])
            at += size
        self.ends[side].shutdown(socket.SHUT_WR)

    def _hear(self, side):
        got = []
        while chunk := self.ends[1 - side].recv(65536):
            got.append(chunk)
        self.heard[side] = b"".join(got)

    def close(self):
        for end in self.ends:
            end.close()

    def check(self):
        assert not self.error, self.error
        for side in (0, 1):
            said = b"".join(self.says[side])
            if self.heard[side] != said:
                heard = self.heard[side] or b""
                at = next((i for i, (a, b) in enumerate(zip(heard, said)) if a != b), min(len(heard), len(said)))
                raise AssertionError(f"{self.kind}, side {side}: {len(heard)} of {len(said)} bytes, other from {at} on: "
                                     f"{heard[at:at + 80]!r} for {said[at:at + 80]!r}")


@contextlib.contextmanager
def accept_all(lab):
    for way in ("--dports", "--sports"):
        lab.firewall.run("iptables", "-A", "FORWARD", "-p", "tcp", "-m", "multiport", way, "5347,5222", "-j", "NFQUEUE", "--queue-num", 5298)
    process = lab.add(Process(lab.firewall, lab.folder / "accept.log", walls.BUILD / "bin/queue_accept", 5298))
    wait_for(lambda: "ready" in process.text(), 10, "queue_accept")
    yield None


@contextlib.contextmanager
def inspector(lab):
    wall = walls.Wall(lab)
    wall.write(**{"xmppwall.conf": CONFIG})
    lab.add(wall)
    wall.start()
    yield wall


@pytest.mark.parametrize("between", [accept_all, inspector], ids=["accept-all", "xmppwall-nfq"])
def test_honest_traffic_over_bad_lines(between):
    if os.geteuid() != 0 or not shutil.which("ethtool"):
        pytest.skip("needs root and ethtool")
    with Lab() as lab, contextlib.ExitStack() as stack:
        lines = [BadLine(lab, "clients", SEED), BadLine(lab, "servers", SEED + 1)]
        for host, routes in ((lab.client, ("default via 192.0.2.1",)), (lab.server, ("default via 198.51.100.1",))):
            for route in routes:
                host.run("ip", "route", "change", *route.split(), "rto_min", "10ms")
        wall = stack.enter_context(between(lab))
        listeners = {}
        for kind, port in PORTS.items():
            listeners[kind] = stack.enter_context(lab.server.socket())
            listeners[kind].settimeout(60)
            listeners[kind].bind((SERVER, port))
            listeners[kind].listen(64)
        count = STANZAS // CONNECTIONS // 2
        talks = [Talk(lab, ("component", "c2s")[number % 2], number, count) for number in range(CONNECTIONS)]
        for talk in talks:
            stack.callback(talk.close)
            talk.dialer.start()
        for talk in talks:
            end, (address, _) = listeners[talk.kind].accept()
            next(t for t in talks if address == f"192.0.2.{11 + t.number}").accept(end)
        for talk in talks:
            talk.dialer.join(60)
            assert not talk.dialer.is_alive() and not talk.error, talk.error
        for talk in talks:
            for thread in talk.threads:
                thread.start()
        for talk in talks:
            for thread in talk.threads:
                thread.join(50 + STANZAS // 200)
                assert not thread.is_alive(), "a stream hangs"
        for talk in talks:
            talk.check()
        counts = [line.close() for line in lines]
        for c in counts:
            assert c["lost"] > c["packets"] * 0.03 and c["delayed"] > c["packets"] * 0.03 and c["doubled"] > c["packets"] * 0.01, c
        if wall:
            # As many as were said: a login by SASL takes an iq each way.
            said = CONNECTIONS * 2 * (STANZAS // CONNECTIONS // 2) + CONNECTIONS // 2 * 2
            wait_for(lambda: wall.ctl("status")["counters"]["verdict.accept"] == said, 10, "all to be counted")
            counters = wall.ctl("status")["counters"]
            assert not any(counters[f"verdict.{v}"] for v in ("drop", "reject", "close")), counters
            assert counters["inspect.flow.killed"] == 0 and wall.events() == []
