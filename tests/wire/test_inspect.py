# SPDX-License-Identifier: BSD-2-Clause
"""The inspector on a router: clear text judged in flight by the daemon's own table, child and commands."""
import contextlib
import os
import signal
import socket
import threading

import pytest

from lab import client_address, wait_for
from wall import Wall

POLICY = """
service component { listen tcp { 5276 }; mode inspect; tls none; }
service c2s       { listen tcp { 5222 }; mode inspect; tls optional; }
inspect { queues 2; }
set words { type keyword; file "words.txt"; }
chain inbound {
    hook any; policy accept;
    rule spam  { message body contains @words        drop }
    rule pest  { message body contains "pest"        drop, strike 1 }
    rule mask  { message body contains "balcony"     replace "***" }
    rule ask   { iq payload.ns == "urn:forbidden"    reject forbidden }
    rule shut  { message body contains "guillotine"  close policy-violation }
    rule keep  { message body contains "poison"      quarantine }
}
punish peer { 3 strikes within 1m; ban 1h; }
"""
HEADER = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' {}>"
SERVER = "198.51.100.10"


def message(body):
    return f"<message from='a@irc.example' to='b@verona.example'><body>{body}</body></message>"


class Server:
    """Takes components by their header and handshake, and remembers what it reads."""

    def __init__(self, lab, port=5276):
        self.listener = lab.server.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((SERVER, port))
        self.listener.listen(16)
        self.got, self.peers, self.ends = "", [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer = self.listener.accept()[0]
                self.peers.append(peer)
                threading.Thread(target=self._read, args=(peer,), daemon=True).start()

    def _read(self, peer):
        greeted = False
        try:
            while data := peer.recv(65536):
                self.got += data.decode()
                if not greeted and "<stream:stream" in self.got:
                    greeted = True
                    peer.sendall((HEADER.format("from='irc.example' id='1'") + "<handshake/>").encode())
            self.ends.append("closed")
        except OSError as error:
            self.ends.append(type(error).__name__)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for s in (self.listener, *self.peers):
            s.close()


class Component:
    def __init__(self, lab, source=None):
        self.socket = lab.client.connect(SERVER, 5276, source=source)
        self.socket.settimeout(5)
        self.say(HEADER.format("to='irc.example'") + "<handshake>aa</handshake>")
        self.got = self.hear("<handshake/>")

    def say(self, text):
        self.socket.sendall(text.encode())

    def hear(self, end):
        got = ""
        while end not in got:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(got)
            got += data.decode()
        return got

    def is_ended(self, seconds=5):
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@pytest.fixture(scope="module")
def wall(lab):
    made = Wall(lab, "inspect")
    made.write(**{"xmppwall.conf": POLICY, "words.txt": "casino\n"})
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def server(lab, wall):
    made = Server(lab)
    yield made
    made.close()


@pytest.fixture
def component(lab, server):
    made = Component(lab)
    yield made
    made.socket.close()


def inspectors(wall):
    return [c for c in wall.ctl("status")["workers"] if c["name"] == "xmppwall-nfq"]


def arrives(server, text, seconds=5):
    wait_for(lambda: text in server.got, seconds, f"{text[:60]} to arrive in {server.got[-200:]}")


def test_forwarded_and_dropped(wall, server, component):
    component.say(message("hello") + message("to the casino") + message("there"))
    arrives(server, message("there"))
    assert message("hello") in server.got and "casino" not in server.got
    assert " " * len(message("to the casino")) in server.got
    server.peers[0].sendall(message("and back, casino").encode() + message("yes").encode())
    assert "casino" not in component.hear(message("yes"))
    event = wall.event(rule="spam")
    assert event["xmpp"]["act"] == "blanked"
    assert event["src_ip"] == client_address(11) and event["dest_port"] == 5276


def test_in_pieces(server, component):
    text = message("one") + message("casino") + message("two")
    component.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(text), 40):
        component.say(text[at:at + 40])
    arrives(server, message("two"))
    assert "casino" not in server.got


def test_changed_and_answered(server, component):
    component.say(message("on the balcony"))
    arrives(server, "***")
    assert "balcony" not in server.got
    component.say("<iq type='get' id='q1' from='a@irc.example' to='verona.example'><query xmlns='urn:forbidden'>words</query></iq>")
    arrives(server, "urn:xmppwall:refused")
    assert "urn:forbidden" not in server.got and 'id="q1"' in server.got


def test_closed(wall, server, component):
    component.say(message("guillotine"))
    assert component.is_ended()
    wait_for(lambda: server.ends, 5, "the server to learn it")
    assert "guillotine" not in server.got
    assert wall.event(rule="shut")["xmpp"]["act"] == "killed"


def test_bad_stream(wall, server, component):
    component.say("<!DOCTYPE x>")
    assert component.is_ended()
    assert "DOCTYPE" not in server.got
    assert wall.event(rule="xml.doctype")["alert"]["signature"] == "protocol/xml.doctype"


def test_list_edit(wall, server, component):
    component.say(message("nightingale"))
    arrives(server, "nightingale")
    wall.ctl("list", "add", "words", "nightingale")
    component.say(message("a second nightingale") + message("lark"))
    arrives(server, "lark")
    assert server.got.count("nightingale") == 1
    wall.ctl("list", "del", "words", "nightingale")


def test_quarantine(wall, server, component):
    component.say(message("poison") + message("sleep"))
    arrives(server, "sleep")
    assert "poison" not in server.got
    wait_for(lambda: wall.ctl("quarantine", "list"), 5, "the quarantine")


def test_looking(wall, server, component):
    component.say(message("hello"))
    arrives(server, "hello")
    [row] = wall.sessions()
    assert row["service"] == "component" and row["state"] == "online" and row["address"] == client_address(11)
    [child] = inspectors(wall)
    assert child["state"] == "ready" and "seccomp" in child["sandbox"]
    counters = wall.ctl("status")["counters"]
    assert counters["inspect.packet.all"] > 0 and counters["stanza.in"] > 0
    wall.ctl("ban", "192.0.2.77")
    wall.ctl("unban", "192.0.2.77")


def test_reload(wall, server, component):
    wall.write(**{"xmppwall.conf": POLICY.replace('"balcony"', '"orchard"')})
    wall.ctl("reload")
    component.say(message("balcony") + message("orchard") + message("end"))
    arrives(server, message("end"))
    assert "balcony" in server.got and "orchard" not in server.got
    wall.write(**{"xmppwall.conf": POLICY})
    wall.ctl("reload")


def test_strikes_ban(lab, wall, server):
    who = client_address(17)
    peer = Component(lab, source=who)
    peer.say(message("pest") * 3)
    wait_for(lambda: who in wall.bans(), 5, "the ban")
    assert who in wall.blocked()
    wall.ctl("unban", who)
    peer.socket.close()


def test_killed(lab, wall, server, component):
    """Closed until another one is there; then a stream whose beginning it has not seen ends."""
    before = inspectors(wall)[0]["pid"]
    os.kill(before, signal.SIGKILL)
    component.say(message("casino"))
    wait_for(lambda: inspectors(wall)[0]["state"] == "ready" and inspectors(wall)[0]["pid"] != before, 10, "another inspector")
    assert component.is_ended(10)
    assert "casino" not in server.got
    again = Component(lab)
    again.say(message("still here"))
    arrives(server, "still here")
    again.socket.close()


def test_top(lab, wall, server, component):
    """The inspector's streams are added up as the proxy's are."""
    for number in range(3):
        component.say(message(f"number {number}"))
    component.say(message("casino"))
    wait_for(lambda: "number 2" in server.got, 5, "them to pass")
    ours = f"{component.socket.getsockname()[0]}"
    top = wait_for(lambda: (t := wall.ctl("top")) and any(p["address"] == ours and p["dropped"] for p in t["peers"]) and t, 5, "it in top")
    peer = next(p for p in top["peers"] if p["address"] == ours)
    assert (peer["sessions"], peer["online"], peer["in"]) == (1, 1, 4)
    assert next(s for s in top["sessions"] if s["address"] == ours)["in"] == 4
    assert any(w["name"] == "xmppwall-nfq" and w["memory"] > 1 << 20 for w in top["workers"])
